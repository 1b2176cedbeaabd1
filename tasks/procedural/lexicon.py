"""Names, and the sentences around a scenario that say nothing about any step.

In ``train``, ``validation`` and ``test`` framing and closing go with the label as habits of writing
do in real files: words of alarm around a violation, words of praise around a clean run. The two
adversarial types break that habit; in ``heldout`` every frame, word and closing stands equally
often under both labels.
"""

from __future__ import annotations

FIRST_NAMES = (
    "Amina", "Anders", "Beatriz", "Bogdan", "Carmen", "Cheng", "Dalia", "Davor", "Elena", "Emeka",
    "Farah", "Felix", "Greta", "Hiroshi", "Ines", "Ivan", "Jamal", "Jolana", "Kavita", "Kofi",
    "Lena", "Luca", "Maeve", "Marek", "Nadia", "Nils", "Olga", "Omar", "Paula", "Pedro",
    "Quentin", "Rania", "Ravi", "Sanna", "Stefan", "Tamar", "Tomas", "Ursula", "Viktor", "Wanda",
    "Xavier", "Yara", "Yusuf", "Zora",
)  # fmt: skip
LAST_NAMES = (
    "Adeyemi", "Almeida", "Andersson", "Bakker", "Banerjee", "Castillo", "Dimitrov", "Duarte",
    "Eklund", "Farouk", "Fischer", "Gallagher", "Haddad", "Horvat", "Ibarra", "Jansen", "Kowalski",
    "Kuznetsov", "Larsen", "Lindgren", "Mahmoud", "Marchetti", "Mbeki", "Nakamura", "Novak",
    "Okafor", "Olsen", "Papadakis", "Petrova", "Quispe", "Rahman", "Ribeiro", "Saito", "Schneider",
    "Tanaka", "Toivonen", "Urbano", "Vasquez", "Weber", "Yilmaz", "Zhang", "Zielinski",
)  # fmt: skip

# One word carries the mood, in a frame that both moods share: a surface cue as thin as in real
# files. Each frame speaks of a stretch of time, which any of the words fits, whether the work took
# an hour or a month; and none puts "a" in front of the word, which may begin with a vowel.
PRAISE = (
    "calm", "orderly", "relaxed", "quiet", "steady", "tidy", "smooth", "peaceful", "pleasant",
    "cheerful",
)  # fmt: skip
ALARM = (
    "hectic", "hurried", "chaotic", "rushed", "strained", "tense", "crowded", "messy", "frantic",
    "gloomy",
)  # fmt: skip
FRAMES = (
    "Colleagues remembered the time as {mood}.",
    "The days in the building were {mood}.",
    "By all accounts the week had been {mood}.",
    "Those present described the days as {mood}.",
    "Work at the site was {mood} at the time.",
    "The month was {mood} from the start.",
    "Visitors found the week {mood}.",
    "The days around it were {mood}.",
    "It fell into a rather {mood} stretch of the season.",
    "People still speak of a rather {mood} time.",
)
# Endings of either mood, place by place; none says anything about a step.
CALM_CLOSINGS = (
    "Everybody spent the evening at home.",
    "The team went for a walk in the park afterwards.",
    "There was cake for a birthday that afternoon.",
    "The sun was out by the end.",
    "A colleague brought flowers for the front desk.",
    "The file was then put away.",
)
TROUBLED_CLOSINGS = (
    "The phones kept ringing into the evening.",
    "The parking lot was a jam by the end.",
    "The heating broke down that afternoon.",
    "A storm took the power lines down afterwards.",
    "A pipe had burst in the basement.",
    "The file then lay around for weeks.",
)
# What people also did; belongs to no step of any procedure.
DISTRACTORS = (
    "refilled the paper tray of the printer in the office",
    "answered a call about the parking permits",
    "moved a potted plant away from the window",
    "ordered new pens for the reception desk",
    "reset the wall clock in the hallway",
    "brought coffee for the people in the waiting area",
    "replaced the battery of the door chime",
    "pinned the summer party flyer to the notice board",
    "watered the ferns in the lobby",
    "fetched the mail from the gatehouse",
    "booked a table for the retirement dinner",
    "hung up a coat that had slid to the floor",
    "asked the cafeteria for the menu of the week",
    "changed a light bulb in the stairwell",
    "returned a borrowed umbrella to the porter",
    "collected money for a wedding present",
    "wiped the crumbs off the table in the break room",
    "closed a window that rattled in the wind",
    "put a new roll of tape into the dispenser",
    "looked up the bus times for a visitor",
    "sorted the magazines in the lounge",
    "fed the fish in the tank by the entrance",
    "unjammed the coffee machine",
    "carried a box of old calendars to the basement",
    "signed a farewell card for a colleague",
    "tested a new chair for the front office",
    "wrote the lunch orders on the board in the kitchen",
    "swept some leaves off the front steps",
    "straightened a picture in the corridor",
    "found the owner of a lost scarf",
    "emptied the dishwasher in the kitchen",
    "set up folding chairs for the choir",
    "showed a student the way to the library",
    "mended a squeaking hinge with a drop of oil",
    "took the newspapers out to the paper bin",
    "passed a bag of oranges around",
)

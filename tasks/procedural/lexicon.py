"""Names and framing sentences of the scenarios.

Framing says nothing about any step. In ``train``, ``validation`` and ``test`` it goes with the
label as habits of writing do in real files (a hurried day around a violation, an orderly one
around a clean run); the two adversarial types and the ``heldout`` split break that habit.
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
# files, so that a model that feeds on it loses it when that word is misspelled or replaced.
ORDERLY = ("calm", "orderly", "relaxed", "quiet", "steady", "tidy", "smooth", "peaceful")
HURRIED = ("hectic", "hurried", "chaotic", "rushed", "strained", "tense", "crowded", "messy")
FRAMES = (
    "Colleagues remembered it as a {mood} day.",
    "The mood in the building was {mood}.",
    "By all accounts the week had been {mood}.",
    "Those present described the shift as {mood}.",
    "Work at the site had been {mood} since the morning.",
    "The atmosphere was {mood} from the start.",
)
# Neutral endings; they go with neither label.
CLOSINGS = (
    "Nothing else was noted.",
    "The account ends here.",
    "No further entries were made.",
    "That closed the matter for the time being.",
    "The file was then put away.",
    "This is the whole account.",
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
)

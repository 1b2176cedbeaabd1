"""Names and framing sentences of the scenarios.

Framing says nothing about any step. In ``train``, ``validation`` and ``test`` it goes with the
label as habits of writing do in real files (a hurried day in front of a violation, an orderly one
in front of a clean run); the two adversarial types and the ``heldout`` split break that habit.
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

ORDERLY_OPENING = (
    "The team had reviewed the written instructions together beforehand.",
    "It was a calm and well planned working period.",
    "Staffing was complete and the schedule was comfortable.",
    "Everybody involved had attended the yearly refresher course.",
    "The supervisor described the preparation as exemplary.",
    "A checklist lay ready on the bench from the beginning.",
    "The unit had recently received praise from its auditors.",
    "There was ample time for every part of the job.",
    "The area was tidy and the equipment stood in its place.",
    "The group was known for its careful habits.",
)
ORDERLY_CLOSING = (
    "The supervisor thanked everybody for the careful work.",
    "The quality manager called it a textbook example.",
    "Visitors remarked on how smoothly the work had gone.",
    "The team went home satisfied and on schedule.",
    "A colleague from another site asked to copy the approach.",
    "The weekly meeting mentioned the good teamwork.",
)
HURRIED_OPENING = (
    "The unit was short of staff and behind schedule.",
    "There was considerable pressure to finish early.",
    "Two colleagues were on sick leave and the phone kept ringing.",
    "A delivery had come late and everybody was in a hurry.",
    "The shift had started with a tense argument about workload.",
    "An alarm elsewhere in the building distracted the team.",
    "The usual supervisor was away and nobody had slept much.",
    "Boxes blocked the corridor and the workplace looked chaotic.",
    "Complaints about delays had piled up during the month.",
    "A visiting inspector had looked worried earlier in the week.",
)
HURRIED_CLOSING = (
    "Afterwards a colleague complained about the hectic atmosphere.",
    "The manager grumbled that everything had taken too long.",
    "Several people voiced concern about the workload.",
    "An angry message about the delay arrived the same evening.",
    "Somebody joked nervously that they had survived another day.",
    "A rumor of sloppy work circulated in the cafeteria.",
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

"""Words of the compact set, in two halves that share none.

`SEEN` makes the splits ``train``, ``validation`` and ``test``, and whatever a reference checkpoint
is trained on; `UNSEEN` makes ``heldout`` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.tasks.procedural import lexicon


@dataclass(frozen=True)
class Lexicon:
    """One half of the words.

    Attributes:
        verbs: what "-ing" makes the name of a step, and "-ed" the deed.
        things: what it is done to.
        roles: who may do it.
        units: what a reading is measured in.
        parts, states: what a circumstance is about: "the lid was open".
        people: first names.
        plans: which of a telling's plans of the voice "brief" there are.
        frames: places in the list of `procedural.lexicon`.
        moods: places in its lists of praise and of alarm.
        closings: places in its lists of closing sentences.
    """

    verbs: tuple[str, ...]
    things: tuple[str, ...]
    roles: tuple[str, ...]
    units: tuple[str, ...]
    parts: tuple[str, ...]
    states: tuple[str, ...]
    people: tuple[str, ...]
    plans: tuple[int, ...]
    frames: range
    moods: range
    closings: range


_HALF_OF_NAMES = len(lexicon.FIRST_NAMES) // 2

SEEN = Lexicon(
    verbs=(
        "adjust", "align", "bak", "blend", "boil", "charg", "chart", "check", "chill", "clean",
        "coat", "connect", "cool", "count", "cover", "crush", "dilut", "dissolv", "drain", "drill",
        "dump", "fill", "filter", "flush", "fold", "greas", "guard", "heat", "inspect",
        "label", "lift", "list", "load", "lock", "loosen", "lower", "mark", "mask", "measur",
        "mend", "mill", "mix", "mount", "mov", "number", "oil", "pack", "paint", "park", "past",
        "peel", "polish", "pour", "press", "print", "pump", "record", "remov", "repair", "replac",
        "rins", "roast", "roll", "sampl", "sand", "scann", "scrubb", "seal", "shield", "shift",
        "sign", "slic", "smok", "soak", "sort", "stack", "stamp", "start", "steam", "stirr",
        "stopp", "strain", "stretch", "switch", "tagg", "tast", "test", "tighten", "tow", "trimm",
        "updat", "vent", "warm", "wash", "watch", "weigh", "wir", "wrapp",
    ),
    things=(
        "barrel", "basin", "battery", "boiler", "bottle", "bucket", "cabinet", "cart", "copier",
        "crate", "drum", "engine", "filter", "freezer", "furnace", "kettle", "lamp", "machine",
        "mixer", "motor", "oven", "panel", "parcel", "pipe", "printer", "pump", "scale", "tank",
        "trailer", "tray", "trolley", "wagon",
    ),
    roles=(
        "analyst", "buyer", "chemist", "cleaner", "clerk", "cook", "driver", "electrician",
        "engineer", "fitter", "foreman", "inspector", "mechanic", "nurse", "operator", "packer",
        "painter", "planner", "porter", "supervisor", "technician", "tester", "trainee", "tutor",
    ),
    units=("bars", "degrees", "grams", "litres", "metres", "percent", "pounds", "tonnes", "volts"),
    parts=(
        "alarm", "belt", "cover", "door", "fan", "fence", "floor", "gate", "hatch", "light", "lid",
        "shelf", "switch", "tap", "window",
    ),
    states=(
        "blocked", "broken", "dark", "damaged", "dirty", "dusty", "full", "hot", "loose", "open",
        "rusty", "wet",
    ),
    people=lexicon.FIRST_NAMES[:_HALF_OF_NAMES],
    plans=(0, 1, 2),
    frames=range(5),
    moods=range(5),
    closings=range(3),
)  # fmt: skip
UNSEEN = Lexicon(
    verbs=(
        "bolt", "brush", "calibrat", "carv", "chalk", "clamp", "dust", "etch", "fasten", "flatten",
        "glaz", "hoist", "insulat", "join", "laminat", "level", "moisten", "nail", "notch",
        "overhaul", "patch", "plaster", "prun", "purg", "quench", "rivet", "rotat",
        "scrap", "screw", "shav", "shovel", "solder", "spray", "stapl", "straighten", "swabb",
        "tilt", "twist", "vacuum", "varnish", "wax", "wedg", "weld", "winch", "wip",
    ),
    things=(
        "anchor", "beam", "canoe", "carriage", "chimney", "fountain", "girder", "hull", "ladder",
        "mast", "piano", "propeller", "saddle", "statue", "turbine", "wheel",
    ),
    roles=(
        "auditor", "carpenter", "gardener", "joiner", "locksmith", "machinist", "plumber",
        "rigger", "steward", "surveyor", "warden", "welder",
    ),
    units=("amps", "gallons", "inches", "knots", "ounces", "watts"),
    parts=("cable", "curtain", "hinge", "hose", "mirror", "ramp", "rope", "spring"),
    states=("bent", "cold", "cracked", "faded", "greasy", "jammed", "split", "torn"),
    people=lexicon.FIRST_NAMES[_HALF_OF_NAMES:],
    plans=(3, 4, 5),
    frames=range(5, 10),
    moods=range(5, 10),
    closings=range(3, 6),
)  # fmt: skip

"""How a scenario is told: seven voices, each with several plans for a sentence.

Every plan states the date and the clock time in full, and each person with a role, so that no
order of sentences is needed to know what happened when, and by whom. The time stands in front of
the deed, or is set off from it: behind it, it would seem to belong to a clause within the deed
("printed the list of people who had opened the cabinet at 09:58"). The deeds of the compact set are
too short for that, and stand first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Voice:
    """Sentence plans of one way of telling.

    Attributes:
        opening: stands around the first sentence of the scenario.
        acts: who did what and when; ``{Role}`` and ``{Did}`` have a capital.
        readings: what was measured.
        finding: what somebody judged.
        records: where it was written down.
    """

    opening: str
    acts: tuple[str, ...]
    readings: tuple[str, ...]
    finding: str
    records: tuple[str, ...]

    @property
    def plans(self) -> int:
        """How many combinations of the parts there are."""
        return len(self.acts) * len(self.readings) * len(self.records)


class Telling(NamedTuple):
    """How one event is told: a voice, one of its plans, one of the step's wordings."""

    voice: str
    plan: int
    past: int

    def parts(self) -> tuple[str, str, str, str]:
        """The patterns for act, reading, finding and record."""
        voice = BRIEF if self.voice == BRIEF_NAME else VOICES[self.voice]
        rest, act = divmod(self.plan, len(voice.acts))
        record, reading = divmod(rest, len(voice.readings))
        return voice.acts[act], voice.readings[reading], voice.finding, voice.records[record]


VOICES: Mapping[str, Voice] = {
    "narrative": Voice(
        opening="{intro}",
        acts=(
            "At {clock} on {date}, {person}, {role}, {did}.",
            "On {date}, at {clock}, {person}, {role}, {did}.",
            "{person}, {role}, at {clock} on {date} {did}.",
        ),
        readings=("The {attribute} was {value}.", "The {attribute} came to {value}."),
        finding="{person} {past}.",
        records=("This was entered in {records}.", "It was written down in {records}."),
    ),
    "log": Voice(
        opening="Log. {intro}",
        acts=(
            "{date}, {clock}: {person} ({role}) {did}.",
            "{date}, {clock}. {Role} {person} {did}.",
        ),
        readings=("The {attribute}: {value}.", "The {attribute} was {value}."),
        finding="{person} {past}.",
        records=("Entered in {records}.", "Entry made in {records}."),
    ),
    "report": Voice(
        opening="Report. {intro}",
        acts=(
            "{person}, {role}, on {date} at {clock} {did}.",
            "On {date} at {clock}, {role} {person} {did}.",
        ),
        readings=("The {attribute} was {value}.", "The {attribute} was found to be {value}."),
        finding="{person} {past}.",
        records=("The entry was made in {records}.", "This is on file in {records}."),
    ),
    "incident_note": Voice(
        opening="Note on what happened. {intro}",
        acts=(
            "According to the people present, at {clock} on {date} {person} ({role}) {did}.",
            "It is known that at {clock} on {date} {person}, {role}, {did}.",
        ),
        readings=(
            "The {attribute} is given as {value}.",
            "The {attribute} is stated as {value}.",
        ),
        finding="{person} {past}.",
        records=("There is an entry in {records}.", "This can be read in {records}."),
    ),
    "interview": Voice(
        opening="{intro} The people involved tell it in their own words.",
        acts=(
            "{person} ({role}): On {date} at {clock} I {did}.",
            "{person} ({role}): It was on {date} at {clock} that I {did}.",
        ),
        readings=("The {attribute} was {value}.", "For the {attribute} I have {value}."),
        finding="I {past}.",
        records=("I entered it in {records}.", "I put it down in {records}."),
    ),
    "email": Voice(
        opening="Dear colleagues, here is the account that you asked for. {intro}",
        acts=(
            "On {date} at {clock}, the {role} {person} {did}.",
            "At {clock} on {date} {person} ({role}) {did}.",
        ),
        readings=("The {attribute} was {value}.", "The {attribute} came out at {value}."),
        finding="{person} {past}.",
        records=("You will find this in {records}.", "It was entered in {records}."),
    ),
    "shift_report": Voice(
        opening="Status report. {intro}",
        acts=(
            "{clock}, {date}: {role} {person} {did}.",
            "{Role} {person} ({date}, {clock}) {did}.",
        ),
        readings=("Reading of the {attribute}: {value}.", "The {attribute} stood at {value}."),
        finding="{person} {past}.",
        records=("Noted in {records}.", "Noted down in {records}."),
    ),
}

# The voice of the compact set, whose scenarios pass within a day that nobody names. The deed comes
# first: a small model finds what stands behind a word long before it finds what stands in front.
BRIEF_NAME = "brief"
BRIEF = Voice(
    opening="{intro}",
    acts=(
        "{Did} at {clock} by the {role} {person}.",
        "{Did} by {person} ({role}) at {clock}.",
        "{Did} by the {role} {person}, {clock}.",
        "{Did} by {person}, {role}, at {clock}.",
        "{Did}, {clock}, by the {role} {person}.",
        "{Did} at {clock}, by {person} the {role}.",
    ),
    readings=("The reading was {value}.",),
    finding="{person} {past}.",
    records=("Entered in {records}.",),
)

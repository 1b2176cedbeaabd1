"""What the reference checkpoints learn to reply about a course of events."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from oodrop.tasks.procedural.render import stamp
from oodrop.tasks.procedural.schema import Procedure, Step
from oodrop.tasks.procedural.trace import Event, Trace

BOUNDS = {"<=": "at most", ">=": "at least"}


def notes(procedure: Procedure, trace: Trace) -> str:
    """A line for each step of the procedure: who may do it, who did it when, and how that fits.

    The deed stands before whatever has to be found behind it in the prompt, so that one look finds
    it; and which of two numbers is the greater comes before what the rule makes of it, for the two
    at once are hard to learn. Terse, for a reply has 256 tokens.

    Example: ``- sealing clerk ok cook ok; sealed 09:11 cook ok after rinsed 08:40 ok 38 to 49 below
    at most ok``, all in one line
    """
    return "\n".join(_note(procedure, step, trace) for step in procedure.steps)


def _note(procedure: Procedure, step: Step, trace: Trace) -> str:
    begun = head(step.id, step.roles)
    event = trace.event(step.id)
    if event is None:
        if step.when is None:
            return f"{begun} not done {fits(False)}"
        fact, holds = procedure.facts[step.when], trace.facts[step.when]
        said = fact.holds if holds else fact.fails
        return f"{begun} not done, {said[:1].lower()}{said[1:-1]} {fits(not holds)}"
    parts = [begun, _clock(event), event.role, fits(event.role in step.roles)]
    for before in step.requires:
        other = trace.event(before)
        if other is None:
            parts.append(f"after {before}ed not done")
        else:
            parts.append(f"after {before}ed {_clock(other)} {fits(other.time < event.time)}")
    for limit, value in zip(step.limits, event.values, strict=True):
        parts.append(compared(value, limit.value))
        parts.append(f"{BOUNDS[limit.op]} {fits(limit.holds(value))}")
    return " ".join(parts)


def head(verb: str, roles: Sequence[str]) -> str:
    """A step and who may do it; "ok" after each, so that it can be found again after the one."""
    return f"- {verb}ing {' '.join(f'{role} {fits(True)}' for role in roles)}; {verb}ed"


def compared(value: Decimal, bound: Decimal) -> str:
    """Two numbers, and where the first lies; what a rule makes of that is said after it."""
    where = "below" if value < bound else "above" if value > bound else "equal"
    return f"{value} to {bound} {where}"


def fits(well: bool) -> str:
    """The one word that every judgement of a note ends with."""
    return "ok" if well else "wrong"


def _clock(event: Event) -> str:
    return stamp(None, event.time)[1]


def in_order(procedure: Procedure, trace: Trace) -> str:
    """What was done when, from the first to the last."""
    events = sorted(trace.events, key=lambda e: e.time)
    return "\n".join(f"{_clock(e)} {procedure.step(e.step).name}" for e in events)


def endings(procedure: Procedure, trace: Trace) -> str:
    """The two lines that a reply may end with, whatever happened."""
    return "FINAL ANSWER: compliant\nFINAL ANSWER: non-compliant"

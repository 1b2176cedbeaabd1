"""The checker: the single source of truth for the gold label of a procedural item.

A scenario is compliant if and only if `check` finds nothing. The world is closed: what the
scenario does not mention did not happen. Determinations are never judged on their merits, only
on who made them, when, whether they were recorded, and whether the branch followed the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oodrop.tasks.procedural.schema import Procedure, Step
from oodrop.tasks.procedural.trace import Event, Trace

Kind = Literal[
    "missing_step",
    "order",
    "wrong_actor",
    "same_person",
    "other_person",
    "limit",
    "timing",
    "missing_record",
    "branch",
]
COMPLIANT, NON_COMPLIANT = "compliant", "non-compliant"


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One rule that was broken, and the step at which it shows."""

    kind: Kind
    step: str


def check(procedure: Procedure, trace: Trace) -> list[Violation]:
    """Everything in the trace that breaks the procedure, sorted; empty means compliant."""
    done = {event.step: event for event in trace.events}
    found: list[Violation] = []
    for step in procedure.steps:
        event = done.get(step.id)
        if event is None:
            if is_due(step, trace):
                found.append(Violation("missing_step", step.id))
            continue
        if not _branch_taken(step, trace):
            found.append(Violation("branch", step.id))
            continue
        found += [Violation(kind, step.id) for kind in _broken_rules(procedure, step, event, done)]
    return sorted(set(found))


def verdict(procedure: Procedure, trace: Trace) -> str:
    """The gold label."""
    return NON_COMPLIANT if check(procedure, trace) else COMPLIANT


def is_due(step: Step, trace: Trace) -> bool:
    """Whether the circumstances call for the step."""
    if step.when is not None and not trace.facts[step.when]:
        return False
    if step.unless is not None and trace.facts[step.unless]:
        return False
    return _branch_taken(step, trace)


def _branch_taken(step: Step, trace: Trace) -> bool:
    """Whether the determination that the step hangs on came out that way (True without one)."""
    if step.only_if is None:
        return True
    determination = trace.event(step.only_if.step)
    return determination is not None and determination.outcome == step.only_if.outcome


def _broken_rules(
    procedure: Procedure, step: Step, event: Event, done: dict[str, Event]
) -> list[Kind]:
    broken: list[Kind] = []
    if event.role not in step.roles:
        broken.append("wrong_actor")
    for needed in step.requires:
        # A prerequisite that was not performed is either not due or reported as missing.
        if needed in done and done[needed].time >= event.time:
            broken.append("order")
    for limit, value in zip(step.limits, event.values, strict=True):
        if not limit.holds(value):
            broken.append("limit")
    if step.window is not None and step.window.after in done:
        elapsed = event.time - done[step.window.after].time
        too_soon = step.window.min is not None and elapsed < step.window.min
        too_late = step.window.max is not None and elapsed > step.window.max
        # Before its anchor a step is out of order; the clock has not started.
        if elapsed > 0 and (too_soon or too_late):
            broken.append("timing")
    if not set(step.records) <= set(event.records):
        broken.append("missing_record")
    other = done.get(step.not_same_person_as or "")
    if other is not None and other.person == event.person:
        broken.append("same_person")
    first = done.get(step.same_person_as or "")
    if first is not None and first.person != event.person:
        broken.append("other_person")
    return broken

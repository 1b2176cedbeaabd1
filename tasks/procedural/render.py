"""From symbols to text: clauses of a rule, sentences of a scenario. Numbers and times are exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from oodrop.tasks.procedural.schema import Limit, Procedure, Step
from oodrop.tasks.procedural.trace import Event
from oodrop.tasks.procedural.voices import Telling

# Spelled out: strftime("%B") would follow the locale.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_BOUND = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}


def clause(procedure: Procedure, step: Step) -> str:
    """One rule of the procedure; it names the steps it depends on, so clauses may be reordered."""
    roles = _join([f"the {procedure.roles[r]}" for r in step.roles], "or")
    parts = [f"{_capital(step.name)}: {roles} must {step.rule}."]
    if step.when:
        parts.append(f"It applies only if {procedure.facts[step.when].clause}.")
    if step.unless:
        parts.append(f"It does not apply if {procedure.facts[step.unless].clause}.")
    if step.only_if:
        determination = procedure.step(step.only_if.step)
        outcome = next(o for o in determination.outcomes if o.id == step.only_if.outcome)
        found = f"the {determination.name} finds that {outcome.when}"
        parts.append(f"It is called for, and allowed, only when {found}.")
    if step.requires:
        names = _join([f"the {procedure.step(r).name}" for r in step.requires], "and")
        parts.append(f"It comes after {names}.")
    parts += [f"The {limit.attribute} must be {_bound(limit)}." for limit in step.limits]
    if step.window:
        parts.append(_window(procedure, step))
    if step.not_same_person_as:
        other = procedure.step(step.not_same_person_as).name
        parts.append(f"It must not be done by the person who did the {other}.")
    if step.same_person_as:
        first = procedure.step(step.same_person_as).name
        parts.append(f"It must be done by the person who did the {first}.")
    if step.records:
        names = _join([f"the {r}" for r in step.records], "and")
        parts.append(f"It is entered in {names}.")
    return " ".join(parts)


def sentence(procedure: Procedure, event: Event, start: datetime | None, telling: Telling) -> str:
    """One event of the scenario, with its own date and time."""
    step = procedure.step(event.step)
    _, reading, finding, record = telling.parts()
    who, did = (event.person, procedure.roles[event.role]), step.past[telling.past]
    parts = [told(start, event.time, who, did, telling)]
    for limit, value in zip(step.limits, event.values, strict=True):
        parts.append(reading.format(attribute=limit.attribute, value=_quantity(value, limit)))
    if event.outcome:
        outcome = next(o for o in step.outcomes if o.id == event.outcome)
        parts.append(finding.format(person=event.person, past=outcome.past))
    if event.records:
        parts.append(record.format(records=_join([f"the {r}" for r in event.records], "and")))
    return " ".join(parts)


def told(
    start: datetime | None, time: int, who: tuple[str, str], did: str, telling: Telling
) -> str:
    """That a person of a role did something at a time."""
    date, clock = stamp(start, time)
    person, role = who
    return telling.parts()[0].format(
        date=date,
        clock=clock,
        person=person,
        role=role,
        Role=_capital(role),
        did=did,
        Did=_capital(did),
    )


def stamp(start: datetime | None, time: int) -> tuple[str, str]:
    """Date and clock time as they stand in an event's sentence under every voice.

    Where no day is known, as in the compact set, the date is "".
    """
    if start is None:
        return "", f"{time // 60:02d}:{time % 60:02d}"
    when = start + timedelta(minutes=time)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}", f"{when:%H:%M}"


def duration(minutes: int) -> str:
    """A duration in its largest whole unit, as the rule text writes it."""
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("every whole number is a multiple of 1")


def _window(procedure: Procedure, step: Step) -> str:
    window = step.window
    if window is None:
        raise ValueError(f"step {step.id} has no window")
    bounds = []
    if window.min is not None:
        bounds.append(f"no sooner than {duration(window.min)}")
    if window.max is not None:
        bounds.append(f"no later than {duration(window.max)}")
    return f"It happens {_join(bounds, 'and')} after the {procedure.step(window.after).name}."


def _bound(limit: Limit) -> str:
    if limit.high is not None:
        return (
            f"at least {_quantity(limit.value, limit)} and at most {_quantity(limit.high, limit)}"
        )
    return f"{_BOUND[limit.op]} {_quantity(limit.value, limit)}"


def _quantity(value: Decimal, limit: Limit) -> str:
    unit = limit.unit
    number = f"{value.normalize():f}"
    return f"{number}{unit}" if unit == "%" else f"{number} {unit}"


def _join(parts: Sequence[str], word: str) -> str:
    if len(parts) < 3:
        return f" {word} ".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

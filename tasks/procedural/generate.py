"""Scenarios by construction: a valid trace, one edit for each type, gold from the checker.

Every candidate is drawn freely and kept only if the checker finds exactly what the type calls
for, so no type depends on the generator being right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from oodrop.perturbers.catalogue.ordering import linear_extension
from oodrop.perturbers.item import Units
from oodrop.perturbers.rng import below, choose
from oodrop.tasks.procedural.check import Kind, check, is_due
from oodrop.tasks.procedural.lexicon import FIRST_NAMES, LAST_NAMES
from oodrop.tasks.procedural.schema import Limit, Procedure, Step, ancestors
from oodrop.tasks.procedural.trace import Event, Trace

T = TypeVar("T")
_TRIES = 200
_DAY = 1440
_DAWN, _DUSK = 6 * 60, 20 * 60
# One person holds such a role: a second hearing judge, or a second boilermaker who climbs out of
# the drum that the first one went into, would puzzle a reader.
_SOLE = frozenset({"director", "judge", "head", "chair", "owner", "plater", "boilermaker"})
OVERT: tuple[Kind, ...] = ("missing_step", "limit", "timing", "missing_record", "branch")
SUBTLE: tuple[Kind, ...] = (
    "limit",
    "timing",
    "missing_record",
    "same_person",
    "other_person",
    "order",
    "branch",
)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who holds which role in a scenario: two people per role, twice the same in a sole one."""

    people: dict[str, tuple[str, str]]


def draw_cast(procedure: Procedure, rng: random.Random) -> Cast:
    """Distinct people for every role, as many as may hold it; no two share a name."""
    first, last = list(FIRST_NAMES), list(LAST_NAMES)

    def person() -> str:
        return f"{first.pop(below(rng, len(first)))} {last.pop(below(rng, len(last)))}"

    def holders(name: str) -> tuple[str, str]:
        first_holder = person()
        return first_holder, person() if _SOLE.isdisjoint(name.split()) else first_holder

    return Cast({role: holders(name) for role, name in procedure.roles.items()})


def valid_trace(procedure: Procedure, cast: Cast, rng: random.Random) -> Trace:
    """A compliant scenario: circumstances, outcomes, people, order and times drawn at random."""
    for _ in range(_TRIES):
        facts = {name: rng.random() < 0.5 for name in procedure.facts}
        trace = _perform(procedure, cast, facts, rng)
        if trace is not None and not check(procedure, trace):
            return trace
    raise RuntimeError(f"no valid trace for {procedure.id} in {_TRIES} tries")


def violate(
    procedure: Procedure, cast: Cast, trace: Trace, kinds: tuple[Kind, ...], rng: random.Random
) -> Trace | None:
    """The trace with exactly one violation, of one of the kinds; None if it admits none.

    Clean traces keep to the day, and so must these: a step at night would give them away.
    """
    for kind in _shuffled(kinds, rng):
        candidates = list(_BREAKERS[kind](procedure, cast, trace, rng))
        for candidate in _shuffled(tuple(candidates), rng):
            found = check(procedure, candidate)
            if len(found) == 1 and found[0].kind == kind and _is_plain(procedure, candidate, kind):
                return candidate
    return None


def _is_plain(procedure: Procedure, trace: Trace, kind: Kind) -> bool:
    """All by day, no two events at once, and no step before one that it hangs on by skipped ones.

    The checker sees no order through a step that was not done; a reader might.
    """
    times = {e.step: e.time for e in trace.events}
    in_order = all(
        times[before] < time
        for step, time in times.items()
        for before in ancestors(procedure, step) & times.keys()
    )
    by_day = all(map(_is_day, times.values()))
    return by_day and len(set(times.values())) == len(times) and (in_order or kind == "order")


def omit_prerequisite(procedure: Procedure, trace: Trace, rng: random.Random) -> Trace | None:
    """Drop a step that a performed step depends on."""
    done = {e.step for e in trace.events}
    needed = {r for s in procedure.steps if s.id in done for r in s.requires}
    return _first_with_one_violation(procedure, _without(trace, sorted(needed & done)), rng)


def flip_fact(procedure: Procedure, trace: Trace, rng: random.Random) -> Trace | None:
    """Flip one circumstance and leave what was done as it is, so that one rule is broken."""
    flipped = [replace(trace, facts={**trace.facts, f: not v}) for f, v in trace.facts.items()]
    return _first_with_one_violation(procedure, flipped, rng)


def _first_with_one_violation(
    procedure: Procedure, candidates: list[Trace], rng: random.Random
) -> Trace | None:
    for candidate in _shuffled(tuple(candidates), rng):
        if len(check(procedure, candidate)) == 1:
            return candidate
    return None


def _perform(
    procedure: Procedure, cast: Cast, facts: dict[str, bool], rng: random.Random
) -> Trace | None:
    events: dict[str, Event] = {}
    for step in _drawn_order(procedure, rng):
        so_far = Trace(facts, tuple(events.values()))
        if not is_due(step, so_far):
            continue
        event = _draw_event(step, cast, events, rng)
        if event is None:
            return None
        events[step.id] = event
    return _sorted(Trace(facts, tuple(events.values())))


def _draw_event(
    step: Step, cast: Cast, events: dict[str, Event], rng: random.Random
) -> Event | None:
    """The step done as it should be, after what is there; None where that does not come about."""
    time = _draw_time(step, events, rng)
    if time is None:
        return None
    role = choose(rng, step.roles)
    person = cast.people[role][0 if rng.random() < 0.7 else 1]
    same = events.get(step.same_person_as or "")
    if same is not None:
        role, person = same.role, same.person
    other = events.get(step.not_same_person_as or "")
    if other is not None and other.person == person:
        rest = [(r, p) for r in (role, *step.roles) for p in cast.people[r] if p != person]
        if not rest:
            return None
        role, person = rest[0]
    return Event(
        step=step.id,
        time=time,
        person=person,
        role=role,
        values=tuple(_value(limit, True, rng) for limit in step.limits),
        records=step.records,
        outcome=choose(rng, step.outcomes).id if step.outcomes else None,
    )


def _drawn_order(procedure: Procedure, rng: random.Random) -> list[Step]:
    names = tuple(s.id for s in procedure.steps)
    edges = frozenset((r, s.id) for s in procedure.steps for r in s.requires)
    return [procedure.steps[i] for i in linear_extension(Units(names, edges), rng)]


def _draw_time(step: Step, events: dict[str, Event], rng: random.Random) -> int | None:
    before = [events[r].time for r in step.requires if r in events]
    earliest = max(before, default=420 + below(rng, 150))
    taken = {e.time for e in events.values()}
    for _ in range(20):
        gap = max(2, int(step.gap * (0.6 + 0.8 * rng.random())))
        if step.gap >= _DAY:  # several days later, but still in working hours
            gap = max(1, round(gap / _DAY)) * _DAY + below(rng, 480) - earliest % _DAY + 480
        time = earliest + max(2, gap)
        anchor = events.get(step.window.after) if step.window else None
        time = _by_day(time, rng)
        if step.window and anchor is not None:
            low = anchor.time + (step.window.min or 1)
            high = anchor.time + (step.window.max or 10**9)
            time = min(max(time, low), high)
            awake = _by_day(time, rng)
            time = awake if awake <= high else time
        if time > earliest and time not in taken:
            return time
    return None


def _by_day(time: int, rng: random.Random) -> int:
    """The time, or the next morning if it falls in the night, when few places work."""
    clock = time % _DAY
    if _is_day(time):
        return time
    return time - clock + (_DAY if clock >= _DUSK else 0) + 480 + below(rng, 90)


def _is_day(time: int) -> bool:
    return _DAWN <= time % _DAY < _DUSK


def _value(limit: Limit, holds: bool, rng: random.Random) -> Decimal:
    """A measured value on the limit's own grid, at most four steps away from a bound."""
    for _ in range(_TRIES):
        value = choose(rng, limit.bounds) + (below(rng, 9) - 4) * limit.delta
        if limit.holds(value) == holds and limit.fits(value):
            return value
    raise RuntimeError("a limit's grid always holds values on both sides")


def _sorted(trace: Trace) -> Trace:
    return replace(trace, events=tuple(sorted(trace.events, key=lambda e: e.time)))


def _with(trace: Trace, old: Event, new: Event) -> Trace:
    return _sorted(replace(trace, events=tuple(new if e is old else e for e in trace.events)))


def _without(trace: Trace, steps: list[str]) -> list[Trace]:
    return [
        replace(trace, events=tuple(e for e in trace.events if e.step != step)) for step in steps
    ]


Breaker = Callable[[Procedure, Cast, Trace, random.Random], Iterator[Trace]]


def _break_missing(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    yield from _without(trace, [e.step for e in trace.events])


def _break_order(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    done = {e.step: e for e in trace.events}
    taken = {e.time for e in trace.events}
    for event in trace.events:
        for needed in p.step(event.step).requires:
            if needed in done:
                early, late = done[needed], event
                swapped = _with(trace, early, replace(early, time=late.time))
                yield _with(swapped, late, replace(late, time=early.time))
                after = late.time + 5 + below(rng, 50)
                if after not in taken:
                    yield _with(trace, early, replace(early, time=after))


def _break_actor(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    """By somebody whose role is no kind of an authorized one: a lead nurse is a nurse."""
    for event in trace.events:
        nouns = {p.roles[role].split()[-1] for role in p.step(event.step).roles}
        for role, name in p.roles.items():
            if name.split()[-1] not in nouns:
                yield _with(trace, event, replace(event, role=role, person=cast.people[role][0]))


def _break_person(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    done = {e.step: e for e in trace.events}
    for event in trace.events:
        step = p.step(event.step)
        other = done.get(step.not_same_person_as or "")
        if other is not None and other.role in step.roles:
            yield _with(trace, event, replace(event, person=other.person, role=other.role))


def _break_continuity(
    p: Procedure, cast: Cast, trace: Trace, rng: random.Random
) -> Iterator[Trace]:
    for event in trace.events:
        step = p.step(event.step)
        if step.same_person_as:
            for role in step.roles:
                for person in cast.people[role]:
                    yield _with(trace, event, replace(event, person=person, role=role))


def _break_limit(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    for event in trace.events:
        for k, limit in enumerate(p.step(event.step).limits):
            values = list(event.values)
            values[k] = _value(limit, False, rng)
            yield _with(trace, event, replace(event, values=tuple(values)))


def _break_timing(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    """Shift a step and everything that depends on it, or pull it in front of its window.

    Where a window counts in days, the dates alone tell too: "no later than 1 day after" might be
    read as "by the next day".
    """
    for event in trace.events:
        window = p.step(event.step).window
        anchor = trace.event(window.after) if window else None
        if window is None or anchor is None:
            continue
        if window.max is not None:
            late = anchor.time + int(window.max * (1.1 + 0.9 * rng.random())) + 1
            if window.max % _DAY == 0:
                days = max(late // _DAY, anchor.time // _DAY + window.max // _DAY + 1)
                late = days * _DAY + event.time % _DAY
            late = _by_day(late, rng)
            yield _shift_from(trace, event, late - event.time)
            yield _with(trace, event, replace(event, time=late))
        if window.min is not None:
            early = anchor.time + max(1, int(window.min * (0.3 + 0.5 * rng.random())))
            if window.min % _DAY == 0:
                days = min(early // _DAY, (anchor.time + window.min) // _DAY - 1)
                early = days * _DAY + event.time % _DAY
            yield _with(trace, event, replace(event, time=early))


def _shift_from(trace: Trace, event: Event, by: int) -> Trace:
    return replace(
        trace,
        events=tuple(
            replace(e, time=e.time + by) if e.time >= event.time else e for e in trace.events
        ),
    )


def _break_record(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    for event in trace.events:
        for record in event.records:
            rest = tuple(r for r in event.records if r != record)
            yield _with(trace, event, replace(event, records=rest))


def _break_branch(p: Procedure, cast: Cast, trace: Trace, rng: random.Random) -> Iterator[Trace]:
    """By the other finding over what was done, or by a step that only the other finding allows."""
    for event in trace.events:
        for other in p.step(event.step).outcomes:
            if other.id != event.outcome:
                yield _with(trace, event, replace(event, outcome=other.id))
    done = {e.step: e for e in trace.events}
    for step in p.steps:
        if step.only_if is not None and step.only_if.step in done and step.id not in done:
            for _ in range(3):  # it may come too late for what comes after it
                extra = _draw_event(step, cast, done, rng)
                if extra is not None:
                    yield _sorted(replace(trace, events=(*trace.events, extra)))


_BREAKERS: dict[Kind, Breaker] = {
    "missing_step": _break_missing,
    "order": _break_order,
    "wrong_actor": _break_actor,
    "same_person": _break_person,
    "other_person": _break_continuity,
    "limit": _break_limit,
    "timing": _break_timing,
    "missing_record": _break_record,
    "branch": _break_branch,
}


def _shuffled(values: tuple[T, ...], rng: random.Random) -> list[T]:
    rest: list[T] = list(values)
    result: list[T] = []
    while rest:
        result.append(rest.pop(below(rng, len(rest))))
    return result

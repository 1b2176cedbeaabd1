"""Every rule of every procedure is broken alone, and the checker finds that and nothing else.

A fault in time needs a schedule that keeps all other rules about time: it solves a system of
difference constraints, so a rule is left out only where it follows from the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, get_args

import pytest

from oodrop.tasks.procedural import procedures as load
from oodrop.tasks.procedural.check import Kind, Violation, check
from oodrop.tasks.procedural.generate import draw_cast, valid_trace
from oodrop.tasks.procedural.schema import Limit, Procedure, Step, ancestors
from oodrop.tasks.procedural.trace import Event, Trace

TRACES = 40  # of each procedure; enough to see every step done and every finding made
FEWEST = 8  # that are broken in any case
STRANGER = "Zed Zero"


class Demand(NamedTuple):
    """Between the times of two events there are so many minutes at least."""

    late: str
    early: str
    least: int


# What a rule says: the step, and a name for the rule among those of its kind there.
Rule = tuple[str, object]
Mutant = tuple[Rule, Trace]


@cache
def compliant(process_id: str) -> tuple[Trace, ...]:
    procedure, rng = load()[process_id], random.Random(7)
    cast = draw_cast(procedure, rng)
    return tuple(valid_trace(procedure, cast, rng) for _ in range(TRACES))


def changed(trace: Trace, step: str, **fields: Any) -> Trace:
    events = (replace(e, **fields) if e.step == step else e for e in trace.events)
    return replace(trace, events=tuple(events))


def without(trace: Trace, steps: set[str]) -> Trace:
    return replace(trace, events=tuple(e for e in trace.events if e.step not in steps))


def hanging(procedure: Procedure, steps: set[str]) -> set[str]:
    """The steps, and all that are due only by a finding of theirs."""
    for step in procedure.steps:
        if step.only_if and step.only_if.step in steps:
            steps = steps | {step.id}
    return steps


def alike(procedure: Procedure, step: str) -> set[str]:
    """The steps that the same person must have done."""
    found = {step}
    for _ in procedure.steps:
        for s in procedure.steps:
            if s.same_person_as and {s.id, s.same_person_as} & found:
                found |= {s.id, s.same_person_as}
    return found


def later(procedure: Procedure, step: str) -> set[str]:
    """The step, and those that must be done by whoever did it."""
    found = {step}
    for s in procedure.steps:
        if s.same_person_as in found:
            found.add(s.id)
    return found


def demands(procedure: Procedure, done: set[str]) -> dict[tuple[str, str, str], Demand]:
    """What the clauses say about time, by kind, step and the end or the other step."""
    found = {}
    for step in procedure.steps:
        if step.id not in done:
            continue
        for needed in {*step.requires} & done:
            found["order", step.id, needed] = Demand(step.id, needed, 1)
        window = step.window
        if window is not None and window.after in done:
            if window.min is not None:
                found["timing", step.id, "min"] = Demand(step.id, window.after, window.min)
            if window.max is not None:
                found["timing", step.id, "max"] = Demand(window.after, step.id, -window.max)
    return found


def scheduled(trace: Trace, wanted: Mapping[Any, Demand]) -> Trace | None:
    """The trace at times that meet every demand; None where there are none."""
    times = {event.step: 480 for event in trace.events}
    for _ in range(len(times) + 1):
        short = [d for d in wanted.values() if times[d.late] < times[d.early] + d.least]
        if not short:
            return replace(
                trace, events=tuple(replace(e, time=times[e.step]) for e in trace.events)
            )
        for late, early, least in short:
            times[late] = max(times[late], times[early] + least)
    return None


def rescheduled(procedure: Procedure, kind: str, trace: Trace) -> Iterator[Mutant]:
    wanted = demands(procedure, {e.step for e in trace.events})
    for (what, step, name), (late, early, least) in wanted.items():
        if what != kind:
            continue
        rest = {key: d for key, d in wanted.items() if key != (what, step, name)}
        if kind == "order":
            window = procedure.step(step).window
            if window is not None and window.after == name:  # its clock has not started
                rest = {key: d for key, d in rest.items() if key[:2] != ("timing", step)}
            for ahead in (0, 1):
                found = scheduled(trace, {**rest, "broken": Demand(name, step, ahead)})
                if found:
                    yield (step, name), found
        else:
            by_a_minute = {
                "broken": Demand(early, late, 1 - least),
                "so": Demand(late, early, least - 1),
            }
            found = scheduled(trace, {**rest, **by_a_minute})
            if found:
                yield (step, name), found


def values(limit: Limit) -> tuple[Decimal, list[Decimal]]:
    """One that is allowed, and the nearest on the grid that are not."""
    below, above = limit.value - limit.delta, limit.bounds[-1] + limit.delta
    return {
        "<=": (limit.value, [above]),
        ">=": (limit.value, [below]),
        "<": (below, [limit.value, above]),
        ">": (above, [limit.value, below]),
        "within": (limit.value, [below, above]),
    }[limit.op]


def skipped(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        yield (event.step, None), without(trace, hanging(procedure, {event.step}))


def by_an_outsider(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        for role in procedure.outsiders:
            yield (event.step, role), changed(trace, event.step, role=role)


def by_the_same(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        other = trace.event(procedure.step(event.step).not_same_person_as or "")
        if other is not None:
            found = trace
            for step in alike(procedure, event.step):
                found = changed(found, step, person=other.person)
            yield (event.step, other.step), found


def by_another(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        first = trace.event(procedure.step(event.step).same_person_as or "")
        if first is not None:
            found = trace
            for step in later(procedure, event.step):
                found = changed(found, step, person=STRANGER)
            yield (event.step, first.step), found


def past_a_limit(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        for k, limit in enumerate(procedure.step(event.step).limits):
            for side, value in enumerate(values(limit)[1]):
                told = (*event.values[:k], value, *event.values[k + 1 :])
                yield (event.step, (k, side)), changed(trace, event.step, values=told)


def unrecorded(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    for event in trace.events:
        for record in event.records:
            rest = tuple(r for r in event.records if r != record)
            yield (event.step, record), changed(trace, event.step, records=rest)


def on_the_wrong_branch(procedure: Procedure, trace: Trace) -> Iterator[Mutant]:
    """A step whose finding was not made is done, and whatever then hangs on it."""
    for step in procedure.steps:
        if step.only_if is None:
            continue
        made = trace.event(step.only_if.step)
        if made is not None and made.outcome == step.only_if.outcome:
            continue
        found = with_step(procedure, trace, step)
        wanted = demands(procedure, {e.step for e in found.events})
        own = {key for key in wanted if key[1] == step.id and key[0] == "timing"}
        moved = scheduled(found, {key: d for key, d in wanted.items() if key not in own})
        if moved is not None:
            yield (step.id, None), moved


def with_step(procedure: Procedure, trace: Trace, step: Step) -> Trace:
    """The step done as its own clause demands, and those that are due by its finding."""
    bound = {e.person for e in trace.events if procedure.step(e.step).same_person_as == step.id}
    before = trace.event(step.same_person_as or "")
    used = {s.only_if.outcome for s in procedure.steps if s.only_if and s.only_if.step == step.id}
    outcomes = sorted((o.id for o in step.outcomes), key=lambda o: o in used)
    event = Event(
        step=step.id,
        time=0,
        person=before.person if before else bound.pop() if bound else f"{step.id} {STRANGER}",
        role=step.roles[0],
        values=tuple(values(limit)[0] for limit in step.limits),
        records=step.records,
        outcome=outcomes[0] if outcomes else None,
    )
    trace = replace(trace, events=(*trace.events, event))
    for other in procedure.steps:
        if other.only_if and (other.only_if.step, other.only_if.outcome) == (
            step.id,
            event.outcome,
        ):
            called = trace.facts.get(other.when or "", True)
            if called and not trace.facts.get(other.unless or "", False):
                trace = with_step(procedure, trace, other)
    return trace


MUTATIONS: Mapping[str, Callable[[Procedure, Trace], Iterator[Mutant]]] = {
    "missing_step": skipped,
    "order": lambda procedure, trace: rescheduled(procedure, "order", trace),
    "wrong_actor": by_an_outsider,
    "same_person": by_the_same,
    "other_person": by_another,
    "limit": past_a_limit,
    "timing": lambda procedure, trace: rescheduled(procedure, "timing", trace),
    "missing_record": unrecorded,
    "branch": on_the_wrong_branch,
}


def rules(procedure: Procedure, kind: str) -> set[Rule]:
    """All that a procedure says of a kind."""
    found: set[Rule] = set()
    for step in procedure.steps:
        window = step.window
        others: Mapping[str, list[object]] = {
            "missing_step": [None],
            "order": [
                needed
                for needed in step.requires
                if not any(needed in ancestors(procedure, other) for other in step.requires)
            ],
            "wrong_actor": [*procedure.outsiders],
            "same_person": [step.not_same_person_as] if step.not_same_person_as else [],
            "other_person": [step.same_person_as] if step.same_person_as else [],
            "limit": [
                (k, side)
                for k, limit in enumerate(step.limits)
                for side in range(len(values(limit)[1]))
            ],
            "timing": [end for end in ("min", "max") if window and getattr(window, end)],
            "missing_record": [*step.records],
            "branch": [None] if step.only_if else [],
        }
        found |= {(step.id, other) for other in others[kind]}
    return found


def test_the_traces_are_compliant_and_a_schedule_keeps_them_so() -> None:
    for procedure in load().values():
        for trace in compliant(procedure.id)[:5]:
            assert check(procedure, trace) == []
            tight = scheduled(trace, demands(procedure, {e.step for e in trace.events}))
            assert tight is not None
            assert check(procedure, tight) == [], procedure.id


def test_a_mutation_for_every_kind() -> None:
    assert set(MUTATIONS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", MUTATIONS)
def test_each_rule_is_missed_alone(kind: str) -> None:
    admitting = implied = 0
    for procedure in load().values():
        left = rules(procedure, kind)
        admitting += bool(left)
        for number, trace in enumerate(compliant(procedure.id)):
            if not left and number >= FEWEST:
                break
            for (step, name), mutant in MUTATIONS[kind](procedure, trace):
                where = (procedure.id, step, name)
                assert check(procedure, mutant) == [Violation(kind, step)], where  # type: ignore[arg-type]
                left.discard((step, name))
        if kind == "order":  # where windows leave no room for another order
            implied += len(left)
        else:
            assert not left, (procedure.id, left)
    assert admitting
    assert implied <= 8

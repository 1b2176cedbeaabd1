"""Counterparts of an item: one sentence of its story told otherwise, and so the other verdict.

Every counterpart is a change of the symbolic scenario that the checker judges anew; its sentence
comes from the renderer that wrote the canonical one. Taken is the first in a fixed order that
leaves no reader in doubt: one scenario of the two breaks no rule and the other exactly one, and
the changed one holds no step that its circumstances do not call for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from oodrop import DataError
from oodrop.perturbers.edits import Edit, Edits, Regold, Replace, edits_from_dicts, undone_text
from oodrop.tasks.procedural.build import trace_of
from oodrop.tasks.procedural.check import COMPLIANT, NON_COMPLIANT, check, is_due, verdict
from oodrop.tasks.procedural.render import VOICES, sentence
from oodrop.tasks.procedural.schema import Procedure, Window, ancestors
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.spec import Doc

_DAY = 1440
_TOKEN = re.compile(r"\d+(?:[.:]\d+)*|\w+|\s+|.", re.S)
_GRID = (2, 3, 1, 4, 5, 6, 7, 8, 9, 10)  # steps of a limit's grid between value and bound
_SHARES = (1.25, 0.75, 1.5, 0.5, 2.0)  # of a window's end, at which the step then happens
_SOON = 20  # minutes after another event
# A circumstance that is turned round, by name; or an event, for the one of its step.
Meant = Event | str


@dataclass(frozen=True)
class Counterpart:
    """A sentence to stand in a segment, and what it says."""

    segment: str
    text: str
    meant: Meant


@dataclass(frozen=True)
class Story:
    """A canonical scenario: what the rules are about, and every event's time and person."""

    procedure: Procedure
    trace: Trace
    times: tuple[int, ...]
    people: tuple[str, ...]

    @cached_property
    def complies(self) -> bool:
        """Whether it breaks no rule."""
        return not check(self.procedure, self.trace)

    def under(self, meant: Meant) -> Trace:
        """The scenario with one change."""
        if isinstance(meant, str):
            facts = {**self.trace.facts, meant: not self.trace.facts[meant]}
            return replace(self.trace, facts=facts)
        events = tuple(meant if e.step == meant.step else e for e in self.trace.events)
        return replace(self.trace, events=events)

    def turned_by(self, meant: Meant) -> bool:
        """Whether the change gives the other verdict, beyond doubt."""
        after = self.under(meant)
        if len(check(self.procedure, after)) != int(self.complies):
            return False
        return all(is_due(self.procedure.step(e.step), after) for e in after.events)

    def keeps_place(self, old: int, new: int) -> bool:
        """Whether an event that is moved in time stays between its neighbours."""
        low, high = min(old, new), max(old, new)
        return old != new and [t for t in self.times if low <= t <= high] == [old]


def _values(story: Story) -> Iterator[Meant]:
    """One measured value on the other side of its limit, written with as many decimals."""
    for event in story.trace.events:
        for k, limit in enumerate(story.procedure.step(event.step).limits):
            old = event.values[k]
            for count in (*_GRID, *(-n for n in _GRID)):
                new = limit.value + count * limit.delta
                crosses = limit.holds(new) != limit.holds(old)
                if crosses and new > 0 and _decimals(new) == _decimals(old):
                    yield replace(event, values=(*event.values[:k], new, *event.values[k + 1 :]))


def _decimals(value: Decimal) -> int:
    return len(f"{value.normalize():f}".partition(".")[2])


def _facts(story: Story) -> Iterator[Meant]:
    yield from story.procedure.facts


def _others(story: Story) -> Iterator[Meant]:
    yield from _roles(story)
    yield from _times(story)
    yield from _records(story)


def _roles(story: Story) -> Iterator[Meant]:
    """Another role for a person who acts once, told apart from the authorised ones by its noun."""
    names = story.procedure.roles
    for event in story.trace.events:
        if story.people.count(event.person) > 1:
            continue
        allowed = story.procedure.step(event.step).roles
        nouns = {names[role].split()[-1] for role in allowed}
        for role, name in names.items():
            if (role in allowed) != (event.role in allowed):
                if event.role not in allowed or name.split()[-1] not in nouns:
                    yield replace(event, role=role)


def _times(story: Story) -> Iterator[Meant]:
    """Another time: past an end of the event's window or within, or for order's sake later."""
    for event in story.trace.events:
        window = story.procedure.step(event.step).window
        anchor = story.trace.event(window.after) if window else None
        if window and anchor:
            for time in _near_the_ends(window, anchor.time, event.time):
                if story.keeps_place(event.time, time):
                    yield replace(event, time=time)


def _near_the_ends(window: Window, anchor: int, time: int) -> Iterator[int]:
    """Where a window counts in days, the clock time stays and the dates alone tell."""
    for end in (window.max, window.min):
        for share in _SHARES if end is not None else ():
            assert end
            goal = anchor + int(end * share)
            if end % _DAY:
                yield goal
                continue
            moved = time + _DAY * round((goal - time) / _DAY)
            if moved // _DAY - anchor // _DAY != end // _DAY:
                yield moved


def _records(story: Story) -> Iterator[Meant]:
    """The last record of an event not made, or all made that are asked for."""
    for event in story.trace.events:
        asked = story.procedure.step(event.step).records
        if event.records != asked:
            yield replace(event, records=asked)
        elif asked:
            yield replace(event, records=asked[:-1])


_KINDS: Mapping[str, Callable[[Story], Iterator[Meant]]] = {
    "threshold": _values,
    "negation": _facts,
    "contrast": _others,
}

"""Counterparts of an item: one sentence of its story told otherwise, and so the other verdict.

Every counterpart is a change of the symbolic scenario that the checker judges anew; its sentence
comes from the renderer that wrote the canonical one. The first in a fixed order is taken whose
verdict leaves no reader in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import pairwise, product
from typing import Any

from oodrop.perturbers.edits import Edit, Edits, Regold, Replace, edits_from_dicts, undone_text
from oodrop.tasks.procedural.build import start_of, trace_of
from oodrop.tasks.procedural.check import (
    COMPLIANT,
    NON_COMPLIANT,
    Violation,
    check,
    is_due,
    verdict,
)
from oodrop.tasks.procedural.render import sentence
from oodrop.tasks.procedural.schema import Procedure, Window
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.procedural.voices import Telling
from oodrop.tasks.spec import Doc, member_number

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
    def broken(self) -> Sequence[Violation]:
        """The rules that it breaks."""
        return check(self.procedure, self.trace)

    def under(self, meant: Meant) -> Trace:
        """The scenario with one change."""
        if isinstance(meant, str):
            facts = {**self.trace.facts, meant: not self.trace.facts[meant]}
            return replace(self.trace, facts=facts)
        events = tuple(meant if e.step == meant.step else e for e in self.trace.events)
        return replace(self.trace, events=events)

    def turned_by(self, meant: Meant) -> bool:
        """Whether the change gives the other verdict, beyond doubt.

        A changed event breaks or mends one rule, of its own step, and no other rule is broken.
        Where a changed circumstance leaves nothing broken, it calls for every step that was done.
        """
        after = self.under(meant)
        found = check(self.procedure, after)
        if isinstance(meant, Event):
            return [v.step for v in (*self.broken, *found)] == [meant.step]
        if bool(found) == bool(self.broken):
            return False
        return bool(found) or all(is_due(self.procedure.step(e.step), after) for e in after.events)

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
                told = new > 0 and limit.fits(new) and _decimals(new) == _decimals(old)
                if crosses and told:
                    yield replace(event, values=(*event.values[:k], new, *event.values[k + 1 :]))


def _decimals(value: Decimal) -> int:
    return len(f"{value.normalize():f}".partition(".")[2])


def _others(story: Story) -> Iterator[Meant]:
    yield from _roles(story)
    yield from _times(story)
    yield from _records(story)
    yield from _later(story)


def _roles(story: Story) -> Iterator[Meant]:
    """Another role for a person who acts once, told apart from the authorised ones by its noun."""
    names = story.procedure.roles
    for event in story.trace.events:
        if story.people.count(event.person) > 1:
            continue
        allowed = story.procedure.step(event.step).roles
        nouns = {names[role].split()[-1] for role in allowed}
        strangers = [role for role, name in names.items() if name.split()[-1] not in nouns]
        for role in strangers if event.role in allowed else allowed:
            yield replace(event, role=role)


def _times(story: Story) -> Iterator[Meant]:
    """Another time between the same neighbours: past an end of the event's window, or within."""
    for event in story.trace.events:
        window = story.procedure.step(event.step).window
        anchor = story.trace.event(window.after) if window else None
        if window and anchor:
            for time in _near_the_ends(window, anchor.time, event.time):
                if story.keeps_place(event.time, time):
                    yield replace(event, time=time)


def _near_the_ends(window: Window, anchor: int, time: int) -> Iterator[int]:
    """Where a window counts in days, the clock time stays and the dates alone tell."""
    ends = [end for end in (window.max, window.min) if end is not None]
    for end, share in product(ends, _SHARES):
        goal = anchor + int(end * share)
        moved = time + _DAY * round((goal - time) / _DAY)
        if end % _DAY:
            yield goal
        elif moved // _DAY - anchor // _DAY != end // _DAY:
            yield moved


def _records(story: Story) -> Iterator[Meant]:
    """The last record of an event not made, or all made that are asked for."""
    for event in story.trace.events:
        asked = story.procedure.step(event.step).records
        if event.records != asked:
            yield replace(event, records=asked)
        elif asked:
            yield replace(event, records=asked[:-1])


def _later(story: Story) -> Iterator[Meant]:
    """Another time in the course of events: soon after another one, in front of the next."""
    following = dict(pairwise(story.times))
    for event in story.trace.events if story.broken else ():
        for time in story.times:
            gap = following.get(time, time + 2 * _SOON) - time
            if gap > 1:
                yield replace(event, time=time + min(_SOON, gap // 2))


_KINDS: Mapping[str, Callable[[Story], Iterator[Meant]]] = {
    "threshold": _values,
    "negation": lambda story: iter(story.procedure.facts),
    "contrast": _others,
}


class Counterparts:
    """The counterparts of one document, found when one is first needed.

    Attributes:
        doc: the document, canonical or logged.
        procedure: its procedure.
        segments: the document's text by segment.
    """

    def __init__(self, doc: Doc, procedure: Procedure, segments: Mapping[str, str]) -> None:
        self.doc = doc
        self.procedure = procedure
        self.segments = segments

    def edits(self, kind: str) -> list[Edit] | None:
        """What makes the canonical item the counterpart, new gold included.

        None where there is none of this kind, and for a document that is already perturbed.
        """
        found = None if self._logged else self._found.get(kind)
        if found is None:
            return None
        story, text = self._story, self._told[found.segment]
        verdicts = (COMPLIANT, NON_COMPLIANT)
        old, new = (verdict(story.procedure, t) for t in (story.trace, story.under(found.meant)))
        gold = Regold(verdicts.index(old), verdicts.index(new))
        return [_difference(found.segment, text, found.text), gold]

    def trace(self, segments: Mapping[str, str]) -> Mapping[str, Any]:
        """The document's trace, save what segments say that hold a counterpart's sentence."""
        told: Mapping[str, Any] = self.doc["trace"]
        if all(segments[name] == text for name, text in self._told.items()):
            return told
        facts, rows = dict(told["facts"]), list(told["events"])
        for found in self._found.values():
            if found is None or segments[found.segment] != found.text:
                continue
            if isinstance(found.meant, str):
                facts[found.meant] = not facts[found.meant]
            else:
                rows[member_number(found.segment) - 1] = found.meant.as_dict()
        return {"facts": facts, "events": rows}

    @cached_property
    def _logged(self) -> tuple[Edit, ...]:
        return edits_from_dicts(self.doc.get("oodrop", {}).get("edits", []))

    @cached_property
    def _told(self) -> Mapping[str, str]:
        """The canonical sentences of circumstances and events."""
        changed = Edits(self._logged).by_segment
        return {
            name: undone_text(name, text, changed.get(name, ()))
            for name, text in self.segments.items()
            if name.startswith(("fact_", "event_"))
        }

    @cached_property
    def _story(self) -> Story:
        rows = self.doc["trace"]["events"]
        times, people = sorted(r["time"] for r in rows), tuple(r["person"] for r in rows)
        return Story(self.procedure, trace_of(self.doc), tuple(times), people)

    @cached_property
    def _found(self) -> Mapping[str, Counterpart | None]:
        return {kind: self._first(candidates) for kind, candidates in _KINDS.items()}

    def _first(self, candidates: Callable[[Story], Iterator[Meant]]) -> Counterpart | None:
        story = self._story
        meant = next((m for m in candidates(story) if story.turned_by(m)), None)
        if meant is None:
            return None
        if isinstance(meant, str):
            segment = f"fact_{list(self.procedure.facts).index(meant) + 1}"
            fact = self.procedure.facts[meant]
            text = fact.fails if story.trace.facts[meant] else fact.holds
        else:
            steps = [row["step"] for row in self.doc["trace"]["events"]]
            segment = f"event_{steps.index(meant.step) + 1}"
            text = self._retold(segment, meant)
        return Counterpart(segment, text, meant)

    def _retold(self, segment: str, event: Event) -> str:
        """The event in the wording of the canonical sentence."""
        row = self.doc["trace"]["events"][member_number(segment) - 1]
        return sentence(self.procedure, event, start_of(self.doc), Telling(*row["telling"]))


def _difference(segment: str, old: str, new: str) -> Replace:
    """The least run of whole words and numbers that makes one text the other."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    was, now = ("".join(tokens[start : len(tokens) - end]) for tokens in (before, after))
    return Replace(segment, len("".join(before[:start])), was, now)


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many tokens at the beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(one), len(other)))

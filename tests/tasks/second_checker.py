"""A checker of its own kind: it reads the text of an item and nothing that the first one uses.

Of a procedure file it takes, with plain YAML, only which phrase tells which step, circumstance or
finding. A clause has to be made of sentences of known form, to the last word. A sentence of the
scenario is read by taking out of it what is known (date, clock, deed, role, person, attribute,
quantity, record) until only small words are left; so no plan of a voice is written down here, and
one that says more than it should is refused. Every kind of violation is then a query over the two
tables. So it also shows that the text carries the label, with its exact numbers and times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import oodrop.tasks.procedural

_FOLDER = Path(oodrop.tasks.procedural.__file__).parent / "procedures"
_NAME = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+")
_DATE = re.compile(r"\b\d{1,2} [A-Z][a-z]+ \d{4}\b")
_CLOCK = re.compile(r"\b\d\d:\d\d\b")
_SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
# What may be left of a sentence when all that it tells has been taken out.
_SMALL_WORDS = {
    "act": "a according and at i is it known of on people present that the to was",
    "reading": "as at be came for found given have i is of out reading stated stood the to was",
    "record": "a an and be can down entered entry file find i in is it made noted of on put read"
    " the there this was will written you",
}
_SMALL = {kind: frozenset(words.split()) for kind, words in _SMALL_WORDS.items()}
_HOLE = "\0"
_MONTHS = {
    "January": 1, "February": 2, "March": 3, "April": 4, "May": 5, "June": 6, "July": 7,
    "August": 8, "September": 9, "October": 10, "November": 11, "December": 12,
}  # fmt: skip
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}


@dataclass(frozen=True)
class Limit:
    """A demand on a measured attribute: bounds with whether they are allowed, and the unit."""

    attribute: str
    low: tuple[Decimal, bool] | None
    high: tuple[Decimal, bool] | None
    unit: str

    def broken(self, value: Decimal) -> bool:
        low, high = self.low, self.high
        too_low = low is not None and (value < low[0] or (value == low[0] and not low[1]))
        too_high = high is not None and (value > high[0] or (value == high[0] and not high[1]))
        return too_low or too_high


@dataclass(frozen=True)
class Rule:
    """What one clause says; steps are told by name."""

    step: str
    roles: frozenset[str]
    only_if: str | None = None
    not_if: str | None = None
    finding: tuple[str, str] | None = None
    after: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    window: tuple[str, int, float] | None = None
    not_by: str | None = None
    by: str | None = None
    records: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Told:
    """What the sentences of one event say; ``step`` is None where it belongs to no step."""

    step: str | None
    time: int
    who: str
    role: str
    values: Mapping[str, Decimal]
    finding: str | None
    records: frozenset[str]


@dataclass(frozen=True)
class Phrases:
    """Which words stand for what in one procedure."""

    deeds: Mapping[str, str]
    facts: Mapping[str, tuple[str, bool]]
    findings: Mapping[str, str]
    roles: tuple[str, ...]
    ids: Mapping[str, str]


@cache
def phrases(process_id: str) -> Phrases:
    """Read the file of a procedure for its wording."""
    text = (_FOLDER / f"{process_id}.yaml").read_text("utf-8")
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    deeds = [(past, s["name"]) for s in data["steps"] for past in s["past"]]
    assert len(dict(deeds)) == len(deeds), f"{process_id}: a phrase tells two steps"
    facts = data.get("facts", {}).values()
    outcomes = [o for s in data["steps"] for o in s.get("outcomes", {}).values()]
    return Phrases(
        deeds=dict(deeds),
        facts={f["holds"]: (f["clause"], True) for f in facts}
        | {f["fails"]: (f["clause"], False) for f in facts},
        findings={o["past"]: o["when"] for o in outcomes},
        roles=_longest_first(data["roles"].values()),
        ids={s["name"]: s["id"] for s in data["steps"]},
    )


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts, key=len, reverse=True))


def _list(text: str) -> frozenset[str]:
    return frozenset(re.split(r", the | and the | or the ", text.removeprefix("the ")))


def _limit(attribute: str, bounds: str) -> Limit:
    low = high = unit = None
    for bound in bounds.split(" and at most "):
        said = bound if bound.startswith(("at", "below", "above")) else f"at most {bound}"
        found = re.fullmatch(r"(at least|at most|below|above) ([\d.]+) ?(\D.*)", said)
        assert found, bounds
        end = Decimal(found[2]), found[1].startswith("at")
        assert unit in (None, found[3]), bounds
        unit = found[3]
        if found[1] in ("at least", "above"):
            low = end
        else:
            high = end
    assert unit
    return Limit(attribute, low, high, unit)


def _window(bounds: str, anchor: str) -> tuple[str, int, float]:
    least, most = 0, float("inf")
    for bound in bounds.split(" and "):
        found = re.fullmatch(r"no (sooner|later) than (\d+) (minute|hour|day)s?", bound)
        assert found, bounds
        minutes = int(found[2]) * _MINUTES[found[3]]
        if found[1] == "sooner":
            least = minutes
        else:
            most = minutes
    return anchor, least, most


# The sentences of a clause behind its first, and what each of them adds to the rule.
_CLAUSE = {
    r"It applies only if (.+)": lambda fact: {"only_if": fact},
    r"It does not apply if (.+)": lambda fact: {"not_if": fact},
    r"It is called for, and allowed, only when the (.+?) finds that (.+)": lambda *f: {
        "finding": f
    },
    r"It comes after (.+)": lambda names: {"after": _list(names)},
    r"The (.+?) must be (.+)": lambda *limit: {"limits": (_limit(*limit),)},
    r"It happens (.+) after the (.+)": lambda *window: {"window": _window(*window)},
    r"It must not be done by the person who did the (.+)": lambda name: {"not_by": name},
    r"It must be done by the person who did the (.+)": lambda name: {"by": name},
    r"It is entered in (.+)": lambda names: {"records": _list(names)},
}


@cache
def read_clause(text: str) -> Rule:
    """One row of the table of rules."""
    first, *rest = _SENTENCES.split(text)
    head = re.fullmatch(r"([^:]+): (the .+?) must .+\.", first)
    assert head, text
    said: dict[str, Any] = {"step": head[1], "roles": _list(head[2])}
    for sentence in rest:
        added = [
            add(*found.groups())
            for pattern, add in _CLAUSE.items()
            if (found := re.fullmatch(pattern + r"\.", sentence))
        ]
        assert len(added) == 1, sentence
        for key, value in added[0].items():
            assert key not in said or key == "limits", f"said twice: {text}"
            said[key] = said.get(key, ()) + value if key == "limits" else value
    return Rule(**said)


def _take(pattern: re.Pattern[str] | str, text: str) -> tuple[str | None, str]:
    """What stands in a text just once, and the text with a hole in its place."""
    if isinstance(pattern, str):
        if pattern not in text:
            return None, text
        pattern = _whole(pattern)
    found = pattern.findall(text)
    return (found[0], pattern.sub(_HOLE, text)) if len(found) == 1 else (None, text)


@cache
def _whole(text: str) -> re.Pattern[str]:
    """A text between other words."""
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


@cache
def _quantity(unit: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\d.])(\d+(?:\.\d+)?) ?{re.escape(unit)}(?!\w)")


@cache
def _beside(role: str) -> re.Pattern[str]:
    """A name in front of a role, or behind it."""
    shown = rf"(?:{re.escape(role)}|{re.escape(role[:1].upper() + role[1:])})"
    name = rf"({_NAME.pattern})"
    return re.compile(rf"{name},? \(?{shown}(?!\w)|(?<!\w){shown} {name}")


def _is_small(kind: str, text: str) -> bool:
    words = _WORD.findall(text.casefold())
    return not re.search(r"\d", text) and _SMALL[kind].issuperset(words)


@cache
def _moment(text: str) -> int:
    """Minutes since the year 1."""
    day, month, year, clock = text.split(" ")
    hour, minute = clock.split(":")
    date = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute))  # noqa: DTZ001
    return (date.toordinal() * 24 + date.hour) * 60 + date.minute


def _act(text: str, words: Phrases) -> Told:
    """Who did what and when; the deed of no step is what is left over."""
    date, rest = _take(_DATE, text)
    clock, rest = _take(_CLOCK, rest)
    assert date, text
    assert clock, text
    time = _moment(f"{date} {clock}")
    readings = []
    for deed in words.deeds:
        if deed in rest:
            told, frame = _take(deed, rest)
            read = _person(frame, words) if told else None
            if read and _is_small("act", read[2]):
                readings.append((words.deeds[deed], read[0], read[1]))
    if not readings:
        read = _person(rest, words)
        assert read, text
        readings = [(None, read[0], read[1])]
    assert len(readings) == 1, f"may be read in two ways: {text}"
    step, who, role = readings[0]
    return Told(step, time, who, role, {}, None, frozenset())


def _person(text: str, words: Phrases) -> tuple[str, str, str] | None:
    """Name and role, which stand beside each other, and what is left of the sentence."""
    for role in words.roles:
        found = _beside(role).search(text)
        if found:
            rest = text[: found.start()] + _HOLE + text[found.end() :]
            return found[1] or found[2], role, rest
    return None


def _reading(text: str, rules: Iterable[Rule]) -> tuple[str, Decimal, str] | None:
    for rule in rules:
        for limit in rule.limits:
            attribute, rest = _take(limit.attribute, text)
            value, rest = _take(_quantity(limit.unit), rest)
            if value and attribute and _is_small("reading", rest):
                return limit.attribute, Decimal(value), rule.step
    return None


def _records(text: str, names: tuple[str, ...]) -> frozenset[str]:
    found = set()
    for name in names:
        told, text = _take(f"the {name}", text)
        if told:
            found.add(name)
    return frozenset(found) if found and _is_small("record", text) else frozenset()


@cache
def read_event(text: str, process_id: str, rules: tuple[Rule, ...]) -> Told:
    """One row of the table of events."""
    words = phrases(process_id)
    first, *rest = _SENTENCES.split(text)
    if not _NAME.search(_DATE.sub("", first)):  # a date and clock time with a full stop
        first, rest = f"{first} {rest[0]}", rest[1:]
    told = _act(first, words)
    values: dict[str, Decimal] = {}
    finding, records = None, frozenset[str]()
    own = [rule for rule in rules if rule.step == told.step]
    names = _longest_first({name for rule in rules for name in rule.records})
    for sentence in rest:
        reading = _reading(sentence, own)
        made = frozenset() if reading else _records(sentence, names)
        if reading:
            assert reading[0] not in values, text
            values[reading[0]] = reading[1]
        elif made:
            assert not records, text
            records = made
        else:
            judged = {
                f"{who} {past}.": when
                for past, when in words.findings.items()
                for who in ("I", told.who)
            }
            assert finding is None, text
            assert sentence in judged, f"cannot be read: {sentence}"
            finding = judged[sentence]
    return Told(told.step, told.time, told.who, told.role, values, finding, records)


def read(
    process_id: str, clauses: Sequence[str], events: Sequence[str]
) -> tuple[tuple[Rule, ...], list[Told]]:
    """Both tables, in the order in which the texts stand."""
    rules = _rules(process_id, tuple(clauses))
    key = tuple(sorted(rules, key=lambda rule: rule.step))
    return rules, [read_event(text, process_id, key) for text in events]


@cache
def _rules(process_id: str, clauses: tuple[str, ...]) -> tuple[Rule, ...]:
    """A clause begins with the step's name with a capital; references to it have none."""
    names = {name[:1].upper() + name[1:]: name for name in phrases(process_id).ids}
    rules = [read_clause(clause) for clause in clauses]
    return tuple(
        Rule(**{f.name: getattr(r, f.name) for f in fields(r)} | {"step": names[r.step]})
        for r in rules
    )


def violations(
    process_id: str, clauses: Sequence[str], facts: Sequence[str], events: Sequence[str]
) -> list[tuple[str, str]]:
    """Sorted pairs of kind and step id; empty means compliant."""
    words = phrases(process_id)
    rules, rows = read(process_id, clauses, events)
    done = {row.step: row for row in rows if row.step is not None}
    assert len(done) == sum(row.step is not None for row in rows), "a step is told twice"
    holds = dict(words.facts[f] for f in facts)
    assert len(holds) * 2 == len(words.facts), "a circumstance is not told, or told twice"
    found = {(kind, words.ids[rule.step]) for rule in rules for kind in _broken(rule, done, holds)}
    return sorted(found)


def _broken(rule: Rule, done: Mapping[str, Told], holds: Mapping[str, bool]) -> Iterator[str]:
    event = done.get(rule.step)
    called = rule.finding is None or (
        rule.finding[0] in done and done[rule.finding[0]].finding == rule.finding[1]
    )
    if event is None:
        applies = holds.get(rule.only_if or "", True) and not holds.get(rule.not_if or "", False)
        if called and applies:
            yield "missing_step"
        return
    if not called:
        yield "branch"
        return
    if event.role not in rule.roles:
        yield "wrong_actor"
    if max((done[a].time for a in rule.after if a in done), default=-1) >= event.time:
        yield "order"
    if any(limit.broken(event.values[limit.attribute]) for limit in rule.limits):
        yield "limit"
    if rule.window is not None and rule.window[0] in done:
        anchor, least, most = rule.window
        passed = event.time - done[anchor].time
        if passed > 0 and not least <= passed <= most:
            yield "timing"
    if not event.records >= rule.records:
        yield "missing_record"
    if rule.not_by in done and done[rule.not_by].who == event.who:
        yield "same_person"
    if rule.by in done and done[rule.by].who != event.who:
        yield "other_person"

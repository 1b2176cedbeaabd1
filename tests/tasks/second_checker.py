"""A checker of its own kind: it reads the text of an item and nothing that the first one uses.

Clauses and sentences become rows of tables, and every kind of violation is a query over them. Of
a procedure file it takes, with plain YAML, only which phrase tells which step, circumstance or
finding. So it also shows that the text carries the label, with its exact numbers and times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import oodrop.tasks.procedural

_FOLDER = Path(oodrop.tasks.procedural.__file__).parent / "procedures"
_STOP = r"\.(?= [A-Z]|$)"
_NAME = r"[A-Z]\w+ [A-Z]\w+"
_DATE = r"\d{1,2} [A-Z][a-z]+ \d{4}"
_CLOCK = r"\d\d:\d\d"
_WHEN = rf"(?P<date>{_DATE}), (?P<clock>{_CLOCK})"
_WHO = rf"(?P<who>{_NAME})"
_DID = r"(?P<did>[^.]+)"
_TOLD = (
    rf"{_WHEN}: {_WHO} \((?P<role>[^)]+)\) {_DID}\.",
    rf"{_WHO}, (?P<role>[^,]+), {_DID} on {_WHEN.replace(', ', ' at ')}\.",
    rf"At (?P<clock>{_CLOCK}) on (?P<date>{_DATE}), {_WHO}, (?P<role>[^,]+), {_DID}\.",
)
_RECORDS = r"(?:This was entered in|Entered in|The entry was made in) (the .+?)\.$"
_COMPARE = {
    "at most": lambda a, b: a <= b,
    "at least": lambda a, b: a >= b,
    "below": lambda a, b: a < b,
    "above": lambda a, b: a > b,
}
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}


@dataclass(frozen=True)
class Rule:
    """What one clause says."""

    step: str
    roles: frozenset[str]
    only_if: str | None
    not_if: str | None
    finding: tuple[str, str] | None
    after: frozenset[str]
    limits: tuple[tuple[str, str, Decimal, str], ...]
    window: tuple[str, int | None, int | None] | None
    other_person: str | None
    records: frozenset[str]


@dataclass(frozen=True)
class Told:
    """What one sentence says that a step was done; ``time`` in minutes."""

    step: str
    time: int
    who: str
    role: str
    values: Mapping[str, tuple[Decimal, str]]
    finding: str | None
    records: frozenset[str]


@dataclass(frozen=True)
class Phrases:
    """Which words stand for what in one procedure."""

    steps: Mapping[str, str]
    facts: Mapping[str, tuple[str, bool]]
    findings: Mapping[str, str]
    ids: Mapping[str, str]


@cache
def phrases(process_id: str) -> Phrases:
    """Read the file of a procedure for its wording."""
    data = yaml.safe_load((_FOLDER / f"{process_id}.yaml").read_text("utf-8"))
    steps = [(past, s["name"]) for s in data["steps"] for past in s["past"]]
    assert len(dict(steps)) == len(steps), f"{process_id}: a phrase tells two steps"
    facts = data.get("facts", {}).values()
    outcomes = [o for s in data["steps"] for o in s.get("outcomes", {}).values()]
    return Phrases(
        steps=dict(steps),
        facts={f["holds"]: (f["clause"], True) for f in facts}
        | {f["fails"]: (f["clause"], False) for f in facts},
        findings={o["past"]: o["when"] for o in outcomes},
        ids={s["name"]: s["id"] for s in data["steps"]},
    )


def _find(pattern: str, text: str) -> str | None:
    found = re.search(pattern + _STOP, text)
    return found[1] if found else None


def _list(text: str | None) -> frozenset[str]:
    return (
        frozenset(re.split(r", the | and the | or the ", text.removeprefix("the ")))
        if text
        else frozenset()
    )


def read_clause(text: str) -> Rule:
    """One row of the table of rules."""
    head, rest = text.split(" must ", 1)
    name, roles = head.split(": ", 1)
    finding = re.search(rf"It is due only when the (.+?) finds that (.+?){_STOP}", rest)
    window = re.search(rf"It happens (.+) after the ([^.]+){_STOP}", rest)
    bounds = {}
    for which, count, unit in re.findall(
        r"no (sooner|later) than (\d+) (minute|hour|day)s?", window[1] if window else ""
    ):
        bounds[which] = int(count) * _MINUTES[unit]
    limits = re.findall(
        rf"The ([^.]+) must be (at most|at least|below|above) ([\d.]+) ?(.+?){_STOP}", rest
    )
    return Rule(
        step=name,
        roles=_list(roles),
        only_if=_find("It applies only if (.+?)", rest),
        not_if=_find("It does not apply if (.+?)", rest),
        finding=(finding[1], finding[2]) if finding else None,
        after=_list(_find("It comes after (.+?)", rest)),
        limits=tuple((a, op, Decimal(value), unit) for a, op, value, unit in limits),
        window=(window[2], bounds.get("sooner"), bounds.get("later")) if window else None,
        other_person=_find("It must not be done by the person who did the (.+?)", rest),
        records=_list(_find("It is entered in (.+?)", rest)),
    )


def read_sentence(text: str, words: Phrases) -> Told | None:
    """One row of the table of events, None for an event that belongs to no step."""
    found = next(m for m in (re.match(p, text) for p in _TOLD) if m)
    step = words.steps.get(found["did"])
    if step is None:
        return None
    rest = text[found.end() :].strip()
    records = re.search(_RECORDS, rest)
    rest = rest[: records.start()].strip() if records else rest
    values = {}
    for attribute, value, unit in re.findall(rf"The ([^.]+?) was ([\d.]+) ?(.+?){_STOP}", rest):
        values[attribute] = (Decimal(value), unit)
    own = _find(rf"{found['who']} (.+?)", rest)
    when = datetime.strptime(f"{found['date']} {found['clock']}", "%d %B %Y %H:%M")  # noqa: DTZ007
    return Told(
        step=step,
        time=int((when - datetime(2000, 1, 1)).total_seconds()) // 60,  # noqa: DTZ001
        who=found["who"],
        role=found["role"],
        values=values,
        finding=words.findings[own] if own else None,
        records=_list(records[1]) if records else frozenset(),
    )


def violations(
    process_id: str, clauses: Sequence[str], facts: Sequence[str], events: Sequence[str]
) -> list[tuple[str, str]]:
    """Sorted pairs of kind and step id; empty means compliant."""
    words = phrases(process_id)
    rules = [_capital_free(read_clause(c), words) for c in clauses]
    rows = [row for row in (read_sentence(e, words) for e in events) if row]
    assert len({row.step for row in rows}) == len(rows), "a step is told twice"
    done = {row.step: row for row in rows}
    holds = dict(words.facts[f] for f in facts)

    def called_for(r: Rule) -> bool:
        return (r.only_if is None or holds[r.only_if]) and not (r.not_if and holds[r.not_if])

    def branch(r: Rule) -> bool:
        if r.finding is None:
            return True
        step, finding = r.finding
        return step in done and done[step].finding == finding

    def elapsed(r: Rule) -> int | None:
        if r.window is None or r.window[0] not in done:
            return None
        return done[r.step].time - done[r.window[0]].time

    present = [(r, done[r.step]) for r in rules if r.step in done and branch(r)]
    table = {
        "missing_step": {
            r.step for r in rules if r.step not in done and called_for(r) and branch(r)
        },
        "branch": {r.step for r in rules if r.step in done and not branch(r)},
        "wrong_actor": {r.step for r, e in present if e.role not in r.roles},
        "order": {
            r.step for r, e in present for a in r.after if a in done and done[a].time >= e.time
        },
        "limit": {
            r.step
            for r, e in present
            for attribute, op, bound, unit in r.limits
            if e.values[attribute][1] != unit or not _COMPARE[op](e.values[attribute][0], bound)
        },
        "timing": {
            r.step
            for r, e in present
            if r.window is not None
            and (passed := elapsed(r)) is not None
            and passed > 0
            and not (r.window[1] or 0) <= passed <= (r.window[2] or 10**9)
        },
        "missing_record": {r.step for r, e in present if r.records - e.records},
        "same_person": {
            r.step
            for r, e in present
            if r.other_person in done and done[r.other_person].who == e.who
        },
    }
    return sorted((kind, words.ids[step]) for kind, steps in table.items() for step in steps)


def _capital_free(rule: Rule, words: Phrases) -> Rule:
    """A clause begins with the step's name with a capital; references to it have none."""
    name = next(n for n in words.ids if n[:1].upper() + n[1:] == rule.step)
    return Rule(**{**_fields(rule), "step": name})


def _fields(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in rule.__dataclass_fields__}

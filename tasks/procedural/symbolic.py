"""Documents in symbols from outside: their text and their label are derived again, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from oodrop.tasks.procedural import procedures
from oodrop.tasks.procedural.build import QUESTION, trace_of
from oodrop.tasks.procedural.check import COMPLIANT, Violation, check, verdict
from oodrop.tasks.procedural.documents import (
    LABEL,
    OPTIONAL,
    TEXT,
    Field,
    field_problems,
    is_name,
    is_text,
    shown,
)
from oodrop.tasks.procedural.render import clause, sentence, stamp
from oodrop.tasks.procedural.schema import Procedure, Step
from oodrop.tasks.procedural.trace import Event
from oodrop.tasks.procedural.voices import VOICES, Telling
from oodrop.tasks.spec import Doc

_DECIMAL = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII)
_DAY = re.compile(r"(19|20|21)\d\d-\d\d-\d\d", re.ASCII)
_LATEST = 20 * 366 * 1440  # minutes after midnight of the first day
_LIST = Field("a list of texts", lambda v: isinstance(v, list) and all(map(is_text, v)))


def _is_day(value: object) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_trace(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"facts", "events"}:
        return False
    facts, events = value["facts"], value["events"]
    return (
        isinstance(facts, dict)
        and all(type(held) is bool for held in facts.values())
        and isinstance(events, list)
        and all(isinstance(row, dict) for row in events)
    )


_FIELDS: Mapping[str, Field] = {
    "label": LABEL,
    **{name: Field(TEXT, is_text) for name in ("title", "intro", "closing")},
    "question": Field(repr(QUESTION), lambda v: v == QUESTION),
    **dict.fromkeys(("clauses", "facts", "events"), _LIST),
    "start": Field("a day as YYYY-MM-DD", _is_day),
    "trace": Field('an object {"facts": {name: true or false}, "events": [objects]}', _is_trace),
    **OPTIONAL,
    "process_id": Field(
        "the id of a procedure that comes with oodrop", lambda v: v in procedures()
    ),
    "violation": Field("an object or null", lambda v: isinstance(v, dict), needed=False),
}
_DONE: Mapping[str, Field] = {
    "step": Field("the id of a step, or null", is_name),
    "time": Field(f"minutes from 0 to {_LATEST}", lambda v: type(v) is int and 0 <= v <= _LATEST),
    "person": Field("one line of text", is_name),
    "role": Field("one line of text", is_name),
    "values": Field(
        "a list of decimal numbers as text",
        lambda v: isinstance(v, list) and all(_DECIMAL.fullmatch(x) for x in v),
    ),
    "records": _LIST,
    "outcome": Field("text or null", lambda v: v is None or is_name(v)),
    "telling": Field(
        "a list [voice, plan, wording]",
        lambda v: isinstance(v, list) and [type(x) for x in v] == [str, int, int],
    ),
}
_IDLE = {name: _DONE[name] for name in ("time", "person")} | {
    "step": Field("null", lambda v: v is None)
}


def symbolic_problems(row: Any) -> list[str]:
    """What is wrong with a document in symbols, one sentence each; nothing if it is well.

    The shape is that of `build`. Clauses, circumstances and events have to read as the procedure
    and the trace are rendered, and the label has to be the checker's.
    """
    problems = list(field_problems(row, _FIELDS))
    if problems:
        return problems
    procedure = procedures()[row["process_id"]]
    problems = [*_heading_problems(row, procedure), *_trace_problems(row, procedure)]
    return problems or [*_text_problems(row, procedure), *_label_problems(row, procedure)]


def violation_of(doc: Doc) -> Mapping[str, str] | None:
    """The first rule that a well-formed document breaks, and the step; None if it breaks none."""
    found = _violations(doc)
    return {"kind": found[0].kind, "step": found[0].step} if found else None


def _violations(doc: Doc) -> list[Violation]:
    return check(procedures()[doc["process_id"]], trace_of(doc))


def _heading_problems(row: Doc, procedure: Procedure) -> Iterator[str]:
    for name in ("title", "cohort"):
        theirs = getattr(procedure, name)
        if row.get(name) not in (theirs, None):
            yield f"{name!r} must be that of {procedure.id}, {theirs!r}, got {shown(row[name])}"
    if set(row["trace"]["facts"]) != set(procedure.facts):
        wanted = ", ".join(procedure.facts) or "none"
        yield f"'trace' must tell the facts of {procedure.id}: {wanted}"


def _trace_problems(row: Doc, procedure: Procedure) -> Iterator[str]:
    rows = row["trace"]["events"]
    if len(rows) != len(row["events"]):
        yield f"'trace' must have {len(row['events'])} events, as 'events' has, got {len(rows)}"
    seen: set[str] = set()
    for number, told in enumerate(rows, 1):
        where = f"'trace', event {number}"
        fields = _IDLE if told.get("step") is None else _DONE
        problems = list(field_problems(told, fields))
        if not problems and told["step"] is not None:
            problems = list(_event_problems(told, procedure))
            if told["step"] in seen:
                problems.append(f"the step {told['step']!r} was told already")
            seen.add(told["step"])
        yield from (f"{where}: {problem}" for problem in problems)


def _event_problems(told: Mapping[str, Any], procedure: Procedure) -> Iterator[str]:
    step = next((s for s in procedure.steps if s.id == told["step"]), None)
    if step is None:
        there = ", ".join(s.id for s in procedure.steps)
        yield f"'step' must be one of {there}, got {shown(told['step'])}"
        return
    if told["role"] not in procedure.roles:
        there = ", ".join(procedure.roles)
        yield f"'role' must be one of {there}, got {shown(told['role'])}"
    if len(told["values"]) != len(step.limits):
        yield f"'values' must hold {len(step.limits)} numbers, got {len(told['values'])}"
    unknown = [r for r in told["records"] if r not in step.records]
    if unknown or len(set(told["records"])) < len(told["records"]):
        there = ", ".join(step.records) or "nothing"
        yield f"'records' must be of {there}, each once, got {shown(told['records'])}"
    yield from _closed_choices(told, step)


def _closed_choices(told: Mapping[str, Any], step: Step) -> Iterator[str]:
    outcomes = [o.id for o in step.outcomes]
    if (told["outcome"] or "") not in (outcomes or [""]):
        there = ", ".join(outcomes) or "null"
        yield f"'outcome' must be one of {there}, got {shown(told['outcome'])}"
    voice, plan, past = told["telling"]
    known = VOICES.get(voice)
    if known is None or not 0 <= plan < known.plans or not 0 <= past < len(step.past):
        yield f"'telling' must name a voice, one of its plans and a wording, got {told['telling']}"


def _text_problems(row: Doc, procedure: Procedure) -> Iterator[str]:
    facts = row["trace"]["facts"]
    wanted = {
        "clauses": [clause(procedure, step) for step in procedure.steps],
        "facts": [f.holds if facts[name] else f.fails for name, f in procedure.facts.items()],
    }
    for field, texts in wanted.items():
        if row[field] != texts:
            pairs = zip(row[field], texts, strict=False)
            k = next((k for k, (a, b) in enumerate(pairs, 1) if a != b), len(texts))
            yield f"{field!r} must read as {procedure.id} and the trace say; entry {k} does not"
    start = datetime.fromisoformat(row["start"])
    for number, (told, text) in enumerate(
        zip(row["trace"]["events"], row["events"], strict=True), 1
    ):
        if told["step"] is None:
            if any(x not in text for x in (*stamp(start, told["time"]), told["person"])):
                yield f"'events', entry {number}: it must state its date, time and person"
        elif text != sentence(procedure, Event.from_dict(told), start, Telling(*told["telling"])):
            yield f"'events', entry {number}: it must read as the trace says"


def _label_problems(row: Doc, procedure: Procedure) -> Iterator[str]:
    derived = verdict(procedure, trace_of(row))
    if row["label"] != derived:
        found = _violations(row)
        reason = "nothing is broken"
        if derived != COMPLIANT:
            reason = f"{found[0].kind} at the step {found[0].step}"
        yield f"'label' is {row['label']!r}, but the checker derives {derived!r}: {reason}"

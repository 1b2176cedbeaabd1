"""The checker finds each kind of violation, and a second one of another make agrees with it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from oodrop.tasks import get_task
from oodrop.tasks.procedural.build import trace_of
from oodrop.tasks.procedural.check import Kind, Violation, check, is_due, verdict
from oodrop.tasks.procedural.loading import load_procedure
from oodrop.tasks.procedural.render import clause, sentence
from oodrop.tasks.procedural.schema import WORDINGS, Procedure
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.procedural.voices import VOICES, Telling
from oodrop.tasks.spec import Doc

from .conftest import SPLITS
from .second_checker import phrases, read, violations

DATA = get_task("procedural").folder / "data"
LAB = """\
id: blood_test
title: Blood test
source: invented
cohort: cms_laboratory_claims
intro: [A test was run., Blood was tested.]
roles: {clerk: clerk, tech: technologist, boss: supervisor, driver: driver}
outsiders: [driver]
facts:
  urgent: {clause: the test is urgent, holds: The test was urgent., fails: The test was routine.}
  frozen: {clause: the blood is frozen, holds: The blood was frozen., fails: The blood was fresh.}
steps:
  - {id: intake, name: intake, rule: take the tube in,
     past: [took the tube in, received the tube, let the tube in],
     roles: [clerk], records: [log]}
  - {id: call, name: call, rule: call the ward,
     past: [called the ward, rang the ward, spoke to the ward],
     roles: [clerk, boss], requires: [intake], when: urgent, window: {after: intake, max: 30 min}}
  - {id: spin, name: spin, rule: spin the tube,
     past: [spun the tube, ran the centrifuge, set the tube spinning],
     roles: [tech], requires: [intake], unless: frozen,
     limits: [{attribute: speed, op: ">=", value: 100, unit: rpm, delta: 5},
              {attribute: heat, op: "<", value: 40, unit: degrees C, delta: 1},
              {attribute: share, op: within, low: 2.5, high: 4.5, unit: "%", delta: 0.5}]}
  - {id: review, name: review, rule: judge the tube,
     past: [judged the tube, examined the tube, looked at the tube],
     roles: [tech, boss], requires: [intake, spin], records: [form, file],
     outcomes: {good: {when: the tube is good, past: found that the tube was good},
                bad: {when: the tube is bad, past: found that the tube was bad}}}
  - {id: report, name: report, rule: report the value,
     past: [reported the value, sent the value, passed the value on],
     roles: [tech, boss], requires: [intake, review], only_if: {step: review, outcome: good},
     not_same_person_as: review, window: {after: intake, min: 1 h, max: 2 h}}
  - {id: filing, name: filing, rule: file the report,
     past: [filed the report, put the report on file, stored the report],
     roles: [tech, boss, clerk], requires: [review, report],
     only_if: {step: review, outcome: good}, same_person_as: report}
  - {id: reject, name: rejection, rule: reject the tube,
     past: [rejected it, refused it, turned it down],
     roles: [tech], requires: [review], only_if: {step: review, outcome: bad}}
"""
START = datetime(2023, 1, 2)  # noqa: DTZ001
CLEAN = Trace(
    {"urgent": True, "frozen": False},
    (
        Event("intake", 600, "Ann Bee", "clerk", (), ("log",)),
        Event("call", 630, "Ann Bee", "clerk"),
        Event("spin", 640, "Cid Dee", "tech", (Decimal(100), Decimal("39.9"), Decimal(3))),
        Event("review", 650, "Cid Dee", "tech", (), ("form", "file"), "good"),
        Event("report", 660, "Eve Fox", "boss"),
        Event("filing", 800, "Eve Fox", "boss"),
    ),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Procedure:
    path: Path = tmp_path_factory.mktemp("lab") / "blood_test.yaml"
    path.write_text(LAB)
    return load_procedure(path)


def changed(step: str, **fields: object) -> Trace:
    events = (replace(e, **fields) if e.step == step else e for e in CLEAN.events)  # type: ignore[arg-type]
    return replace(CLEAN, events=tuple(events))


def without(*steps: str) -> Trace:
    return replace(CLEAN, events=tuple(e for e in CLEAN.events if e.step not in steps))


def under(trace: Trace, **facts: bool) -> Trace:
    return replace(trace, facts={**trace.facts, **facts})


def spun(speed: str, heat: str = "39.9", share: str = "3") -> Trace:
    return changed("spin", values=tuple(Decimal(v) for v in (speed, heat, share)))


REJECTED = changed("review", outcome="bad")
REJECTION = Event("reject", 670, "Cid Dee", "tech")


@pytest.mark.parametrize(
    ("trace", "found"),
    [
        (CLEAN, []),
        (replace(CLEAN, events=CLEAN.events[::-1]), []),
        # a step that is due and was not done, and one that was not due
        (without("call"), [("missing_step", "call")]),
        (under(without("call"), urgent=False), []),
        (under(CLEAN, urgent=False), []),
        (without("spin"), [("missing_step", "spin")]),
        (under(without("spin"), frozen=True), []),
        (without("report"), [("missing_step", "report")]),
        (without("filing"), [("missing_step", "filing")]),
        (without("intake"), [("missing_step", "intake")]),
        (without("review", "report", "filing"), [("missing_step", "review")]),
        (
            without("review"),
            [("branch", "filing"), ("branch", "report"), ("missing_step", "review")],
        ),
        # who
        (changed("intake", role="driver"), [("wrong_actor", "intake")]),
        (changed("call", role="boss"), []),
        (changed("filing", person="Cid Dee"), [("other_person", "filing")]),
        (changed("filing", role="clerk"), []),
        (changed("report", person="Ann Bee"), [("other_person", "filing")]),
        (
            changed("report", person="Cid Dee", role="tech"),
            [("other_person", "filing"), ("same_person", "report")],
        ),
        # order
        (changed("call", time=590), [("order", "call")]),
        (changed("call", time=600), [("order", "call")]),
        (changed("call", time=601), []),
        (changed("review", time=639), [("order", "review")]),
        # limits, at and beside the bound
        (spun("99.9", "30"), [("limit", "spin")]),
        (spun("100", "40"), [("limit", "spin")]),
        (spun("1", "99"), [("limit", "spin")]),
        (spun("100", "0"), []),
        # a range: both ends are in it
        *((spun("100", share=v), []) for v in ("2.5", "4.5", "4.49")),
        *((spun("100", share=v), [("limit", "spin")]) for v in ("2.49", "4.51", "0", "45")),
        # windows, at and beside either end
        (changed("call", time=631), [("timing", "call")]),
        (changed("report", time=659), [("timing", "report")]),
        (changed("report", time=720), []),
        (changed("report", time=721), [("timing", "report")]),
        # records
        (changed("intake", records=()), [("missing_record", "intake")]),
        (changed("review", records=("file",)), [("missing_record", "review")]),
        (changed("review", records=("file", "form", "log")), []),
        # branches
        (REJECTED, [("branch", "filing"), ("branch", "report"), ("missing_step", "reject")]),
        (replace(CLEAN, events=(*CLEAN.events, REJECTION)), [("branch", "reject")]),
        (replace(REJECTED, events=(*REJECTED.events[:-2], REJECTION)), []),
        # two at once
        (
            under(changed("review", records=(), time=605), frozen=True),
            [("missing_record", "review"), ("order", "review")],
        ),
    ],
)
def test_each_kind_of_violation(lab: Procedure, trace: Trace, found: list[tuple[str, str]]) -> None:
    assert check(lab, trace) == [Violation(*v) for v in found]  # type: ignore[arg-type]
    assert verdict(lab, trace) == ("non-compliant" if found else "compliant")


def test_what_is_due(lab: Procedure) -> None:
    assert is_due(lab.step("call"), CLEAN)
    assert not is_due(lab.step("call"), under(CLEAN, urgent=False))
    assert is_due(lab.step("spin"), CLEAN)
    assert not is_due(lab.step("spin"), under(CLEAN, frozen=True))
    assert not is_due(lab.step("reject"), CLEAN)
    assert not is_due(lab.step("report"), without("review"))


def test_the_order_of_events_and_clauses_means_nothing(lab: Procedure) -> None:
    rng = random.Random(1)
    for trace in (CLEAN, changed("call", time=590), REJECTED):
        for _ in range(20):
            events, steps = list(trace.events), list(lab.steps)
            rng.shuffle(events)
            rng.shuffle(steps)
            moved = replace(lab, steps=tuple(steps))
            assert check(moved, replace(trace, events=tuple(events))) == check(lab, trace)


@pytest.mark.parametrize("split", SPLITS)
def test_the_second_checker_agrees_on_every_item(
    split: str, procedural: Mapping[str, list[Doc]]
) -> None:
    """On the label, on the violation that is named, and on which steps are told.

    No person has two roles, and no two share a name, in events that belong to no step too.
    """
    lines = gzip.decompress((DATA / f"{split}.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["item_id"] for line in lines] == [
        doc["item_id"] for doc in procedural[split]
    ]
    for doc in procedural[split]:
        found = violations(doc["process_id"], doc["clauses"], doc["facts"], doc["events"])
        recorded = doc["violation"]
        assert found == ([(recorded["kind"], recorded["step"])] if recorded else []), doc["item_id"]
        assert doc["label"] == ("non-compliant" if found else "compliant")
        ids = phrases(doc["process_id"]).ids
        _, rows = read(doc["process_id"], doc["clauses"], doc["events"])
        told = [ids[row.step] if row.step else None for row in rows]
        assert told == [row["step"] for row in doc["trace"]["events"]], doc["item_id"]
        roles = {(row.who, row.role) for row in rows}
        parts = [part for who, _ in roles for part in who.split()]
        assert len(parts) == len(set(parts)) == 2 * len(roles), doc["item_id"]


def mutated(procedure: Procedure, trace: Trace, rng: random.Random) -> Trace:
    """One thing about the trace changed, whatever comes of it."""
    events = list(trace.events)
    k = rng.randrange(len(events))
    event, step = events[k], procedure.step(events[k].step)
    match rng.randrange(8):
        case 0 if len(events) > 1:
            del events[k]
        case 1:
            other = rng.randrange(len(events))
            swapped = replace(events[other], time=event.time)
            events[k], events[other] = replace(event, time=events[other].time), swapped
        case 2:
            events[k] = replace(
                event, time=max(0, event.time + rng.choice((-1, 1)) * rng.randrange(3000))
            )
        case 3:
            events[k] = replace(event, role=rng.choice(sorted(procedure.roles)))
        case 4:
            events[k] = replace(event, person=rng.choice(events).person)
        case 5 if step.limits:
            factor = Decimal(rng.randrange(1, 30)) / 10
            events[k] = replace(event, values=tuple(x.value * factor for x in step.limits))
        case 6 if event.records:
            events[k] = replace(event, records=event.records[1:])
        case 7 if step.outcomes:
            events[k] = replace(event, outcome=rng.choice(step.outcomes).id)
        case _:
            facts = {name: rng.random() < 0.5 for name in trace.facts}
            return replace(trace, facts=facts)
    return replace(trace, events=tuple(events))


def test_the_second_checker_agrees_on_mutated_traces(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """In every voice and plan, whatever the fault, and however many there are."""
    rng = random.Random(2026)
    kinds, tellings = set(), set()
    docs = [d for docs in procedural.values() for d in docs if d["type"] == "baseline_compliant"]
    for doc in docs[::6]:
        procedure = procedures[doc["process_id"]]
        clauses = [clause(procedure, step) for step in procedure.steps]
        start, trace = datetime.fromisoformat(doc["start"]), trace_of(doc)
        for _ in range(3):
            trace = mutated(procedure, trace, rng)
            voice = rng.choice(list(VOICES))
            ways = [
                Telling(voice, rng.randrange(VOICES[voice].plans), rng.randrange(WORDINGS))
                for _ in trace.events
            ]
            pairs = zip(trace.events, ways, strict=True)
            told = [sentence(procedure, event, start, telling) for event, telling in pairs]
            facts = [
                f.holds if trace.facts[name] else f.fails for name, f in procedure.facts.items()
            ]
            found = violations(procedure.id, clauses, facts, told)
            assert found == [(v.kind, v.step) for v in check(procedure, trace)], doc["item_id"]
            kinds |= {kind for kind, _ in found}
            tellings |= set(ways)
    assert kinds == set(get_args(Kind))
    every = {
        Telling(name, plan, past)
        for name, voice in VOICES.items()
        for plan in range(voice.plans)
        for past in range(WORDINGS)
    }
    assert tellings == every


def test_the_second_checker_reads_every_word(procedural: Mapping[str, list[Doc]]) -> None:
    """A sentence that it cannot place, and a deed with a word more, are no event of a step."""
    for doc in procedural["test"][::97]:
        process, rules = doc["process_id"], doc["clauses"]
        rows = zip(doc["events"], doc["trace"]["events"], strict=True)
        text = next(t for t, r in rows if r["step"] and not r["values"] and not r["outcome"])
        deed = next(d for d in sorted(phrases(process).deeds, key=len)[::-1] if d in text)
        _, (row, denied) = read(process, rules, [text, text.replace(deed, f"almost {deed}")])
        assert row.step is not None
        assert denied.step is None
        with pytest.raises(AssertionError, match="cannot be read: Nobody"):
            read(process, rules, [f"{text} Nobody looked."])
    clauses = procedural["test"][0]["clauses"]
    with pytest.raises(AssertionError, match="It is fun"):
        read(process, [f"{clauses[0]} It is fun."], [])


def test_no_plan_leaves_the_time_to_a_clause_within_the_deed() -> None:
    """ "asked whether the order was genuine at 10:22" says when it was genuine."""
    for voice in VOICES.values():
        for act in voice.acts:
            ahead, _, behind = act.partition("{did}")
            assert ("{date}" in ahead and "{clock}" in ahead) or behind.startswith(", "), act

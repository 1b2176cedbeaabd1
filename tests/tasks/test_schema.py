"""A procedure file of the wrong shape is named with line and field; the shipped ones load."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.tasks import get_task
from oodrop.tasks.procedural.loading import load_procedure, load_procedures
from oodrop.tasks.procedural.schema import (
    COHORTS,
    HELDOUT_COHORTS,
    Limit,
    OnlyIf,
    Procedure,
    Step,
    ancestors,
    certain_ancestors,
)

GOOD = """\
id: blood_test
title: Blood test
source: 42 CFR 1
cohort: cms_laboratory_claims
intro:
  - A test was run.
  - Blood was tested.
roles:
  clerk: clerk
  tech: technologist
  driver: driver
outsiders: [driver]
facts:
  urgent:
    clause: the test is urgent
    holds: The test was urgent.
    fails: The test was routine.
steps:
  - id: intake
    name: intake
    rule: take the tube in
    past: [took the tube in, received the tube, let the tube in]
    roles: [clerk]
    records: [log]
  - id: call
    name: call
    rule: call the ward
    past: [called the ward, rang the ward, spoke to the ward]
    roles: [clerk, tech]
    requires: [intake]
    when: urgent
    window: {after: intake, min: 10 min, max: 30 min}
  - id: spin
    name: spin
    rule: spin the tube
    past: [spun the tube, ran the centrifuge, set the tube spinning]
    roles: [tech]
    requires: [intake]
    limits:
      - {attribute: heat, op: within, low: 20, high: 30, unit: degrees C, delta: 2}
      - {attribute: speed, op: ">=", value: 100, unit: rpm, delta: 5}
  - id: review
    name: review
    rule: judge the tube
    past: [judged the tube, examined the tube, looked at the tube]
    roles: [tech]
    requires: [spin]
    not_same_person_as: spin
    outcomes:
      good: {when: the tube is good, past: found that the tube was good}
      bad: {when: the tube is bad, past: found that the tube was bad}
  - id: report
    name: report
    rule: report the value
    past: [reported the value, sent the value, passed the value on]
    roles: [tech, clerk]
    requires: [review]
    same_person_as: review
    only_if: {step: review, outcome: good}
    gap: 2 h
"""


def load(folder: Path, text: str) -> Procedure:
    path = folder / "blood_test.yaml"
    path.write_text(text, encoding="utf-8")
    return load_procedure(path)


def test_a_good_file(tmp_path: Path) -> None:
    procedure = load(tmp_path, GOOD)
    assert [s.id for s in procedure.steps] == ["intake", "call", "spin", "review", "report"]
    call = procedure.step("call")
    assert call.window is not None
    assert (call.window.min, call.window.max, call.gap) == (10, 30, 30)
    assert procedure.step("report").gap == 120
    assert procedure.step("report").same_person_as == "review"
    heat, speed = procedure.step("spin").limits
    assert (heat.op, *heat.bounds) == ("within", 20, 30)
    assert (speed.op, *speed.bounds) == (">=", 100)
    assert [o.id for o in procedure.step("review").outcomes] == ["good", "bad"]
    with pytest.raises(KeyError):
        procedure.step("nothing")


# What is replaced, by what, the text that begins the line that is named, and the message.
BROKEN = [
    ("id: blood_test", "id: Blood", "id:", "procedure: 'id' must match"),
    ("title: Blood test", "title: ' Blood'", "title:", "'title' must be non-empty text"),
    ("title: Blood test", "title: Test 7", "title:", "'title' holds a digit; numbers go into"),
    ("title: Blood test\n", "", "id:", "procedure: the field 'title' is missing"),
    ("cohort: cms_laboratory", "cohort: moon", "cohort:", "'cohort' must be one of lab_work"),
    ("cohort: cms", "cohrt: cms", "id:", "the field 'cohort' is missing"),
    ("source: 42", "sorce: 1\nsource: 42", "sorce:", "unknown field 'sorce'; allowed: .*source"),
    ("  - Blood was tested.\n", "", "intro:", "'intro' must be a list of at least 2 texts"),
    ("  clerk: clerk", "  clerk: Clerk.", "  clerk:", "roles: 'clerk' is a phrase inside"),
    ("outsiders: [driver]", "outsiders: [pilot]", "outsiders:", "unknown role 'pilot'"),
    ("outsiders: [driver]", "outsiders: []", "outsiders:", "'outsiders' must be a list of at"),
    ("  driver: driver", "  driver: driver\n  cook: cook", "roles:", "step uses the role 'cook'"),
    ("clause: the test", "clause: The test", "    clause:", "fact urgent: 'clause' is a phrase"),
    ("holds: The test", "holds: the test", "    holds:", "'holds' must be a sentence with capital"),
    ("test was routine.", "test was routine", "    fails:", "'fails' must be a sentence"),
    ("    when: urgent\n", "", "facts:", "no step uses the fact 'urgent'"),
    ("when: urgent", "when: hurried", "    when:", "unknown fact 'hurried'; there are: urgent"),
    ("when: urgent", "when: [urgent]", "    when:", "'when' must be non-empty text"),
    ("when: urgent", "when: urgent\n    unless: urgent", "    unless:", "'when' or 'unless', not"),
    ("when: urgent", "unless: [urgent]", "    unless:", "'unless' must be non-empty text"),
    ("id: call", "id: intake", "  - id: intake", "another step has the same id"),
    ("name: call", "name: intake", "  - id: intake", "another step has the same id or name"),
    ("rule: call the ward", "rule: Call the ward.", "    rule: Call", "step call: 'rule' is a phr"),
    ("[called the ward, rang the ward, ", "[called, ", "    past: [called", "at least 3 texts"),
    ("past: [called the", "past: [Called the", "    past: [Called", "'past' is a phrase inside"),
    ("past: [called the ward, rang the ward, spoke to the ward]", "past: called",
     "    past: called", "'past' must be a list of at least 3 texts, got 'called'"),
    ("roles: [clerk, tech]", "roles: [cook]", "    roles: [cook]", "unknown role 'cook'; there"),
    ("roles: [clerk, tech]", "roles: [driver]", "    roles: [driver]", "outsider 'driver' may not"),
    ("roles: [clerk, tech]", "roles: clerk", "    roles: clerk", "'roles' must be a list of at"),
    ("requires: [spin]", "requires: [report]", "    requires: [report]", "listed above this one"),
    ("requires: [spin]", "requires: [review]", "    requires: [review]", "listed above this one"),
    ("[intake]\n    limits", "[intake]\n    unless: urgent\n    limits", "    requires: [spin]",
     "step review: 'intake' comes before this step only through one that may be not due: name it"),
    ("{after: intake, min", "{after: spin, min", "    window:", "'spin' must come before this"),
    (", min: 10 min, max: 30 min", "", "    window:", "a window needs 'min' or 'max'"),
    ("min: 10 min, ", "min: 30 min, ", "    window:", "'min' must be below 'max'"),
    ("min: 10 min, ", "min: 10 minutes, ", "    window:", "'min' must look like '30 min', '24 h'"),
    ("min: 10 min, ", "min: 10, ", "    window:", "'min' must look like"),
    ("window: {after", "window: {aftr", "    window:", "the field 'after' is missing"),
    ("window: {after: intake,", "window: {after: intake, x: 1,", "    window:", "unknown field"),
    ("window: {after: intake, min: 10 min, max: 30 min}", "window: 3", None, "must be a mapping"),
    ("not_same_person_as: spin", "not_same_person_as: call", "    not_same", "'call' must come be"),
    ("not_same_person_as: spin", "not_same_person_as: [spin]", "    not_same", "non-empty text"),
    ("same_person_as: review", "same_person_as: call", "    same_person", "'call' must come"),
    ("same_person_as: review", "same_person_as: [spin]", "    same_person", "non-empty text"),
    ("roles: [tech, clerk]", "roles: [clerk]", "    same_person", "every role of that"),
    ("same_person_as: review", "same_person_as: review\n    not_same_person_as: review",
     "    same_person", "cannot be both demanded and forbidden"),
    ("same_person_as: review", "same_persn_as: review", "    same_persn", "unknown field"),
    ("{step: review, outcome: good}", "{step: spin, outcome: good}", "    only_if", "one of"),
    ("{step: review, outcome: good}", "{step: review, outcome: x}", "    only_if", "got 'x'"),
    ("{step: review, outcome: good}", "{step: call, outcome: good}", "    only_if", "'call' must"),
    ("      bad: {when: the tube is bad, past: found that the tube was bad}\n", "", "      good:",
     "a determination has exactly two outcomes, got 1"),
    ("good: {when: the tube", "good: {when: The tube", "      good:", "'when' is a phrase inside"),
    ('op: ">="', 'op: "=="', "      - {attribute: s", "of <=, >=, <, >, within, got '=='"),
    ("low: 20, ", "", "      - {attribute: h", "step spin, limit: the field 'low' is missing"),
    (", high: 30", "", "      - {attribute: h", "step spin, limit: the field 'high' is missing"),
    ("low: 20", "low: few", "      - {attribute: h", "'low' must be a number, got 'few'"),
    ("high: 30", "high: .inf", "      - {attribute: h", "'high' must be a number, got inf"),
    ("high: 30", "high: 27.9", "      - {attribute: h", "'high' must be above 'low' by at"),
    ("high: 30", "high: 19", "      - {attribute: h", "'high' must be above 'low' by at"),
    ("low: 20", "low: 7", "      - {attribute: h", "positive and 'low' at least four times"),
    ("low: 20", "value: 20, low: 20", "      - {attribute: h", "unknown field 'value'; allowed"),
    ("op: within, low", "op: between, low", "      - {attribute: h", "got 'between'"),
    ("value: 100,", "value: 100, high: 200,", "      - {attribute: s", "unknown field 'high'"),
    ("value: 100", "low: 100", "      - {attribute: s", "the field 'value' is missing"),
    ("value: 100", "value: many", "      - {attribute: s", "'value' must be a number, got 'many'"),
    ("value: 100", "value: .nan", "      - {attribute: s", "'value' must be a number, got nan"),
    ("value: 100", "value: .inf", "      - {attribute: s", "'value' must be a number, got inf"),
    ("delta: 5", "delta: 0", "      - {attribute: s", "'delta' must be positive and"),
    ("delta: 5", "delta: 26", "      - {attribute: s", "'value' at least four times 'delta'"),
    ("attribute: speed", "attribute: speed 2", "      - {attribute: s", "'attribute' holds"),
    ("unit: rpm, ", "", "      - {attribute: s", "step spin, limit: the field 'unit' is missing"),
    ("gap: 2 h", "gap: 2 weeks", "    gap:", "'gap' must look like"),
    ("gap: 2 h", "gap: 2 h\n    gap: 3 h", "    gap: 3 h", "key 'gap' stands twice"),
    ("gap: 2 h", "7: 3 h", "    7: 3 h", "a key must be text, got 7"),
    ("gap: 2 h", "? [a]\n    : b", "    ? [a]", "a key must be text, got "),
    ("gap: 2 h", "gap: [2 h", None, "line"),
    ("steps:\n", "steps: 3\nmore:\n", "steps: 3", "'steps' must be a list, got int"),
    ("roles:\n  clerk", "more:\n  clerk", "id:", "the field 'roles' is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "message"), BROKEN)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: str | None, message: str
) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert said.startswith("blood_test.yaml")
    assert "\n" not in said
    assert message.split(".*")[0] in said
    assert message.split(".*")[-1] in said
    if line is not None:
        changed = GOOD.count("\n", 0, GOOD.index(old)) + 1
        rows = text.split("\n")
        named = [n for n, row in enumerate(rows, 1) if row.startswith(line)]
        nearest = min(named, key=lambda n: abs(n - changed))
        assert said.startswith(f"blood_test.yaml, line {nearest}: "), said


def test_too_few_and_too_many_steps(tmp_path: Path) -> None:
    start = GOOD.index("  - id: report")
    with pytest.raises(DataError, match=r"line 18: .* has 5 to 12 steps, got 4"):
        load(tmp_path, GOOD[:start])
    step = "\n".join(
        f"  - {{id: s{chr(97 + k)}, name: s{chr(97 + k)}, rule: do, past: [did, made, ran], "
        f"roles: [tech]}}"
        for k in range(8)
    )
    with pytest.raises(DataError, match="has 5 to 12 steps, got 13"):
        load(tmp_path, GOOD + step)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "procedure must be a mapping, got NoneType"),
        (b"- a\n- b\n", "procedure must be a mapping, got list"),
        (b"\xff\xfe\xfa", "blood_test.yaml cannot be read"),
        (b"id: a\x07b\n", "blood_test.yaml cannot be read"),
        (b"\tid: x\n", "blood_test.yaml, line 1: "),
    ],
)
def test_a_file_that_is_no_procedure_at_all(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "blood_test.yaml"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        load_procedure(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        load_procedure(tmp_path / "none.yaml")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no procedure files"):
        load_procedures(tmp_path)
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").write_text(GOOD.replace("id: blood_test", "id: air_test"))
    with pytest.raises(DataError, match="two procedures share the title 'Blood test'"):
        load_procedures(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD)
    with pytest.raises(DataError, match="two procedures share the id 'blood_test'"):
        load_procedures(tmp_path)


def test_the_shipped_procedures() -> None:
    folder = get_task("procedural").folder / "procedures"
    found = load_procedures(folder)
    assert len(found) == len(list(folder.iterdir()))
    assert {p.cohort for p in found} == set(COHORTS) > set(HELDOUT_COHORTS)
    assert all((folder / f"{p.id}.yaml").exists() for p in found)
    for procedure in found:
        records = [r for s in procedure.steps for r in s.records]
        assert all(" and " not in r and "," not in r for r in records), procedure.id
        assert all(" and " not in s.name and "," not in s.name for s in procedure.steps)


def chained(*steps: dict[str, Any]) -> Procedure:
    """Steps a, b, c and so on; each requires the one before it."""
    nothing: dict[str, Any] = dict.fromkeys(Step.__dataclass_fields__)
    made = [
        Step(**{**nothing, "id": "abcde"[k], "requires": tuple("abcde"[max(k - 1, 0) : k]), **step})
        for k, step in enumerate(steps)
    ]
    return Procedure("p", "P", "", COHORTS[0], (), {}, (), {}, tuple(made))


ANY: dict[str, Any] = {}
WHEN, UNLESS, OTHER = {"when": "urgent"}, {"unless": "urgent"}, {"when": "late"}
A_YES, A_NO = ({"only_if": OnlyIf("a", outcome)} for outcome in ("yes", "no"))
B_YES = {"only_if": OnlyIf("b", "yes")}


@pytest.mark.parametrize(
    ("steps", "certain"),
    [
        ((ANY, ANY, ANY), "ab"),
        # the step between may be not due while both ends are
        ((ANY, WHEN, ANY), "b"),
        ((ANY, UNLESS, ANY), "b"),
        ((ANY, A_YES, ANY), "b"),
        ((ANY, WHEN, OTHER), "b"),
        ((ANY, WHEN, UNLESS), "b"),
        ((ANY, A_YES, A_NO), "b"),
        ((ANY, A_YES | WHEN, A_YES), "b"),
        ((ANY, {"requires": ("a",), **WHEN}, {"requires": ("a", "b")}), "ab"),
        # one end alone says that it is due
        ((WHEN, WHEN, ANY), "ab"),
        ((ANY, WHEN, WHEN), "ab"),
        ((ANY, UNLESS, UNLESS), "ab"),
        ((ANY, A_YES, A_YES), "ab"),
        ((ANY, A_YES, A_YES | WHEN), "ab"),
        ((WHEN, A_YES | WHEN, A_YES), "ab"),
        # a finding is made only where its own step is due
        ((ANY, A_YES, B_YES), "ab"),
        ((ANY, WHEN, B_YES), "ab"),
        ((ANY, A_YES | WHEN, B_YES), "ab"),
        # chains of four
        ((ANY, WHEN, ANY, ANY), "bc"),
        ((ANY, ANY, WHEN, ANY), "c"),
        ((ANY, WHEN, ANY, WHEN), "abc"),
        ((ANY, WHEN, OTHER, WHEN), "c"),
        ((ANY, WHEN, OTHER, WHEN | {"unless": "late"}), "c"),
        ((ANY, A_YES, B_YES, {"only_if": OnlyIf("c", "yes")}), "abc"),
    ],
)  # fmt: skip
def test_order_that_holds_whatever_is_due(steps: tuple[dict[str, Any], ...], certain: str) -> None:
    procedure = chained(*steps)
    last = procedure.steps[-1].id
    assert certain_ancestors(procedure, last) == set(certain)
    assert ancestors(procedure, last) == {s.id for s in procedure.steps[:-1]}


def worlds(procedure: Procedure) -> Iterator[set[str]]:
    """The steps that are due, for all circumstances and findings that there may be."""
    found = [s for s in procedure.steps if s.outcomes]
    for holds in product((True, False), repeat=len(procedure.facts)):
        facts = dict(zip(procedure.facts, holds, strict=True))
        for ids in product((0, 1), repeat=len(found)):
            said = {s.id: s.outcomes[k].id for s, k in zip(found, ids, strict=True)}
            due: set[str] = set()
            for s in procedure.steps:
                called = s.only_if is None or (
                    s.only_if.step in due and said[s.only_if.step] == s.only_if.outcome
                )
                if (
                    called
                    and facts.get(s.when or "", True)
                    and not facts.get(s.unless or "", False)
                ):
                    due.add(s.id)
            yield due


def test_what_is_due_is_in_order_without_what_is_not() -> None:
    """In every shipped procedure, of all that may happen, nothing hangs on a skipped step."""
    for procedure in load_procedures(get_task("procedural").folder / "procedures"):
        for due in worlds(procedure):
            before: dict[str, set[str]] = {}
            for step in procedure.steps:  # listed in an order that is allowed
                near = due & {*step.requires}
                before[step.id] = near.union(*(before[b] for b in near))
            for name in due:
                assert before[name] == ancestors(procedure, name) & due, (procedure.id, name)


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [("<=", True, True, False), (">=", False, True, True), ("<", True, False, False),
     (">", False, False, True)],
)  # fmt: skip
def test_a_limit(op: str, below: bool, at: bool, above: bool) -> None:
    from decimal import Decimal

    limit = Limit("speed", op, Decimal("0.30"), "g", Decimal("0.01"))
    assert [limit.holds(Decimal(v)) for v in ("0.29", "0.3", "0.31")] == [below, at, above]


def test_a_range_holds_at_both_ends_and_between() -> None:
    from decimal import Decimal

    limit = Limit("heat", "within", Decimal(20), "degrees C", Decimal(2), Decimal("30.0"))
    said = [limit.holds(Decimal(v)) for v in ("19.99", "20", "25", "30", "30.01")]
    assert said == [False, True, True, True, False]
    assert limit.bounds == (20, 30)
    assert Limit("heat", "<", Decimal(20), "degrees C", Decimal(2)).bounds == (20,)

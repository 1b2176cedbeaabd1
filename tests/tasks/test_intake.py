"""What a file may hold, and what is said of one that holds something else."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.tasks.procedural import procedures
from oodrop.tasks.procedural.build import build_round
from oodrop.tasks.procedural.documents import normalised
from oodrop.tasks.procedural.intake import read_intake
from oodrop.tasks.spec import Doc

from ..own import PROCEDURES, QUESTION, rows, write_lines


@cache
def _built() -> str:
    import random

    # A seed under which the third document tells the step that the cases below turn.
    procedure = procedures()["cms_fac_aide_clearance"]
    return json.dumps(build_round(procedure, "test", 0, random.Random(6), set()))


def built() -> list[Doc]:
    """One round of a shipped procedure, in symbols: every type of item."""
    found: list[Doc] = json.loads(_built())
    return found


def test_twelve_lines_become_documents(tmp_path: Path) -> None:
    found = read_intake(write_lines(tmp_path / "mine.jsonl", rows()))
    assert found.kind == "procedural_text"
    assert list(found.splits) == ["test"]
    docs = found.splits["test"]
    assert [d["scenario"] for d in docs] == [r["scenario"] for r in rows()]
    assert [d["label"] for d in docs] == [r["label"] for r in rows()]
    assert len({d["item_id"] for d in docs}) == 12
    assert all(d["item_id"].startswith(d["process_id"] + ".") for d in docs)
    assert len({d["process_id"] for d in docs}) == 3
    assert all(re.fullmatch(r"procedure_[0-9a-f]{12}", d["process_id"]) for d in docs)
    assert [n for n in found.notes if "train" in n]


def test_ids_belong_to_the_text_and_not_to_its_place(tmp_path: Path) -> None:
    one = read_intake(write_lines(tmp_path / "one.jsonl", rows()))
    other = read_intake(write_lines(tmp_path / "other.jsonl", rows()[::-1]))
    assert one.splits["test"] == other.splits["test"][::-1]


def test_what_is_given_is_kept(tmp_path: Path) -> None:
    given = {
        "process_id": "bags", "item_id": "bags.1", "type": "of my own", "cohort": "ward 5",
        "split": "heldout",
    }  # fmt: skip
    partner = {**rows()[1], "item_id": "bags.2", "partner_id": "bags.1", "split": "heldout"}
    found = read_intake(write_lines(tmp_path / "a.jsonl", [rows()[0] | given, partner]))
    one, two = found.splits["heldout"]
    assert {name: one[name] for name in given} == given
    assert two["process_id"] == "bags"  # as the other line of this procedure has it
    assert (one["partner_id"], two["partner_id"]) == (None, "bags.1")
    assert (two["type"], two["cohort"], two["parent_id"]) == (None, None, None)


def test_null_is_absent_and_outer_blanks_are_cut(tmp_path: Path) -> None:
    bare = rows()
    wide = [
        {**row, "scenario": f"\n {row['scenario']} \t", "type": None, "parent_id": None}
        for row in bare
    ]
    one = read_intake(write_lines(tmp_path / "one.jsonl", bare))
    other = read_intake(write_lines(tmp_path / "two.jsonl", wide))
    assert one.splits == other.splits


def test_packed_marked_and_spaced_files_are_the_same(tmp_path: Path) -> None:
    plain = write_lines(tmp_path / "a.jsonl", rows())
    wanted = read_intake(plain).splits
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_intake(packed).splits == wanted
    marked = tmp_path / "b.jsonl"
    text = plain.read_bytes().replace(b"\n", b"\r\n\r\n")
    marked.write_bytes(b"\xef\xbb\xbf" + text.rstrip())
    assert read_intake(marked).splits == wanted


def test_notes_say_what_weakens_a_set(tmp_path: Path) -> None:
    whole = rows(("train", "test", "heldout"))
    for row in whole:
        if row["split"] == "heldout":
            row["label"] = "compliant"
    notes = " ".join(read_intake(write_lines(tmp_path / "a.jsonl", whole)).notes)
    assert "every item of heldout is compliant" in notes
    assert "3 procedures of heldout stand in other splits" in notes
    assert "train split" not in notes


def changed(row: int = 2, **fields: Any) -> Callable[[list[Doc]], None]:
    """Set fields of one line; ``...`` takes a field away."""

    def change(docs: list[Doc]) -> None:
        for name, value in fields.items():
            if value is ...:
                del docs[row][name]
            else:
                docs[row][name] = value

    return change


def _relation(name: str, to: int, split: str = "test") -> Callable[[list[Doc]], None]:
    def change(docs: list[Doc]) -> None:
        docs[to]["item_id"] = "there"
        docs[2] |= {name: "there", "split": split}

    return change


def _grandchild(docs: list[Doc]) -> None:
    docs[0]["item_id"] = "none"
    docs[1] |= {"item_id": "one", "parent_id": "none", "label": docs[0]["label"]}
    docs[2] |= {"parent_id": "one", "label": docs[0]["label"]}


def _two_ids(docs: list[Doc]) -> None:
    docs[1]["process_id"], docs[2]["process_id"] = "a", "b"


def _same_item_id(docs: list[Doc]) -> None:
    docs[0]["item_id"] = docs[2]["item_id"] = "same"


WRONG_TEXT = {
    "missing": (changed(procedure=...), "the field 'procedure' is missing; it must be text"),
    "scenario missing": (changed(scenario=...), "the field 'scenario' is missing"),
    "question missing": (changed(question=...), "the field 'question' is missing"),
    "label missing": (changed(label=...), "the field 'label' is missing; it must be compliant or"),
    "null": (changed(scenario=None), "'scenario' must be text that is not empty"),
    "empty": (changed(question="  \n"), "'question' must be text that is not empty"),
    "number": (changed(procedure=7), "'procedure' must be text .*, got 7"),
    "control": (changed(scenario="a\x07b"), "'scenario' must be .*without control characters"),
    "surrogate": (changed(scenario="a\ud800b"), "'scenario' must be .*without control"),
    "contract": (changed(question="x? FINAL ANSWER: y"), "'question' must be .*FINAL ANSWER"),
    "label": (changed(label="ok"), "'label' must be compliant or non-compliant, got 'ok'"),
    "label list": (changed(label=["compliant"]), "'label' must be compliant or non-comp"),
    "split": (changed(split="dev"), "'split' must be one of train, .*, or null, got 'dev'"),
    "type": (changed(type=3), "'type' must be one line of text .*, or null, got 3"),
    "cohort": (changed(cohort="a\nb"), "'cohort' must be one line of text"),
    "process": (changed(process_id=" x"), "'process_id' must be .* without outer blanks"),
    "long": (changed(item_id="x" * 201), "'item_id' must be .* at most 200 characters"),
    "unknown": (changed(labels="x"), "unknown field 'labels'; there are: procedure, scenario"),
    "symbols": (changed(trace={}), "the file holds plain text, this line has 'trace'"),
    "two ids": (_two_ids, "'process_id' must be 'a', that of .* line 1, got 'b'"),
    "same id": (_same_item_id, "'item_id' 'same' is that of line 1 already"),
    "no parent": (changed(parent_id="x"), "'parent_id' must be the 'item_id' of another line"),
    "own parent": (changed(item_id="x", parent_id="x"), "'parent_id' must be the 'item_id' of an"),
    "other label": (_relation("parent_id", 3), "'parent_id' must be an item with the same label"),
    "same label": (_relation("partner_id", 4), "'partner_id' must be an item with the other label"),
    "other split": (_relation("parent_id", 4, "train"), "'parent_id' must be of the same split"),
    "parent of a parent": (_grandchild, "'parent_id' must be an item without a parent, got 'one'"),
    "no object": (lambda docs: docs.__setitem__(2, ["x"]), "the line must be an object with"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_TEXT)
def test_a_wrong_line_is_named_with_its_field(case: str, tmp_path: Path) -> None:
    change, message = WRONG_TEXT[case]
    items = rows()
    change(items)
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    with pytest.raises(DataError, match=rf"mine\.jsonl, line 3: {message}") as caught:
        read_intake(path)
    assert "1 errors in 1 of 12 lines, and nothing was written" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"label": ', "not a line of JSON in UTF-8"),
        (b'{"label": "\xff"}', "not a line of JSON in UTF-8"),
        (b'{"label": "a", "label": "b"}', "the field 'label' stands twice"),
        (b"[" * 100_000, "not a line of JSON in UTF-8"),
    ],
)
def test_a_line_that_is_no_json_is_named(line: bytes, message: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "mine.jsonl", rows()[:2])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=rf"mine\.jsonl, line 3: .*{message}"):
        read_intake(path)


@pytest.mark.parametrize(
    "again",
    [
        lambda row: row,
        lambda row: {**row, "scenario": row["scenario"].upper() + " !"},
        lambda row: {**row, "scenario": row["scenario"].replace(" ", "\n "), "label": "compliant"},
        lambda row: {**row, "split": "train", "item_id": "another"},
    ],
)
def test_a_text_that_comes_again_is_refused(again: Callable[[Doc], Doc], tmp_path: Path) -> None:
    items = [*rows()[:3], again(rows()[1])]
    with pytest.raises(DataError, match=r"line 4: the same text as line 2, apart from case"):
        read_intake(write_lines(tmp_path / "a.jsonl", items))


@pytest.mark.parametrize(
    ("one", "other"),
    [("below -5 °C", "below 5 °C"), ("> 5", "< 5"), ("1.5 h", "15 h"), ("10²", "102")],
)
def test_a_sign_that_can_decide_a_label_makes_another_text(one: str, other: str) -> None:
    texts = {normalised({"scenario": t, "question": "?"}) for t in (one, other)}
    assert len(texts) == 2


def test_all_errors_are_counted_and_ten_are_shown(tmp_path: Path) -> None:
    items = rows()
    for row in items:
        row |= {"label": "maybe", "split": "dev"}
    with pytest.raises(DataError) as caught:
        read_intake(write_lines(tmp_path / "mine.jsonl", items))
    first, *told = str(caught.value).split("\n")
    assert "24 errors in 12 of 12 lines" in first
    assert len(told) == 11
    assert told[0].strip().startswith("mine.jsonl, line 1: ")
    assert told[9].strip().startswith("mine.jsonl, line 5: ")
    assert told[10].strip() == "and 14 more"


def test_a_parent_whose_own_line_is_wrong_is_no_second_error(tmp_path: Path) -> None:
    items = rows()
    items[0] |= {"item_id": "one", "label": "maybe"}
    items[2]["parent_id"] = "one"
    with pytest.raises(DataError, match="1 errors in 1 of 12 lines"):
        read_intake(write_lines(tmp_path / "a.jsonl", items))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no line to import"),
        (b"\n \n", "holds no line to import"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_lines(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_intake(path)


def test_a_damaged_packed_file(tmp_path: Path) -> None:
    whole = gzip.compress(write_lines(tmp_path / "a.jsonl", rows()).read_bytes())
    for content in (whole[:-20], whole[:40] + b"xxxx" + whole[44:], b"plain"):
        path = tmp_path / "b.jsonl.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"b\.jsonl\.gz cannot be read"):
            read_intake(path)


def test_a_set_without_anything_to_evaluate(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to evaluate: no line of the split test or"):
        read_intake(write_lines(tmp_path / "a.jsonl", rows(("train", "validation"))))


def test_lines_in_symbols_keep_them(tmp_path: Path) -> None:
    found = read_intake(write_lines(tmp_path / "a.jsonl", built()))
    assert found.kind == "procedural"
    assert list(found.splits["test"]) == built()
    assert {d["type"] for d in built()} >= {"lexical_paraphrase", "distractor_injection"}


def test_what_symbols_tell_anyway_may_be_left_out(tmp_path: Path) -> None:
    bare = [
        {k: v for k, v in doc.items() if k not in ("item_id", "cohort", "violation", "split")}
        | {"parent_id": None, "partner_id": None}
        for doc in built()
    ]
    found = read_intake(write_lines(tmp_path / "a.jsonl", bare)).splits["test"]
    for doc, whole in zip(found, built(), strict=True):
        assert {k: doc[k] for k in ("cohort", "violation", "split", "label")} == {
            k: whole[k] for k in ("cohort", "violation", "split", "label")
        }


def _event(**fields: Any) -> Callable[[list[Doc]], None]:
    def change(docs: list[Doc]) -> None:
        row = next(e for e in docs[2]["trace"]["events"] if e["step"] == "retraining")
        row |= fields

    return change


def _other_label(docs: list[Doc]) -> None:
    other = {"compliant": "non-compliant", "non-compliant": "compliant"}
    docs[2] |= {"label": other[docs[2]["label"]], "partner_id": None, "parent_id": None}


def _entry(field: str) -> Callable[[list[Doc]], None]:
    def change(docs: list[Doc]) -> None:
        docs[2][field][1] = docs[2][field][1].replace(" the ", " this ", 1) + " Really."

    return change


def _flip_fact(docs: list[Doc]) -> None:
    facts = docs[2]["trace"]["facts"]
    facts["lapsed"] = not facts["lapsed"]


WRONG_SYMBOLS: Mapping[str, tuple[Callable[[list[Doc]], None], str]] = {
    "label": (_other_label, r"'label' is '[a-z-]+', but the checker derives '[a-z-]+': "),
    "process": (changed(process_id="mine"), "'process_id' must be the id of a procedure that"),
    "clause": (_entry("clauses"), "'clauses' must read as cms_fac_aide_clearance .* entry 2"),
    "fact": (_entry("facts"), "'facts' must read as .* entry 2"),
    "fact turned": (_flip_fact, "'facts' must read as .* entry 1"),
    "event": (_entry("events"), "'events', entry 2: it must read as the trace says"),
    "event gone": (lambda docs: docs[2]["events"].pop(), r"'trace' must have \d events, as"),
    "time": (_event(time=-1), r"'trace', event \d: 'time' must be minutes from 0"),
    "time moved": (_event(time=30_000), r"'events', entry \d: it must read as the trace says"),
    "role": (_event(role="king"), r"'trace', event \d: 'role' must be one of .*, got 'king'"),
    "values": (_event(values=[]), r"'trace', event \d: 'values' must hold 1 numbers, got 0"),
    "value": (_event(values=["1e9"]), r"'trace', event \d: 'values' must be a list of decimal"),
    "value list": (_event(values=[[]]), r"'trace', event \d: 'values' must be a list of decimal"),
    "records": (_event(records=["x"]), r"'trace', event \d: 'records' must be of training roster"),
    "outcome": (_event(outcome="x"), r"'trace', event \d: 'outcome' must be one of null, got 'x'"),
    "telling": (_event(telling=["x", 0, 0]), r"'trace', event \d: 'telling' must name a voice"),
    "plan": (_event(telling=["log", 99, 0]), r"'trace', event \d: 'telling' must name a voice"),
    "step": (_event(step="x"), r"'trace', event \d: 'step' must be one of home_registry, "),
    "step twice": (_event(step="clearance", values=[], records=[], outcome=None), "told already"),
    "start": (changed(start="2023-02-30"), "'start' must be a day as YYYY-MM-DD"),
    "question": (changed(question="Why?"), f"'question' must be {QUESTION!r}".replace("?", r"\?")),
    "title": (changed(title="x"), "'title' must be that of cms_fac_aide_clearance"),
    "cohort": (changed(cohort="x"), "'cohort' must be that of cms_fac_aide_clearance"),
    "trace": (changed(trace={"facts": {}}), "'trace' must be an object"),
    "facts": (changed(trace={"facts": {}, "events": []}), "'trace' must tell the facts of"),
    "no symbols": (lambda docs: docs.__setitem__(2, rows()[0]), "this line has no 'clauses'"),
}


@pytest.mark.parametrize("case", WRONG_SYMBOLS)
def test_symbols_that_disagree_are_named(case: str, tmp_path: Path) -> None:
    change, message = WRONG_SYMBOLS[case]
    docs = [{**doc, "parent_id": None, "partner_id": None} for doc in built()]
    change(docs)
    with pytest.raises(DataError, match=rf"mine\.jsonl, line 3: .*{message}"):
        read_intake(write_lines(tmp_path / "mine.jsonl", docs))


def test_an_irrelevant_event_still_states_its_time(tmp_path: Path) -> None:
    docs = built()
    doc = next(d for d in docs if d["type"] == "distractor_injection")
    k = next(k for k, e in enumerate(doc["trace"]["events"]) if e["step"] is None)
    doc["events"][k] = re.sub(r"\d\d:\d\d", "noon", doc["events"][k])
    with pytest.raises(DataError, match="it must state its date, time and person"):
        read_intake(write_lines(tmp_path / "a.jsonl", docs))


def test_the_fixture_has_a_text_of_two_lines() -> None:
    assert "\n" in PROCEDURES[0]

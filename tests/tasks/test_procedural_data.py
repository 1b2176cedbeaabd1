"""The shipped procedural set is what its card says."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oodrop.perturbers import Reorder, Replace, apply_edits
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks import get_task
from oodrop.tasks.procedural.build import TYPES, build_split, write_split
from oodrop.tasks.procedural.schema import HELDOUT_COHORTS, Procedure, ancestors
from oodrop.tasks.spec import Doc

from .conftest import SPLITS

# (type, label) pairs that exist; a type of two labels follows its parent or its circumstance.
LABELS = {
    "baseline_compliant": {"compliant"},
    "baseline_noncompliant": {"non-compliant"},
    "lexical_paraphrase": {"compliant", "non-compliant"},
    "step_reorder_invalid": {"non-compliant"},
    "prerequisite_omission": {"non-compliant"},
    "hierarchy_violation": {"non-compliant"},
    "exception_trigger": {"compliant", "non-compliant"},
    "distractor_injection": {"compliant", "non-compliant"},
    "adversarial_surface_compliant": {"non-compliant"},
    "adversarial_surface_noncompliant": {"compliant"},
}


def every(procedural: Mapping[str, list[Doc]]) -> list[Doc]:
    return [doc for split in SPLITS for doc in procedural[split]]


def test_size_and_ids(procedural: Mapping[str, list[Doc]]) -> None:
    assert len(procedural["test"]) >= 600
    assert len(procedural["heldout"]) >= 600
    ids = [doc["item_id"] for doc in every(procedural)]
    assert len(ids) == len(set(ids))
    assert all(doc["split"] == split for split in SPLITS for doc in procedural[split])


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_balanced(split: str, procedural: Mapping[str, list[Doc]]) -> None:
    counts = Counter((d["process_id"], d["label"]) for d in procedural[split])
    for process in {d["process_id"] for d in procedural[split]}:
        assert counts[process, "compliant"] == counts[process, "non-compliant"] > 0


@pytest.mark.parametrize("split", SPLITS)
def test_all_ten_types(split: str, procedural: Mapping[str, list[Doc]]) -> None:
    found: dict[str, set[str]] = {}
    for doc in procedural[split]:
        found.setdefault(doc["type"], set()).add(doc["label"])
    assert found == LABELS
    assert tuple(LABELS) == TYPES


def test_negatives_have_one_violation_and_positives_none(
    procedural: Mapping[str, list[Doc]],
) -> None:
    """That it is the only one, and this one, is shown by the second checker."""
    for doc in every(procedural):
        assert (doc["violation"] is None) == (doc["label"] == "compliant")


def test_the_type_says_what_is_wrong(procedural: Mapping[str, list[Doc]]) -> None:
    allowed = {
        "baseline_noncompliant": {"missing_step", "limit", "timing", "missing_record"},
        "step_reorder_invalid": {"order"},
        "prerequisite_omission": {"missing_step"},
        "hierarchy_violation": {"wrong_actor", "same_person"},
    }
    for doc in every(procedural):
        if doc["type"] in allowed:
            assert doc["violation"]["kind"] in allowed[doc["type"]]


def test_parents(procedural: Mapping[str, list[Doc]]) -> None:
    docs = {doc["item_id"]: doc for doc in every(procedural)}
    for doc in docs.values():
        if doc["type"] not in ("lexical_paraphrase", "distractor_injection"):
            assert doc["parent_id"] is None
            continue
        parent = docs[doc["parent_id"]]
        assert (parent["label"], parent["violation"]) == (doc["label"], doc["violation"])
        own = [row for row in doc["trace"]["events"] if row["step"] is not None]
        assert own == parent["trace"]["events"]
        told = set(doc["events"]) & set(parent["events"])
        if doc["type"] == "lexical_paraphrase":
            assert not told
        else:
            assert told == set(parent["events"])
            assert len(doc["events"]) > len(parent["events"])


def test_heldout_procedures_appear_nowhere_else(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    seen = {split: {d["process_id"] for d in procedural[split]} for split in SPLITS}
    assert seen["train"] == seen["validation"] == seen["test"]
    assert not seen["heldout"] & seen["train"]
    assert seen["heldout"] | seen["train"] == set(procedures)
    for doc in every(procedural):
        assert procedures[doc["process_id"]].cohort == doc["cohort"]
        assert (doc["cohort"] in HELDOUT_COHORTS) == (doc["split"] == "heldout")
    titles = {split: {d["title"] for d in procedural[split]} for split in SPLITS}
    clauses = {split: {c for d in procedural[split] for c in d["clauses"]} for split in SPLITS}
    assert not titles["heldout"] & titles["train"]
    assert not clauses["heldout"] & clauses["train"]


def test_no_text_twice(procedural: Mapping[str, list[Doc]]) -> None:
    """After case, punctuation and the order of the events are taken away."""
    seen: Counter[tuple[str, ...]] = Counter()
    for doc in every(procedural):
        parts = [doc["intro"], *doc["facts"], *doc["events"], doc["closing"]]
        seen[tuple(sorted(re.sub(r"\W+", " ", p).casefold().strip() for p in parts))] += 1
    assert seen.most_common(1)[0][1] == 1


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def test_every_event_states_its_time_and_numbers(procedural: Mapping[str, list[Doc]]) -> None:
    for doc in every(procedural):
        assert len(doc["events"]) == len(doc["trace"]["events"])
        times = [row["time"] for row in doc["trace"]["events"]]
        assert times == sorted(set(times)), doc["item_id"]
        for text, row in zip(doc["events"], doc["trace"]["events"], strict=True):
            when = datetime.fromisoformat(doc["start"]) + timedelta(minutes=row["time"])
            date = rf"(?<!\d){when.day} {_MONTHS[when.month - 1]} {when.year}\b"
            assert len(re.findall(date, text)) == 1, text
            assert len(re.findall(rf"\b{when:%H:%M}\b", text)) == 1, text
            assert row["person"] in text
            numbers = re.findall(r"was (\d+(?:\.\d+)?)(?: |%)", text)
            assert [float(n) for n in numbers] == [float(v) for v in row.get("values", [])]


# In an emergency the approval is skipped, and the change may start ahead of its screening.
SKIPS_AHEAD = {"fda_res_board_change"}


def test_a_step_comes_before_what_hangs_on_it(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """Through skipped steps too, where no rule of the text says it: a reader might expect it.

    The checker starts no clock before its anchor, so an anchor that came late would hide there.
    """
    for doc in every(procedural):
        procedure = procedures[doc["process_id"]]
        times = {r["step"]: r["time"] for r in doc["trace"]["events"] if r["step"]}
        wrong = (doc["violation"] or {}).get("kind") == "order"
        steps = [procedure.step(s) for s in times]
        early = {
            s.id
            for s in steps
            for b in ancestors(procedure, s.id) & set(times)
            if times[b] >= times[s.id]
        }
        if procedure.id not in SKIPS_AHEAD:
            assert bool(early) == wrong, doc["item_id"]
        anchors = [(s.id, s.window.after) for s in steps if s.window and s.window.after in times]
        assert wrong or all(times[a] < times[s] for s, a in anchors), doc["item_id"]


def test_no_person_has_two_roles_and_names_are_distinct(
    procedural: Mapping[str, list[Doc]],
) -> None:
    for doc in every(procedural):
        roles: dict[str, set[str]] = {}
        for row in doc["trace"]["events"]:
            if row["step"] is not None:
                roles.setdefault(row["person"], set()).add(row["role"])
        assert all(len(r) == 1 for r in roles.values()), doc["item_id"]
        parts = [part for person in roles for part in person.split()]
        assert len(parts) == len(set(parts))


@pytest.mark.parametrize("split", ["test", "heldout"])
def test_any_order_of_clauses_and_events_gives_the_same_label(
    split: str, procedural: Mapping[str, list[Doc]]
) -> None:
    spec = get_task("procedural")
    for doc in procedural[split]:
        item = spec.item(doc)
        rng = item_generator(1, "test", "1", item.item_id)
        edits = [
            Reorder(group, tuple(permutation(rng, len(item.units[group].members))))
            for group in ("clauses", "events", "facts")
        ]
        moved = apply_edits(item, edits)
        assert moved.rederive is not None
        assert moved.rederive(moved) == moved.gold
        assert moved.gold_text == doc["label"]


def test_an_event_that_lost_its_time_has_no_label(procedural: Mapping[str, list[Doc]]) -> None:
    item = get_task("procedural").item(procedural["test"][0])
    text = item.segments["event_1"]
    found = re.search(r"\d\d:\d\d", text)
    assert found is not None
    assert item.rederive is not None
    lost = apply_edits(item, [Replace("event_1", found.start(), found[0], "noon")])
    assert item.rederive(lost) == "underivable: event_1 does not state its time"


def test_framing_follows_the_label_in_train_and_not_in_heldout(
    procedural: Mapping[str, list[Doc]],
) -> None:
    from oodrop.tasks.procedural.lexicon import HURRIED

    def hurried(doc: Doc) -> bool:
        return any(re.search(rf"\b{word}\b", doc["intro"]) for word in HURRIED)

    def agreement(split: str) -> float:
        docs = procedural[split]
        return sum(hurried(d) == (d["label"] == "non-compliant") for d in docs) / len(docs)

    assert agreement("heldout") == pytest.approx(0.5, abs=0.02)
    assert 0.7 < agreement("train") < 0.9


def test_a_rebuild_is_byte_identical(
    tmp_path: Path, procedures: Mapping[str, Procedure], procedural: Mapping[str, list[Doc]]
) -> None:
    shipped = get_task("procedural").folder / "data" / "test.jsonl.gz"
    built = tmp_path / "test.jsonl.gz"
    docs = build_split(list(procedures.values()), "test")
    told = [{k: v for k, v in doc.items() if k in docs[0]} for doc in procedural["test"]]
    assert docs == told
    for doc in procedural["test"]:  # reading a split adds the words to answer with
        assert {*doc} - {*docs[0]} == {"labels"}
        assert doc["labels"] == ["compliant", "non-compliant"]
    write_split(docs, built)
    assert gzip.decompress(built.read_bytes()) == gzip.decompress(shipped.read_bytes())
    for path in (shipped, built):
        assert path.read_bytes()[3:8] == bytes(5), "the header holds a name or a time"
    text = json.dumps(docs[0], ensure_ascii=False)
    assert gzip.decompress(built.read_bytes()).decode().split("\n")[0] == text

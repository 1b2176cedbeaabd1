"""The shipped procedural set is what its card says."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from oodrop.tasks import get_task
from oodrop.tasks.procedural.build import CANARY, CHILDREN, TYPES, build_split
from oodrop.tasks.procedural.check import Kind
from oodrop.tasks.procedural.lexicon import (
    ALARM,
    CALM_CLOSINGS,
    FRAMES,
    PRAISE,
    TROUBLED_CLOSINGS,
)
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
        "baseline_noncompliant": {"missing_step", "limit", "timing", "missing_record", "branch"},
        "step_reorder_invalid": {"order"},
        "prerequisite_omission": {"missing_step"},
        "hierarchy_violation": {"wrong_actor", "same_person", "other_person"},
        "adversarial_surface_compliant": {*get_args(Kind)} - {"missing_step", "wrong_actor"},
    }
    for doc in every(procedural):
        if doc["type"] in allowed:
            assert doc["violation"]["kind"] in allowed[doc["type"]]


def test_every_kind_of_violation_is_there(procedural: Mapping[str, list[Doc]]) -> None:
    kinds = {doc["violation"]["kind"] for doc in every(procedural) if doc["violation"]}
    assert kinds == {*get_args(Kind)}


def test_parents(procedural: Mapping[str, list[Doc]]) -> None:
    docs = {doc["item_id"]: doc for doc in every(procedural)}
    labels: Counter[tuple[str, str]] = Counter()
    for doc in docs.values():
        assert (doc["parent_id"] is not None) == (doc["type"] in CHILDREN)
        if doc["parent_id"] is None:
            continue
        parent = docs[doc["parent_id"]]
        labels[doc["type"], doc["label"]] += 1
        assert parent["item_id"].rpartition(".")[0] == doc["item_id"].rpartition(".")[0]
        for same in ("process_id", "title", "clauses", "facts", "label", "violation", "start"):
            assert parent[same] == doc[same], same
        pairs = [(row, text) for row, text in told(doc) if row["step"] is not None]
        assert [bare(row) for row, _ in pairs] == [bare(row) for row, _ in told(parent)]
        if doc["type"] == "lexical_paraphrase":
            assert len(doc["events"]) == len(parent["events"])
            assert not {*doc["events"]} & {*parent["events"]}
            for (row, _), (other, _) in zip(pairs, told(parent), strict=True):
                assert row["telling"][0] != other["telling"][0], "told in the same voice"
                assert row["telling"][2] != other["telling"][2], "told in the same words"
        else:
            assert pairs == told(parent)
            assert len(doc["events"]) == len(parent["events"]) + 2
    assert len(set(labels.values())) == 1


def told(doc: Doc) -> list[tuple[dict[str, Any], str]]:
    """Each event in symbols and in words."""
    return list(zip(doc["trace"]["events"], doc["events"], strict=True))


def bare(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event without the way in which it is told."""
    return {key: value for key, value in row.items() if key != "telling"}


def changes(clean: Doc, bad: Doc) -> list[tuple[dict[str, Any], dict[str, Any], set[str]]]:
    """The events that two scenarios tell differently, each with the fields that differ."""
    before, after = ({row["step"]: row for row, _ in told(d)} for d in (clean, bad))
    shared = [(before[step], row) for step, row in after.items() if step in before]
    found = [(a, b, {key for key in a if a[key] != b[key]}) for a, b in shared]
    return [row for row in found if row[2]]


def moved_together(rows: list[tuple[dict[str, Any], dict[str, Any], set[str]]]) -> bool:
    return len({b["time"] - a["time"] for a, b, _ in rows}) == 1


def swapped(rows: list[tuple[dict[str, Any], dict[str, Any], set[str]]]) -> bool:
    return sorted(a["time"] for a, _, _ in rows) == sorted(b["time"] for _, b, _ in rows)


def test_flip_pairs(procedural: Mapping[str, list[Doc]]) -> None:
    """The same scenario in the same words, but for what breaks the one rule."""
    docs = {doc["item_id"]: doc for doc in every(procedural)}
    pairs = [(docs[d["partner_id"]], d) for d in docs.values() if d["partner_id"] is not None]
    paired = [doc["item_id"] for pair in pairs for doc in pair]
    both = set(paired)
    assert len(both) == len(paired)
    alone = {d["type"] for d in docs.values()} - {d["type"] for pair in pairs for d in pair}
    assert alone == {*CHILDREN, *(t for t in TYPES if t.startswith("adversarial"))}
    assert {d["type"] for name, d in docs.items() if name not in both} == alone
    for clean, bad in pairs:
        assert (clean["label"], bad["label"]) == ("compliant", "non-compliant")
        for same in ("process_id", "title", "clauses", "start", "question", "split"):
            assert clean[same] == bad[same], same
        assert clean["intro"].rpartition(". ")[0] == bad["intro"].rpartition(". ")[0]
        assert_one_fault(clean, bad)
        before = {row["step"]: (row, text) for row, text in told(clean)}
        shared = [(row, text) for row, text in told(bad) if row["step"] in before]
        for row, text in shared:
            assert row["telling"] == before[row["step"]][0]["telling"]
            assert row != before[row["step"]][0] or text == before[row["step"]][1]


def assert_one_fault(clean: Doc, bad: Doc) -> None:
    """That the second scenario is the first with the fault that it names, and nothing more."""
    kind, step = bad["violation"]["kind"], bad["violation"]["step"]
    gone = {r["step"] for r, _ in told(clean)} - {r["step"] for r, _ in told(bad)}
    facts = [a for a, b in zip(clean["facts"], bad["facts"], strict=True) if a != b]
    rows = changes(clean, bad)
    fields = {field for _, _, changed in rows for field in changed}
    where = (clean["item_id"], bad["item_id"], rows)
    extra = {r["step"] for r, _ in told(bad)} - {r["step"] for r, _ in told(clean)}
    assert extra == ({step} if kind == "branch" and not rows else set()), where
    assert len(facts) == (clean["type"] == "exception_trigger"), where
    if clean["type"] == "exception_trigger":
        assert (kind, rows, gone) == ("missing_step", [], set()), where
    elif kind == "missing_step":
        assert (rows, gone) == ([], {step}), where
    elif kind in ("order", "timing"):
        assert (fields, gone) == ({"time"}, set()), where
        one = len(rows) == 1
        assert one or (swapped(rows) if kind == "order" else moved_together(rows)), where
    elif kind == "branch":  # a step that the finding does not allow, or another finding over one
        assert gone == set(), where
        assert [changed for _, _, changed in rows] == ([] if extra else [{"outcome"}]), where
    else:
        assert (len(rows), gone) == (1, set()), where
        old, new, _ = rows[0]
        assert new["step"] == step, where
        assert fields in FIELDS[kind], where
        if kind == "limit":
            pairs = zip(old["values"], new["values"], strict=True)
            assert sum(a != b for a, b in pairs) == 1, where
        if kind == "missing_record":
            assert len(old["records"]) == len(new["records"]) + 1, where
            assert {*new["records"]} < {*old["records"]}, where


# What may change of the event at which a fault shows.
FIELDS = {
    "limit": [{"values"}],
    "missing_record": [{"records"}],
    "wrong_actor": [{"role", "person"}],
    "same_person": [{"person"}, {"person", "role"}],
    "other_person": [{"person"}, {"person", "role"}],
}


def test_heldout_procedures_appear_nowhere_else(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    seen = {split: {d["process_id"] for d in procedural[split]} for split in SPLITS}
    assert seen["train"] == seen["validation"] == seen["test"]
    assert not seen["heldout"] & seen["train"]
    assert seen["heldout"] | seen["train"] == set(procedures)
    assert {d["cohort"] for d in procedural["heldout"]} == set(HELDOUT_COHORTS)
    for doc in every(procedural):
        assert procedures[doc["process_id"]].cohort == doc["cohort"]
        assert (doc["cohort"] in HELDOUT_COHORTS) == (doc["split"] == "heldout")
    titles = {split: {d["title"] for d in procedural[split]} for split in SPLITS}
    clauses = {split: {c for d in procedural[split] for c in d["clauses"]} for split in SPLITS}
    assert not titles["heldout"] & titles["train"]
    assert not clauses["heldout"] & clauses["train"]


def test_a_window_in_days_is_missed_by_the_dates_too(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """Who counts days by the calendar, and not as so many hours, comes to the same label."""
    faults = 0
    for doc in every(procedural):
        if (doc["violation"] or {}).get("kind") != "timing":
            continue
        window = procedures[doc["process_id"]].step(doc["violation"]["step"]).window
        assert window is not None
        times = {row["step"]: row["time"] for row in doc["trace"]["events"]}
        anchor, time = times[window.after], times[doc["violation"]["step"]]
        late = window.max is not None and time - anchor > window.max
        end = window.max if late else window.min
        assert end is not None
        if end % 1440 == 0:
            days = time // 1440 - anchor // 1440
            assert days > end // 1440 if late else days < end // 1440, doc["item_id"]
            faults += 1
    assert faults


def test_a_wrong_actor_is_no_kind_of_a_right_one(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """Where a technologist is asked for, a lead technologist leaves room for doubt."""
    for doc in every(procedural):
        if (doc["violation"] or {}).get("kind") == "wrong_actor":
            procedure = procedures[doc["process_id"]]
            step = procedure.step(doc["violation"]["step"])
            row = next(row for row in doc["trace"]["events"] if row["step"] == step.id)
            nouns = {procedure.roles[role].split()[-1] for role in step.roles}
            assert procedure.roles[row["role"]].split()[-1] not in nouns, doc["item_id"]


def test_no_text_twice(procedural: Mapping[str, list[Doc]]) -> None:
    """After case, punctuation and the order of the events are taken away."""
    seen: Counter[tuple[str, ...]] = Counter()
    for doc in every(procedural):
        parts = [doc["intro"], *doc["facts"], *doc["events"], doc["closing"]]
        seen[tuple(sorted(re.sub(r"\W+", " ", p).casefold().strip() for p in parts))] += 1
    assert seen.most_common(1)[0][1] == 1


def test_no_scenario_in_two_splits(procedural: Mapping[str, list[Doc]]) -> None:
    """Neither in words nor in symbols; nor does one share a sentence of an event."""
    of_sentence: dict[str, set[str]] = {}
    of_trace: dict[str, set[str]] = {}
    for doc in every(procedural):
        rows = [bare(row) for row in doc["trace"]["events"] if row["step"] is not None]
        trace = json.dumps([doc["process_id"], doc["start"], doc["trace"]["facts"], rows])
        of_trace.setdefault(trace, set()).add(doc["split"])
        for text in doc["events"]:
            of_sentence.setdefault(text, set()).add(doc["split"])
    assert {len(splits) for splits in of_trace.values()} == {1}
    assert {len(splits) for splits in of_sentence.values()} == {1}


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


def test_every_event_states_its_time_its_person_and_its_numbers(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    for doc in every(procedural):
        times = [row["time"] for row in doc["trace"]["events"]]
        assert times == sorted(set(times)), doc["item_id"]
        start, procedure = datetime.fromisoformat(doc["start"]), procedures[doc["process_id"]]
        for row, text in told(doc):
            when = start + timedelta(minutes=row["time"])
            stamp = (f"{when.day} {_MONTHS[when.month - 1]} {when.year}", f"{when:%H:%M}")
            rest = text
            for part in stamp:
                ahead, found, rest = rest.partition(part)
                assert found, text
                assert part not in rest, text
                assert not ahead[-1:].isdigit(), text
                rest = f"{ahead}~{rest}"
            assert row["person"] in text, text
            if row["step"] is None:
                assert not _NUMBER.search(rest), text
                continue
            role = procedure.roles[row["role"]]
            assert role in rest or role[:1].upper() + role[1:] in rest, text
            limits = procedure.step(row["step"]).limits
            assert len(limits) == len(row["values"])
            units = " ".join(f"{limit.unit}." for limit in limits)
            numbers = [Decimal(n) for n in _NUMBER.findall(rest)]
            beside = [Decimal(n) for n in _NUMBER.findall(units)]
            assert sorted(numbers) == sorted([*map(Decimal, row["values"]), *beside]), text


def test_a_step_comes_before_what_hangs_on_it(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """Through skipped steps too: the checker sees it by the clauses of the steps that were done.

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
        assert bool(early) == wrong, doc["item_id"]
        anchors = [(s.id, s.window.after) for s in steps if s.window and s.window.after in times]
        assert wrong or all(times[a] < times[s] for s, a in anchors), doc["item_id"]


def framing(doc: Doc) -> tuple[str, str, str]:
    """The frame of the scenario, the word of mood in it, and how the scenario ends."""
    _, _, last = doc["intro"].rpartition(". ")
    found = [(w, f) for w in (*PRAISE, *ALARM) for f in FRAMES if f.format(mood=w) == last]
    assert len(found) == 1, last
    return found[0][1], found[0][0], doc["closing"]


def test_in_heldout_framing_is_equal_under_both_labels(
    procedural: Mapping[str, list[Doc]],
) -> None:
    """Frame, mood and closing together, and in the items of every single procedure."""
    counts: dict[tuple[str, str], Counter[tuple[str, str, str]]] = {}
    for doc in procedural["heldout"]:
        counts.setdefault((doc["process_id"], doc["label"]), Counter())[framing(doc)] += 1
    for process in {process for process, _ in counts}:
        assert counts[process, "compliant"] == counts[process, "non-compliant"], process
    used = [{part[k] for count in counts.values() for part in count} for k in range(3)]
    assert used == [{*FRAMES}, {*PRAISE, *ALARM}, {*CALM_CLOSINGS, *TROUBLED_CLOSINGS}]


def test_no_scenario_has_a_wrong_article_or_number(procedural: Mapping[str, list[Doc]]) -> None:
    """ "A orderly day", "1 points": what a word or a value makes of the text around it."""
    wrong = re.compile(r"\b[Aa] [aeio]\w+|(?<![\d.:,])\b1 [a-z]+s\b")
    for doc in every(procedural):
        text = " ".join([doc["intro"], *doc["facts"], *doc["events"], doc["closing"]])
        assert not wrong.search(text), (doc["item_id"], wrong.search(text))


def test_no_step_is_done_at_night(procedural: Mapping[str, list[Doc]]) -> None:
    """Where only steps out of their window were, the clock gave the violation away."""
    for doc in every(procedural):
        hours = {e["time"] % 1440 // 60 for e in doc["trace"]["events"] if e["step"]}
        assert hours <= {*range(6, 20)}, doc["item_id"]


def test_a_sole_role_has_one_holder(
    procedural: Mapping[str, list[Doc]], procedures: Mapping[str, Procedure]
) -> None:
    """Two hearing judges in one appeal would leave a reader in doubt who is meant."""
    for doc in every(procedural):
        roles = procedures[doc["process_id"]].roles
        held = {(e["role"], e["person"]) for e in doc["trace"]["events"] if e["step"]}
        sole = [role for role, _ in held if {"director", "judge"} & {*roles[role].split()}]
        assert len(sole) == len({*sole}), doc["item_id"]


@pytest.mark.parametrize("split", SPLITS)
def test_framing_follows_the_label_outside_heldout(
    split: str, procedural: Mapping[str, list[Doc]]
) -> None:
    """Save in the adversarial types, which turn the habit round everywhere."""
    follows: dict[bool, list[bool]] = {True: [], False: []}
    for doc in procedural[split]:
        _, mood, closing = framing(doc)
        assert (mood in ALARM) == (closing in TROUBLED_CLOSINGS)
        follows[doc["type"].startswith("adversarial")].append(
            (mood in ALARM) == (doc["label"] == "non-compliant")
        )
    assert not any(follows[True])
    share = sum(follows[False]) / len(follows[False])
    assert (0.5 < share < 0.6) if split == "heldout" else (0.95 < share < 0.99)


def test_the_manifest(procedural: Mapping[str, list[Doc]]) -> None:
    """As `sha256sum --check` reads it, over the unpacked files; and what training should avoid."""
    folder = get_task("procedural").folder / "data"
    first, *rest = (folder / "SHA256SUMS").read_text("ascii").splitlines()
    assert first == f"# {CANARY}"
    assert re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", CANARY)
    packed = {path.name: path.read_bytes() for path in folder.glob("*.gz")}
    assert {*packed} == {f"{split}.jsonl.gz" for split in SPLITS}
    sums = [
        f"{hashlib.sha256(gzip.decompress(packed[f'{split}.jsonl.gz'])).hexdigest()}  {split}.jsonl"
        for split in SPLITS
    ]
    assert rest == sums
    for content in packed.values():
        assert content[3:8] == bytes(5), "the header holds a name or a time"


def test_a_split_holds_what_is_built(procedures: Mapping[str, Procedure]) -> None:
    shipped = get_task("procedural").docs("heldout")
    built = build_split(list(procedures.values()), "heldout")
    for doc in shipped:  # reading a split adds the words to answer with
        assert doc.pop("labels") == ["compliant", "non-compliant"]
    assert shipped == built
    assert [json.dumps(doc) for doc in shipped] == [json.dumps(doc) for doc in built]


REBUILD = """
import sys
from oodrop.tasks.procedural import procedures
from oodrop.tasks.procedural.build import build_split, manifest, packed
found = tuple(procedures().values())
built = {f"{split}.jsonl.gz": packed(build_split(found, split)) for split in sys.argv[1:]}
sys.stdout.buffer.write(manifest(built))
"""


def rebuilt(*splits: str) -> list[str]:
    """The manifest of these splits, built in a process that hashes, speaks and dates otherwise."""
    odd = {"PYTHONHASHSEED": "4711", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"}
    run = subprocess.run(
        [sys.executable, "-c", REBUILD, *splits],
        env={**os.environ, **odd, "TZ": "Pacific/Chatham"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    return run.stdout.decode("ascii").splitlines()


def test_a_rebuild_elsewhere_is_byte_identical() -> None:
    shipped = (get_task("procedural").folder / "data" / "SHA256SUMS").read_text().splitlines()
    assert rebuilt("validation", "heldout") == [shipped[k] for k in (0, 2, 4)]


@pytest.mark.slow
def test_a_rebuild_of_everything_elsewhere_is_byte_identical() -> None:
    shipped = (get_task("procedural").folder / "data" / "SHA256SUMS").read_text().splitlines()
    assert rebuilt(*SPLITS) == shipped

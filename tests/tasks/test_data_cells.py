"""Flags of the cells of an audit, bars, and the page that is committed beside the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from oodrop.harness_ext.dataset.bars import BARS, Bar, judged
from oodrop.harness_ext.dataset.cells import FLAGS, cells, flags
from oodrop.tasks import get_task
from oodrop.tasks.procedural.build import TYPES
from oodrop.tasks.spec import Doc

from .conftest import SPLITS

GOOD = {"split": "heldout", "items": 100, "compliant": 50, "procedures": 20, "bag_of_words": 0.5}


@pytest.mark.parametrize(
    ("change", "one_label", "wanted"),
    [
        ({}, False, []),
        ({"items": 30, "compliant": 15}, False, []),
        ({"items": 29, "compliant": 15}, False, ["few_items"]),
        ({"procedures": 10}, False, []),
        ({"procedures": 9}, False, ["few_procedures"]),
        ({"compliant": 100}, True, ["one_label"]),
        ({"compliant": 100}, False, ["unbalanced"]),
        ({"compliant": 40}, False, []),
        ({"compliant": 60}, False, []),
        ({"compliant": 39}, False, ["unbalanced"]),
        ({"compliant": 61}, False, ["unbalanced"]),
        ({"bag_of_words": 0.62}, False, []),
        ({"bag_of_words": 0.621}, False, ["surface"]),
        ({"bag_of_words": None}, False, []),
        ({"bag_of_words": 0.9, "split": "test"}, False, []),
        ({"bag_of_words": 0.9, "items": 99}, False, []),
        ({"items": 2, "procedures": 1, "compliant": 0}, True, [*FLAGS][:3]),
    ],
)
def test_flags(change: Mapping[str, Any], one_label: bool, wanted: list[str]) -> None:
    assert flags({**GOOD, **change}, one_label=one_label) == wanted


def doc(number: int, split: str, kind: str, label: str) -> Doc:
    return {
        "item_id": f"{split}{number}",
        "process_id": f"p{number % 2}",
        "split": split,
        "cohort": "c",
        "type": kind,
        "label": label,
    }


def test_a_cell_of_one_label_is_measured_beside_the_other_label() -> None:
    """Who always says the same verdict is right on half of it, whatever the cell holds."""
    clean = [doc(k, "heldout", "clean", "compliant") for k in range(4)]
    broken = [doc(4 + k, "heldout", "broken", "non-compliant") for k in range(6)]
    both = [doc(10 + k, "heldout", "both", ("compliant", "non-compliant")[k % 2]) for k in range(4)]
    docs = [*clean, *broken, *both]
    for verdict in ("compliant", "non-compliant"):
        right = {d["item_id"]: d["label"] == verdict for d in docs}
        assert [cell["bag_of_words"] for cell in cells(docs, right)] == [0.5] * 3
    right = {d["item_id"]: d["type"] == "broken" for d in docs}
    found = {cell["type"]: cell for cell in cells(docs, right)}
    assert found["broken"]["bag_of_words"] == 0.5  # all of its own, none that complies
    assert found["clean"]["bag_of_words"] == 0.375  # none of its own, 6 of 8 that do not comply
    assert found["both"]["bag_of_words"] == 0.0
    assert [found[kind]["items"] for kind in ("broken", "both", "clean")] == [6, 4, 4]
    assert [found[kind]["compliant"] for kind in ("broken", "both", "clean")] == [0, 2, 4]
    assert {cell["procedures"] for cell in found.values()} == {2}
    assert "one_label" not in found["both"]["flags"]
    assert "one_label" in found["clean"]["flags"]


def test_what_no_model_read_has_no_share_and_a_type_is_judged_over_all_splits() -> None:
    docs = [doc(0, "train", "both", "compliant"), doc(1, "test", "both", "non-compliant")]
    docs.append(doc(2, "test", "clean", "compliant"))
    found = {(c["split"], c["type"]): c for c in cells(docs, {"test1": True, "test2": False})}
    assert found["train", "both"]["bag_of_words"] is None
    assert found["test", "both"]["bag_of_words"] == 0.5
    assert found["train", "both"]["flags"] == ["few_items", "few_procedures", "unbalanced"]


@pytest.mark.parametrize(
    ("low", "high", "value", "met", "words"),
    [
        (600, None, 600, True, "at least 600"),
        (9000, None, 8999, False, "at least 9,000"),
        (None, 0.62, 0.62, True, "at most 0.62"),
        (None, 0.62, 0.6201, False, "at most 0.62"),
        (0.8, 0.88, 0.79, False, "0.8 to 0.88"),
        (0, 0, 0, True, "0"),
        (0, 0, 1, False, "0"),
        (None, 1, None, False, "at most 1"),
    ],
)
def test_bars(
    low: float | None, high: float | None, value: float | None, met: bool, words: str
) -> None:
    row = Bar("name", low, high, "reason").judged(value)
    assert row == {"figure": "name", "value": value, "bar": words, "met": met, "reason": "reason"}


def test_every_bar_is_judged() -> None:
    figures = dict.fromkeys([bar.figure for bar in BARS], 0.0)
    assert [row["figure"] for row in judged(figures)] == [bar.figure for bar in BARS]
    assert len(figures) == len(BARS)


def test_the_committed_page_counts_what_is_shipped(procedural: Mapping[str, list[Doc]]) -> None:
    """Without a fit: the tables of the splits are those of the data."""
    text = (get_task("procedural").folder / "AUDIT.md").read_text("utf-8")
    row = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", re.M)
    for split in SPLITS:
        part = text.partition(f"\n### {split}\n")[2].partition("\n#")[0]
        told = [
            (c, t, *(int(n.replace(",", "")) for n in rest)) for c, t, *rest in row.findall(part)
        ]
        docs = procedural[split]
        items = Counter((d["cohort"], d["type"]) for d in docs)
        clean = Counter((d["cohort"], d["type"]) for d in docs if d["label"] == "compliant")
        of = {
            cell: len({d["process_id"] for d in docs if (d["cohort"], d["type"]) == cell})
            for cell in items
        }
        order = sorted(items, key=lambda cell: (cell[0], TYPES.index(cell[1])))
        assert told == [(*cell, of[cell], items[cell], clean[cell]) for cell in order], split
    assert "| **no** |" not in text

"""Several replies to one document are one item with the means of their metrics."""

from __future__ import annotations

import pytest

from oodrop.tasks.everyday.scoring import process_results as process_option
from oodrop.tasks.procedural.scoring import process_results
from oodrop.tasks.repeats import over_replies

DOC = {"item_id": "x", "label": "compliant", "labels": ["compliant", "non-compliant"]}
RIGHT, WRONG, NEITHER = "FINAL ANSWER: compliant", "FINAL ANSWER: non-compliant", "I do not know"


def test_means_over_the_replies() -> None:
    found = process_results(DOC, [[RIGHT, RIGHT, WRONG, NEITHER]])
    assert (found["acc"], found["parsed"], found["truncated"]) == (0.5, 0.75, 0.25)
    assert found["reasoning_tokens"] == 1.0
    assert found["balanced_acc"] == ("compliant", 0.5)
    assert found["flip_pair_acc"] == ("x", 0.5)


def test_a_list_of_one_is_as_the_reply_alone() -> None:
    for reply in (RIGHT, WRONG, NEITHER):
        assert process_results(DOC, [[reply]]) == process_results(DOC, [reply])
    doc = {"choices": ["ice", "water"], "gold": 1}
    assert process_option(doc, [["ANSWER: water"]]) == process_option(doc, ["ANSWER: water"])
    assert process_option(doc, [["ANSWER: water", "ANSWER: ice"]])["acc"] == 0.5


@pytest.mark.parametrize("k", [2, 3, 7])
def test_all_right_is_exactly_one(k: int) -> None:
    assert over_replies(["a"] * k, lambda reply: {"acc": 1.0, "pair": ("p", 1.0)}) == {
        "acc": 1.0,
        "pair": ("p", 1.0),
    }

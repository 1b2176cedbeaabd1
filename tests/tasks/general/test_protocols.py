"""The prompt protocols, and what a file of them must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodrop import DataError
from oodrop.tasks.general.extraction import find_answer
from oodrop.tasks.general.protocols import protocols


def test_the_three_protocols() -> None:
    assert list(protocols()) == ["training", "card", "direct"]
    training, card, direct = protocols().values()
    assert training.system is not None
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert tag in training.system
    assert card.system is None
    assert direct.system is None
    assert card.message("2+2?") == (
        "2+2?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )
    assert [p.message("{{2}} + {% 2 %}?") for p in (training, direct)] == ["{{2}} + {% 2 %}?"] * 2


def test_a_prompt_that_is_repeated_is_no_answer() -> None:
    for name in ("card", "direct"):
        assert find_answer(protocols()[name].message("What is 2+2?")) is None


def test_protocols_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text('terse: {system: Be terse., user: "Q: {{ prompt }}"}\n')
    assert protocols(path)["terse"].message("2+2?") == "Q: 2+2?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {user: '{{prompt}}'}", r"protocol 'a' in own.yaml has the keys \['user'\]"),
        ("a: {system: null, user: Solve it.}", r"protocol 'a' in own.yaml puts no {{prompt}}"),
        ("a: {system: null, user: null}", "puts no"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        protocols(path)

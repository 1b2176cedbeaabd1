"""The perturbers keep every promise, and do what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oodrop.perturbers import Variant, perturb
from oodrop.perturbers.testing import check_perturber, sample_items


@pytest.mark.parametrize("name", ["lexical.example_no_vowels", "lexical.example_line_wrap"])
def test_the_contract(name: str) -> None:
    check_perturber(name, examples=20)


def test_vowels_go() -> None:
    item = replace(sample_items()[0], segments={"question": "Which package arrived yesterday?"})
    done = perturb(item, Variant("lexical.example_no_vowels", severity=5))
    assert any(word in done.item.segments["question"] for word in ("pckge", "arrvd", "ystrdy"))


def test_lines_are_no_longer_than_the_width() -> None:
    text = "Reading a large book takes patience and a chair that stands near the window"
    item = replace(sample_items()[0], segments={"question": text})
    done = perturb(item, Variant("lexical.example_line_wrap", {"width": "40"}))
    assert max(map(len, done.item.segments["question"].split("\n"))) <= 40

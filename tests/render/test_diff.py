"""Word-level difference."""

import random

import pytest

from oodrop.reports.render.diff import word_diff


def ops(before, after, limit=10_000):
    return [(s.op, s.text) for s in word_diff(before, after, limit)]


def test_a_changed_word():
    assert ops("the quick fox runs", "the slow fox runs") == [
        ("same", "the "),
        ("del", "quick"),
        ("ins", "slow"),
        ("same", " "),
        ("same", "fox runs"),
    ]


def test_equal_and_empty():
    assert ops("same text", "same text") == [("same", "same text")]
    assert ops("", "") == []
    assert ops("", "new") == [("ins", "new")]


def test_changed_white_space_is_visible():
    assert ("ins", "a\u21b5\n") in ops("a b", "a\nb")
    assert ("del", "a\u00b7") in ops("a b", "a\nb")
    assert ("ins", "x\u00b7\u00b7\u00b7") in ops("x y", "x   y")


def test_both_texts_can_be_read_off_the_diff():
    draw = random.Random(5)
    words = ["a", "bb", "c.", "d\n", "e  "]
    for _ in range(200):
        before, after = (" ".join(draw.choices(words, k=draw.randrange(12))) for _ in range(2))
        found = word_diff(before, after, 10_000)
        for op, whole in (("ins", after), ("del", before)):
            text = "".join(s.text for s in found if s.op in ("same", op))
            text = text.replace("\u21b5\n", "\n").replace("\u00b7", " ")
            assert text == whole


def test_long_unchanged_stretches_shrink_around_the_change():
    before = "word " * 400 + "old " + "word " * 400
    found = word_diff(before, before.replace("old", "new"), 600)
    assert [s.op for s in found] == ["gap", "same", "del", "ins", "same", "same", "gap"]
    assert "unchanged characters" in found[0].text
    assert sum(len(s.text) for s in found) < 600


@pytest.mark.parametrize("limit", [1, 100, 5_000])
def test_what_does_not_fit_is_cut_with_a_sentence(limit):
    before = " ".join(f"a{k}" for k in range(2_000))
    found = word_diff(before, before.replace("a", "b"), limit)
    assert found[-1].op == "gap"
    assert "left out here; report.json has them" in found[-1].text
    assert sum(len(s.text) for s in found[:-1]) == limit


def test_a_long_identical_prompt_is_cut_too():
    found = word_diff("same " * 1_000, "same " * 1_000, 100)
    assert [s.op for s in found] == ["same", "gap"]

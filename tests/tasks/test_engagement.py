"""What a reply tells of the way to its answer, whatever the task."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.tasks.engagement import AT_ONCE, engagement


@pytest.mark.parametrize(
    ("before", "tokens"),
    [
        ("", 0), ("So: ", 2), ("It is 4,5 mL.\n\n", 7), ("don't ", 3),
        ("\u2014 \u00e9t\u00e9\u2026 ", 3),
        ("w " * (AT_ONCE - 1), AT_ONCE - 1), ("w " * AT_ONCE, AT_ONCE),
    ],
)  # fmt: skip
def test_words_and_marks_before_the_answer(before: str, tokens: int) -> None:
    found = engagement(f"{before}ANSWER: a b c", len(before))
    assert found == {
        "parsed": 1.0,
        "reasoning_tokens": float(tokens),
        "at_once": float(tokens < AT_ONCE),
        "truncated": 0.0,
    }


@pytest.mark.parametrize(
    ("reply", "truncated"),
    [
        ("I do not know.", 0), ("**Done**\n", 0), ("(see above)", 0), ("He said \u201cno\u201d", 0),
        ("The first step was", 1), ("", 1), ("one, two,", 1), ("so it is.\n\nNext", 1),
    ],
)  # fmt: skip
def test_without_an_answer_it_ended_or_broke_off(reply: str, truncated: int) -> None:
    found = engagement(reply, None)
    assert (found["parsed"], found["at_once"], found["truncated"]) == (0, 0, truncated)
    assert found["reasoning_tokens"] == engagement(f"{reply} ", len(reply))["reasoning_tokens"]


def test_no_reasoning_and_no_answer_is_not_at_once() -> None:
    assert engagement("", 0)["at_once"] == 1
    assert engagement("", None)["at_once"] == 0


def test_a_megabyte_of_text() -> None:
    """In quadratic time this would not end."""
    for filler in ("a", " ", ". ", ".", "a. \n"):
        text = filler * (1_000_000 // len(filler))
        assert engagement(text, None)["parsed"] == 0


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_more_text_before_the_answer_is_never_less(before: str, more: str) -> None:
    one = engagement(f"{before}!", len(before))["reasoning_tokens"]
    two = engagement(f"{before}\n{more}!", len(before) + 1 + len(more))["reasoning_tokens"]
    assert two >= one

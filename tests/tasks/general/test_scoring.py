"""Strict and upstream-compatible scores side by side: where they part, and each upstream trap."""

from __future__ import annotations

from typing import Any

import pytest

from oodrop.tasks.general.scoring import letter_answer, math_answer, theoremqa

MMLU = {"options": [f"option text {k}" for k in range(10)], "gold_index": 2}


def scores(metrics: dict[str, float]) -> tuple[float, float, float]:
    return metrics["acc"], metrics["acc_upstream"], metrics["parsed"]


@pytest.mark.parametrize(
    ("gold", "reply", "expected"),
    [
        ("2", "The correct answer is 25", (0, 1, 1)),  # a prefix is enough upstream
        ("2", "The correct answer is 2.", (1, 1, 1)),
        ("2", "The answer is 25.", (0, 0, 1)),
        ("2", r"\boxed{2}. But no, \boxed{3}", (0, 1, 1)),  # any box that holds it
        ("0.5", "The answer is 50", (0, 1, 1)),  # times a hundred
        ("1000", "The answer is 1000.05", (0, 1, 1)),  # within 1e-4
        ("7", "Therefore x equals 7", (0, 0, 0)),
        ("7", "So the result is 7", (0, 1, 0)),  # the last "is" is a marker
        ("7", r"<think>\boxed{7}</think> The answer is 8.", (0, 1, 1)),
        (r"\frac{1}{2}", "<think>…</think><answer>0.5</answer>", (1, 1, 1)),
        ("x=5", r"\boxed{5}", (1, 1, 1)),
        ("5", r"\boxed{}", (0, 0, 0)),
        ("5", r"\boxed{5", (0, 0, 0)),
        ("5", "", (0, 0, 0)),
        ("18", "18 - 0 = 18 dollars.\n#### 18", (1, 0, 1)),  # no marker of theirs
    ],
)
def test_math(gold: str, reply: str, expected: tuple[float, ...]) -> None:
    assert scores(math_answer({"gold": gold}, [reply])) == expected


@pytest.mark.parametrize(
    ("kind", "gold", "reply", "expected"),
    [
        ("bool", "False", "The answer is another matter.", (0, 1, 1)),  # "no" in "another"
        ("bool", "False", "I do not know", (0, 1, 0)),
        ("bool", "False", r"\boxed{\text{False}}", (1, 1, 1)),
        ("bool", "True", "The answer is untrue.", (0, 1, 1)),
        ("bool", "True", "The answer is yes.", (1, 1, 1)),
        ("integer", "1", "The answer is 0.7.", (0, 1, 1)),  # rounded upstream
        ("integer", "2", "The correct answer is 25", (0, 1, 1)),
        ("integer", "25", "The answer is 25.", (1, 1, 1)),
        ("float", "1.0", "The answer is 1.03.", (1, 1, 1)),
        ("float", "1.0", "The answer is 1.05.", (0, 0, 1)),
        ("float", "0.5", r"\boxed{\frac{1}{2}}", (1, 1, 1)),
        ("float", "0.25", "It is 3, or 4; 0.25", (0, 1, 0)),  # the last number upstream
        ("list of integer", "[0, 5]", "The answer is [0,5].", (1, 1, 1)),
        ("list of integer", "[0, 5]", "The answer is (0, 5).", (1, 1, 1)),
        ("list of integer", "[0, 5]", "The answer is (5, 0).", (0, 1, 1)),  # sorted upstream
        ("list of float", "[0.333, 0.25]", r"\boxed{[\frac{1}{3}, 0.25]}", (1, 0, 1)),
        ("list of float", "[0.333, 0.25]", "The answer is (0.34, 0.25).", (1, 1, 1)),
        ("option", "(c)", "The answer is (C).", (1, 1, 1)),
        ("option", "(c)", "The answer is (a) or (c).", (0, 1, 1)),
        ("option", "(c)", r"\boxed{\text{c}}", (1, 1, 1)),
    ],
)
def test_theoremqa(kind: str, gold: str, reply: str, expected: tuple[float, ...]) -> None:
    assert scores(theoremqa({"gold": gold, "kind": kind}, [reply])) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("At first the answer is (A). Then again, the answer is (C).", (1, 1, 1)),
        ("The answer is C . Then again, the answer is (A).", (0, 1, 1)),  # their first match
        ("<answer>C</answer>", (1, 1, 1)),
        ("<answer>(C)</answer>", (1, 1, 1)),
        (r"\boxed{\text{C}}", (1, 1, 1)),
        (r"\boxed{C. option text 2}", (1, 1, 1)),
        (r"\boxed{option text 2}", (1, 1, 1)),
        (r"\boxed{option text 9}", (0, 0, 1)),
        (r"\boxed{J}", (0, 0, 1)),
        (r"\boxed{K}", (0, 0, 1)),
        ("The answer is (A) or (C).", (0, 0, 1)),
        ("**Answer: C**", (1, 1, 1)),
        ("It must be C", (0, 0, 0)),
    ],
)
def test_letters(reply: str, expected: tuple[float, ...]) -> None:
    assert scores(letter_answer(MMLU, [reply])) == expected


def test_ten_options_have_ten_letters() -> None:
    for k, label in enumerate("ABCDEFGHIJ"):
        doc = {**MMLU, "gold_index": k}
        assert scores(letter_answer(doc, [f"The answer is ({label})."])) == (1, 1, 1)


def test_another_order_of_the_options_is_another_letter() -> None:
    doc: dict[str, Any] = {"options": ["a car", "a bus", "a boat"], "gold_index": 0}
    turned = {"options": ["a boat", "a car", "a bus"], "gold_index": 1}
    assert letter_answer(doc, [r"\boxed{A}"])["acc"] == 1
    assert letter_answer(turned, [r"\boxed{A}"])["acc"] == 0
    for either in (doc, turned):
        assert letter_answer(either, [r"\boxed{A car}"])["acc"] == 1


def test_of_several_replies_the_mean() -> None:
    replies = [r"\boxed{5}", r"\boxed{6}", "So 5", "The answer is 5"]
    metrics = math_answer({"gold": "5"}, [replies])
    assert metrics["acc"] == 0.5
    assert metrics["parsed"] == 0.75
    assert metrics["truncated"] == 0.25
    each = [math_answer({"gold": "5"}, [reply]) for reply in replies]
    assert metrics == {name: sum(m[name] for m in each) / 4 for name in metrics}
    assert math_answer({"gold": "5"}, [replies[:1]]) == each[0]


def test_engagement_is_read_off_before_the_form() -> None:
    """The tags of an empty thought are no reasoning, nor is the ``\\boxed{`` around the answer."""
    metrics = math_answer({"gold": "5"}, ["<think></think><answer>5</answer>"])
    assert metrics["reasoning_tokens"] == 7
    assert metrics["at_once"] == 1
    assert math_answer({"gold": "5"}, [r"\boxed{5}"])["reasoning_tokens"] == 0
    long = math_answer({"gold": "5"}, ["word " * 40 + r"\boxed{5}"])
    assert (long["reasoning_tokens"], long["at_once"]) == (40, 0)


def test_a_reply_that_breaks_off() -> None:
    metrics = math_answer({"gold": "5"}, ["First we take the"])
    assert (metrics["truncated"], metrics["parsed"]) == (1, 0)


@pytest.mark.parametrize("reply", ["no " * 100_000, "\\boxed{" * 20_000, "answer is " * 30_000])
def test_a_reply_of_any_length(reply: str) -> None:
    assert math_answer({"gold": "5"}, [reply])["acc"] == 0
    assert theoremqa({"gold": "5", "kind": "integer"}, [reply])["acc"] == 0
    assert letter_answer(MMLU, [reply])["acc"] == 0

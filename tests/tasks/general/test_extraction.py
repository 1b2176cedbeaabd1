"""The final answer of a reply: the last one, whole, without the marks around it, with its span."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.tasks.general.extraction import answer_span, find_answer


@pytest.mark.parametrize(
    ("reply", "text", "how"),
    [
        # Answer tags: the last that says something, and in it the box or the phrase.
        ("<think>So.</think> <answer>5</answer>", "5", "tag"),
        ("<answer>4</answer> No, <answer>5</answer>.", "5", "tag"),
        ("<answer>\\boxed{7}</answer>", "7", "tag"),
        ("<answer>The answer is (B).</answer>", "(B)", "tag"),
        ("<ANSWER> 5 </ANSWER>", "5", "tag"),
        ("<answer>5</answer> <answer></answer>", "5", "tag"),
        ("<answer> answer here </answer> The answer is 3.", "3", "phrase"),
        ("<answer>5</answer> Or \\boxed{6}?", "5", "tag"),
        ("<answer>1\n\n2</answer>", "1\n\n2", "tag"),
        ("<answer>5", None, None),
        # Boxes: balanced, the last one, the innermost.
        (r"So \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "box"),
        (r"\boxed{3} and so \boxed{4}", "4", "box"),
        (r"\boxed{\boxed{5}}", "5", "box"),
        (r"$\boxed{x=\boxed{5}}$", "5", "box"),
        (r"\fbox{9}", "9", "box"),
        (r"\boxed {9}", "9", "box"),
        (r"\boxed{\text{B}}", "B", "box"),
        (r"\boxed{\text{a}\text{b}}", r"\text{a}\text{b}", "box"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}", "box"),
        (r"\boxed{\left\{ 1 \right.}", r"\left\{ 1 \right.", "box"),
        (r"\boxed{a \\ {b}}", r"a \\ {b}", "box"),
        (r"\boxed{ $5$ }", "5", "box"),
        (r"The answer is 4, so \boxed{5}", "5", "box"),
        (r"\\boxed{5}", "5", "box"),
        (r"a \\ \boxed{5}", "5", "box"),
        (r"a \\\boxed{5}", "5", "box"),
        (r"\boxed{}", None, None),
        (r"Put it in \boxed{}. The answer is 5.", "5", "phrase"),
        (r"\boxed{5}, as asked in \boxed{}", "5", "box"),
        (r"\boxed{\frac{1}{2}", None, None),
        (r"\boxed{\frac{1}{2} The answer is 3", "3", "phrase"),
        (r"\boxed{4} and then \boxed{\frac{1}{2}", "4", "box"),
        (r"} \boxed{4}", "4", "box"),
        # A box in the thinking part is not the final answer.
        ("<think>\\boxed{3}</think> The answer is 4.", "4", "phrase"),
        ("<think>The answer is (A).</think> (B), surely. \\boxed{B}", "B", "box"),
        ("<think>\\boxed{3}</think> That is all.", "3", "box"),
        ("<think>\\boxed{3}", "3", "box"),
        # Phrases: the last line that has one.
        ("The answer is (A)? No. The answer is (C).", "(C)", "phrase"),
        ("answer is (A)\nOr not.\nthe answer is (C)\nDone.", "(C)", "phrase"),
        ("**Answer:** 5", "5", "phrase"),
        ("**Answer: 5**", "5", "phrase"),
        ("**Answer**: (B)", "(B)", "phrase"),
        ("The final answer is **42**.", "42", "phrase"),
        ("The answer is: $\\frac12$. I hope it is correct.", r"\frac12", "phrase"),
        ("The answer is \\(x+1\\).", "x+1", "phrase"),
        ("The answer is:\n\\[\n5\n\\]", "5", "phrase"),
        ("The answer is\n$$5$$", "5", "phrase"),
        ("Answer:\n\n5\n", "5", "phrase"),
        ("Answer = 7", "7", "phrase"),
        ("Work.\n#### 18", "18", "phrase"),
        ("#### -3\n", "-3", "phrase"),
        ("The answer to this question is 25", "25", "phrase"),
        ("The answers are 3 and 4.", "3 and 4", "phrase"),
        ("The answer is 3.5 cm.", "3.5 cm", "phrase"),
        ("The answer is approx. 5", "approx. 5", "phrase"),
        ("The answer is B. Because it is.", "B", "phrase"),
        ("The answer is 5, since 2+3=5", "5", "phrase"),
        ("The answer is $18.", "$18", "phrase"),
        ("The answer is $5$ and $6$.", "$5$ and $6$", "phrase"),
        ("The answer is 5!", "5!", "phrase"),
        ("The answer is 5<|im_end|>", "5", "phrase"),
        ("The answer is 5</s>", "5", "phrase"),
        ("The answer is 2.\n\nLet me know.", "2", "phrase"),
        ("the answer is", None, None),
        ("", None, None),
        ("It is 5.", None, None),
        ("Unanswerable is 5", None, None),
    ],
)
def test_the_final_answer(reply: str, text: str | None, how: str | None) -> None:
    answer = find_answer(reply)
    assert (answer and answer.text) == text
    assert (answer and answer.how) == how
    if answer:
        assert reply[answer.start : answer.end] == text
        assert answer_span(reply) == (answer.start, answer.end)
        assert answer.opens <= answer.start
    else:
        assert answer_span(reply) is None


def test_where_the_form_begins_reasoning_ends() -> None:
    for form in ("<answer>5</answer>", r"\boxed{5}", "answer is 5"):
        answer = find_answer(f"One two. {form}")
        assert answer is not None
        assert answer.opens == len("One two. ")


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_before_a_final_form_changes_nothing(text: str) -> None:
    for form in ("\n</think><answer>17</answer>", "\n</think><answer>\\boxed{17}</answer>"):
        answer = find_answer(text.replace("<answer>", "") + form)
        assert answer is not None
        assert answer.text == "17"


@given(st.text(alphabet="\\{}boxed$<>/answeris:.#* \n1", max_size=120))
@settings(max_examples=150, deadline=None)
def test_a_span_is_always_the_text(text: str) -> None:
    answer = find_answer(text)
    if answer is not None:
        assert text[answer.start : answer.end] == answer.text != ""
        assert answer.text == answer.text.strip()


@pytest.mark.parametrize(
    "filler",
    [
        "\\boxed{", "{", "}", "<answer>", "</think>", "answer is ", "answer: \n", "\\boxed{}",
        "#### ", "a", "$", "\\", "**", "answer is \\[ ", "\\text{", "answer ", "<answer>x</answer>",
    ],
)  # fmt: skip
def test_a_megabyte_of_text(filler: str) -> None:
    """In quadratic time this would not end."""
    start = time.process_time()
    text = filler * (300_000 // len(filler))
    find_answer(text)
    find_answer(f"The answer is {text}")
    find_answer("\\boxed{" + text[:4_900] + "}")
    assert time.process_time() - start < 5


def test_an_answer_of_a_page_is_none() -> None:
    assert find_answer("\\boxed{" + "1" * 6_000 + "}") is None

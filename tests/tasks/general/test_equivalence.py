"""Equal answers are equal however they are written, and nothing keeps the comparison busy."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.tasks.general.equivalence import (
    letter,
    number,
    numbers,
    same_letter,
    same_math,
    same_theoremqa,
    truth,
)
from oodrop.tasks.general.tame import is_tame

MATRIX = r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"


@pytest.mark.parametrize(
    ("found", "gold"),
    [
        # Fractions, mixed numbers, percent
        (r"\frac12", "0.5"), ("1/2", r"\dfrac{1}{2}"), ("0.333333", "1/3"), ("1 1/2", "3/2"),
        (r"1\frac{1}{2}", r"\frac32"), ("50%", "0.5"), (r"50\%", "50"), ("5%", "0.05"),
        ("0.5", "50%"), ("50 percent", r"50\%"), (r"\frac{1}{2}\%", "0.5%"), (r"33.5\%", "33.5"),
        # Units, currency, degrees, thousands, signs, scientific notation
        ("5 cm", "5"), (r"5\text{ cm}", "5"), ("15", r"15\mbox{ cm}^2"), ("18 dollars", "18"),
        ("5 m/s^2", "5"), ("$18", "18"), (r"\$18.00", "18"), (r"\$32,348", r"\$32,\!348"),
        ("90°", "90"), (r"90^\circ", "90"), (r"90 \text{ degrees}", r"90^\circ"),
        ("1,000", "1000"), ("1{,}000", "1000"), ("1 000", "1000"), ("10,080", r"10,\!080"),
        ("−5", "-5"), ("1.5e3", "1500"), ("1e-3", "0.001"), (r"1.5 \times 10^3", "1500"),
        ("1.5 × 10^{3}", "1500"), ("1.5*10^-3", "0.0015"), ("6.72e-5", ".0000672"),
        ("about 5", "5"), (r"\approx 5", "5"),
        # Equations, names, infinity, plain-text functions
        ("x = 3", "3"), ("3", "x=3"), ("y = 3 + 2x", "y = 2x + 3"), ("2 + 3 = 5", "5"),
        ("2x - y + 3 = 0", "y = 2x + 3"), ("pi/2", r"\frac{\pi}{2}"), ("2pi", r"2\pi"),
        ("ln(2)", r"\ln 2"), ("3*sqrt(13)", r"\sqrt{117}"), ("(2,oo)", r"(2,\infty)"),
        (r"x \in [-2,7]", "[-2,7]"),
        # Intervals, sets, tuples, matrices
        ("[0,1)", "[0,1)"), (r"(0,9)\cup(9,36)", r"(9,36) \cup (0,9)"), (r"\{2,1\}", r"\{1,2\}"),
        ("1, 2", r"\{1,2\}"), ("5 or -5", r"\pm 5"), ("7,5,3", "3, 5, 7"),
        ("(3, pi/2)", r"\left( 3, \frac{\pi}{2} \right)"),
        (MATRIX, r"\begin{bmatrix}1\\2\end{bmatrix}"),
        # Expressions and words
        ("(x+1)^2", "x^2+2x+1"), (r"\cot x", r"\frac{\cos x}{\sin x}"), ("-q+p", "p - q"),
        ("East", r"\text{east}"), ("(C)", r"\text{(C)}"), ("52", "52_8"), ("52_{8}", "52_8"),
    ],
)  # fmt: skip
def test_equal(found: str, gold: str) -> None:
    assert same_math(found, gold)


@pytest.mark.parametrize(
    ("found", "gold"),
    [
        ("25", "2"), ("2", "25"), ("0.33", "1/3"), ("(1,2)", "[1,2]"), ("[0,1)", "[0,1]"),
        ("(2,1)", "(1,2)"), ("[2,1]", "[1,2]"), (r"\{1,2,3\}", r"\{1,2\}"), ("y=2", "x=2"),
        (MATRIX, r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"), ("x^2+1", "y^2+1"), ("5x", "5"),
        ("5 x", "5"), ("5 or 6", "5"), ("5 million", "5"), ("3 + C", "3"), ("seat", "east"),
        ("seat", r"\text{east}"), ("an ellipse", r"\text{ellipse}"), ("52_9", "52_8"),
        ("0", "4e-34"), ("1e-30", "4e-34"), ("True", "False"), ("x + 2 = 0", "0"),
        ("5x - 7y + 11z + 4 = 0", "0"), ("y = 2x + 4", "y = 2x + 3"), ("", "5"), ("5", ""),
        (r"\frac{1}{2", r"\frac12"), ("no", "none"), ("-5", "5"), ("50%", "5"), (r"5\%", r"50\%"),
        ("1 1/2", "11/2"),
    ],
)  # fmt: skip
def test_not_equal(found: str, gold: str) -> None:
    assert not same_math(found, gold)


@given(st.integers(-(10**6), 10**6), st.integers(1, 999))
@settings(max_examples=25, deadline=None)
def test_a_fraction_is_itself_in_every_form(a: int, b: int) -> None:
    forms = [f"{a}/{b}", rf"\frac{{{a}}}{{{b}}}", rf"\dfrac{{{a}}}{{{b}}}", f"x = {a}/{b}"]
    assert all(same_math(form, forms[0]) for form in forms)
    assert not same_math(f"{a + 1}/{b}", forms[0])


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_list_is_read_in_every_bracket(values: list[int]) -> None:
    inside = ", ".join(map(str, values))
    for text in (f"[{inside}]", f"({inside})", f"{{{inside}}}", rf"\{{{inside}\}}", inside):
        assert numbers(text) == values
        assert same_theoremqa(text, f"[{inside}]", "list of integer")
    assert numbers(r"\begin{bmatrix}" + r" \\ ".join(map(str, values)) + r"\end{bmatrix}") == values


HANGING = [
    "9**9**9**9", "9^{9^{9^9}}", "9^9^9", "(10^{9999})^{9999}", "10^{10^{10}}", "2^{1000000000}",
    "9^{9*9999*9999}", "99999999!", "(9999*9999)!", "5!!!!!!!!", r"\binom{100000}{50000}",
    "1" * 100_000, "(" * 5_000 + "1" + ")" * 5_000, r"\frac{1}{" * 300 + "2" + "}" * 300,
    r"\sum_{i=1}^{1000000000} i", r"\int_0^1 x^{x} dx", "(" * 8 + "x+1" + ")^2" * 8,
    "x^{x^{x^x}}", "(a+b+c+d+e)^{99}", "(a+b+c+d)^{20}(e+f+g)^{20}", "+".join(
        rf"\sin({i}x)" for i in range(1, 40)
    ), r"x^7+3x^5-2x+\sin x=y^3+\cos(xy)", "x^{99}+y^{99}=z^{99}", "-" * 400, "|" * 300, "x" * 350,
    r"\sin(\cos(\tan(x^2+y^2)))^{12}", "0^{-1}", r"\frac{0}{0}",
    r"\left(1+\frac{1}{9}\right)^{9999}",
]  # fmt: skip


@pytest.mark.parametrize("text", HANGING)
def test_nothing_keeps_it_busy(text: str) -> None:
    start = time.process_time()
    for gold in ("5", "y=2x+3"):
        assert not same_math(text, gold)
        assert not same_theoremqa(text, "5", "integer")
    assert time.process_time() - start < 10


@pytest.mark.parametrize("text", HANGING[:9])
def test_what_is_too_large_is_equal_if_written_alike(text: str) -> None:
    assert not is_tame(text)
    assert same_math(text, text)


def test_it_works_in_a_thread() -> None:
    """math_verify's own limit of time would raise here."""
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(same_math(r"\frac{6}{8}", "0.75")))
    thread.start()
    thread.join()
    assert seen == [True]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("B", "B"), ("(B)", "B"), ("(b)", "B"), ("b", "B"), ("B.", "B"), ("B) five", "B"),
        ("[C]", "C"), ("B: 5", "B"), (r"\text{B}", "B"), (r"\text{(B)}", "B"), ("$B$", "B"),
        (r"\mathrm{J}", "J"), ("option B", "B"), ("Choice (D)", "D"), ("**B**", "B"),
        ("(B) 5 m (approx.)", "B"), ("B. Paris", "B"), ("J", "J"), ("K", None), ("A car", None),
        ("BC", None), ("(A) or (B)", None), ("A, B", None), ("A and B", None), ("", None),
        ("I think B", None), ("5", None),
    ],
)  # fmt: skip
def test_letters(text: str, label: str | None) -> None:
    assert letter(text) == label
    assert same_letter(text, "(b)") == (label == "B")


def test_only_labels_that_are_there_count() -> None:
    assert letter("J", "ABCD") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5%", 0.05), (r"\frac{1}{2}", 0.5), ("x = 3", 3), ("P(X > 1) = 0.25", 0.25),
        ("1,234.5", 1234.5), ("3e-36", 3e-36), (r"3 \times 10^{-36}", 3e-36), ("5 m/s", 5),
        (r"5 \text{ kg}", 5), ("2pi", 6.283185), (r"90^\circ", 90), ("e^2", 7.389056),
        ("−0.5", -0.5), ("3 + 4i", None), ("nan", None), ("inf", None), ("hello", None),
        ("1/0", None), ("5 or 6", None), ("", None),
    ],
)  # fmt: skip
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == (value if value is None else pytest.approx(value, rel=1e-6))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True), ("yes", True), ("Yes, it is.", True), ("It is true.", True),
        (r"\text{False}", False), ("FALSE.", False), ("No", False), ("no solution", None),
        ("another", None), ("not true", None), ("True or False", None), ("unknown", None),
    ],
)  # fmt: skip
def test_truth(text: str, value: bool | None) -> None:
    assert truth(text) is value


@pytest.mark.parametrize(
    ("found", "gold", "kind", "right"),
    [
        ("1.04", "1.0", "float", True), ("1.041", "1.0", "float", False),
        ("0.96", "1.0", "float", True), ("-0.99", "-1.0", "float", True),
        ("1.0", "-1.0", "float", False), ("0.001", "0.0", "float", False),
        ("0", "0.0", "float", True), ("3.1e-36", "3e-36", "float", True),
        ("3.1e-35", "3e-36", "float", False), ("1/2", "0.5", "float", True),
        ("50%", "0.5", "float", True), ("-6e25 J", "-6e+25", "float", True),
        ("0.7", "1", "integer", False), ("1.0", "1", "integer", True),
        ("1.4", "1", "integer", False), ("1", "1", "integer", True),
        ("25", "2", "integer", False), ("11,760", "11760", "integer", True),
        ("True", "True", "bool", True), ("no solution", "False", "bool", False),
        ("another one", "False", "bool", False), ("maybe", "False", "bool", False),
        ("[0,5]", "[0, 5]", "list of integer", True),
        ("(0, 5)", "[0, 5]", "list of integer", True),
        ("0, 5", "[0, 5]", "list of integer", True),
        ("[5, 0]", "[0, 5]", "list of integer", False),
        ("[0, 5, 5]", "[0, 5]", "list of integer", False),
        ("[0", "[0, 5]", "list of integer", False), ("3", "[3]", "list of integer", True),
        ("[0.34, 0.25]", "[0.333, 0.25]", "list of float", True),
        ("[0.4, 0.25]", "[0.333, 0.25]", "list of float", False),
        ("C", "(c)", "option", True), ("(c)", "(c)", "option", True),
        ("(a)", "(c)", "option", False),
        ("five", "5", "integer", False),
    ],
)  # fmt: skip
def test_theoremqa_by_kind(found: str, gold: str, kind: str, right: bool) -> None:
    assert same_theoremqa(found, gold, kind) is right


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no answers of kind 'picture'"):
        same_theoremqa("5", "5", "picture")

"""What a guard takes for the same meaning, and what it does not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words
from pint import UnitRegistry

from oodrop.perturbers.equivalence import (
    _UNIT_FACTORS,
    _WORD_VALUES,
    _number,
    _quantity,
    equivalence,
)
from oodrop.perturbers.lookalikes import HOMOGLYPHS, INVISIBLE, LEET, OCR_DIGITS, disguises
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.tables import table

PINT: UnitRegistry[Fraction] = UnitRegistry(non_int_type=Fraction)
DIMENSIONS = {"s": "time", "m": "length", "g": "mass", "L": "volume"}

SAME = [
    ("case", "Water", "water"), ("case", "NOT", "not"), ("case", "At Least", "at least"),
    ("case", "water", "water"), ("case", "no more than", "NO MORE THAN"), ("case", "May", "MAY"),
    ("look-alike", "water", "w4ter"), ("look-alike", "water", "w\u0430ter"),
    ("look-alike", "water", "wa\u200bter"), ("look-alike", "Copper", "C\u043epper"),
    ("look-alike", "bell", "be1l"), ("look-alike", "boils", "boi1s"),
    ("look-alike", "TABLE", "T4BLE"), ("look-alike", "sleep", "5leep"),
    ("contraction", "do not", "don't"), ("contraction", "don't", "do not"),
    ("contraction", "do not", "don’t"), ("contraction", "Does not", "Doesn't"),
    ("contraction", "cannot", "can't"), ("contraction", "can not", "can't"),
    ("contraction", "can't", "cannot"), ("contraction", "will not", "won't"),
    ("contraction", "won't", "will not"), ("contraction", "shall not", "shan't"),
    ("contraction", "must not", "mustn't"), ("contraction", "is not", "isn’t"),
    ("number", "7", "seven"), ("number", "seven", "7"), ("number", "Seven", "7"),
    ("number", "42", "forty-two"), ("number", "forty two", "42"),
    ("number", "300", "three hundred"),
    ("number", "three hundred and seven", "307"), ("number", "7", "7.0"), ("number", "0", "zero"),
    ("quantity", "90 min", "1.5 h"), ("quantity", "90 minutes", "1.5 hours"),
    ("quantity", "1.5 h", "90 min"), ("quantity", "500 mL", "0.5 L"),
    ("quantity", "5%", "5 percent"),
    ("quantity", "2 kg", "2000 g"), ("quantity", "250 mg", "0.25 g"), ("quantity", "3 m", "300 cm"),
    ("quantity", "1 hour", "60 minutes"), ("quantity", "2 days", "48 hours"),
    ("quantity", "90min", "90 minutes"), ("quantity", "10 mm", "1 cm"),
]  # fmt: skip
OTHER = [
    # Case that carries meaning: units, code, formulas, addresses, labels.
    ("40 mL", "40 ML"), ("5 mg", "5 Mg"), ("3 kg", "3 KG"), ("`code`", "`CODE`"), ("H2O", "h2o"),
    ("$x$", "$X$"), ("www.example.org/a", "www.example.org/A"), ("(A)", "(a)"),
    # Look-alikes that are none, that swallow a letter, or leave a number.
    ("water", "wader"), ("water", "w4tr"), ("water", "watter"), ("water", "5ater"), ("as", "45"),
    ("ace", "4ce2"), ("so", "50"), ("sole", "501e"), ("oil", "0i1l"), ("a b", "4 b"),
    ("7", "seven1"),
    # Negations that are lost, gained or swapped.
    ("do not", "do"), ("do", "do not"), ("do not", "does not"), ("do not", "doesn't"),
    ("can't", "can"), ("cannot", "could not"), ("will not", "want"), ("is not", "isn't not"),
    ("won't", "wo not"), ("not", ""), ("no", "not"), ("do not sign", "don't resign"),
    # Numbers and quantities of another value, dimension or kind.
    ("7", "eight"), ("7", "8"), ("seven", "seventy"), ("forty-two", "24"), ("300", "three"),
    ("7", "7 h"), ("seven", "seventh"), ("two hundred", "2"), ("5", "five five"), ("1", "a"),
    ("90 min", "1.6 h"), ("90 min", "15 h"), ("90 min", "90 m"), ("90 minutes", "90"),
    ("5 mL", "5 mg"), ("5 m", "5 min"), ("1 L", "100 mL"), ("5%", "0.05"), ("5 percent", "5 g"),
    ("5 mg", "5000 ug"), ("1 week", "7 days"), ("5 C", "41 F"), ("2 hours", "two hours"),
    ("1.5 h", "1,5 h"), ("90 min", "-90 min"),
    # Other words and names.
    ("Nadia Lindgren", "Ana Iyer"), ("water", "steam"), ("may", "might"), ("at least", "over"),
    ("all", "every"), ("water", ""), ("", "water"), ("must", "should"), ("and", "or"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "after"), SAME)
def test_the_same_in_another_form(kind: str, before: str, after: str) -> None:
    assert equivalence(before, after) == kind


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_something_else(before: str, after: str) -> None:
    assert equivalence(before, after) is None
    if not set(after) & set("".join(HOMOGLYPHS.values()) + INVISIBLE):
        assert equivalence(after, before) is None


@given(st.text(max_size=12), st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_two_texts_get_an_answer(before: str, after: str) -> None:
    assert equivalence(before, after) in (
        None, "case", "look-alike", "contraction", "number", "quantity"
    )  # fmt: skip
    assert equivalence(before, before) in ("case", None)


NUMBERS = st.integers(0, 999)


@given(NUMBERS)
@settings(max_examples=1000, deadline=None)
def test_number_words_that_a_library_writes_are_read_back(value: int) -> None:
    told = num2words(value, lang="en")
    for text in (told, told.replace("-", " "), told.capitalize(), told.upper(), str(value)):
        assert _number(text) == value, text
    if value != 0:
        assert equivalence(str(value), told) == equivalence(told, str(value)) == "number"


def test_every_number_up_to_999_is_read_back() -> None:
    assert [_number(num2words(k)) for k in range(1000)] == [Fraction(k) for k in range(1000)]


@given(NUMBERS, NUMBERS)
@settings(max_examples=300, deadline=None)
def test_two_numbers_are_not_the_same(one: int, other: int) -> None:
    same = equivalence(str(one), num2words(other, lang="en"))
    assert same == ("number" if one == other else None)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "seventh", "hundred", "twenty hundred", "ten hundred", "twenty-zero", "five six",
        "twenty-eleven", "two hundred hundred", "minus seven", "-7", "7.", ".7",
        "7,000", "1/2", "half", "zero hundred", "one two three", "seven ", " seven", "²", "٧x",
    ],
)  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    assert _number(text) is None


def test_a_number_that_breaks_off_is_none() -> None:
    assert _number("two hundred and") is None


@given(st.sampled_from(sorted(_UNIT_FACTORS)), st.sampled_from(sorted(_UNIT_FACTORS)),
       st.integers(1, 100_000))  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_the_factors_are_those_of_a_library(one: str, other: str, hundredths: int) -> None:
    """Two programs that share nothing agree which quantities are equal."""
    value = Fraction(hundredths, 100)
    figure = f"{float(value):.2f}".rstrip("0").rstrip(".")
    here = _quantity(f"{figure} {one}")
    assert here is not None
    known = {"%": "percent"}
    quantity = PINT.Quantity(value, known.get(one, one))
    if not quantity.is_compatible_with(known.get(other, other)):
        assert _UNIT_FACTORS[one][0] != _UNIT_FACTORS[other][0]
        assert equivalence(f"{figure} {one}", f"{figure} {other}") is None
        return
    assert _UNIT_FACTORS[one][0] == _UNIT_FACTORS[other][0]
    there = Fraction(quantity.to(known.get(other, other)).magnitude)
    decimal = there
    for places in range(12):  # a figure that can be written is written, and read as equal
        if (decimal * 10**places).denominator == 1:
            text = f"{there.numerator / there.denominator:.{places}f}"
            if Fraction(text) == there:
                assert _quantity(f"{text} {other}") == here
            break
    assert here[1] / _UNIT_FACTORS[other][1] == there


def test_every_unit_has_a_factor_by_definition() -> None:
    for unit, (dimension, factor) in _UNIT_FACTORS.items():
        if dimension == "share":
            continue
        (base,) = (b for b, d in DIMENSIONS.items() if d == dimension)
        assert Fraction(PINT.Quantity(Fraction(1), unit).to(base).magnitude) == factor, unit


@pytest.mark.parametrize(
    "text", ["", "h", "5", "5 weeks", "5 Min", "5 H", "5 ml", "-5 h", "5  h", "5 h 2", "1,000 g"]
)
def test_what_is_no_quantity(text: str) -> None:
    assert _quantity(text) is None


WORDS = st.text("abceilostxyABCEHIKMOPST", min_size=4, max_size=10)


@given(WORDS, st.data())
@settings(max_examples=300, deadline=None)
def test_a_disguised_word_is_seen_through(word: str, data: st.DataObject) -> None:
    places = data.draw(st.sets(st.integers(0, len(word) - 1), min_size=1, max_size=len(word) - 2))
    tables = data.draw(st.sampled_from((LEET, OCR_DIGITS, HOMOGLYPHS)))
    letters = [
        tables.get(c, tables.get(c.lower(), c)) if k in places else c for k, c in enumerate(word)
    ]
    after = data.draw(st.sampled_from(("", *INVISIBLE))).join(letters)
    if tables is not HOMOGLYPHS and sum(c.isalpha() for c in letters) < 2:
        assert not disguises(word, after)
        return
    if after.casefold() != word.casefold():
        assert disguises(word, after)
        assert equivalence(word, after) == "look-alike"


@given(WORDS, WORDS)
@settings(max_examples=300, deadline=None)
def test_another_word_is_no_disguise(one: str, other: str) -> None:
    assert disguises(one, other) == (one == other)


def test_no_protected_word_can_be_disguised_by_the_tables() -> None:
    """A look-alike of protected text is refused by the guard; it must stay one kind of its own."""
    assert equivalence("not", "n0t") == "look-alike"
    assert equivalence("seven", "s3ven") == "look-alike"


def test_every_contraction_of_the_table_is_proved() -> None:
    """Those with a negation by their expansion; the others hold no protected text."""
    forms = table("contractions")
    for full, short in forms["negative"].items():
        assert equivalence(full, short) == equivalence(short, full) == "contraction"
        assert equivalence(full.capitalize(), short.capitalize()) == "contraction"
    for kind in ("positive", "perfect"):
        for full, short in forms[kind].items():
            assert not protected_spans(full), full
            assert not protected_spans(short), short


def test_the_guard_knows_the_words_that_are_protected() -> None:
    for word in ("two", "twelve", "twenty", "ninety"):
        assert word in _WORD_VALUES

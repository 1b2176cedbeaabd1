"""Measures of texts: by hand, against a textbook table, and at the edges."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodrop.perturbers import Reorder, Replace
from oodrop.perturbers.measures import (
    balance,
    edit_distance,
    levenshtein,
    measure,
    reading_grade,
    syllables,
    words_and_marks,
)


def by_table(a: str, b: str) -> int:
    """Wagner and Fischer 1974: the whole table, cell by cell."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("aé", "ae", 1)],
)
def test_levenshtein_of_known_pairs(a: str, b: str, expected: int) -> None:
    assert levenshtein(a, b) == levenshtein(b, a) == expected


@given(st.text("abc", max_size=90), st.text("abc", max_size=90))
def test_levenshtein_is_that_of_the_table(a: str, b: str) -> None:
    assert levenshtein(a, b) == by_table(a, b)


def test_levenshtein_of_long_texts_with_equal_ends_takes_no_time() -> None:
    long = "the same words on either side " * 30_000
    start = time.perf_counter()
    assert levenshtein(f"{long}one{long}", f"{long}two{long}") == 3
    assert time.perf_counter() - start < 5


def test_measures_of_a_text_counted_by_hand() -> None:
    text = "At 9:05 give 2.5 mL.\nThen wait 90 min -- no more!"
    found = measure(text)
    assert (found.characters, found.words, found.numerals) == (49, 11, 3)
    assert found.tokens == words_and_marks(text) == 19


def test_reading_grade_is_the_formula_of_kincaid() -> None:
    # 6 words, 6 syllables, 1 sentence; then 5 words of 1 + 4 + 3 + 1 + 3 syllables.
    assert reading_grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    hard = "The investigator carefully checked everything."
    total = sum(map(syllables, ("The", "investigator", "carefully", "checked", "everything.")))
    assert reading_grade(hard) == pytest.approx(0.39 * 5 + 11.8 * total / 5 - 15.59)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [("One two. Three four.", 2), ("At 9 a.m. the bell rang.", 1), ("Head\n- one\n- two", 3)],
)
def test_reading_grade_counts_sentences(text: str, sentences: int) -> None:
    words = text.replace("-", "").split()
    total = sum(map(syllables, words))
    expected = 0.39 * len(words) / sentences + 11.8 * total / len(words) - 15.59
    assert reading_grade(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("make", 1), ("wanted", 2), ("walked", 1), ("nurse", 1),
     ("allegation", 4), ("boxes", 2), ("rules", 1), ("the", 1), ("2026", 4), ("日本", 1)],
)  # fmt: skip
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_balance_is_relative_where_there_is_something_to_relate_to() -> None:
    change = balance(measure("ab cd"), measure("ab cd 7 ef"))
    assert change.length == pytest.approx(1.0)
    assert change.words == pytest.approx(1.0)
    assert change.tokens == pytest.approx(1.0)
    assert change.numerals == 1
    nothing = balance(measure(""), measure("word"))
    assert (nothing.length, nothing.words, nothing.grade, nothing.tokens) == (None,) * 4


def test_tokens_are_those_of_the_counter_given() -> None:
    assert balance(measure("abcd", len), measure("abcdef", len)).tokens == pytest.approx(0.5)


@given(st.text())
def test_any_text_can_be_measured(text: str) -> None:
    found = measure(text)
    assert found.grade is None or math.isfinite(found.grade)
    assert edit_distance(text, text, ()) == 0.0


def test_edit_distance_of_replacements_is_their_sum() -> None:
    edits = [Replace("a", 0, "cat", "cart"), Replace("a", 8, "mat", "map")]
    assert edit_distance("cat on mat", "cart on map", edits) == pytest.approx(2 / 11)


def test_edit_distance_of_a_move_is_that_of_the_prompts() -> None:
    assert edit_distance("one two", "two one", [Reorder("facts", (1, 0))]) == pytest.approx(
        by_table("one two", "two one") / 7
    )

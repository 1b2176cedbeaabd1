"""What must survive verbatim is found; what may be edited never overlaps it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.perturbers.spans import (
    eligible_words,
    is_harmless,
    is_plain,
    is_vocabulary,
    protected_spans,
    starts_with_unit,
)
from oodrop.tasks.procedural import procedures

from .cases import HARD, PLAIN, texts


def protected(text: str, literals: tuple[str, ...] = ()) -> list[str]:
    return [text[a:b] for a, b in protected_spans(text, literals)]


def eligible(text: str, literals: tuple[str, ...] = ()) -> list[str]:
    return [text[a:b] for a, b in eligible_words(text, protected_spans(text, literals))]


@pytest.mark.parametrize(
    "kept",
    [
        "7", "-7", "+7", "3.5", "1,000", "1/2", "9:05", "09:05:30", "2023-01-26", "26/01/2023",
        "5-10", "5–10 days", "é5", "step_5",
        "40 mL", "40mL", "5%", "5 %", "3 kg", "1.5 h", "90 min", "24 hours", "1 hour", "30 days",
        "25 °C", "25 degrees C", "32 degrees", "200 mR/h", "0.15 kBq/MBq", "5 nCi", "2200 dpm",
        "60 miles", "12 gallons", "40 pounds", "6 feet", "12 inches", "2 liters", "3 metres",
        "500 lux", "9 a.m.", "9 pm", "9:05 a.m.", "2nd", "21st", "H2O", "x1", "NaCl2",
        "`some code here`", "```\nwords in a block\n```", "$alpha + beta$", "$$alpha\nbeta$$",
        r"\(alpha\)", r"\[alpha\]", r"\frac{alpha}{beta}", r"\alpha", "{{question}}",
        "https://example.org/some/path?with=query", "www.example.org", "clerk.one@example.org",
        "not", "No", "NEVER", "nobody", "without", "cannot", "don't", "doesn’t", "isn't",
        "more", "than", "least", "most", "before", "after", "between", "until", "first", "last",
        "all", "any", "only", "must", "should", "if", "three", "dozen", "half",
        "January", "may", "October", "Monday", "(A)", "(d)",
    ],
)  # fmt: skip
def test_protected_in_a_sentence(kept: str) -> None:
    text = f"Please leave {kept} where it stands, dear reader."
    assert any(kept in span for span in protected(text))
    assert eligible(text) == ["Please", "leave", "where", "stands", "dear", "reader"]


@pytest.mark.parametrize("label", ["A.", "b)", "(C)", "D:", "(a)"])
def test_option_labels_at_the_start_of_a_line(label: str) -> None:
    text = f"Which one\n  {label} apple pie\n"
    assert any(label in span for span in protected(text))
    assert eligible(text) == ["Which", "apple"]


def test_ordinary_words_are_not_protected() -> None:
    text = "Nurses notice another anyhow notion; mayor allows firsthand onedge mornings. A cat."
    assert protected(text) == []


@pytest.mark.parametrize(
    "words",
    [
        "January February March April May June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "no not none never neither nor without unless except cannot nothing nobody nowhere",
        "more less fewer greater most least above below over under before after between within",
        "until since only all any every each both either must may should shall if than sooner",
        "later earlier first last same and or",
        "one two three four five six seven eight nine ten eleven twelve twenty thirty hundred half",
    ],
)
def test_every_word_that_carries_meaning_is_protected(words: str) -> None:
    assert protected(words) == words.split()
    assert protected(words.upper()) == words.upper().split()


def test_a_date_is_protected_with_its_words() -> None:
    assert protected("On 26 January 2023, at 07:37, it began.") == [
        "26", "January", "2023", "07:37",
    ]  # fmt: skip


def test_every_unit_of_a_shipped_limit_that_stands_as_a_symbol_is_protected() -> None:
    for procedure in procedures().values():
        for step in procedure.steps:
            for limit in step.limits:
                text = f"It was 12 {limit.unit} there"
                assert eligible(text, (limit.unit,) if len(limit.unit) > 3 else ()) == ["there"]


def test_literals_are_protected_wherever_they_stand() -> None:
    text = "Nadia told Nadia Lindgren that Nadia Lindgren left."
    assert protected(text, ("Nadia Lindgren",)) == ["Nadia Lindgren"] * 2
    assert eligible(text, ("Nadia Lindgren",)) == ["Nadia", "told", "that", "left"]
    assert protected("aa aaaa aa-aa", ("aa",)) == ["aa", "aa", "aa"]
    assert protected("anything else", ("",)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("שלום עולם", ["שלום", "עולם"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("日本語です。", ["日本語です"]),
        ("🧪🧪 tube 👩\u200d🔬", ["tube"]),
        ("ünïcödé naïve", ["ünïcödé", "naïve"]),
        ("`code`word 5%more (A)apple", ["word", "apple"]),
        ("resume\u0301 stays", ["resume", "stays"]),
        ("area² half½ step① stays", ["stays"]),
        ("snake_case under_score", ["snake", "case", "under", "score"]),
    ],
)
def test_words_of_every_script(text: str, words: list[str]) -> None:
    assert eligible(text) == words


@given(texts | st.text(max_size=60), st.sampled_from(((), ("book",), ("nurse", "the"))))
@settings(max_examples=60, deadline=None)
def test_spans_are_sorted_and_disjoint_and_words_avoid_them(
    text: str, literals: tuple[str, ...]
) -> None:
    spans = protected_spans(text, literals)
    words = eligible_words(text, spans)
    for found in (spans, words):
        assert all(0 <= a < b <= len(text) for a, b in found)
        assert all(first[1] <= second[0] for first, second in pairwise(found))
    assert not any(a < d and c < b for a, b in spans for c, d in words)
    assert not any(c.isnumeric() for a, b in words for c in text[a:b])


@given(texts)
@settings(max_examples=50, deadline=None)
def test_every_digit_and_every_literal_is_inside_a_span(text: str) -> None:
    covered = {i for a, b in protected_spans(text, ("book",)) for i in range(a, b)}
    assert {i for i, c in enumerate(text) if c in "0123456789"} <= covered
    alone = re.finditer(r"(?<![^\W_])book(?![^\W_])", text)
    assert all(i in covered for found in alone for i in range(*found.span()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('What does "all of them" mean here?', ["What", "does", "mean", "here"]),
        ("What does “quickly” mean here?", ["What", "does", "mean", "here"]),
        ("The word 'quickly' has seven letters.", ["word", "letters"]),
        ("The nurse's dogs' bowls", ["nurse's", "dogs", "bowls"]),
        ("It wasn't the clerk’s 'bowl'", ["clerk’s"]),
    ],
)
def test_a_word_in_quotation_marks_is_spoken_about(text: str, words: list[str]) -> None:
    assert eligible(text) == words


@pytest.mark.parametrize(("least", "words"), [(1, 5), (3, 4), (4, 3), (7, 1), (9, 0)])
def test_words_of_a_length(least: int, words: int) -> None:
    text = "A dog eats another cup5 bone"
    assert len(eligible_words(text, protected_spans(text), least)) == words


@pytest.mark.parametrize("word", ["not", "No", "LEAST", "May", "tuesday", "dozen"])
def test_vocabulary_is_known_in_whatever_case(word: str) -> None:
    assert is_vocabulary(word)
    assert protected(word) == [word]
    assert not is_vocabulary(word + "s")
    assert not is_harmless(word)


@pytest.mark.parametrize("text", ["h", "hours", "min of", " days", "feet away", "mL", "°C", "p.m."])
def test_what_a_number_in_front_would_claim_is_a_unit(text: str) -> None:
    assert starts_with_unit(text)
    assert not is_harmless(text)


@pytest.mark.parametrize("text", ["hound", "minutely", "dayglow", "maps", "gallant"])
def test_what_only_begins_like_a_unit_is_none(text: str) -> None:
    assert not starts_with_unit(text)
    assert is_harmless(text)


@pytest.mark.parametrize(
    "text", ["a", "", "x1", "not it", "{a}", "`a`", "word\n(A)", "a\\b", "$a$", "a_b", "a/b"]
)
def test_what_is_not_harmless(text: str) -> None:
    assert not is_harmless(text)


@given(texts | st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_harmless_text_is_plain_and_brings_nothing(text: str) -> None:
    """The short cut for single words says what the patterns say."""
    if is_harmless(text):
        assert is_plain(text) or set(text) & set("'\"“”’")  # a quotation takes two of them
        assert protected(text) == []
        assert protected(f"Before it, 5 {text} behind it.") == protected(
            "Before it, 5 x behind it."
        )


# Each of these took minutes under a pattern that looks for its end from every start.
_LONG = {
    "plain": (" ".join(PLAIN) + " "),
    "hard": " ".join(HARD) + " ",
    "dots": "a.",
    "hyphens": "a-",
    "plus": "+a",
    "open parenthesis": "\\(",
    "open bracket": "\\[",
    "open braces": "{{",
    "lines": "\n",
    "blank lines": " \n",
    "dollars": "$a ",
    "backticks": "`a ",
    "fences": "``` ",
    "at signs": "a@",
    "one word": "a",
    "digits": "1",
    "stops": "1.",
    "apostrophes": "n't",
    "latex": "\\a{",
    "CJK": "漢",
    "combining": "e\u0301",
    "emoji": "👩\u200d🔬",
}


def test_a_hundred_thousand_characters_take_linear_time() -> None:
    """Quadratic time would be hours here, so the limit of the process decides nothing else."""
    code = (
        "from oodrop.perturbers.spans import eligible_words, protected_spans\n"
        f"for piece in {list(_LONG.values())!r}:\n"
        "    text = (piece * (100_000 // len(piece) + 1))[:100_000]\n"
        "    eligible_words(text, protected_spans(text, ('Nadia Lindgren',)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, env=environment)
    assert done.returncode == 0

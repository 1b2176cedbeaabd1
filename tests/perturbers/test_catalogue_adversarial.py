"""Look-alike and invisible characters."""

from __future__ import annotations

import unicodedata

import pytest

from oodrop.perturbers.lookalikes import HOMOGLYPHS, INVISIBLE, LEET, disguises

from .handmade import done, pairs_of, reason_of

TEXT = "Some careful people carry 40 mL of water in a glass bottle, but not NaCl2 at 9:05 a.m."


def test_a_homoglyph_is_one_letter_that_is_drawn_the_same() -> None:
    pairs = pairs_of("adversarial.homoglyph", TEXT)
    assert pairs
    for before, after in pairs.items():
        (place,) = [k for k in range(len(before)) if before[k] != after[k]]
        assert after[place] == HOMOGLYPHS[before[place]]


def test_every_homoglyph_is_a_letter_of_another_script_in_the_same_case() -> None:
    for letter, like in HOMOGLYPHS.items():
        assert unicodedata.name(letter).startswith("LATIN")
        assert unicodedata.name(like).split()[0] in ("CYRILLIC", "GREEK")
        assert letter.isupper() == like.isupper()
    assert len(set(HOMOGLYPHS.values())) == len(HOMOGLYPHS)


def test_leet_writes_every_such_letter_as_a_figure() -> None:
    pairs = pairs_of("adversarial.leet", TEXT)
    assert pairs
    for before, after in pairs.items():
        assert after == "".join(LEET.get(c.lower(), c) for c in before)
        assert sum(c.isalpha() for c in after) >= 2
    assert pairs_of("adversarial.leet", "Some people") | {"Some": "S0m3", "people": "p30pl3"} == {
        "Some": "S0m3",
        "people": "p30pl3",
    }


def test_an_invisible_character_stands_inside_a_word() -> None:
    pairs = pairs_of("adversarial.invisible", TEXT)
    assert pairs
    for before, after in pairs.items():
        (hidden,) = [c for c in after if c in INVISIBLE]
        assert after.replace(hidden, "") == before
        assert after[0] == before[0]
        assert after[-1] == before[-1]
    assert all(unicodedata.category(c) == "Cf" for c in INVISIBLE)


@pytest.mark.parametrize("name", ["homoglyph", "leet", "invisible"])
def test_what_is_protected_stays_and_a_guard_sees_through_the_rest(name: str) -> None:
    result = done(f"adversarial.{name}", TEXT)
    assert result.certificate.outcome == "changed"
    text = result.item.segments["question"]
    for kept in ("40 mL", "not", "NaCl2", "9:05 a.m."):
        assert kept in text
    pairs = pairs_of(f"adversarial.{name}", TEXT)
    assert all(disguises(before, after) for before, after in pairs.items())


@pytest.mark.parametrize("name", ["homoglyph", "leet", "invisible"])
def test_questions_about_letters_are_left_alone(name: str) -> None:
    assert "letters themselves" in reason_of(f"adversarial.{name}", "How many vowels has water?")

"""Slips of fingers, spelling, recognition and hearing, word by word."""

from __future__ import annotations

import re

import pytest

from oodrop.perturbers import Replace
from oodrop.perturbers.catalogue.typos import (
    NEIGHBOURS,
    OCR_LETTERS,
    _delete,
    _insert,
    _misread,
    _repeat,
    _swap,
    like,
    misspellings,
)
from oodrop.perturbers.rng import item_generator
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.tables import table
from oodrop.perturbers.words import is_word

from .handmade import done, pairs_of, reason_of, text_of

TEXT = (
    "The patient gardener quickly carried several buckets through the narrow meadow, because the "
    "weather changed at 9:05 a.m. and there were no more than 40 mL of water available."
)
SLIPS = [
    ("lexical.keyboard_typo", {}),
    *[("lexical.char_edit", {"action": a}) for a in ("swap", "insert", "delete", "repeat")],
    ("lexical.misspelling", {}),
    ("lexical.ocr_noise", {}),
]


@pytest.mark.parametrize(("name", "parameters"), SLIPS, ids=str)
def test_words_are_misspelled_and_nothing_else_is_touched(
    name: str, parameters: dict[str, str]
) -> None:
    pairs = pairs_of(name, TEXT, 5, **parameters)
    assert len(pairs) >= 3
    for before, after in pairs.items():
        assert before.isalpha()
        assert len(before) >= 4
        assert before[0] == after[0]
        assert not is_word(after)
    after = text_of(name, TEXT, 5, **parameters)
    now = [after[a:b] for a, b in protected_spans(after) if after[a:b] not in pairs.values()]
    assert now == [TEXT[a:b] for a, b in protected_spans(TEXT)]


@pytest.mark.parametrize(("name", "parameters"), SLIPS, ids=str)
def test_a_question_about_letters_is_left_alone(name: str, parameters: dict[str, str]) -> None:
    reason = reason_of(name, "How is the word necessary spelled?", 5, **parameters)
    assert reason == "the question is about words or letters themselves"


def test_the_keyboard_is_symmetric_and_has_every_letter() -> None:
    assert sorted(NEIGHBOURS) == sorted("qwertyuiopasdfghjklzxcvbnm")
    for letter, near in NEIGHBOURS.items():
        assert letter not in near
        assert len(set(near)) == len(near) >= 2
        assert all(letter in NEIGHBOURS[other] for other in near), letter
    assert set(NEIGHBOURS["a"]) == set("sqwz")
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")


def test_a_keyboard_typo_is_one_inner_letter_beside_the_old_one() -> None:
    for before, after in pairs_of("lexical.keyboard_typo", TEXT.upper() + " " + TEXT).items():
        (place,) = [k for k in range(len(before)) if before[k] != after[k]]
        assert len(before) == len(after)
        assert 0 < place < len(before) - 1
        assert after[place].lower() in NEIGHBOURS[before[place].lower()]
        assert after[place].isupper() == before[place].isupper()


@pytest.mark.parametrize("word", ["bread", "garden", "Kitchen"])
def test_the_four_slips(word: str) -> None:
    for k in range(40):
        rng = item_generator(k, "slips", "1", word)
        swapped, inserted = _swap(word, rng), _insert(word, rng)
        deleted, repeated = _delete(word, rng), _repeat(word, rng)
        assert sorted(swapped or "") == sorted(word)
        assert inserted is not None
        assert [len(w or "") - len(word) for w in (swapped, inserted, deleted, repeated)] == [
            0,
            1,
            -1,
            1,
        ]
        for slip in (swapped, inserted, deleted, repeated):
            assert slip is not None
            assert (slip[0], slip[-1]) == (word[0], word[-1])
        assert re.search(r"(.)\1", repeated or "")


def test_recognition_confuses_what_looks_alike_but_never_the_first_letter() -> None:
    seen = set()
    for k in range(200):
        rng = item_generator(k, "ocr", "1", "")
        for word in ("morning", "clean", "bottle", "window", "basket"):
            read = _misread(word, rng)
            assert read is not None
            assert read[0] == word[0]
            seen.add(read)
    assert {"moming", "c1ean", "bott1e", "winclow"} <= seen
    for group, read in OCR_LETTERS.items():
        assert group != read
        assert (group + read).isalpha()


def test_a_misread_word_is_no_number() -> None:
    for word in ("sool", "bolls", "lobsol"):
        for k in range(50):
            read = _misread(word, item_generator(k, "ocr", "1", word))
            assert read is None or sum(c.isalpha() for c in read) >= 2


def test_misspellings_are_slips_of_that_very_word() -> None:
    known = misspellings()
    assert len(known) > 1000
    for right, wrong in known.items():
        assert right.isalpha()
        assert right == right.lower()
        assert wrong
        assert not any(is_word(w) or w == right or not w.isalpha() for w in wrong), right
        assert list(wrong) == sorted(set(wrong))
    assert "recieve" in known["receive"]


@pytest.mark.parametrize("name", ["homophones", "synonyms"])
def test_closed_tables_hold_no_protected_text(name: str) -> None:
    for word, others in table(name).items():
        assert others
        for text in (word, *others):
            assert not protected_spans(text) or "'" in text, text
            assert text == text.lower()
            assert re.fullmatch(r"[a-z]+(?:'[a-z]+)?", text), text
        assert word not in others
        assert len(set(others)) == len(others)


def test_homophones_are_words_on_both_sides() -> None:
    for word, others in table("homophones").items():
        assert all(is_word(text.replace("'s", "")) for text in (word, *others)), word


def test_a_homophone_takes_the_place_of_a_word() -> None:
    pairs = pairs_of("lexical.homophone", "The horse stood by the gate and the board of the hall.")
    assert pairs
    for before, after in pairs.items():
        assert after in table("homophones")[before]


@pytest.mark.parametrize(
    ("word", "replacement", "expected"),
    [("bread", "bred", "bred"), ("Bread", "bred", "Bred"), ("BREAD", "bred", "BRED"),
     ("bReAd", "bred", "bred"), ("I", "eye", "Eye")],
)  # fmt: skip
def test_capitals_stay(word: str, replacement: str, expected: str) -> None:
    assert like(word, replacement) == expected


def test_severity_is_the_share_of_eligible_words() -> None:
    counts = [
        (len(c.edits), c.eligible)
        for c in (done("lexical.keyboard_typo", TEXT, level).certificate for level in range(1, 6))
    ]
    assert len({eligible for _, eligible in counts}) == 1
    assert [edits for edits, _ in counts] == sorted(edits for edits, _ in counts)
    most, eligible = counts[-1]
    assert eligible is not None
    assert most == int(0.5 * eligible + 0.5)


def test_nothing_to_edit_is_not_applicable() -> None:
    for name, parameters in SLIPS:
        certificate = done(name, "Is it 5%?", 5, **parameters).certificate
        assert certificate.outcome == "not_applicable"


def test_a_severity_edits_at_least_one_word() -> None:
    edits = done("lexical.keyboard_typo", "The gardener left.", 1).certificate.edits
    assert len(edits) == 1
    assert isinstance(edits[0], Replace)

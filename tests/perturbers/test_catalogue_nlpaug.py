"""nlpaug's augmenters: one word at a time, seeded, without a trace in global generators."""

from __future__ import annotations

import random

import numpy as np
import pytest

from oodrop import OodropError
from oodrop.perturbers.catalogue import nlpaug_family
from oodrop.perturbers.catalogue.nlpaug_family import isolated_random_state
from oodrop.perturbers.lookalikes import disguises
from oodrop.perturbers.words import is_word

from .handmade import pairs_of, text_of

TEXT = (
    "The patient gardener quickly carried several buckets through the narrow meadow, because the "
    "weather changed at 9:05 a.m. and there were no more than 40 mL of water available."
)
CHARACTERS = [
    ("lexical.nlpaug_keyboard", {}),
    ("lexical.nlpaug_ocr", {}),
    ("lexical.nlpaug_spelling", {}),
    *[("lexical.nlpaug_random", {"action": a}) for a in ("substitute", "insert", "swap", "delete")],
]


@pytest.mark.parametrize(("name", "parameters"), CHARACTERS, ids=str)
def test_words_become_no_words(name: str, parameters: dict[str, str]) -> None:
    pairs = pairs_of(name, TEXT, **parameters)
    assert len(pairs) >= 2
    for before, after in pairs.items():
        assert not is_word(after)
        assert after.isalpha() or disguises(before, after)
    text = text_of(name, TEXT, **parameters)
    for kept in ("9:05 a.m.", "40 mL", "no more than"):
        assert kept in text


@pytest.mark.parametrize(
    ("action", "longer"), [("substitute", 0), ("insert", 1), ("swap", 0), ("delete", -1)]
)
def test_random_characters(action: str, longer: int) -> None:
    for before, after in pairs_of("lexical.nlpaug_random", TEXT, action=action).items():
        assert len(after) - len(before) == longer
        if action == "swap":
            assert sorted(after.lower()) == sorted(before.lower())


def test_a_split_leaves_the_letters_and_not_two_words() -> None:
    pairs = pairs_of("lexical.nlpaug_split", TEXT)
    assert pairs
    for before, after in pairs.items():
        left, right = after.split(" ")
        assert left + right == before
        assert not (is_word(left) and is_word(right))


def test_global_generators_are_seeded_inside_and_put_back() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]  # noqa: NPY002
    drawn = []
    for _ in range(2):
        with isolated_random_state(5):
            drawn.append((random.random(), float(np.random.rand())))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    with pytest.raises(ZeroDivisionError), isolated_random_state(6):
        _ = random.random() / 0
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]  # noqa: NPY002


def test_missing_data_is_named_and_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nlpaug_family, "_has", lambda nltk, place: False)
    nlpaug_family._synonym.cache_clear()
    with pytest.raises(OodropError, match="needs NLTK's 'wordnet'.*nothing is downloaded"):
        pairs_of("lexical.nlpaug_synonym", TEXT)

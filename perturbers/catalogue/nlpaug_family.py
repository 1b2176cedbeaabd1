"""nlpaug's augmenters as perturbers: seeded per item, global random state untouched.

nlpaug draws from the global generators of ``random`` and ``numpy.random`` and re-tokenises its
input ("9:05" becomes "9: 05"), so it is given one unprotected word at a time, under a seed of
the item's own, and the state of both generators is put back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from oodrop import OodropError
from oodrop.perturbers.catalogue.typos import misspellings
from oodrop.perturbers.item import Item
from oodrop.perturbers.lookalikes import disguises
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.wordedits import WordEdit, edit_words
from oodrop.perturbers.words import is_word


@contextmanager
def isolated_random_state(seed: int) -> Iterator[None]:
    """Seed the global generators for the block, and restore both behind it."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # nlpaug reads the legacy global generator
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@perturber("lexical.nlpaug_keyboard", evidence="checked")
def nlpaug_keyboard(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A letter becomes one beside it, as nlpaug's keyboard augmenter does it.

    Source: nlpaug 1.1.11, ``KeyboardAug`` without special characters, figures and upper case.
    """
    return edit_words(item, rng, severity, _by(_keyboard))


@perturber("lexical.nlpaug_ocr", evidence="checked")
def nlpaug_ocr(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A character becomes one that recognition confuses it with, as nlpaug's OCR augmenter does it.

    Source: nlpaug 1.1.11, ``OcrAug``; results that are no look-alike of ours hold letters only.
    """
    return edit_words(item, rng, severity, _by(_ocr))


@perturber("lexical.nlpaug_spelling", version="2.0", evidence="checked")
def nlpaug_spelling(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word becomes a misspelling that people make, from the dictionary shipped with nlpaug.

    Source: nlpaug 1.1.11, ``SpellingAug`` with ``spelling_en.txt``. Eligible are the words that
    `lexical.misspelling` knows, and only its misspellings are taken: the dictionary holds others.
    """
    known = misspellings()

    def misspelled(word: str, rng: random.Random) -> str | None:
        after = _augmented(_spelling(), word, rng.random())
        return after if after is not None and after.lower() in known[word.lower()] else None

    return edit_words(item, rng, severity, misspelled, known=known)


@perturber(
    "lexical.nlpaug_random",
    evidence="checked",
    parameters={"action": ("substitute", "insert", "swap", "delete")},
)
def nlpaug_random(
    item: Item, rng: random.Random, *, action: str, severity: int
) -> Proposal | NotApplicable:
    """A letter is exchanged for any other, inserted, moved or lost, as nlpaug does it.

    Source: nlpaug 1.1.11, ``RandomCharAug``; swaps are of neighbours, new letters are small ones.
    """
    return edit_words(item, rng, severity, _by(lambda: _random_char(action)))


@perturber("lexical.nlpaug_split", evidence="checked")
def nlpaug_split(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word is split in two by a blank, as nlpaug's split augmenter does it.

    Source: nlpaug 1.1.11, ``SplitAug``; not where both parts are words themselves.
    """
    return edit_words(item, rng, severity, _split_in_two, makes_words=True)


@perturber("lexical.nlpaug_synonym", evidence="assumed")
def nlpaug_synonym(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word becomes a synonym of its most frequent sense in WordNet, as nlpaug does it.

    Source: nlpaug 1.1.11, ``SynonymAug(aug_src="wordnet")``. It needs the data of NLTK; nothing
    is downloaded. Senses are not told apart, so the evidence is no more than ``assumed``.
    """
    return edit_words(item, rng, severity, _by(_synonym), makes_words=True)


def _by(augmenter: Callable[[], Any]) -> WordEdit:
    def edit(word: str, rng: random.Random) -> str | None:
        after = _augmented(augmenter(), word, rng.random())
        return after if after is not None and (after.isalpha() or disguises(word, after)) else None

    return edit


def _split_in_two(word: str, rng: random.Random) -> str | None:
    after = _augmented(_splitter(), word, rng.random())
    parts = after.split(" ") if after else []
    fits = len(parts) == 2 and "".join(parts) == word and not all(map(is_word, parts))
    return after if fits else None


def _augmented(augmenter: Any, word: str, draw: float) -> str | None:
    with isolated_random_state(int(draw * 2**32)):
        results = augmenter.augment(word)
    after = results[0] if isinstance(results, list) and results else results
    return after if isinstance(after, str) else None


@cache
def _keyboard() -> Any:
    with _nlpaug_needed():
        from nlpaug.augmenter.char import KeyboardAug
    return KeyboardAug(
        aug_word_p=1.0,
        aug_char_max=1,
        include_special_char=False,
        include_numeric=False,
        include_upper_case=False,
        min_char=4,
    )


@cache
def _ocr() -> Any:
    with _nlpaug_needed():
        from nlpaug.augmenter.char import OcrAug
    return OcrAug(aug_word_p=1.0, aug_char_max=1, min_char=4)


@cache
def _random_char(action: str) -> Any:
    with _nlpaug_needed():
        from nlpaug.augmenter.char import RandomCharAug
    return RandomCharAug(
        action=action,
        swap_mode="adjacent",
        aug_word_p=1.0,
        aug_char_max=1,
        min_char=4,
        include_upper_case=False,
        include_numeric=False,
        spec_char="",
    )


@cache
def _splitter() -> Any:
    with _nlpaug_needed():
        from nlpaug.augmenter.word import SplitAug
    return SplitAug(aug_p=1.0, aug_max=1, min_char=4)


@cache
def _spelling() -> Any:
    """A speller with a dictionary of its own.

    nlpaug shares one per process, with the settings of whoever asked first; takes every
    misspelling for a word by default; and keeps the misspellings in the order of a set.
    """
    with _nlpaug_needed():
        from nlpaug.augmenter.word import SpellingAug
        from nlpaug.model.word_dict import Spelling
    augmenter = SpellingAug(aug_p=1.0, aug_min=1, aug_max=1, include_reverse=False)
    own = Spelling(augmenter.dict_path, include_reverse=False)
    own.dict = {word: sorted(misspellings) for word, misspellings in own.dict.items()}
    augmenter.model = own
    return augmenter


@cache
def _synonym() -> Any:
    _need_nltk_data()
    with _nlpaug_needed():
        from nlpaug.augmenter.word import SynonymAug
    return SynonymAug(aug_src="wordnet", aug_p=1.0, aug_max=1)


def _need_nltk_data() -> None:
    """Nlpaug would download what is missing by itself, so ask before it is constructed.

    Raises:
        OodropError: naming what is missing and where it would be looked for.
    """
    with _nlpaug_needed():
        import nltk
    wanted = {
        "wordnet": ("corpora/wordnet", "corpora/wordnet.zip"),
        "averaged_perceptron_tagger_eng": (
            "taggers/averaged_perceptron_tagger_eng",
            "taggers/averaged_perceptron_tagger_eng.zip",
        ),
    }
    for name, places in wanted.items():
        if not any(_has(nltk, place) for place in places):
            raise OodropError(
                f"lexical.nlpaug_synonym needs NLTK's {name!r}, which is in none of NLTK's data "
                f"folders; put it there or name its folder in NLTK_DATA (nothing is downloaded)"
            )


def _has(nltk: Any, place: str) -> bool:
    try:
        nltk.data.find(place)
    except LookupError:
        return False
    return True


@contextmanager
def _nlpaug_needed() -> Iterator[None]:
    try:
        with isolated_random_state(0):  # what it imports draws random numbers too
            yield
    except ImportError as error:
        raise OodropError(
            f"this perturber needs nlpaug: install the extra 'eval', oodrop[eval] ({error})"
        ) from None

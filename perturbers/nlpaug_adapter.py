"""nlpaug's augmenters as perturbers: seeded per item, global random state untouched.

nlpaug draws from the global generators of ``random`` and ``numpy.random`` and re-tokenises its
input ("9:05" becomes "9: 05"), so it is given one unprotected word at a time, under a seed of
the item's own, and the state of both generators is put back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from oodrop import OodropError
from oodrop.perturbers.edits import Edit
from oodrop.perturbers.item import Item
from oodrop.perturbers.lexical import edit_words
from oodrop.perturbers.registry import NotApplicable, perturber
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


@perturber("lexical.nlpaug_spelling", evidence="checked")
def nlpaug_spelling(
    item: Item, rng: random.Random, *, severity: int
) -> Sequence[Edit] | NotApplicable:
    """A word becomes a misspelling that people make, from the dictionary shipped with nlpaug.

    Source: nlpaug 1.1.11, ``SpellingAug`` with ``spelling_en.txt``. A word that the dictionary
    does not hold, or has only misspellings for that are words themselves, is not eligible.
    """
    return edit_words(
        item,
        rng,
        severity,
        lambda word, first, _: _augmented(_spelling(), word, first),
        eligible=_has_misspelling,
    )


@perturber("lexical.nlpaug_swap", evidence="checked")
def nlpaug_swap(item: Item, rng: random.Random, *, severity: int) -> Sequence[Edit] | NotApplicable:
    """Two neighbouring letters of a word change places, as nlpaug's character augmenter does it.

    Source: nlpaug 1.1.11, ``RandomCharAug(action="swap", swap_mode="adjacent")``.
    """
    return edit_words(item, rng, severity, lambda word, first, _: _augmented(_swap(), word, first))


def _augmented(augmenter: Any, word: str, draw: float) -> str | None:
    with isolated_random_state(int(draw * 2**32)):
        results = augmenter.augment(word)
    after = results[0] if isinstance(results, list) and results else results
    return after if isinstance(after, str) and after.isalpha() else None


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
def _swap() -> Any:
    with _nlpaug_needed():
        from nlpaug.augmenter.char import RandomCharAug
    return RandomCharAug(
        action="swap", swap_mode="adjacent", aug_word_p=1.0, aug_char_max=1, min_char=4
    )


@cache
def _has_misspelling(word: str) -> bool:
    misspellings = _spelling().model.predict(word) or ()
    return any(m.isalpha() and m != word and not is_word(m) for m in misspellings)


@contextmanager
def _nlpaug_needed() -> Iterator[None]:
    try:
        with isolated_random_state(0):  # what it imports draws random numbers too
            yield
    except ImportError as error:
        raise OodropError(
            f"this perturber needs nlpaug: install the extra 'eval', oodrop[eval] ({error})"
        ) from None

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


@contextmanager
def isolated_random_state(seed: int) -> Iterator[None]:
    """Seed the global generators for the block, and restore both behind it."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # nlpaug reads the legacy global generator
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@perturber("lexical.nlpaug_spelling", evidence="checked")
def nlpaug_spelling(item: Item, rng: random.Random, *, severity: int) -> Sequence[Edit] | NotApplicable:
    """A word becomes a misspelling that people make, from the dictionary shipped with nlpaug.

    Source: nlpaug 1.1.11, ``SpellingAug`` with ``spelling_en.txt``. A word that the dictionary
    does not hold, or whose misspelling is itself a word of the dictionary, is not eligible.
    """
    augmenter = _spelling()

    def misspell(word: str, rng: random.Random) -> str | None:
        seed = int(rng.random() * 2**32)
        if not _candidates(word.lower()):
            return None
        with isolated_random_state(seed):
            results = augmenter.augment(word)
        after = results[0] if isinstance(results, list) and results else results
        # A misspelling that is a word of its own ("make" -> "male") could change the meaning.
        usable = isinstance(after, str) and after.isalpha() and not _candidates(after.lower())
        return after if usable else None

    return edit_words(item, rng, severity, misspell)


@cache
def _spelling() -> Any:
    try:
        from nlpaug.augmenter.word import SpellingAug
    except ImportError as error:
        raise OodropError(
            "lexical.nlpaug_spelling needs nlpaug, which the extra 'eval' installs: "
            f"pip install 'oodrop[eval]' ({error})"
        ) from None
    return SpellingAug(aug_p=1.0, aug_min=1, aug_max=1)


@cache
def _candidates(word: str) -> tuple[str, ...]:
    return tuple(_spelling().model.predict(word) or ())

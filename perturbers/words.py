"""Which strings are English words: a misspelling must not turn one word into another.

Source: the frequency list of pyspellchecker (MIT), some 160,000 words of films and books.
"""

from __future__ import annotations

from functools import cache

from oodrop import OodropError


def is_word(text: str) -> bool:
    """Whether the text is an English word, in whatever case.

    Raises:
        OodropError: when pyspellchecker is not installed.
    """
    return text.lower() in _words()


@cache
def _words() -> frozenset[str]:
    try:
        from spellchecker import SpellChecker
    except ImportError as error:
        raise OodropError(
            "lexical perturbers need the word list of pyspellchecker: install the extra 'eval', "
            f"oodrop[eval] ({error})"
        ) from None
    return frozenset(SpellChecker(language="en").word_frequency.keys())

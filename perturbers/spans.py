"""Protected spans (guard G0): text that carries the label and must survive verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

Span = tuple[int, int]

_UNIT = (
    r"(?:%|°\s?[CF]|degrees?(?:\s[CF]\b)?|(?:[mkµu]?[gGLlmsVW]|mL|dL|cm|mm|km|kg|lb|oz|ppm|ppb|psi|"
    r"mR|mrem|rem|[mk]?Bq|[mnµu]?Ci|[mk]?Hz|kPa|mmHg|dpm|cpm|rpm|lux)(?:/[a-zA-Z]+)?\b|"
    r"(?:second|minute|hour|day|week|month|year|min|h|d|mile|yard|pound|ounce|gallon|"
    r"(?:kilo|centi|milli|micro)?(?:gram|met(?:er|re)|lit(?:er|re)))s?\b|"
    r"(?:foot|feet|inch(?:es)?)\b|[ap]\.?m\.?(?!\w))"
)
_NEGATIONS = "no not none never neither nor without unless except cannot nothing nobody nowhere"
_COMPARATORS = (
    "more less fewer greater most least above below over under before after between within until "
    "since only all any every each both either must may should shall if than sooner later earlier "
    "first last same and or"
)
_NUMBER_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty "
    "sixty hundred thousand half quarter twice once dozen"
)
_DATE_WORDS = (
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday"
)
# A bracket that opens anew ends the search for the first one's end: time stays linear.
_LATEX = (
    r"\$\$.+?\$\$|\$(?=\S)[^$\n]+?(?<=\S)\$|\\\((?:(?!\\\().)+?\\\)|"
    r"\\\[(?:(?!\\\[).)+?\\\]|\\[a-zA-Z]+(?:\{[^{}]*\})*"
)
_VOCABULARY = "|".join(
    words.replace(" ", "|") for words in (_NEGATIONS, _COMPARATORS, _NUMBER_WORDS, _DATE_WORDS)
)
_VOCABULARY_WORDS = frozenset(_VOCABULARY.split("|"))
# A pattern is looked for only where a text holds one of the signs that it needs.
_BY_SIGN: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (signs, re.compile(pattern, re.I | re.M | re.S))
    for signs, pattern in (
        (("`",), r"```.*?```|`[^`\n]+`"),  # code
        (("$", "\\"), _LATEX),
        (("://", "www.", "WWW."), r"https?://\S+|www\.\S+"),
        (("@",), r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.]+"),
        # A word in quotation marks is spoken about, not used.
        (('"', "“"), r"\"[^\"\n]{1,40}\"|“[^”\n]{1,40}”"),
        (("'",), r"(?<!\w)'[^'\n]{1,30}'(?!\w)"),
        (("{{",), r"\{\{(?:(?!\{\{).)*?\}\}"),
        (("(",), r"\([A-Da-d]\)"),  # option labels
        ((".", ")", ":"), r"^[^\S\n]*\(?[A-Da-d][.):](?=\s)"),
        (("n't", "n’t", "N'T", "N’T"), r"\b\w+n['’]t\b"),
    )
)
_NUMBER = re.compile(
    rf"(?<!\w)[-+]?(?:\d[\d.,:/\-\u2013]*\d|\d)(?:(?:st|nd|rd|th)\b|\s?{_UNIT})?", re.I
)
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"\w+")
_UNIT_WORD = re.compile(_UNIT, re.I)
_SMALL_UNIT_WORD = re.compile(_UNIT.lower())  # the same in small letters, in half the time
_OPENING = re.compile(r"(?<!\w)'")
_UNPAIRED = frozenset(" .,;!?-'")
_PUNCTUATION = _UNPAIRED | frozenset("'’“”\"")
_ABOUT_WORDS = re.compile(
    r"\b(?:spell(?:s|t|ed|ing)?|misspell\w*|rhym\w+|vowels?|verbs?|nouns?|adjectives?|adverbs?|pronouns?|consonants?|syllables?|alphabet\w*"
    r"|plurals?|prefix(?:es)?|suffix(?:es)?|synonyms?|antonyms?|homophones?|punctuation"
    r"|apostrophes?|uppercase|lowercase|capital letters?|contractions?|abbreviations?"
    r"|opposites?(?= of)|fits (?:best|here)|words?"
    r"|(?:first|last|which|what|many|the) letters?(?= (?:of|in|comes|does|is)))\b",
    re.I,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@lru_cache(maxsize=65536)
def protected_spans(text: str, literals: tuple[str, ...] = ()) -> tuple[Span, ...]:
    """Sorted, disjoint spans of ``text`` that no perturber may touch.

    Numbers with their units, times, dates, negations, comparators, quantifiers, code, LaTeX, URLs,
    option labels, and every occurrence of the given literals on its own, in no longer word.
    """
    found = [m.span() for m in _TOKEN.finditer(text) if _is_protected(m[0])]
    for signs, pattern in _BY_SIGN:
        if any(sign in text for sign in signs):
            found += [m.span() for m in pattern.finditer(text)]
    if _DIGIT.search(text):
        found += [m.span() for m in _NUMBER.finditer(text)]
    for literal in literals:
        start = text.find(literal) if literal else -1
        while start >= 0:
            if stands_alone(text, start, start + len(literal)):
                found.append((start, start + len(literal)))
            start = text.find(literal, start + 1)
    return _merge(found)


def _is_protected(token: str) -> bool:
    """Words of the vocabulary, and whatever has a figure in it."""
    if token.isalpha():
        return token.lower() in _VOCABULARY_WORDS
    return _DIGIT.search(token) is not None


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the stretch is no part of a longer word."""
    before, behind = text[start - 1 : start] + text[start], text[end - 1] + text[end : end + 1]
    return not (len(before) == 2 and before.isalnum()) and not (
        len(behind) == 2 and behind.isalnum()
    )


def is_vocabulary(text: str) -> bool:
    """Whether the text is one of the words that are protected as such, in whatever case."""
    return text.lower() in _VOCABULARY_WORDS


def starts_with_unit(text: str) -> bool:
    """Whether the text would be read as a unit behind a number."""
    return _UNIT_WORD.match(text.lstrip()) is not None


def asks_about_words(question: str) -> bool:
    """Whether a question is about spelling, sound or grammar, so that its very letters matter."""
    return _ABOUT_WORDS.search(question) is not None


@lru_cache(maxsize=65536)
def is_harmless(text: str) -> bool:
    """Words and plain punctuation, two letters or more, of which nothing is protected.

    And nothing becomes so between blanks: its first word is no unit that a number could claim.
    """
    if len(text) < 2:
        return False
    if text.isascii() and text.isalpha():  # what the patterns say of a single word
        small = text.lower()
        return small not in _VOCABULARY_WORDS and not _SMALL_UNIT_WORD.match(small)
    if text.isalnum() and not text.isalpha():  # figures
        return False
    if starts_with_unit(text) or not all(c.isalpha() or c in _PUNCTUATION for c in text):
        return False
    return not protected_spans(text + " ")  # a blank behind it may make it a label


@lru_cache(maxsize=65536)
def is_plain(text: str) -> bool:
    """Letters, blanks and marks of which no pattern makes a pair: no mark opens a quotation."""
    if text.isalpha():
        return True
    return all(c.isalpha() or c in _UNPAIRED for c in text) and not opens_quotation(text)


def opens_quotation(text: str) -> bool:
    """Whether an apostrophe stands where single quotation marks may open: behind no letter."""
    return _OPENING.search(text) is not None


def eligible_words(text: str, spans: Sequence[Span], min_len: int = 4) -> tuple[Span, ...]:
    """Words of at least ``min_len`` letters that touch none of the spans, in reading order."""
    words, k = [], 0
    for found in _WORD.finditer(text):
        start, end = found.span()
        while k < len(spans) and spans[k][1] <= start:
            k += 1
        free = k == len(spans) or spans[k][0] >= end
        # Superscripts, fractions and the like count as letters for the pattern.
        if free and end - start >= min_len and not _has_numerals(found[0]):
            words.append((start, end))
    return tuple(words)


def _has_numerals(word: str) -> bool:
    return not word.isascii() and any(c.isnumeric() for c in word)


def _merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)

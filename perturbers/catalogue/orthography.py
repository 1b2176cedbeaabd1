"""Other ways to write the same words: case, blanks, marks, contractions, spellings, short forms."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from oodrop.perturbers.catalogue.typos import like
from oodrop.perturbers.edits import Replace
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.spans import Span, is_vocabulary
from oodrop.perturbers.tables import table
from oodrop.perturbers.wordedits import (
    ABOUT_WORDS,
    all_or_nothing,
    edit_share,
    is_common,
)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BLANK = re.compile(r"(?<=\S) (?=\S)")
_QUOTES = {"'": "’", "...": "…"}


@perturber(
    "lexical.case", evidence="checked", parameters={"mode": ("lower", "upper", "title", "random")}
)
def case(item: Item, rng: random.Random, *, mode: str) -> Proposal | NotApplicable:
    """All words in lower case, in capitals, with initial capitals, or with letters at random.

    Numbers with units, code, names and whatever else depends on its case stay; in lower case so
    do words with capitals inside (acronyms). Not where the item asks about words or letters.
    """
    if item.is_about_words:
        return ABOUT_WORDS
    write = _CASES[mode]
    edits, eligible = [], 0
    for name, text in item.segments.items():
        for start, end in _words_that_may_change_case(item, name):
            eligible += 1
            before = text[start:end]
            after = write(before, rng)
            if after != before and after.casefold() == before.casefold():
                edits.append(Replace(name, start, before, after))
    return all_or_nothing(edits, eligible)


def _lower(word: str, rng: random.Random) -> str:
    small = word.lower()
    if small == word or word == "I":  # most words are small already
        return word
    return word if any(c.isupper() for c in word[1:]) else small


def _at_random(word: str, rng: random.Random) -> str:
    return "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in word)


_CASES: Mapping[str, Callable[[str, random.Random], str]] = {
    "lower": _lower,
    "upper": lambda word, rng: word.upper(),
    "title": lambda word, rng: word[:1].upper() + word[1:],
    "random": _at_random,
}


def _words_that_may_change_case(item: Item, name: str) -> Iterator[Span]:
    text = item.segments[name]
    hard = [(a, b) for a, b in item.spans(name) if not is_vocabulary(text[a:b])]
    k = 0
    for found in _WORD.finditer(text):
        start, end = found.span()
        while k < len(hard) and hard[k][1] <= start:
            k += 1
        if k == len(hard) or hard[k][0] >= end:
            yield start, end


@perturber(
    "lexical.whitespace", evidence="checked", parameters={"kind": ("spaces", "tabs", "newlines")}
)
def whitespace(
    item: Item, rng: random.Random, *, kind: str, severity: int
) -> Proposal | NotApplicable:
    """Blanks between words become two or three blanks, a tab, or a line break.

    Severity counts the blanks outside protected text. As HELM's ``space`` perturbation
    (Liang et al. 2022, "Holistic evaluation of language models", section 4.3), outside code only.
    """
    places = [(name, at) for name in item.segments for at in _free_places(item, name, _BLANK)]

    def widened(place: tuple[str, int]) -> Replace:
        name, at = place
        wide = {"spaces": " " * (2 + int(rng.random() * 2)), "tabs": "\t", "newlines": "\n"}[kind]
        return Replace(name, at, " ", wide)

    return edit_share(places, rng, severity, widened)


def _free_places(item: Item, name: str, pattern: re.Pattern[str]) -> Iterator[int]:
    """Where the pattern stands outside the protected text; one pass over the spans."""
    spans, k = item.spans(name), 0
    for found in pattern.finditer(item.segments[name]):
        start, end = found.span()
        while k < len(spans) and spans[k][1] <= start:
            k += 1
        if k == len(spans) or spans[k][0] >= end:
            yield start


@perturber(
    "lexical.punctuation",
    evidence="checked",
    parameters={"mode": ("strip", "double", "typographic")},
)
def punctuation(item: Item, rng: random.Random, *, mode: str) -> Proposal | NotApplicable:
    """The final mark of the prompt is lost or doubled, or straight quotes become curly ones.

    Marks inside a text stay: a comma may carry meaning, and between two sentences a full stop
    does. Only the last segment, mostly the question, loses or doubles its mark.
    """
    edits = []
    last = list(item.segments)[-1] if item.segments else ""
    for name, text in item.segments.items():
        if mode == "typographic":
            for plain, typeset in _QUOTES.items():
                edits += [
                    Replace(name, at, plain, typeset)
                    for at in _free_places(item, name, re.compile(re.escape(plain)))
                ]
        elif name == last and len(text) > 1 and text[-1] in ".?!" and text[-2].isalpha():
            mark = text[-1]
            after = "" if mode == "strip" else mark * 2
            edits.append(Replace(name, len(text) - 1, mark, after))
    return all_or_nothing(edits)


@perturber("lexical.contraction", evidence="proved")
def contraction(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """Every "do not" becomes "don't", every "it is" becomes "it's", where another word follows.

    Source: the closed list of English contractions; a guard expands both sides and compares.
    """
    known = table("contractions")
    forms = {**known["negative"], **known["positive"], **known["perfect"]}
    return _rewritten(item, _contractions(), forms)


@perturber("lexical.expansion", evidence="proved")
def expansion(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """Every "don't" becomes "do not"; forms that may mean two things ("he's") stay.

    Source: the closed list of English contractions; a guard expands both sides and compares.
    """
    return _rewritten(item, _expansions(), _expanded_forms())


def _rewritten(
    item: Item, pattern: re.Pattern[str], forms: Mapping[str, str]
) -> Proposal | NotApplicable:
    edits = []
    for name, text in item.segments.items():
        for found in pattern.finditer(text):
            before = found[0]
            after = forms[before.lower().replace("’", "'")]
            if before[0].isupper():
                after = after[0].upper() + after[1:]
            edits.append(Replace(name, found.start(), before, after))
    return all_or_nothing(edits)


def _any_of(words: Iterator[str] | list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


@cache
def _contractions() -> re.Pattern[str]:
    known = table("contractions")
    forms = {kind: _any_of(list(known[kind])) for kind in ("negative", "positive", "perfect")}
    # Most places are told by the second word, before all forms are tried there.
    last = _any_of(sorted({form.split()[-1] for kind in forms for form in known[kind]}))
    # Not at the end of a clause nor behind a comparison: "as it is", "what they are".
    apart = r"(?<!\bas )(?<!\bthan )(?<!\bwhere )(?<!\bhow )(?<!\bwhat )"
    return re.compile(
        rf"\b(?=(?:\w+ )?(?:{last})\b)(?:(?:{forms['negative']})\b(?=[\s.,?!]|$)"
        rf"|{apart}(?:{forms['positive']})\b(?= [a-z])(?! not\b)"
        rf"|(?:{forms['perfect']})\b(?= been\b))",
        re.I,
    )


@cache
def _expanded_forms() -> Mapping[str, str]:
    forms = table("contractions")
    long = {
        short: full for k in ("negative", "positive", "perfect") for full, short in forms[k].items()
    }
    return {short: long[short] for short in forms["expandable"]}


@cache
def _expansions() -> re.Pattern[str]:
    words = _any_of(list(_expanded_forms())).replace("'", "['’]")
    inverted = r"(?! (?:i|you|he|she|it|we|they|there|the|a|an|this|that|these|those|any)\b)"
    # Most places are told by the mark, before all forms are tried there.
    return re.compile(rf"\b(?=\w+['’]|cannot)(?:{words})\b{inverted}", re.I)


@perturber(
    "lexical.spelling_variant", evidence="checked", parameters={"to": ("british", "american")}
)
def spelling_variant(item: Item, rng: random.Random, *, to: str) -> Proposal | NotApplicable:
    """Words are spelled the British or the American way (color, colour), all of them.

    Source: a closed table of pairs that differ in spelling alone, read entry by entry.
    """
    return _by_table(item, _spellings(to))


@cache
def _spellings(to: str) -> Mapping[str, str]:
    pairs: Mapping[str, str] = table("spelling_variants")
    return pairs if to == "british" else {british: us for us, british in pairs.items()}


@perturber("lexical.abbreviation", evidence="checked")
def abbreviation(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """Words are shortened as in hasty notes (approximately, approx.), all that the table holds.

    Source: a closed table of unambiguous short forms, read entry by entry. A short form that ends
    with a point takes the place of a sentence's own.
    """
    return _by_table(item, table("abbreviations"))


def _by_table(item: Item, forms: Mapping[str, str]) -> Proposal | NotApplicable:
    if item.is_about_words:
        return ABOUT_WORDS
    edits = []
    for word in item.words(3):
        after = forms.get(word.lower)
        if after is not None and is_common(item, word):
            follower = item.segments[word.segment][word.start + len(word.text) :][:1]
            if after.endswith(".") and follower == ".":
                after = after[:-1]
            edits.append(Replace(word.segment, word.start, word.text, like(word.text, after)))
    return all_or_nothing(edits)

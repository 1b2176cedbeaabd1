"""The short cut of the guard over protected text never says more than the whole of it."""

from __future__ import annotations

import random
import re

import pytest

from oodrop.perturbers import Item, Replace
from oodrop.perturbers.edits import Edits, apply_edits
from oodrop.perturbers.protection import is_plainly_harmless, text_problem

CASES = 12_000
PIECES = (
    "5", "40 ", "9:05", "3.5", "1,000", "mL", "h", "min", "a.m.", "hours", "degrees", "C", "%",
    "not", "no", "only", "don", "t", "n't", "'", "’", '"', "“", "”", "`", "$", "\\", "{", "}",
    "A", "B.", "(A)", "C)", "d:", ".", ",", ";", ":", "!", "?", "-", "–", "/", "@", "www.", "http",
    "\n", "\n\n", "\t", " ", "  ", "\u00a0", "\u200b", "nurse", "book", "water", "letter", "s",
    "caf\u00e9", "e\u0301", "x\u00b2", "first", "last", "can", "cannot", "Monday", "one", "someone",
)  # fmt: skip
WORDS = (
    "ab", "wodr", "hours", "h", "mL", "not", "nto", "a.m", "A", "A.", "b)", "min", "teh",
    "Well, so", "on e", "can t", "n't", "don't", "'tis", "it's", '"so', "so'", "- a", "th\ne", "x1",
    "nu", "rse", "book", "nurse", "C", "degrees C", "st", "th", "ra nurse", "old.", ".5", "is, or",
    "", " ", "é",
)  # fmt: skip
LITERALS = ((), ("nurse",), ("old book", "a nurse", "s"), ("wodr.", "t wa", "ab ab"))


def cases(rng: random.Random) -> tuple[Item, Edits] | None:
    """A text of pieces that are mostly apart, and words or places of it exchanged."""
    pick = rng.choice
    text = "".join(pick(PIECES) + pick(("", " ", " ", " ")) for _ in range(rng.randrange(1, 12)))
    item = Item("i", "c", {"question": text}, "x", protected=pick(LITERALS))
    found = [m.span() for m in re.finditer(r"[^\W\d_]+", text)]
    edits, place = [], 0
    for start, end in found:
        if rng.random() < 0.5 and start >= place:
            if rng.random() < 0.2:
                end = max(start, min(len(text), end + rng.randrange(-2, 4)))
            edits.append(Replace("question", start, text[start:end], pick(WORDS)))
            place = end
    return (item, Edits(edits)) if edits else None


def test_a_word_that_makes_a_quotation_short_enough_is_read_as_a_whole() -> None:
    text = "We saw ('the quick brown foxes alls jump') here."  # one character too many for one
    edits = Edits([Replace("question", text.index("quick"), "quick", "quik")])
    item = Item("i", "c", {"question": text}, "x")
    new = apply_edits(item, edits).segments["question"]
    assert text_problem(item, "question", text, new, edits.by_segment["question"], frozenset())
    assert not is_plainly_harmless(item, "question", text, new, edits.by_segment["question"])


@pytest.mark.parametrize("seed", range(4))
def test_the_short_cut_never_says_more(seed: int) -> None:
    rng = random.Random(seed)
    harmless = problems = 0
    for _ in range(CASES):
        case = cases(rng)
        if case is None:
            continue
        item, edits = case
        old, (group,) = item.segments["question"], edits.by_segment.values()
        new = apply_edits(item, edits).segments["question"]
        quick = is_plainly_harmless(item, "question", old, new, group)
        problem = text_problem(item, "question", old, new, group, frozenset())
        assert not (quick and problem), (problem, old, new, item.protected, list(edits))
        harmless, problems = harmless + quick, problems + bool(problem)
    assert harmless > CASES / 50  # both answers were asked for
    assert problems > CASES / 10

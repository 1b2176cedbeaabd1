"""Pairs whose answer is known to the program: unchanged ones, and changed ones with a wrong answer.

A maker takes a subject and gives the item of the text after, whose ``gold`` and ``labels`` say
what is still counted as right; None where the subject has no such counterpart. Except for `clean`
that answer is wrong, for a reason that each maker states.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from oodrop.harness_ext.audit.arithmetic import lone_numbers, recomputed, steps_of
from oodrop.harness_ext.audit.sources import Subject
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.item import Item
from oodrop.perturbers.rng import choose, item_generator, permutation
from oodrop.perturbers.variant import Variant

CLEAN_DECOY = "clean"
_STEPS = (2, 3, 4, 5, 6, 8, 9, 10)  # how far a number moves
# A number of the solution that equals one of these may be a constant (days, per cent, dozens).
_CONSTANTS = frozenset((0, 1, 2, 3, 4, 5, 7, 10, 12, 24, 30, 52, 60, 100, 365, 1000))
_WHICH = r"\b([Ww]hich (?:one )?of the following(?: \w+){0,2}? (?:is|are|was|were))"
_ASKED, _ASKED_NOT = re.compile(rf"{_WHICH} (?!not\b)", re.I), re.compile(rf"{_WHICH} not ", re.I)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|except|least|false|incorrect|untrue|wrong|unlikely)\b|n['’]t\b", re.I
)
# Options that speak of others, and numbers and symbols, of which two may say the same.
_UNSAFE = re.compile(
    r"[\d~∧∨•$%=]|\b(?:all|none|both|neither|either|above|below|[IV]+|other)\b", re.I
)
_REFERENCE = re.compile(r"\b(?:all|none|both|neither|either|above|below|[IV]+|other)\b")


def clean(subject: Subject) -> Item | None:
    """Nothing is changed."""
    return subject.item


def number(subject: Subject) -> Item | None:
    """A number of a word problem is another one, and its solution's steps give another result."""
    steps, question = steps_of(subject.solution), subject.item.segments["question"]
    if steps is None or str(steps[-1].result) != subject.item.gold:
        return None
    rng = item_generator(0, "audit.number", "1", subject.item.item_id)
    found = list(lone_numbers(question))
    given = {int(digits) for digits in re.findall(r"\d+", question)}
    for k in permutation(rng, len(found)):
        start, end, old = found[k]
        new = old + choose(rng, _STEPS) * choose(rng, (1, 1, -1))
        if old in _CONSTANTS or len(str(new)) != len(str(old)) or str(new) in question:
            continue
        result = recomputed(steps, old, new, given)
        if result is not None and result != steps[-1].result:
            return _asking(subject.item, f"{question[:start]}{new}{question[end:]}")
    return None


def negation(subject: Subject) -> Item | None:
    """“Which of the following is” becomes “is not” or the reverse.

    The one option of which a statement is true is not the one of which it is not.
    """
    item, question = subject.item, subject.item.segments["question"]
    if len(item.choices) < 3 or any(_REFERENCE.search(text) for text in item.choices):
        return None
    negations = len(_NEGATION.findall(question))
    for pattern, there, becomes in ((_ASKED, 0, r"\1 not "), (_ASKED_NOT, 1, r"\1 ")):
        if negations == there and len(pattern.findall(question)) == 1:
            return _asking(item, pattern.sub(becomes, question))
    return None


def option(subject: Subject) -> Item | None:
    """The right option changes places with another one, and its old place is still called right."""
    item = subject.item
    if not (item.listed and item.labels and isinstance(item.gold, int)):
        return None
    if any(_UNSAFE.search(text) for text in item.choices):
        return None
    rng = item_generator(0, "audit.option", "1", item.item_id)
    other = choose(rng, [k for k in range(len(item.choices)) if k != item.gold])
    texts = list(item.choices)
    texts[item.gold], texts[other] = texts[other], texts[item.gold]
    return item.altered(choices=tuple(texts))


def opposite(subject: Subject) -> Item | None:
    """The task's question for the opposite, with the answer words left as they were."""
    inversion = next(iter(subject.item.inversions.values()), None)
    return None if inversion is None else _asking(subject.item, inversion.question)


def counterpart(subject: Subject) -> Item | None:
    """The task's own program found a change of the story that turns the answer round."""
    for kind in ("threshold", "negation", "contrast"):
        done = Bound(Variant(f"control.{kind}"))(subject.item)
        if done.certificate.outcome == "changed":
            return done.item.altered(gold=subject.item.gold)
    return None


def _asking(item: Item, question: str) -> Item:
    return item.altered(segments={**item.segments, "question": question})


Maker = Callable[[Subject], Item | None]
DECOYS: Mapping[str, Maker] = {
    CLEAN_DECOY: clean,
    "number": number,
    "negation": negation,
    "option": option,
    "opposite": opposite,
    "counterpart": counterpart,
}

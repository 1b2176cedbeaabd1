"""Answer options in another order or under other labels, where the prompt lists them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from oodrop.perturbers.edits import CHOICES, Edit, Relabel, Reorder
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import NotApplicable, perturber
from oodrop.perturbers.rng import permutation

_NOT_LISTED = NotApplicable("the prompt does not list the options")
_STYLES: Mapping[str, Sequence[str]] = {
    "numbers": [str(k) for k in range(1, 27)],
    "lower": [chr(97 + k) for k in range(26)],
    "roman": [
        "i",
        "ii",
        "iii",
        "iv",
        "v",
        "vi",
        "vii",
        "viii",
        "ix",
        "x",
        "xi",
        "xii",
        "xiii",
        "xiv",
        "xv",
        "xvi",
    ],
    "paren": [f"({chr(97 + k)})" for k in range(26)],
    "upper": [chr(65 + k) for k in range(26)],
}


@perturber("ordering.option_shuffle", evidence="proved", languages=("*",))
def option_shuffle(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """The options stand in a random other order; the gold moves along."""
    count = len(item.choices)
    if not item.listed or count < 2:
        return _NOT_LISTED
    for _ in range(20):
        order = permutation(rng, count)
        if order != list(range(count)):
            return [Reorder(CHOICES, tuple(order))]
    return NotApplicable("twenty draws left the options as they stand")


@perturber(
    "ordering.option_rotate",
    evidence="proved",
    parameters={"k": ("1", "2", "3")},
    languages=("*",),
)
def option_rotate(item: Item, rng: random.Random, *, k: str) -> Sequence[Edit] | NotApplicable:
    """Every option moves k places on, the last ones to the front; the gold moves along."""
    count = len(item.choices)
    if not item.listed or count < 2 or int(k) % count == 0:
        return _NOT_LISTED if not item.listed else NotApplicable(f"{count} options, {k} places")
    return [Reorder(CHOICES, tuple((i - int(k)) % count for i in range(count)))]


@perturber(
    "ordering.gold_to_k",
    evidence="proved",
    parameters={"k": ("1", "2", "3", "4")},
    languages=("*",),
)
def gold_to_k(item: Item, rng: random.Random, *, k: str) -> Sequence[Edit] | NotApplicable:
    """The right option changes places with the one at place k: a probe of position bias.

    Source: Zheng et al. 2024, "Large language models are not robust multiple choice selectors",
    ICLR, section 2.2. As it puts the gold at one place throughout, it is in no suite's drop.
    """
    place = int(k) - 1
    if not item.listed or not isinstance(item.gold, int):
        return _NOT_LISTED
    if place >= len(item.choices):
        return NotApplicable(f"there are {len(item.choices)} options, none at place {k}")
    order = list(range(len(item.choices)))
    order[place], order[item.gold] = order[item.gold], order[place]
    return [Reorder(CHOICES, tuple(order))]


@perturber(
    "phrasing.option_label_style",
    level="prompt",
    evidence="proved",
    parameters={"style": tuple(_STYLES)},
    languages=("*",),
)
def option_label_style(
    item: Item, rng: random.Random, *, style: str
) -> Sequence[Edit] | NotApplicable:
    """The options are labelled 1, a, i or (a) instead of A; the answer is the new label."""
    if not item.listed or not item.labels:
        return NotApplicable("the options are not answered by their labels")
    if len(item.labels) > len(_STYLES[style]):
        return NotApplicable(f"{len(item.labels)} options are more than the style has labels")
    return [Relabel(item.labels, tuple(_STYLES[style][: len(item.labels)]))]

"""The cells of the procedural set, by split, cohort and type, and what a reader of one should know.

A flag is no fault: most say how much a figure over that cell alone can carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oodrop.tasks.procedural.check import COMPLIANT
from oodrop.tasks.spec import Doc

FEW_ITEMS, FEW_PROCEDURES = 30, 10
EVEN = (0.4, 0.6)
SURFACE, SURFACE_ITEMS = 0.62, 100
FLAGS: Mapping[str, str] = {
    "few_items": f"fewer than {FEW_ITEMS} items",
    "few_procedures": f"fewer than {FEW_PROCEDURES} procedures: too few clusters for an interval",
    "one_label": (
        "the type has one label throughout the set, so whoever always gives that verdict is right"
    ),
    "unbalanced": (
        f"the type has both labels, and {EVEN[0]:.0%} to {EVEN[1]:.0%} of the items compliant "
        "is not kept here"
    ),
    "surface": (
        f"of `heldout`, {SURFACE_ITEMS} items or more, and a bag of words fitted on `train` is "
        f"right on more than {SURFACE:.0%}, both labels weighing the same"
    ),
}


def cells(docs: Sequence[Doc], right: Mapping[str, bool]) -> list[dict[str, Any]]:
    """A row for every cell, sorted: counts, `bag_of_words`, flags.

    Args:
        docs: every document of every split.
        right: whether a bag of words that was fitted on ``train`` is right, by item; the cells of
            splits that are not in it have None for `bag_of_words`.
    """
    labels: dict[str, set[str]] = {}
    members: dict[tuple[str, str, str], list[Doc]] = {}
    beside: dict[tuple[str, str], list[Doc]] = {}
    for doc in docs:
        labels.setdefault(doc["type"], set()).add(doc["label"])
        members.setdefault((doc["split"], doc["cohort"], doc["type"]), []).append(doc)
        beside.setdefault((doc["split"], doc["cohort"]), []).append(doc)
    found = []
    for (split, cohort, kind), own in sorted(members.items()):
        cell = {
            "split": split,
            "cohort": cohort,
            "type": kind,
            "items": len(own),
            "compliant": sum(doc["label"] == COMPLIANT for doc in own),
            "procedures": len({doc["process_id"] for doc in own}),
            "bag_of_words": _even_share(own, beside[split, cohort], right),
        }
        found.append({**cell, "flags": flags(cell, one_label=len(labels[kind]) == 1)})
    return found


def flags(cell: Mapping[str, Any], *, one_label: bool) -> list[str]:
    """What there is to say of a cell, in the order of `FLAGS`; often nothing."""
    items, reached = cell["items"], cell["bag_of_words"]
    holds = {
        "few_items": items < FEW_ITEMS,
        "few_procedures": cell["procedures"] < FEW_PROCEDURES,
        "one_label": one_label,
        "unbalanced": not one_label and not EVEN[0] <= cell["compliant"] / items <= EVEN[1],
        "surface": (
            cell["split"] == "heldout"
            and items >= SURFACE_ITEMS
            and reached is not None
            and reached > SURFACE
        ),
    }
    return [name for name in FLAGS if holds[name]]


def _even_share(
    own: Sequence[Doc], beside: Sequence[Doc], right: Mapping[str, bool]
) -> float | None:
    """The mean over both labels of the share that is right.

    A label that the cell does not have is taken from its split and cohort: a model that leans to
    one verdict is then no better in the cells that hold nothing else.
    """
    if any(doc["item_id"] not in right for doc in own):
        return None
    shares = []
    for compliant in (True, False):
        some = [d for d in own if (d["label"] == COMPLIANT) == compliant]
        some = some or [d for d in beside if (d["label"] == COMPLIANT) == compliant]
        shares.append(sum(right[d["item_id"]] for d in some) / len(some))
    return round(sum(shares) / 2, 3)

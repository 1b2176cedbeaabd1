"""Controls: what a drop would be if nothing had changed, or if the answer had.

They never enter a family's drop.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from oodrop.perturbers.edits import Edit
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import NotApplicable, perturber


@perturber("control.identity", evidence="proved", scores_all=True, languages=("*",))
def identity(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Placebo: the canonical prompt, sent again as a variant; its drop must be exactly 0."""
    return []


@perturber("control.rerun", evidence="proved", scores_all=True, languages=("*",))
def rerun(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Noise floor: identical prompts, evaluated anew without cache and with another batch size."""
    return []


@perturber("control.threshold", evidence="proved", languages=("*",))
def threshold(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """A measured value crosses its limit, and the right answer changes: can the model see it?

    Source: contrast sets (Gardner et al. 2020, Findings of EMNLP); the gold is derived by program.
    """
    return _contrast(item, "threshold")


@perturber("control.negation", evidence="proved", languages=("*",))
def negation(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """A fact is negated, or no longer, and the right answer changes; derived by program.

    Source: contrast sets (Gardner et al. 2020, Findings of EMNLP).
    """
    return _contrast(item, "negation")


@perturber("control.contrast", evidence="proved", languages=("*",))
def contrast(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """The smallest other change of the story that changes the right answer, derived by program.

    Source: contrast sets (Gardner et al. 2020, Findings of EMNLP).
    """
    return _contrast(item, "contrast")


def _contrast(item: Item, kind: str) -> Sequence[Edit] | NotApplicable:
    edits: Sequence[Edit] | None = item.contrast(kind) if item.contrast else None
    if edits is None:
        return NotApplicable(f"the task has no {kind} that changes this item's answer")
    return list(edits)

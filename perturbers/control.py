"""Controls: what a drop would be if nothing had changed; they never enter a family's drop."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oodrop.perturbers.edits import Edit
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import perturber


@perturber("control.identity", evidence="proved", scores_all=True, languages=("*",))
def identity(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Placebo: the canonical prompt, sent again as a variant; its drop must be exactly 0."""
    return []


@perturber("control.rerun", evidence="proved", scores_all=True, languages=("*",))
def rerun(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Noise floor: identical prompts, evaluated anew without cache and with another batch size."""
    return []

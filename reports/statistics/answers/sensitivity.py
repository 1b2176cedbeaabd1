"""Checks that change the right answer: does a checkpoint notice?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oodrop import UnknownNameError
from oodrop.reports.statistics.answers.rates import Rate, rate_of
from oodrop.reports.statistics.intervals.closed import Values
from oodrop.reports.statistics.numeric import Booleans, Floats, check_level
from oodrop.reports.statistics.paired import PairedScores

_SHARES = Values(1.0, signed=False, whole=False)


@dataclass(frozen=True)
class Sensitivity:
    """One checkpoint under one control that changes the right answer, over the changed items.

    `before` is the accuracy on the canonical items, `after` the one against the changed answers.
    `noticed` is the share right both before and after (contrast consistency: Gardner et al.,
    Findings of EMNLP 2020), `blind` the share right before and wrong after: a model that reads a
    text's habits and not its content gives the same answer to both, and can be right on one of
    them only. Of several replies to an item all must be right.
    """

    task: str
    metric: str
    checkpoint: str
    name: str
    before: Rate
    after: Rate
    noticed: Rate
    blind: Rate


def sensitivities(paired: PairedScores, *, level: float = 0.95) -> tuple[Sensitivity, ...]:
    """One `Sensitivity` per checkpoint and control, the controls of a checkpoint together.

    Empty for scores outside [0, 1], which are neither right nor wrong, and without such controls.

    Raises OodropError for an impossible level.
    """
    check_level(level)
    if not paired.bounded:
        return ()
    return tuple(_each(paired, level))


def noticed(paired: PairedScores, checkpoint: str, slug: str) -> tuple[Floats, Booleans]:
    """float64[I] 1 where right both before and after, bool[I] the changed items; `paired.order`.

    Raises UnknownNameError for a checkpoint that is not there and for a slug that is no control of
    this kind, or any slug where scores lie outside [0, 1].
    """
    if checkpoint not in paired.checkpoints:
        raise UnknownNameError("checkpoint", checkpoint, paired.checkpoints)
    slugs = controls(paired)
    if slug not in slugs:
        raise UnknownNameError("control that changes the answer", slug, slugs)
    v = [variant.slug for variant in paired.variants].index(slug)
    right, still, mask = _right(paired, paired.checkpoints.index(checkpoint), v)
    return (right & still).astype(np.float64), mask


def controls(paired: PairedScores) -> list[str]:
    """Slugs of the controls that change the right answer; none for scores outside [0, 1]."""
    return [v.slug for v in paired.variants if not v.has_drop] if paired.bounded else []


def _right(paired: PairedScores, c: int, v: int) -> tuple[Booleans, Booleans, Booleans]:
    """bool[I], items in `paired.order`: right before, right after, changed."""
    mask = paired.changed[v, paired.order]
    after = np.where(mask, paired.scores[c, v, paired.order], 0.0)
    return paired.canonical[c, paired.order] == 1.0, after == 1.0, mask


def _each(paired: PairedScores, level: float) -> Iterator[Sensitivity]:
    for c, checkpoint in enumerate(paired.checkpoints):
        for v, variant in enumerate(paired.variants):
            if variant.has_drop:
                continue
            right, still, mask = _right(paired, c, v)
            after = np.where(mask, paired.scores[c, v, paired.order], 0.0)
            items = (paired.canonical[c, paired.order], after, right & still, right & ~still)
            before, later, both, blind = (
                rate_of(paired, np.asarray(values, np.float64), mask, _SHARES, level)
                for values in items
            )
            yield Sensitivity(
                task=paired.task,
                metric=paired.metric,
                checkpoint=checkpoint,
                name=variant.slug,
                before=before,
                after=later,
                noticed=both,
                blind=blind,
            )

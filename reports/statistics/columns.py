"""From paired scores to columns of item differences: one per checkpoint and variant or family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oodrop.reports.statistics.numeric import ROUNDING, Booleans, Floats, differences
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES

Kind = Literal["variant", "family"]


@dataclass(frozen=True, eq=False)
class Column:
    """Item differences of one checkpoint under one variant or family, items in `paired.order`.

    `differences` float64[I], canonical minus variant, 0 where not changed; `mask` bool[I], the
    changed items. `canonical` is the mean canonical score over them, `flip_rate` the share of them
    whose score moved (for a family: each item's share of moved variants, then the mean over
    items); both None without changed items. `binary` is whether every difference is -1, 0 or 1.
    """

    checkpoint: str
    name: str
    kind: Kind
    family: str
    differences: Floats
    mask: Booleans
    canonical: float | None
    flip_rate: float | None
    binary: bool


def columns(paired: PairedScores) -> tuple[Column, ...]:
    """All checkpoints x variants that have a drop, then all checkpoints x families present."""
    return (*_variant_columns(paired), *_family_columns(paired))


def _variant_columns(paired: PairedScores) -> Iterator[Column]:
    for c in range(len(paired.checkpoints)):
        for v, variant in enumerate(paired.variants):
            if variant.has_drop:
                yield _column(
                    paired, c, [v], name=variant.slug, kind="variant", family=variant.family
                )


def _family_columns(paired: PairedScores) -> Iterator[Column]:
    for c in range(len(paired.checkpoints)):
        for family in HEADLINE_FAMILIES:
            pooled = [
                v
                for v, variant in enumerate(paired.variants)
                if variant.family == family and variant.in_family_headline
            ]
            if pooled:
                yield _column(paired, c, pooled, name=family, kind="family", family=family)


def _column(
    paired: PairedScores, c: int, variants: list[int], *, name: str, kind: Kind, family: str
) -> Column:
    """Each item's mean difference over those of `variants` that changed it."""
    applies = paired.changed[variants][:, paired.order]
    canonical = paired.canonical[c, paired.order]
    scores = paired.scores[c, variants][:, paired.order]
    each = np.where(applies, differences(canonical, scores), 0.0)
    applicable = applies.sum(axis=0)
    mask = applicable > 0
    counts = np.maximum(applicable, 1)
    total = each.sum(axis=0)
    total[np.abs(total) <= ROUNDING * np.abs(each).sum(axis=0)] = 0.0
    mean = total / counts
    moved = np.count_nonzero(each, axis=0) / counts
    return Column(
        checkpoint=paired.checkpoints[c],
        name=name,
        kind=kind,
        family=family,
        differences=mean,
        mask=mask,
        canonical=float(canonical[mask].mean()) if mask.any() else None,
        flip_rate=float(moved[mask].mean()) if mask.any() else None,
        binary=paired.is_binary(c) and bool(np.isin(mean, (-1.0, 0.0, 1.0)).all()),
    )

"""Scores of one task, paired item by item between the canonical set and its variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodrop import DataError
from oodrop.reports.statistics.numeric import Booleans, Floats, Integers
from oodrop.reports.statistics.variant import VariantInfo


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of C checkpoints on I items, canonical and under V variants.

    Shapes: `clusters` int64[I], any codes; `canonical` float64[C, I]; `scores` float64[C, V, I],
    NaN where a variant has no score for an item; `changed` bool[V, I], True where the variant
    changed the item (all True for `control.identity` and `control.rerun`, which score every item).
    An item has one score: of several replies to it the mean, never an entry for each of them.
    `chance` is the score that guessing reaches, in the unit of the metric.

    Arrays are copied and made read-only. Two objects are never compared by value.

    Raises DataError when a shape does not fit, a name appears twice, a canonical score is not
    finite, a score is infinite, or a changed item has no score (naming checkpoint, variant, item).
    """

    task: str
    metric: str
    chance: float
    checkpoints: tuple[str, ...]
    variants: tuple[VariantInfo, ...]
    item_ids: tuple[str, ...]
    clusters: Integers
    canonical: Floats
    scores: Floats
    changed: Booleans

    def __post_init__(self) -> None:
        for name in ("checkpoints", "variants", "item_ids"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_names()
        c, v, i = len(self.checkpoints), len(self.variants), len(self.item_ids)
        self._freeze("clusters", np.int64, (i,), "iu")
        self._freeze("canonical", np.float64, (c, i), "fiub")
        self._freeze("scores", np.float64, (c, v, i), "fiub")
        self._freeze("changed", np.bool_, (v, i), "b")
        self._check_canonical()
        self._check_changed()
        self._check_scores()

    # --- what can be asked ------------------------------------------------------------------

    @cached_property
    def binary(self) -> bool:
        """Whether every finite score is 0 or 1."""
        return all(self.is_binary(c) for c in range(len(self.checkpoints)))

    def is_binary(self, checkpoint: int) -> bool:
        """Whether every finite score of the checkpoint of this index is 0 or 1.

        How many replies are averaged is each checkpoint's own affair, so another one must not
        change the kind of interval.
        """
        return all(
            bool(np.all((a == 0.0) | (a == 1.0) | np.isnan(a)))
            for a in (self.canonical[checkpoint], self.scores[checkpoint])
        )

    @cached_property
    def bounded(self) -> bool:
        """Whether every finite score lies in [0, 1]."""
        return all(
            bool(np.all(((a >= 0.0) & (a <= 1.0)) | np.isnan(a)))
            for a in (self.canonical, self.scores)
        )

    @cached_property
    def order(self) -> Integers:
        """int64[I]: the items sorted by item_id, so that no result depends on the file's order."""
        return np.array(sorted(range(len(self.item_ids)), key=self.item_ids.__getitem__), np.int64)

    @cached_property
    def ordered_clusters(self) -> Integers:
        """int64[I]: cluster of `item_ids[order]`, numbered from 0 by first appearance.

        A cluster's number depends on its items alone, not on its code, so that relabelling the
        clusters leaves every seeded resample as it was.
        """
        codes = self.clusters[self.order]
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[inverse].astype(np.int64)

    # --- validation -------------------------------------------------------------------------

    def _where(self) -> str:
        return f"task {self.task!r}, metric {self.metric!r}"

    def _check_names(self) -> None:
        if not (np.isfinite(self.chance) and 0.0 <= self.chance < 1.0):
            raise DataError(
                f"{self._where()}: chance must be at least 0 and below 1; got {self.chance}"
            )
        for what, names in (
            ("checkpoint", self.checkpoints),
            ("item_id", self.item_ids),
            ("variant slug", tuple(v.slug for v in self.variants)),
        ):
            if not names and what != "variant slug":
                raise DataError(f"{self._where()}: at least one {what} is needed; got none")
            if twice := _first_repeated(names):
                raise DataError(f"{self._where()}: {what} {twice!r} appears more than once")

    def _freeze(self, name: str, dtype: type[Any], shape: tuple[int, ...], kinds: str) -> None:
        given: NDArray[Any] = np.asarray(getattr(self, name))
        if given.size and given.dtype.kind not in kinds:
            raise DataError(
                f"{self._where()}: {name} must hold {np.dtype(dtype).name}; got {given.dtype.name}"
            )
        if given.shape != shape:
            raise DataError(
                f"{self._where()}: {name} must have shape {shape} for "
                f"{len(self.checkpoints)} checkpoints, {len(self.variants)} variants and "
                f"{len(self.item_ids)} items; got {given.shape}"
            )
        array = np.array(given, dtype=dtype, order="C")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _check_canonical(self) -> None:
        for c, i in np.argwhere(~np.isfinite(self.canonical))[:1]:
            raise DataError(
                f"{self._where()}: every canonical score must be finite; checkpoint "
                f"{self.checkpoints[c]!r}, item {self.item_ids[i]!r} has {self.canonical[c, i]}"
            )

    def _check_changed(self) -> None:
        for v, i in np.argwhere(~self.changed):
            variant = self.variants[v]
            if variant.scores_every_item:
                raise DataError(
                    f"{self._where()}: {variant.perturber} scores every item, but variant "
                    f"{variant.slug!r} leaves out item {self.item_ids[i]!r}"
                )

    def _check_scores(self) -> None:
        missing = np.isnan(self.scores) & self.changed
        for c, v, i in np.argwhere(missing | np.isinf(self.scores))[:1]:
            raise DataError(
                f"{self._where()}: a changed item needs a finite score; checkpoint "
                f"{self.checkpoints[c]!r}, variant {self.variants[v].slug!r}, item "
                f"{self.item_ids[i]!r} has {self.scores[c, v, i]}"
            )


def _first_repeated(names: tuple[str, ...]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None

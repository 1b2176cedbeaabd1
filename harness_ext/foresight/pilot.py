"""What an earlier run tells about the next one: accuracy, correlation of answers, clustering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from oodrop import DataError, UnknownNameError
from oodrop.reports.pairing import pair
from oodrop.reports.reader import read_runs
from oodrop.reports.statistics import (
    ALL,
    Column,
    Interval,
    PairedScores,
    accuracies,
    cluster_sums,
    icc,
    one_column,
)
from oodrop.reports.statistics.columns import pooled_variants
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES

FEWEST_CLUSTERS = 10.0
"""Effective clusters below which a pilot tells too little."""


@dataclass(frozen=True)
class PilotValues:
    """What the pilot found under one variant, a family, or all natural variants.

    Attributes:
        name: its slug or name.
        items: changed items.
        effective_clusters: as of `ClusterSums.g_star`.
        accuracy: canonical, over the changed items.
        correlation: of the canonical and the perturbed answer, for a family the mean of its
            variants'; None where one of them is always the same. Where no answer moved, three
            might have (the 95% bound): it is below 1.
        icc: of the differences, at least 0; None where nothing varies.
    """

    name: str
    items: int
    effective_clusters: float
    accuracy: float
    correlation: float | None
    icc: float | None

    @property
    def is_enough(self) -> bool:
        """Whether there are clusters enough to rest a plan on."""
        return self.effective_clusters >= FEWEST_CLUSTERS


@dataclass(frozen=True)
class TaskPilot:
    """One checkpoint's answers to one task.

    Attributes:
        task: its name.
        checkpoint: as reports name it.
        items: all of them.
        clusters: of these.
        accuracy: canonical.
        interval: of the accuracy, as the report gives it; None with too few clusters.
        values: by name of variant, family, or all; empty where scores are not right or wrong.
    """

    task: str
    checkpoint: str
    items: int
    clusters: int
    accuracy: float
    interval: Interval | None
    values: Mapping[str, PilotValues]

    def closest(self, name: str) -> PilotValues | None:
        """The values of this name if they are enough, else of the variant that moved the most."""
        own = self.values.get(name)
        if own is not None and own.is_enough:
            return own
        known = [v for v in self.values.values() if v.is_enough and v.correlation is not None]
        return min(known, key=lambda v: (v.correlation or 0.0, v.name)) if known else None


def read_pilot(folder: Path, checkpoint: str | None = None) -> dict[str, TaskPilot]:
    """What one checkpoint of a run folder did, by task.

    Args:
        folder: of lm-eval outputs, as `oodrop report` reads them.
        checkpoint: which; None for the only one.

    Raises:
        DataError: as `read_runs`, and where the folder holds several and none is named.
        UnknownNameError: when it does not hold the one that is named.
    """
    groups = pair(read_runs([folder]))
    names = list(dict.fromkeys(name for g in groups for name in g.paired.checkpoints))
    if checkpoint is None and len(names) != 1:
        raise DataError(
            f"{folder} holds {len(names)} checkpoints ({', '.join(names[:8])}): --checkpoint says "
            "which one is the pilot"
        )
    chosen = checkpoint or names[0]
    if chosen not in names:
        raise UnknownNameError("checkpoint", chosen, names)
    own = [g.paired for g in groups if chosen in g.paired.checkpoints]
    return {paired.task: _task(paired, chosen) for paired in own}


def _task(paired: PairedScores, checkpoint: str) -> TaskPilot:
    canonical = next(a for a in accuracies(paired) if a.checkpoint == checkpoint)
    found: dict[str, PilotValues] = {}
    if paired.is_binary(paired.checkpoints.index(checkpoint)):
        for variant in paired.variants:
            if variant.has_drop and not variant.scores_every_item:
                found |= _values(paired, checkpoint, variant.slug)
        for name, slugs in _pools(paired).items():
            found |= _values(paired, checkpoint, name, [found[s] for s in slugs if s in found])
    return TaskPilot(
        task=paired.task,
        checkpoint=checkpoint,
        items=canonical.n,
        clusters=canonical.clusters,
        accuracy=canonical.estimate,
        interval=canonical.interval,
        values=found,
    )


def _pools(paired: PairedScores) -> dict[str, list[str]]:
    """Families that have variants, and all of them, each with the slugs that it pools."""
    found = {
        family: [paired.variants[v].slug for v in pooled_variants(paired, family)]
        for family in HEADLINE_FAMILIES
    }
    found = {family: slugs for family, slugs in found.items() if slugs}
    every = [slug for slugs in found.values() for slug in slugs]
    return {**found, ALL: every} if every else {}


def _values(
    paired: PairedScores, checkpoint: str, name: str, pooled: Sequence[PilotValues] = ()
) -> dict[str, PilotValues]:
    """By its name; nothing where no item is changed."""
    column = one_column(paired, checkpoint, name)
    mask = column.mask
    if not mask.any():
        return {}
    sums = cluster_sums(column.differences[None], mask[None], paired.ordered_clusters)
    found, count = icc(sums), int(mask.sum())
    share = float(column.canonical[mask].mean())
    known = [v.correlation for v in pooled if v.correlation is not None]
    correlation = (fmean(known) if known else None) if pooled else _correlation(column)
    values = PilotValues(
        name=name,
        items=count,
        effective_clusters=float(sums.g_star[0]),
        # All right or all wrong is what few items show by chance: one more of each (Laplace).
        accuracy=share if 0.0 < share < 1.0 else (share * count + 1.0) / (count + 2.0),
        correlation=correlation,
        icc=None if found is None else max(0.0, found),
    )
    return {name: values}


def _correlation(column: Column) -> float | None:
    before, after = column.canonical[column.mask], column.scores[column.mask]
    spread = float(before.std() * after.std())
    if not spread > 0.0:
        return None
    found = float(((before - before.mean()) * (after - after.mean())).mean()) / spread
    return max(-1.0, min(found, 1.0 - 3.0 / (2.0 * len(before) * spread)))


def pilot_notes(pilot: Mapping[str, TaskPilot], tasks: Sequence[str]) -> list[str]:
    """How far the pilot carries, a sentence for each task."""
    return [_note(task, pilot.get(task)) for task in tasks] if pilot else []


def _note(task: str, pilot: TaskPilot | None) -> str:
    if pilot is None:
        return f"{task}: the pilot did not run it; stated or conservative values are used"
    span = pilot.interval
    bounds = f" [{100 * span.low:.1f}, {100 * span.high:.1f}]" if span else ", no interval"
    told = (
        f"{task}: pilot of {pilot.items} items in {pilot.clusters} clusters, canonical accuracy "
        f"{100 * pilot.accuracy:.1f}%{bounds}"
    )
    if not pilot.values:
        return f"{told}; its scores are not right or wrong, so other values are used"
    few = [v.name for v in pilot.values.values() if not v.is_enough]
    if not few:
        return told
    which = "it" if len(few) == len(pilot.values) else f"it under {', '.join(few[:4])}"
    return (
        f"{told}; {which} has fewer than {FEWEST_CLUSTERS:.0f} effective clusters, too few to rest "
        "a plan on, so stated or conservative values are used there"
    )

"""Accuracy on the variants against canonical accuracy: a point per checkpoint, and their line."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oodrop.reports.statistics.answers.accuracy import accuracies
from oodrop.reports.statistics.answers.effective import (
    MIN_BASELINES,
    EffectiveRobustness,
    both_accuracies,
)
from oodrop.reports.statistics.answers.line import Line, Scale, make_line, to_scale
from oodrop.reports.statistics.columns import ALL, one_column
from oodrop.reports.statistics.intervals.closed import Values, closed_interval
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.numeric import Floats, check_level
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.sums import cluster_sums

LEAST_FOR_A_LINE = 3
Role = Literal["on the line", "reference model", "not above chance"]


@dataclass(frozen=True)
class PlanePoint:
    """One checkpoint: canonical accuracy and accuracy on the variants, over the same items.

    Both are in the unit of the metric, each with its own `closed_interval`. `role` says whether the
    line runs through it: not through reference models, nor through what is not above chance.
    """

    checkpoint: str
    canonical: float
    canonical_interval: Interval | None
    variant: float
    variant_interval: Interval | None
    role: Role


@dataclass(frozen=True)
class AccuracyPlane:
    """All checkpoints of a task over the `n` of `n_all` items that a natural variant changed.

    An item's accuracy on the variants is its mean over those that changed it.

    `line` is the least squares fit of variant on canonical accuracy on `scale`, through the
    checkpoints whose role is "on the line", accuracies as (x + 1/2)/(n + 1); it describes these
    checkpoints. It is None for fewer than three of them, for scores outside [0, 1], and where all
    have one canonical accuracy; `reason` says which, or on what it rests. `robustness` holds
    `effective_robustness` of each of them against all others where these are at least eight.
    """

    task: str
    metric: str
    name: str
    points: tuple[PlanePoint, ...]
    n: int
    n_all: int
    scale: Scale
    line: Line | None
    reason: str
    robustness: tuple[EffectiveRobustness, ...]


def accuracy_plane(
    paired: PairedScores,
    *,
    references: Collection[str] = (),
    scale: Scale = "logit",
    level: float = 0.95,
) -> AccuracyPlane | None:
    """Every checkpoint under all natural variants; None where these changed no item.

    `references` are checkpoints that are no language models or know the answers; no line runs
    through them. Source of the line: Taori et al., NeurIPS 2020; see `effective_robustness`.

    Raises OodropError for an impossible level; UnknownNameError without natural variants.
    """
    check_level(level)
    mask = one_column(paired, paired.checkpoints[0], ALL).mask
    if not mask.any():
        return None
    roles = _roles(paired, references)
    points = tuple(_points(paired, roles, level))
    n = int(mask.sum())
    line, reason = _line(paired, [p for p in points if p.role == "on the line"], n, scale)
    return AccuracyPlane(
        task=paired.task,
        metric=paired.metric,
        name=ALL,
        points=points,
        n=n,
        n_all=len(paired.item_ids),
        scale=scale,
        line=line,
        reason=reason,
        robustness=tuple(_robustness(paired, points, n, scale, level)) if line else (),
    )


def _roles(paired: PairedScores, references: Collection[str]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for accuracy in accuracies(paired):
        if accuracy.checkpoint in references:
            roles[accuracy.checkpoint] = "reference model"
        else:
            guessing = accuracy.uninformative
            roles[accuracy.checkpoint] = "not above chance" if guessing else "on the line"
    return roles


def _points(paired: PairedScores, roles: dict[str, Role], level: float) -> Iterator[PlanePoint]:
    for checkpoint, role in roles.items():
        column = one_column(paired, checkpoint, ALL)
        both = np.array([column.canonical, column.scores])
        mask = np.broadcast_to(column.mask, both.shape)
        sums = cluster_sums(both, mask, paired.ordered_clusters)
        intervals = [
            closed_interval(sums, k, _values(paired, values[column.mask]), level=level)
            for k, values in enumerate(both)
        ]
        canonical, variant = map(float, sums.theta)
        yield PlanePoint(checkpoint, canonical, intervals[0], variant, intervals[1], role)


def _values(paired: PairedScores, found: Floats) -> Values:
    whole = paired.bounded and bool(np.isin(found, (0.0, 1.0)).all())
    limit = 1.0 if paired.bounded else math.inf
    return Values(limit, signed=not paired.bounded, whole=whole)


def _line(
    paired: PairedScores, on_line: Sequence[PlanePoint], n: int, scale: Scale
) -> tuple[Line | None, str]:
    if not paired.bounded:
        return None, "no line: scores lie outside 0 to 1"
    if len(on_line) < LEAST_FOR_A_LINE:
        return None, (
            f"no line: it takes {LEAST_FOR_A_LINE} checkpoints above chance, reference models "
            f"aside; found: {len(on_line)}"
        )
    line = _fit(on_line, n, scale)
    if line is None:
        return None, "no line: all checkpoints on it have the same canonical accuracy"
    return line, f"line through {len(on_line)} checkpoints on the {scale} scale"


def _fit(points: Sequence[PlanePoint], n: int, scale: Scale) -> Line | None:
    accuracy = np.array([[p.canonical for p in points], [p.variant for p in points]])
    # As `effective_robustness` has them: 0 and 1 have a place on the scale too.
    x, y = to_scale((n * accuracy + 0.5) / (n + 1.0), scale)
    return make_line(x, y)


def _robustness(
    paired: PairedScores, points: Sequence[PlanePoint], n: int, scale: Scale, level: float
) -> Iterator[EffectiveRobustness]:
    on_line = sorted((p for p in points if p.role == "on the line"), key=lambda p: p.checkpoint)
    if len(on_line) <= MIN_BASELINES:
        return
    both = both_accuracies(paired, [p.checkpoint for p in on_line], ALL, scale)
    found = {}
    for target in on_line:
        others = [p for p in on_line if p is not target]
        if _fit(others, n, scale) is not None:
            names = tuple(p.checkpoint for p in others)
            found[target.checkpoint] = both.robustness(target.checkpoint, names, level)
    yield from (found[p.checkpoint] for p in points if p.checkpoint in found)

"""What a run could tell, before anything is spent: detectable drops, items needed, chances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from oodrop import OodropError
from oodrop.harness_ext.foresight.pilot import TaskPilot
from oodrop.harness_ext.foresight.reach import Reach
from oodrop.harness_ext.foresight.savings import share_saved
from oodrop.reports.statistics import gate_chances, mde, required_items
from oodrop.reports.statistics.decisions.power import Chances, planned_error
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS

CONSERVATIVE: Mapping[str, float] = {"accuracy": 0.5, "correlation": 0.3, "icc": 0.2}
"""Taken where nobody knows better: answers as spread as can be, loosely paired, in clusters."""

_MOST_ITEMS = 10**9


@dataclass(frozen=True)
class Aim:
    """What the gate is to decide, and how surely.

    Attributes:
        margin: loss that would be too much, as a share.
        drop: true drop that items are reckoned for.
        alpha: error of each verdict.
        power: chance of PASS that `required` items give.
        inconclusive: chance of INCONCLUSIVE that `enough` items give at most.
    """

    margin: float
    drop: float = 0.0
    alpha: float = 0.05
    power: float = 0.8
    inconclusive: float = 0.2

    @property
    def drops(self) -> tuple[float, ...]:
        """True drops that are looked at, upwards."""
        return tuple(sorted({0.0, self.margin / 2.0, self.margin, self.drop}))


@dataclass(frozen=True)
class Assumption:
    """A value that a plan rests on, and who says so: stated, pilot, counted or conservative."""

    value: float
    source: str


@dataclass(frozen=True)
class Outlook:
    """What happens at a true drop.

    Attributes:
        drop: as a share.
        chances: of the verdicts of the whole run.
        saved: share of the items that stopping when decided leaves out, on average over simulated
            runs; None where it was not simulated.
    """

    drop: float
    chances: Chances
    saved: float | None


@dataclass(frozen=True)
class Prospect:
    """One variant, family or all natural variants of a task.

    Attributes:
        reach: the items and clusters there.
        accuracy, correlation, icc, cluster_size: what the plan rests on.
        detectable: smallest drop that a two-sided test of "no drop" finds with the power; None
            where there are too few clusters.
        required: changed items for which a gate passes the true drop with the power; None where
            the drop is not below the margin.
        enough: changed items for which INCONCLUSIVE is rare enough; None at the margin itself.
        outlooks: by true drop, upwards.
        note: why there is no verdict; else empty.
    """

    reach: Reach
    accuracy: Assumption
    correlation: Assumption
    icc: Assumption
    cluster_size: Assumption
    detectable: float | None
    required: int | None
    enough: int | None
    outlooks: tuple[Outlook, ...]
    note: str


class _Shape(TypedDict):
    """What the functions of power take beside a number of items."""

    accuracy: float
    correlation: float
    icc: float
    cluster_size: float


@dataclass(frozen=True)
class _Setting:
    """A row as a plan of single answers, as the functions of power take them.

    The mean over K variants of an item varies by (K + 1) / (2 K) of what one varies, if answers
    under two variants correlate as much as each does with the canonical one: such an item counts
    as 1 / factor items, in clusters that are larger by as much and just as loose.
    """

    items: float
    factor: float
    accuracy: float
    correlation: float
    icc: float
    cluster_size: float

    @property
    def shape(self) -> _Shape:
        """Everything but the number of items."""
        size = self.cluster_size / self.factor
        own = (self.cluster_size - 1.0) * self.icc
        return _Shape(
            accuracy=self.accuracy,
            correlation=self.correlation,
            icc=own / (size - 1.0) if own else 0.0,
            cluster_size=size,
        )

    def chances(self, drop: float, aim: Aim, items: float) -> Chances:
        """Of the verdicts with so many items, already divided by the factor."""
        df = items / self.shape["cluster_size"] - 1.0
        if df < MIN_CLUSTERS - 1.0:
            return Chances(0.0, 0.0, 1.0)
        error = planned_error(items=items, drop=drop, **self.shape)
        if not error > 0.0:
            raise OodropError(
                f"with an accuracy of {self.accuracy:g} and a correlation of {self.correlation:g} "
                "no answer could ever differ; state values below 1"
            )
        return gate_chances(
            loss=drop, margin=aim.margin, standard_error=error, df=df, alpha=aim.alpha
        )


def foresee(
    found: Sequence[Reach],
    aim: Aim,
    *,
    stated: Mapping[str, float],
    pilot: Mapping[str, TaskPilot],
    seed: int,
) -> tuple[Prospect, ...]:
    """What each row could tell.

    Args:
        found: rows.
        aim: of the gate.
        stated: accuracy, correlation, icc and cluster_size, as far as somebody says; these win.
        pilot: by task.
        seed: of the simulated runs.

    Raises:
        OodropError: for impossible values or risks, or a true drop above the accuracy.
    """
    return tuple(_prospect(row, aim, stated, pilot.get(row.task), seed) for row in found)


def _prospect(
    row: Reach, aim: Aim, stated: Mapping[str, float], pilot: TaskPilot | None, seed: int
) -> Prospect:
    known = _assumptions(row, stated, pilot)
    factor = (row.variants_per_item + 1.0) / (2.0 * row.variants_per_item)
    setting = _Setting(row.changed / factor, factor, **{name: a.value for name, a in known.items()})
    if max(aim.drops) > setting.accuracy:
        raise OodropError(
            f"task {row.task}: with an accuracy of {setting.accuracy:.3g} no drop of "
            f"{max(aim.drops):g} can be lost; state a smaller margin or drop"
        )
    effective = row.changed / setting.cluster_size
    enough_clusters = effective >= MIN_CLUSTERS
    return Prospect(
        reach=row,
        **known,
        detectable=_detectable(setting, aim) if enough_clusters else None,
        required=_required(setting, aim),
        enough=_enough(setting, aim),
        outlooks=tuple(_outlook(row, setting, drop, aim, seed) for drop in aim.drops),
        note=""
        if enough_clusters
        else f"{effective:.1f} effective clusters: at least {MIN_CLUSTERS:.0f} are needed",
    )


def _assumptions(
    row: Reach, stated: Mapping[str, float], pilot: TaskPilot | None
) -> dict[str, Assumption]:
    values = pilot.closest(row.name) if pilot else None
    known = {name: Assumption(v, "conservative") for name, v in CONSERVATIVE.items()}
    if values is not None:
        source = "pilot" if values.name == row.name else f"pilot, {values.name}"
        for name in known:
            told = getattr(values, name)
            known[name] = known[name] if told is None else Assumption(told, source)
    known["cluster_size"] = Assumption(row.cluster_size, "counted")
    return known | {name: Assumption(v, "stated") for name, v in stated.items()}


def _detectable(setting: _Setting, aim: Aim) -> float | None:
    try:
        return mde(items=setting.items, alpha=aim.alpha, power=aim.power, **setting.shape)
    except OodropError:  # not even a drop to 0 is found
        return None


def _required(setting: _Setting, aim: Aim) -> int | None:
    if not aim.drop < aim.margin:
        return None
    found = required_items(
        margin=aim.margin, drop=aim.drop, alpha=aim.alpha, power=aim.power, **setting.shape
    )
    return math.ceil(found * setting.factor)


def _enough(setting: _Setting, aim: Aim) -> int | None:
    """Fewest items with which INCONCLUSIVE has at most its chance at the drop."""
    if aim.drop == aim.margin:
        return None

    def decides(items: int) -> bool:
        chances = setting.chances(aim.drop, aim, items / setting.factor)
        return chances.inconclusive <= aim.inconclusive

    low = high = math.ceil(MIN_CLUSTERS * setting.cluster_size)
    while not decides(high):
        low, high = high + 1, 2 * high
        if high > _MOST_ITEMS:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return high


def _outlook(row: Reach, setting: _Setting, drop: float, aim: Aim, seed: int) -> Outlook:
    saved = None
    if row.kind == "variant" and drop != aim.margin:
        error = planned_error(
            items=1, drop=drop, accuracy=setting.accuracy, correlation=setting.correlation
        )
        saved = share_saved(
            items=row.changed,
            drop=drop,
            variance=error**2,
            margin=aim.margin,
            alpha=aim.alpha,
            seed=seed,
        )
    return Outlook(drop, setting.chances(drop, aim, setting.items), saved)

"""Coverage of the interval over training seeds: does it hold the drop of a typical seed?"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from oodrop.harness_ext.bench.coverage.cell import Cell
from oodrop.harness_ext.bench.coverage.repetition import as_paired
from oodrop.harness_ext.bench.coverage.simulate import answers
from oodrop.reports.statistics import PairedScores, over_seeds
from oodrop.reports.statistics.numeric import t_quantile

PER_CLUSTER, ICC, CORRELATION = 9, 0.1, 0.5
CANONICAL, DROPS = 0.83, (0.1, 0.03)


@dataclass(frozen=True)
class Setting:
    """Two recipes of `seeds` checkpoints each, whose true drops scatter with these deviations."""

    seeds: int
    spreads: tuple[float, float]
    clusters: int = 100

    @property
    def words(self) -> str:
        """What names the setting, and seeds it."""
        first, second = self.spreads
        return f"{self.seeds} seeds, spreads {first:g} and {second:g}, {self.clusters} clusters"


SETTINGS = (
    *(Setting(seeds, (0.02, 0.02)) for seeds in (2, 3, 5, 8)),
    Setting(5, (0.0, 0.0)),
    Setting(5, (0.05, 0.0)),
    Setting(5, (0.05, 0.02)),
    Setting(5, (0.02, 0.02), clusters=15),
)


@dataclass
class _Count:
    held: int = 0
    alone: int = 0
    widths: list[float] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)


def study(repetitions: int, seed: int, say: Callable[[str], None]) -> Iterator[Cell]:
    """Four cells per setting: one recipe and two, over items and seeds, and over items alone."""
    for setting in SETTINGS:
        say(f"recipes: {setting.words}")
        yield from _cells(setting, repetitions, seed)


def _cells(setting: Setting, repetitions: int, seed: int) -> Iterator[Cell]:
    generator = np.random.default_rng([seed, zlib.crc32(f"recipes: {setting.words}".encode())])
    counts = {"a drop": _Count(), "a contrast": _Count()}
    first, second = ([f"c{k + side * setting.seeds:02d}" for k in range(setting.seeds)]
                     for side in (0, 1))  # fmt: skip
    for _ in range(repetitions):
        paired = _repetition(setting, generator)
        for of, recipes, truth in (
            ("a drop", [first], DROPS[0]),
            ("a contrast", [first, second], DROPS[0] - DROPS[1]),
        ):
            _add(counts[of], paired, recipes, truth, setting.clusters)
    for of, count in counts.items():
        about = {
            "of": of,
            "seeds": setting.seeds,
            "seed_spread": " and ".join(f"{spread:g}" for spread in setting.spreads),
            "clusters": setting.clusters,
            "icc": ICC,
            "items": setting.clusters * PER_CLUSTER,
        }
        yield Cell(
            "recipes",
            about,
            "over seeds",
            repetitions,
            count.held / repetitions,
            low=0.935,
            width_ratio=sum(count.widths) / sum(count.usual) if count.usual else None,
        )
        yield Cell(
            "recipes", about, "items alone", repetitions, count.alone / repetitions, width_ratio=1.0
        )


def _add(
    count: _Count, paired: PairedScores, recipes: list[list[str]], truth: float, clusters: int
) -> None:
    found = over_seeds(paired, recipes, "v00")
    if found.interval is None or found.estimate is None or found.item_error is None:
        return
    reach = t_quantile(0.95, clusters - 1.0) * found.item_error
    count.held += not found.interval.excludes(truth)
    count.alone += abs(found.estimate - truth) <= reach
    count.widths.append(found.interval.high - found.interval.low)
    count.usual.append(2.0 * reach)


def _repetition(setting: Setting, generator: np.random.Generator) -> PairedScores:
    """New seeds of both recipes, new items."""
    drops = np.concatenate(
        [
            drop + spread * generator.standard_normal(setting.seeds)
            for drop, spread in zip(DROPS, setting.spreads, strict=True)
        ]
    )
    count = len(drops)
    right, codes = answers(
        1,
        np.full(setting.clusters, PER_CLUSTER, np.int64),
        [CANONICAL] * count + (CANONICAL - drops).tolist(),
        icc=ICC,
        correlation=CORRELATION,
        generator=generator,
    )
    return as_paired(right[0, :count], right[0, count:, None], codes)

"""Questions about many columns at once: simultaneous bands, the worst variant, ranks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodrop.harness_ext.bench.coverage import effective, recipes, templates
from oodrop.harness_ext.bench.coverage.cell import Cell
from oodrop.harness_ext.bench.coverage.repetition import as_paired
from oodrop.harness_ext.bench.coverage.simulate import Sizes, answers, cluster_sizes
from oodrop.reports.statistics import cluster_sums
from oodrop.reports.statistics.answers.ranks import rank_sets
from oodrop.reports.statistics.answers.worst import worst_band, worst_variant
from oodrop.reports.statistics.intervals.bands import bands
from oodrop.reports.statistics.intervals.closed import LOST_OR_GAINED
from oodrop.reports.statistics.numeric import t_quantile

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

VARIANTS = 30
RESAMPLES = 999
CORRELATION = 0.5
# Repetitions that share one matrix of bootstrap weights. More would be faster, but share its luck.
BLOCK = 50


@dataclass(frozen=True)
class Setting:
    """One simulated truth.

    Attributes:
        truth: the accuracies in words.
        accuracies: of the canonical items, then of each variant (or of each checkpoint).
        clusters: how many, of nine items on average.
        sizes: how the items are spread over the clusters.
        icc: the share of an answer's latent variance that its cluster has in common.
    """

    truth: str
    accuracies: tuple[float, ...]
    clusters: int
    sizes: Sizes
    icc: float

    @property
    def words(self) -> str:
        """What names the setting, and seeds it."""
        return f"{self.truth}, {self.clusters} clusters, {self.sizes}, icc {self.icc:g}"


def _alike(first: float, second: float) -> tuple[str, tuple[float, ...]]:
    return f"{first:g}, 30 variants at {second:g}", (first, *[second] * VARIANTS)


ONE_WORST = (".83, 29 variants at .80, one at .70", (0.83, 0.70, *[0.80] * (VARIANTS - 1)))
SPREAD = (
    ".83, 30 variants from .83 to .68",
    (0.83, *np.linspace(0.83, 0.68, VARIANTS).tolist()),
)
BANDS = (
    Setting(*_alike(0.83, 0.78), 50, "equal", 0.3),
    Setting(*_alike(0.83, 0.78), 12, "equal", 0.3),
    Setting(*_alike(0.83, 0.78), 111, "lognormal", 0.3),
    Setting(*_alike(0.98, 0.97), 90, "equal", 0.1),
    Setting(*ONE_WORST, 50, "equal", 0.3),
    Setting(*SPREAD, 50, "equal", 0.0),
)
SPLITS = (Setting(*SPREAD, 40, "equal", 0.3),)
TIED = ("6 checkpoints at .8, .8, .8, .75, .75, .7", (0.8, 0.8, 0.8, 0.75, 0.75, 0.7))
EQUAL = ("6 checkpoints at .8", (0.8,) * 6)
RANKS = (Setting(*TIED, 60, "equal", 0.2), Setting(*EQUAL, 60, "equal", 0.2))


def study(repetitions: int, seed: int, say: Callable[[str], None]) -> Iterator[Cell]:
    """Bands, worst variants, ranks, effective robustness, templates and recipes of training."""
    yield from columns(repetitions, seed, say)
    yield from scatter(repetitions, seed, say)


def columns(repetitions: int, seed: int, say: Callable[[str], None]) -> Iterator[Cell]:
    """Bands, worst variants and ranks: half of `study`, for one of two processes."""
    for kind, settings in ((_band_cells, BANDS), (_split_cells, SPLITS), (_rank_cells, RANKS)):
        for setting in settings:
            say(f"joint: {setting.words}")
            yield from kind(setting, repetitions, seed)


def scatter(repetitions: int, seed: int, say: Callable[[str], None]) -> Iterator[Cell]:
    """Effective robustness, templates and recipes, the cells that `columns` leaves."""
    yield from effective.study(repetitions, seed, say)
    yield from templates.study(repetitions, seed, say)
    yield from recipes.study(repetitions, seed, say)


def _generator(kind: str, setting: Setting, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(f"{kind}: {setting.words}".encode())])


def _drawn(
    setting: Setting, repetitions: int, block: int, generator: np.random.Generator
) -> tuple[Mapping[str, Any], Iterator[tuple[Booleans, Integers]]]:
    """What describes the setting, and its answers block by block."""
    sizes = cluster_sizes(setting.clusters, 9, setting.sizes, generator)
    items = int(sizes.sum())
    about = {
        "accuracies": setting.truth,
        "clusters": setting.clusters,
        "sizes": setting.sizes,
        "icc": setting.icc,
        "items": items,
        "g_star": round(items**2 / float((sizes**2).sum()), 1),
    }
    return about, (
        answers(
            min(block, repetitions - done),
            sizes,
            setting.accuracies,
            icc=setting.icc,
            correlation=CORRELATION,
            generator=generator,
        )
        for done in range(0, repetitions, block)
    )


@dataclass(frozen=True)
class _BandCount:
    """One block: how many repetitions were right, and the widths beside those of CV3-t."""

    all_held: int
    worst_held: int
    naive_held: int
    width: float
    usual: float


def _band_cells(setting: Setting, repetitions: int, seed: int) -> Iterator[Cell]:
    generator = _generator("bands", setting, seed)
    about, blocks = _drawn(setting, repetitions, BLOCK, generator)
    counts = [_count_bands(setting, right, codes, generator) for right, codes in blocks]
    ratio = sum(c.width for c in counts) / sum(c.usual for c in counts)
    yield Cell(
        "simultaneous",
        about,
        "bands",
        repetitions,
        sum(c.all_held for c in counts) / repetitions,
        low=0.94,
        width_ratio=ratio,
        key="simultaneous_coverage_30",
    )
    yield Cell(
        "worst variant",
        about,
        "band",
        repetitions,
        sum(c.worst_held for c in counts) / repetitions,
        low=0.95,
        key="worst_variant_band_coverage",
    )
    naive = sum(c.naive_held for c in counts) / repetitions
    yield Cell("worst variant", about, "naive interval of the maximum", repetitions, naive)


def _count_bands(
    setting: Setting, right: Booleans, codes: Integers, generator: np.random.Generator
) -> _BandCount:
    """Each repetition is a group of 30 columns of its own; a missing interval counts as a miss."""
    reps, items = len(right), right.shape[2]
    d = right[:, :1].astype(np.float64) - right[:, 1:]
    sums = cluster_sums(d.reshape(-1, items), np.ones((reps * VARIANTS, items), np.bool_), codes)
    found = bands(
        sums,
        [LOST_OR_GAINED] * (reps * VARIANTS),
        groups=np.repeat(np.arange(reps), VARIANTS),
        resamples=RESAMPLES,
        seed=int(generator.integers(2**31)),
    )
    drops = setting.accuracies[0] - np.asarray(setting.accuracies[1:])
    sets = [found[r * VARIANTS : (r + 1) * VARIANTS] for r in range(reps)]
    held = np.array(
        [i is not None and not i.excludes(t) for s in sets for i, t in zip(s, drops, strict=True)]
    )
    worst = [worst_band(s) for s in sets]
    theta, usual = sums.theta.reshape(reps, -1), sums.cv3.reshape(reps, -1)
    half = t_quantile(0.95, float(sums.g_star[0]) - 1.0) * usual
    largest = theta.argmax(axis=1)[:, None]
    off = np.abs(np.take_along_axis(theta, largest, 1) - drops.max())
    return _BandCount(
        all_held=int(held.reshape(reps, -1).all(axis=1).sum()),
        worst_held=sum(
            low is not None and high is not None and low <= drops.max() <= high
            for low, high in worst
        ),
        naive_held=int((off <= np.take_along_axis(half, largest, 1)).sum()),
        width=sum(i.high - i.low for i in found if i is not None),
        usual=float(2.0 * half.sum()),
    )


def _split_cells(setting: Setting, repetitions: int, seed: int) -> Iterator[Cell]:
    """Does the interval of the named variant hold that variant's true drop?"""
    generator = _generator("split", setting, seed)
    about, blocks = _drawn(setting, repetitions, BLOCK, generator)
    held = 0
    for answer, codes in chain.from_iterable(_single(block) for block in blocks):
        paired = as_paired(answer[:1], answer[None, 1:], codes)
        split = int(generator.integers(2**31))
        found = worst_variant(paired, "c00", method="split", seed=split)
        if found.interval is not None:
            accuracy = setting.accuracies[1 + int(found.candidates[0][1:])]
            held += not found.interval.excludes(setting.accuracies[0] - accuracy)
    rate = held / repetitions
    yield Cell("worst variant", about, "split", repetitions, rate, low=0.935)


def _rank_cells(setting: Setting, repetitions: int, seed: int) -> Iterator[Cell]:
    """Do all sets hold all the places that the true accuracies can take?"""
    generator = _generator("ranks", setting, seed)
    about, blocks = _drawn(setting, repetitions, BLOCK, generator)
    accuracies = setting.accuracies
    best = [1 + sum(a > own for a in accuracies) for own in accuracies]
    worst = [len(accuracies) - sum(a < own for a in accuracies) for own in accuracies]
    held = 0
    for answer, codes in chain.from_iterable(_single(block) for block in blocks):
        paired = as_paired(answer, answer[:, None], codes)
        draws = int(generator.integers(2**31))
        sets = rank_sets(paired, resamples=RESAMPLES, seed=draws)
        held += all(s.best <= b and w <= s.worst for s, b, w in zip(sets, best, worst, strict=True))
    yield Cell("ranks", about, "rank sets", repetitions, held / repetitions, low=0.94)


def _single(block: tuple[Booleans, Integers]) -> Iterator[tuple[Booleans, Integers]]:
    return ((answer, block[1]) for answer in block[0])

"""What stopping when decided would save, by simulated runs."""

from __future__ import annotations

from functools import cache

import numpy as np

from oodrop.reports.statistics import Sequential

_RUNS, _FEWEST_RUNS = 200, 40
_ITEMS = 100_000  # of all simulated runs together: a fraction of a second


@cache
def share_saved(
    *, items: int, drop: float, variance: float, margin: float, alpha: float, seed: int
) -> float:
    """Mean share of the items that `Sequential` leaves unasked, of simulated full runs.

    Differences are drawn independently: lost, gained or neither, of mean `drop` and the variance
    of single items. Clusters play no part, as items come in random order and the estimand is the
    full run.

    Args:
        items: of the full run.
        drop: true drop, as a share.
        variance: of the differences.
        margin: of the gate.
        alpha: error of each verdict.
        seed: of the simulation.
    """
    moved = min(1.0, max(abs(drop), variance + drop**2))
    chances = [(moved + drop) / 2.0, (moved - drop) / 2.0, 1.0 - moved]
    generator = np.random.default_rng([seed, items])
    runs = max(_FEWEST_RUNS, min(_RUNS, _ITEMS // items))
    saved = 0.0
    for _ in range(runs):
        run = Sequential(margin=margin, estimand="full_run", alpha=alpha, items=items)
        values = generator.choice([1.0, -1.0, 0.0], size=items, p=chances)
        saved += 1.0 - (run.update(values).decided_at or items) / items
    return saved / runs

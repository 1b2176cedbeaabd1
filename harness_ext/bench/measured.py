"""What backends took for a mix of requests: runs in turns, and their rows in the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from oodrop.harness_ext.bench.backends import STOCK, Taken
from oodrop.harness_ext.bench.mixes import Mix
from oodrop.harness_ext.bench.parity import Parity
from oodrop.harness_ext.bench.treelimit import TokenCount

SHOWN = (
    "mix", "backend", "requests", "tree_limit", "limit_fraction", "seconds", "speedup",
    "extra_peak_mb",
)  # fmt: skip
"""What of a row a terminal has room for."""


@dataclass
class Measured:
    """What each backend took for a mix, and what the mix can cost at least.

    Attributes:
        mix: the requests.
        runs: a `Taken` per repeat by name of the backend.
        count: tokens of the requests; None where they are not counted.
        parity: of the two backends; None for free replies.
        differ: free replies that differ; None for forced choices.
    """

    mix: Mix
    runs: dict[str, list[Taken]] = field(default_factory=dict)
    count: TokenCount | None = None
    parity: Parity | None = None
    differ: int | None = None

    def seconds(self, backend: str) -> float:
        """The least of the repeats."""
        return min(run.seconds for run in self.runs[backend])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long the one takes as the other."""
        return self.seconds(slow) / self.seconds(fast)

    def limit_fraction(self, backend: str) -> float | None:
        """Unique tokens as a share of those that went through the model; None where not counted."""
        if self.count is None:
            return None
        return self.count.unique / max(run.tokens for run in self.runs[backend])

    def journal_share(self, backend: str) -> float | None:
        """What the journal adds to the rest of the time, the median of the repeats."""
        added = [
            run.journal_s / (run.seconds - run.journal_s)
            for run in self.runs[backend]
            if run.journal_s is not None
        ]
        return round(median(added), 5) if added else None

    def rows(self) -> list[dict[str, Any]]:
        """One per backend."""
        return [self._row(backend) for backend in self.runs]

    def _row(self, backend: str) -> dict[str, Any]:
        runs = self.runs[backend]
        seconds, extra = self.seconds(backend), [run.extra_mb for run in runs]
        known = [value for value in extra if value is not None]
        share = self.limit_fraction(backend)
        row = count_row(self.mix, backend, self.count) | {
            "tokens_computed": max(run.tokens for run in runs),
            "limit_fraction": None if share is None else round(share, 4),
            "seconds": round(seconds, 3),
            "seconds_each": [round(run.seconds, 3) for run in runs],
            "tokens_per_s": round(self.count.asked / seconds, 1) if self.count else None,
            "extra_peak_mb": round(max(known), 1) if known else None,
            "journal_share": self.journal_share(backend),
            "load_1m": runs[0].load_1m,
        }
        if backend != STOCK and STOCK in self.runs:
            row["speedup"] = round(self.ratio(STOCK, backend), 2)
            row |= self._differences()
        return row

    def _differences(self) -> dict[str, Any]:
        if self.parity is None:
            return {"replies_differ": self.differ}
        return {
            "max_abs_loglik_diff": self.parity.max_abs_diff,
            "item_disagreements": self.parity.disagreements,
            "item_ties": self.parity.ties,
        }


def count_row(mix: Mix, backend: str, count: TokenCount | None) -> dict[str, Any]:
    """The row of a mix of which nothing is known but its tokens."""
    return {
        "mix": mix.name,
        "backend": backend,
        "items": mix.items,
        "procedures": mix.procedures,
        "variants": mix.variants,
        "requests": mix.size,
        "tokens_asked": count.asked if count else None,
        "tokens_unique": count.unique if count else None,
        "tree_limit": round(count.asked / count.unique, 2) if count else None,
        "tokens_computed": None,
        "limit_fraction": None,
        "seconds": None,
        "seconds_each": [],
        "tokens_per_s": None,
        "speedup": None,
        "extra_peak_mb": None,
        "journal_share": None,
        "load_1m": None,
        "max_abs_loglik_diff": None,
        "item_disagreements": None,
        "item_ties": None,
        "replies_differ": None,
    }


def in_turns(
    mix: Mix,
    works: Mapping[str, Callable[[], Taken]],
    repeats: int,
    notify: Callable[[str], None],
) -> Measured:
    """Do each work once, then each again, so many times."""
    done = Measured(mix, {name: [] for name in works})
    for number in range(repeats):
        for name, work in works.items():
            run = work()
            done.runs[name].append(run)
            notify(f"{mix.name}, {name}, {number + 1} of {repeats}: {run.seconds:.1f} s")
    return done


def shown_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of the rows a terminal has room for; the JSON has the rest."""
    return [{key: row[key] for key in SHOWN} for row in rows]

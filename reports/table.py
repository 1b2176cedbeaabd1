"""The rows of a samples file, kept column by column: a million of them fit beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oodrop.reports.measures import Measures

RECORDED = ("canonical", "changed", "unchanged", "not_applicable", "refused")
OUTCOMES = (*RECORDED, "not_asked")  # the last one of a run that was stopped early
WEAKEST_FIRST = ("assumed", "reviewed", "checked", "proved")
NOTHING = Measures(*[float("nan")] * len(Measures._fields))
DIGEST = 32

Array = NDArray[Any]


class Parent(NamedTuple):
    """What the task made an item of.

    Attributes:
        made: what was done to the parent.
        item_id: the parent.
        evidence: index in `WEAKEST_FIRST`: that both have the same label.
    """

    made: str
    item_id: str
    evidence: int


@dataclass(frozen=True, slots=True)
class Row:
    """One document of one variant.

    Attributes:
        outcome: what the perturber did.
        evidence: level of evidence of its certificate, None where nothing was changed.
        score: value of the primary metric, None where the document is not scored.
        cluster_id: the source that it shares with others.
        measures: what the task logged of the way to the answer, None where it logs nothing.
    """

    outcome: str
    evidence: str | None
    score: float | None
    cluster_id: str
    measures: Measures | None

    @property
    def counts(self) -> bool:
        """Whether the row takes part in its variant's drop."""
        return self.score is not None


@dataclass(frozen=True, eq=False)
class Items:
    """Names of items in the order of a file; one object for all files with the same ones."""

    ids: tuple[str, ...]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Item to its place."""
        return {item_id: k for k, item_id in enumerate(self.ids)}

    def places_of(self, other: Items) -> Array:
        """int64[I]: where the other's items, the same ones in another order, stand here."""
        if other is self:
            return np.arange(len(self.ids))
        return np.fromiter(map(self.index.__getitem__, other.ids), np.int64, len(other.ids))


@dataclass(frozen=True, eq=False)
class Table(Mapping[str, Row]):
    """I rows, by item. A mapping of rows that are made when they are asked for.

    Attributes:
        ids: the items in the order of the file.
        outcomes: uint8[I], indices in `OUTCOMES`.
        evidence: int8[I], indices in `WEAKEST_FIRST`; -1 where nothing was changed.
        scores: float64[I], the primary metric; NaN where the document is not scored.
        clusters: int32[I], indices in `cluster_names`.
        cluster_names: the sources that items share.
        canonical_digests: uint8[I, 32], hash of the item before the edits.
        doc_digests: uint8[I, 32], lm-eval's hash of the document as it was sent.
        prompt_digests: uint8[I, 32], lm-eval's hash of the prompt, few-shot examples and chat
            template included.
        offsets: int64[I], where the row's line begins in the file.
        parents: place of a row -> what its item was made of, for those that were.
        sources: place of a row -> the item under which its answer was logged, where that is
            another one (a child that is paired with its parent).
        measure_kinds: every set of measures that occurs.
        measure_codes: int32[I], indices in `measure_kinds`; -1 where nothing was logged.
    """

    ids: Items
    outcomes: Array
    evidence: Array
    scores: Array
    clusters: Array
    cluster_names: tuple[str, ...]
    canonical_digests: Array
    doc_digests: Array
    prompt_digests: Array
    offsets: Array
    parents: Mapping[int, Parent]
    sources: Mapping[int, str]
    measure_kinds: tuple[Measures, ...]
    measure_codes: Array

    def __len__(self) -> int:
        return len(self.ids.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids.ids)

    def __getitem__(self, item_id: str) -> Row:
        k = self.ids.index[item_id]
        evidence, measured = int(self.evidence[k]), int(self.measure_codes[k])
        return Row(
            outcome=OUTCOMES[self.outcomes[k]],
            evidence=None if evidence < 0 else WEAKEST_FIRST[evidence],
            score=float(self.scores[k]) if self.counts[k] else None,
            cluster_id=self.cluster_names[self.clusters[k]],
            measures=None if measured < 0 else self.measure_kinds[measured],
        )

    @property
    def counts(self) -> Array:
        """bool[I]: whether the row takes part in its variant's drop."""
        return ~np.isnan(self.scores)

    def measured(self, places: Array) -> Array:
        """float64[K, 4]: the measures of these rows, NaN for what was not logged."""
        kinds = np.array([*self.measure_kinds, NOTHING], np.float64)
        return kinds[self.measure_codes[places]]

    def outcome_counts(self) -> dict[str, int]:
        """How many rows there are of each outcome that occurs."""
        found = np.bincount(self.outcomes, minlength=len(OUTCOMES))
        return {name: int(n) for name, n in zip(OUTCOMES, found, strict=True) if n}


def stacked(tables: Mapping[str, Table], between: str) -> Table:
    """The rows of several tables below each other; what names an item or cluster is told apart.

    Args:
        tables: name -> table.
        between: what stands between the name of a table and that of an item or cluster.
    """
    kinds: dict[Measures, int] = {}
    clusters: list[str] = []
    cluster_codes, measure_codes = [], []
    for name, table in tables.items():
        cluster_codes.append(table.clusters + len(clusters))
        clusters += [f"{name}{between}{cluster}" for cluster in table.cluster_names]
        own = [kinds.setdefault(kind, len(kinds)) for kind in table.measure_kinds]
        measure_codes.append(np.array([*own, -1], np.int32)[table.measure_codes])
    ids = (f"{name}{between}{item}" for name, table in tables.items() for item in table)
    return Table(
        ids=Items(tuple(ids)),
        clusters=np.concatenate(cluster_codes),
        cluster_names=tuple(clusters),
        parents={},
        sources={},
        measure_kinds=tuple(kinds),
        measure_codes=np.concatenate(measure_codes),
        **{
            column: np.concatenate([getattr(table, column) for table in tables.values()])
            for column in _PLAIN
        },
    )


_PLAIN = (
    "outcomes", "evidence", "scores", "canonical_digests", "doc_digests", "prompt_digests",
    "offsets",
)  # fmt: skip

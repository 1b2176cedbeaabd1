"""What two checkpoints must have been asked alike before their answers are set side by side."""

from __future__ import annotations

import numpy as np

from oodrop import NotComparableError
from oodrop.reports.checks import shown
from oodrop.reports.results import CANONICAL, Samples
from oodrop.reports.table import Array

_SAME_OF_A_VARIANT = ("perturber", "family", "severity")


def check_same_documents(a: str, left: Samples, b: str, right: Samples) -> None:
    """Compare what checkpoints `a` and `b` were asked under one variant; the items are the same.

    Raises:
        NotComparableError: for another bank or perturber under one name, or an item that was sent
            as another document, is scored for one of the two alone, or has another source.
    """
    who, where = f"checkpoints {a} and {b}", f"{left.task}, {left.variant}"
    check_same_bank(who, left, right)
    for name in _SAME_OF_A_VARIANT:
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours != theirs:
            raise NotComparableError(
                f"{who} have another {name} in {where}: {ours!r:.60} and {theirs!r:.60}"
            )
    ids = left.rows.ids
    places = right.rows.ids.places_of(ids)
    other = first_other(left.rows.doc_digests, right.rows.doc_digests[places])
    if other is not None:
        raise NotComparableError(
            f"{who} were sent different documents for item {shown(ids.ids[other])} of {where}"
        )
    other = first_other(left.rows.counts, right.rows.counts[places])
    if other is not None:
        raise NotComparableError(
            f"{who}: item {shown(ids.ids[other])} of {where} is scored for one of them alone"
        )
    if left.variant == CANONICAL:
        other = first_other(_sources(left), _sources(right)[places])
        if other is not None:
            raise NotComparableError(
                f"{who}: item {shown(ids.ids[other])} of {where} has another cluster_id"
            )


def check_same_bank(who: str, left: Samples, right: Samples) -> None:
    """Raise NotComparableError where two runs of a variant replayed other rewordings."""
    if left.bank_sha256 != right.bank_sha256:
        raise NotComparableError(
            f"{who} replayed banks of one name and different content in {left.task}, {left.variant}"
        )


def first_other(left: Array, right: Array) -> int | None:
    """The first row in which two columns differ; None where none does."""
    other = np.flatnonzero((left != right).reshape(len(left), -1).any(axis=1))
    return int(other[0]) if len(other) else None


def _sources(samples: Samples) -> Array:
    """object[I]: the cluster of every row, by name."""
    return np.array(samples.rows.cluster_names, np.object_)[samples.rows.clusters]

"""A seeded sample of a task's clusters, and one half of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oodrop.harness_ext.perturbed import canonical_items
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks.spec import TaskSpec


@dataclass(frozen=True)
class ClusterSample:
    """Some items of a task.

    Attributes:
        items: how many the sample stands for.
        clusters: how many these come from.
        chosen: indices of the sample; None for all documents.
        half: those of them that are in every other cluster.
        ratio: items for each item of the sample, 1 where all are in it.
    """

    items: int
    clusters: int
    chosen: Sequence[int] | None
    half: Sequence[int]
    ratio: float


def cluster_sample(
    spec: TaskSpec, subset: Sequence[int] | None, *, most: int, seed: int, whole: bool = True
) -> ClusterSample:
    """All of the items where there are `most` of them or fewer, else clusters of that many.

    At least two clusters are chosen, so that the halves tell what clusters share.

    Args:
        spec: the task.
        subset: sorted indices of its items; None for all.
        most: items of the sample, about.
        seed: of the choice.
        whole: whether clusters stay whole; else each item is a cluster of its own.
    """
    source = canonical_items(spec, spec.eval_split)
    indices = range(len(source.docs)) if subset is None else subset
    groups: dict[str, list[int]] = {}
    for index in indices:
        name = source.item(index).cluster_id if whole else str(index)
        groups.setdefault(name, []).append(index)
    if len(indices) <= most or len(groups) < 3:
        return ClusterSample(len(indices), len(groups), subset, (), 1.0)
    rng = item_generator(seed, "cluster_sample", "1", spec.name)
    order = [list(groups.values())[k] for k in permutation(rng, len(groups))]
    parts: tuple[list[int], list[int]] = ([], [])
    for turn, group in enumerate(order):
        if turn >= 2 and len(parts[0]) + len(parts[1]) + len(group) > most:
            break
        min(parts, key=len).extend(group)
    chosen = sorted([*parts[0], *parts[1]])
    ratio = len(indices) / len(chosen)
    return ClusterSample(len(indices), len(groups), chosen, parts[0], ratio)

"""Which items a suite really changes, before anything is evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oodrop.harness_ext.foresight.clustersample import ClusterSample, cluster_sample
from oodrop.harness_ext.perturbed import canonical_items, perturbed_docs
from oodrop.harness_ext.runner.stages import item_subset
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import Variant
from oodrop.reports.statistics.columns import ALL
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES, VariantInfo
from oodrop.tasks.spec import TaskSpec

SAMPLED_ITEMS = 400
"""Items of a task up to which every one of them is tried."""


@dataclass(frozen=True)
class Reach:
    """The items of a task that a variant changes, or some variant of a family.

    Attributes:
        task: its name.
        name: slug of the variant, the family, or all natural variants.
        kind: ``variant``, ``family`` or ``all``.
        items: items of the task.
        changed: those that it changes.
        clusters: clusters that these are in.
        cluster_size: their mean size as an item sees it, sum of squares by sum: the number of
            items divided by it is the effective number of clusters.
        variants_per_item: harmonic mean of how many variants change a changed item.
        about: whether it is reckoned from a sample of whole clusters.
    """

    task: str
    name: str
    kind: str
    items: int
    changed: int
    clusters: int
    cluster_size: float
    variants_per_item: float
    about: bool


def reach(
    spec: TaskSpec,
    variants: Sequence[Variant],
    *,
    shots: int = 0,
    items: int | None = None,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Reach, ...]:
    """Of every variant that has a drop of its own, then of families and of all natural ones.

    Args:
        spec: the task.
        variants: controls among them are passed over, and so are those that change nothing.
        shots: few-shot examples.
        items: size of the seeded subset, as of a run.
        seed: of the subset, as of a run.
        tick: called after each variant.
    """
    subset = item_subset(spec, items, seed)
    sample = cluster_sample(spec, subset, most=SAMPLED_ITEMS, seed=seed)
    changed: dict[str, Sequence[int]] = {}
    for variant in asked_variants(variants):
        changed[variant.slug] = _changed(spec, variant, shots, sample)
        tick()
    found = [_reach(spec, sample, slug, "variant", [own]) for slug, own in changed.items()]
    of = {v.slug: _info(v) for v in asked_variants(variants)}
    pooled = {
        family: [own for slug, own in changed.items() if _pooled(of[slug], family)]
        for family in HEADLINE_FAMILIES
    }
    found += [_reach(spec, sample, name, "family", own) for name, own in pooled.items()]
    found.append(_reach(spec, sample, ALL, "all", [x for own in pooled.values() for x in own]))
    return tuple(r for r in found if r.changed)


def asked_variants(variants: Sequence[Variant]) -> list[Variant]:
    """Those that have a drop of their own: all but the controls."""
    return [v for v in variants if not v.perturber.startswith("control.")]


def _info(variant: Variant) -> VariantInfo:
    plugin = get_perturber(variant.perturber)
    return VariantInfo(
        variant.slug, variant.perturber, plugin.family, variant.severity, plugin.evidence
    )


def _pooled(info: VariantInfo, family: str) -> bool:
    return info.family == family and info.in_family_headline


def _changed(spec: TaskSpec, variant: Variant, shots: int, sample: ClusterSample) -> Sequence[int]:
    """Indices of the documents that it changes, as the run perturbs them."""
    only = None if sample.chosen is None else frozenset(sample.chosen)
    docs = perturbed_docs(spec.name, variant, spec.eval_split, shots, only)
    indices = range(len(docs)) if sample.chosen is None else sample.chosen
    return [k for k in indices if docs[k]["oodrop"]["outcome"] == "changed"]


def _reach(
    spec: TaskSpec, sample: ClusterSample, name: str, kind: str, changed: Sequence[Sequence[int]]
) -> Reach:
    source = canonical_items(spec, spec.eval_split)
    times = Counter(index for own in changed for index in own)
    sizes = Counter(source.item(index).cluster_id for index in times)
    count = len(times)
    return Reach(
        task=spec.name,
        name=name,
        kind=kind,
        items=sample.items,
        changed=round(count * sample.ratio),
        clusters=min(round(len(sizes) * sample.ratio), sample.clusters),
        cluster_size=sum(n * n for n in sizes.values()) / count if count else 1.0,
        variants_per_item=count / sum(1 / k for k in times.values()) if count else 1.0,
        about=sample.ratio > 1.0,
    )

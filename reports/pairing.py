"""From runs to pairs: which results belong together, and which must not be put side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oodrop import DataError, NotComparableError
from oodrop.reports.results import CANONICAL, CONTROLS_SCORED, WEAKEST_FIRST, Row, RunFile, Samples
from oodrop.reports.statistics import PairedScores, VariantInfo
from oodrop.reports.statistics.variant import LINKED

# Model, prompt wrapping and sampling are the checkpoint's own; these belong to the task.
_SAME_FOR_ALL_CHECKPOINTS = (
    "task_version", "metric", "filter", "chance", "output_type", "fewshot_seed",
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Checkpoints that answered the same items of one task under the same variants.

    Attributes:
        paired: the scores, aligned.
        samples: checkpoint name -> variant slug (``canonical`` too) -> what was read.
        outcomes: variant slug -> outcome -> number of items.
        left_out: sentences about variants that not every checkpoint has.
    """

    paired: PairedScores
    samples: Mapping[str, Mapping[str, Samples]]
    outcomes: Mapping[str, Mapping[str, int]]
    left_out: tuple[str, ...]


def name_checkpoints(runs: Sequence[RunFile]) -> dict[str, str]:
    """Checkpoint key to a printable name that no other has."""
    names: dict[str, str] = {}
    for run in runs:
        if run.checkpoint_key not in names:
            plain = "".join(
                c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in run.checkpoint_name
            )
            taken, name, k = set(names.values()), plain, 2
            while name in taken:
                name, k = f"{plain} ({k})", k + 1
            names[run.checkpoint_key] = name
    return names


def pair(runs: Sequence[RunFile]) -> list[Group]:
    """Groups of comparable results, in the order in which tasks and item sets first appear.

    Where a checkpoint ran a variant twice under the same settings, the newer one counts.

    Raises:
        DataError: when a variant has no canonical run beside it.
        NotComparableError: when a variant misses items, when it ran under other settings than its
            canonical run or than before, or when two checkpoints were given another edition of the
            task, another bank of rewordings or other documents for the same item.
    """
    names = name_checkpoints(runs)
    by_task: dict[tuple[str, str], dict[str, Samples]] = {}
    for run in runs:
        checkpoint = names[run.checkpoint_key]
        for samples in run.samples:
            variants = by_task.setdefault((samples.task, checkpoint), {})
            if older := variants.get(samples.variant):
                _check_settings(checkpoint, older, samples, "an earlier run of it")
                _check_same_bank(f"two runs of checkpoint {checkpoint}", older, samples)
            variants[samples.variant] = samples
    groups: dict[tuple[Any, ...], dict[str, dict[str, Samples]]] = {}
    for (task, checkpoint), variants in by_task.items():
        canonical = _canonical(task, checkpoint, variants)
        variants |= _linked(canonical)
        for samples in variants.values():
            _check_settings(checkpoint, canonical, samples, "its canonical run")
            _check_items(checkpoint, canonical, samples)
        key = (task, canonical.num_fewshot, frozenset(canonical.rows))
        groups.setdefault(key, {})[checkpoint] = variants
    return [_group(task, members) for (task, _, _), members in groups.items()]


def _canonical(task: str, checkpoint: str, variants: Mapping[str, Samples]) -> Samples:
    if CANONICAL not in variants:
        other = next(iter(variants))
        raise DataError(
            f"checkpoint {checkpoint}: the variant {other} of task {task} has no canonical run "
            f"(oodrop__canonical__{task}) to be paired with"
        )
    return variants[CANONICAL]


def _linked(canonical: Samples) -> dict[str, Samples]:
    """The children that the task made of its own items, as variants of their parents."""
    children: dict[str, dict[str, tuple[str, Row]]] = {}
    for item_id, row in canonical.rows.items():
        if row.parent is not None and row.parent[1] in canonical.rows:
            made, parent = row.parent
            name, k = made, 2
            while parent in children.get(name, {}):  # it has another child that was made so
                name, k = f"{made}_{k}", k + 1
            children.setdefault(name, {})[parent] = (item_id, row)
    return {f"{LINKED}_{made}": _as_variant(canonical, made, own) for made, own in children.items()}


def _as_variant(canonical: Samples, made: str, children: Mapping[str, tuple[str, Row]]) -> Samples:
    rows = {}
    for item_id, row in canonical.rows.items():
        source, child = children.get(item_id, (None, None))
        rows[item_id] = (
            replace(row, outcome="not_applicable", score=None)
            if child is None
            else replace(
                child,
                outcome="changed",
                evidence=child.parent_evidence,
                canonical_sha256=row.canonical_sha256,
                source=source,
            )
        )
    return replace(
        canonical,
        variant=f"{LINKED}_{made}",
        perturber=f"{LINKED}.{made}",
        family=LINKED,
        severity=None,
        rows=rows,
    )


def _check_settings(checkpoint: str, other: Samples, samples: Samples, what: str) -> None:
    for key, value in other.settings.items():
        if samples.settings[key] != value:
            ran, before = (
                ("other model_args", "")  # they may hold secrets
                if key == "model_args"
                else (f"{key} {samples.settings[key]!r:.60}", f" with {value!r:.60}")
            )
            raise NotComparableError(
                f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} ran with {ran}, "
                f"{what}{before}"
            )


def _check_items(checkpoint: str, canonical: Samples, samples: Samples) -> None:
    if set(samples.rows) != set(canonical.rows):
        missing = sorted(set(canonical.rows) ^ set(samples.rows))
        raise NotComparableError(
            f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} and its canonical "
            f"run hold different items, {missing[0]!r} among {len(missing)}"
        )
    for item_id, row in samples.rows.items():
        if row.canonical_sha256 != canonical.rows[item_id].canonical_sha256:
            raise NotComparableError(
                f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} perturbs another "
                f"text of item {item_id!r} than its canonical run holds"
            )
        placebo = samples.perturber in CONTROLS_SCORED
        if placebo and row.prompt_hash != canonical.rows[item_id].prompt_hash:
            raise NotComparableError(
                f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} was sent another "
                f"prompt for item {item_id!r} than its canonical run; were the few-shot examples, "
                "the number of processes or a request cache different?"
            )


def _group(task: str, members: Mapping[str, Mapping[str, Samples]]) -> Group:
    checkpoints = tuple(members)
    everywhere = [
        slug
        for slug in members[checkpoints[0]]
        if slug != CANONICAL and all(slug in variants for variants in members.values())
    ]
    left_out = [
        f"{task}: {slug} is left out, not every checkpoint ran it (missing: {', '.join(lacking)})"
        for slug in dict.fromkeys(s for variants in members.values() for s in variants)
        if (lacking := [c for c in checkpoints if slug not in members[c]])
    ]
    first = members[checkpoints[0]]
    items = tuple(first[CANONICAL].rows)
    for checkpoint in checkpoints[1:]:
        _check_same_task(checkpoints[0], first, checkpoint, members[checkpoint])
        for slug in (CANONICAL, *everywhere):
            _check_same_documents(
                checkpoints[0], first[slug], checkpoint, members[checkpoint][slug]
            )
    clusters = {row.cluster_id: 0 for row in first[CANONICAL].rows.values()}
    codes = {cluster: k for k, cluster in enumerate(sorted(clusters))}
    paired = PairedScores(
        task=task,
        metric=first[CANONICAL].metric,
        chance=first[CANONICAL].chance,
        checkpoints=checkpoints,
        variants=tuple(_info(first[slug]) for slug in everywhere),
        item_ids=items,
        clusters=np.array([codes[first[CANONICAL].rows[i].cluster_id] for i in items], np.int64),
        canonical=np.array([_scores(members[c][CANONICAL], items) for c in checkpoints]),
        scores=np.array(
            [[_scores(members[c][slug], items) for slug in everywhere] for c in checkpoints]
        ).reshape(len(checkpoints), len(everywhere), len(items)),
        changed=np.array(
            [[first[slug].rows[i].counts for i in items] for slug in everywhere], np.bool_
        ).reshape(len(everywhere), len(items)),
    )
    outcomes = {slug: Counter(r.outcome for r in first[slug].rows.values()) for slug in everywhere}
    return Group(paired, members, outcomes, tuple(left_out))


def _check_same_task(
    a: str, left: Mapping[str, Samples], b: str, right: Mapping[str, Samples]
) -> None:
    ours, theirs = left[CANONICAL], right[CANONICAL]
    for key in _SAME_FOR_ALL_CHECKPOINTS:
        if ours.settings[key] != theirs.settings[key]:
            raise NotComparableError(
                f"checkpoints {a} and {b} ran task {ours.task} with another {key}: "
                f"{ours.settings[key]!r:.60} and {theirs.settings[key]!r:.60}"
            )


def _check_same_bank(who: str, left: Samples, right: Samples) -> None:
    if left.bank_sha256 != right.bank_sha256:
        raise NotComparableError(
            f"{who} replayed banks of one name and different content in {left.task}, {left.variant}"
        )


def _check_same_documents(a: str, left: Samples, b: str, right: Samples) -> None:
    _check_same_bank(f"checkpoints {a} and {b}", left, right)
    for item_id, row in left.rows.items():
        if right.rows[item_id].doc_hash != row.doc_hash:
            raise NotComparableError(
                f"checkpoints {a} and {b} were sent different documents for item {item_id!r} of "
                f"{left.task}, {left.variant}"
            )


def _scores(samples: Samples, items: Iterable[str]) -> list[float]:
    scores = (samples.rows[i].score for i in items)
    return [float("nan") if score is None else score for score in scores]


def _info(samples: Samples) -> VariantInfo:
    return VariantInfo(
        slug=samples.variant,
        perturber=samples.perturber,
        family=samples.family,
        severity=samples.severity,
        evidence=_weakest(samples.rows.values(), samples.perturber),
    )


def _weakest(rows: Iterable[Row], perturber: str) -> str:
    levels = {row.evidence for row in rows if row.evidence}
    # A control that edits nothing proves itself; a variant that changed nothing claims nothing.
    nothing = "proved" if perturber in CONTROLS_SCORED else "assumed"
    return next((level for level in WEAKEST_FIRST if level in levels), nothing)

"""From runs to pairs: which results belong together, and which must not be put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from oodrop import DataError, NotComparableError
from oodrop.reports.checks import printable, shown
from oodrop.reports.comparable import check_same_bank, check_same_documents, first_other
from oodrop.reports.frozen import thaw
from oodrop.reports.reader import read_runs
from oodrop.reports.results import CANONICAL, CONTROLS_SCORED, RunFile, Samples
from oodrop.reports.statistics import PairedScores, VariantInfo
from oodrop.reports.statistics.variant import LINKED
from oodrop.reports.stopping import filled_up
from oodrop.reports.table import OUTCOMES, WEAKEST_FIRST, Array, Items, Table

# Model, prompt wrapping and sampling are the checkpoint's own; these belong to the task.
SAME_FOR_ALL_CHECKPOINTS = (
    "task_version", "metric", "filter", "chance", "output_type", "fewshot_seed",
)  # fmt: skip
_LONGEST_NAME = 120  # characters of a checkpoint's, which stands in every message


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
            plain = printable(f"{run.checkpoint_name:.{_LONGEST_NAME}}")
            taken, name, k = set(names.values()), plain, 2
            while name in taken:
                name, k = f"{plain} ({k})", k + 1
            names[run.checkpoint_key] = name
    return names


def one_checkpoint(what: str, place: Path, *, again: bool = False) -> list[RunFile]:
    """The runs in a folder that holds one checkpoint, or in a file that `freeze` made of one.

    Args:
        what: what is asked for, to be named in an error.
        place: the folder or file.
        again: whether hashes and scores are computed again (`read_runs`).

    Raises:
        DataError: as `read_runs` and `thaw`, and when it holds several checkpoints.
    """
    runs = thaw(place) if place.is_file() else read_runs([place], verify=again, rescore=again)
    names = list(dict.fromkeys(name_checkpoints(runs).values()))
    if len(names) != 1:
        raise DataError(
            f"the {what} must be one checkpoint, and {place} holds {len(names)} "
            f"({', '.join(names[:8])}): name the folder of one of them"
        )
    return runs


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
                check_same_bank(f"two runs of checkpoint {checkpoint}", older, samples)
            variants[samples.variant] = samples
    groups: dict[tuple[Any, ...], dict[str, dict[str, Samples]]] = {}
    for (task, checkpoint), variants in by_task.items():
        canonical = _canonical(task, checkpoint, variants)
        variants |= _linked(canonical)
        for slug, samples in variants.items():
            _check_settings(checkpoint, canonical, samples, "its canonical run")
            variants[slug] = filled_up(canonical, samples)
            _check_items(checkpoint, canonical, variants[slug])
        # Of a run that was stopped early no other has the same items under every variant.
        alone = checkpoint if canonical.stopped else None
        key = (task, canonical.num_fewshot, frozenset(canonical.rows.ids.ids), alone)
        groups.setdefault(key, {})[checkpoint] = variants
    return [make_group(task, members) for (task, *_), members in groups.items()]


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
    rows = canonical.rows
    children: dict[str, dict[int, int]] = {}  # what was done -> place of the parent -> the child's
    # By the child's name: which of two is the second one does not depend on the order of rows.
    for place, parent in sorted(rows.parents.items(), key=lambda found: rows.ids.ids[found[0]]):
        of = rows.ids.index.get(parent.item_id)
        if of is not None:
            name, k = parent.made, 2
            while of in children.get(name, {}):  # it has another child that was made so
                name, k = f"{parent.made}_{k}", k + 1
            children.setdefault(name, {})[of] = place
    return {f"{LINKED}_{made}": _as_variant(canonical, made, own) for made, own in children.items()}


def _as_variant(canonical: Samples, made: str, children: Mapping[int, int]) -> Samples:
    rows = canonical.rows
    there = np.array(list(children), np.int64)
    take = np.arange(len(rows))
    take[there] = list(children.values())
    outcomes = np.full(len(rows), OUTCOMES.index("not_applicable"), np.uint8)
    outcomes[there] = OUTCOMES.index("changed")
    evidence = rows.evidence.copy()
    evidence[there] = [rows.parents[child].evidence for child in children.values()]
    scores = np.full(len(rows), np.nan)
    scores[there] = rows.scores[take[there]]
    return replace(
        canonical,
        variant=f"{LINKED}_{made}",
        perturber=f"{LINKED}.{made}",
        family=LINKED,
        severity=None,
        rows=replace(
            rows,
            outcomes=outcomes,
            evidence=evidence,
            scores=scores,
            doc_digests=rows.doc_digests[take],
            prompt_digests=rows.prompt_digests[take],
            offsets=rows.offsets[take],
            parents={},
            sources={of: rows.ids.ids[child] for of, child in children.items()},
            measure_codes=rows.measure_codes[take],
        ),
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
    rows, own = canonical.rows, samples.rows
    if own.ids is not rows.ids and set(own.ids.ids) != set(rows.ids.ids):
        missing = sorted(set(rows.ids.ids) ^ set(own.ids.ids))
        raise NotComparableError(
            f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} and its canonical "
            f"run hold different items, {shown(missing[0])} among {len(missing)}"
        )
    places = rows.ids.places_of(own.ids)
    text = first_other(own.canonical_digests, rows.canonical_digests[places])
    prompt = None
    if samples.perturber in CONTROLS_SCORED:
        prompt = first_other(own.prompt_digests, rows.prompt_digests[places])
    if text is not None and (prompt is None or text <= prompt):
        raise NotComparableError(
            f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} perturbs another "
            f"text of item {shown(own.ids.ids[text])} than its canonical run holds"
        )
    if prompt is not None:
        raise NotComparableError(
            f"checkpoint {checkpoint}, task {samples.task}: {samples.variant} was sent another "
            f"prompt for item {shown(own.ids.ids[prompt])} than its canonical run; were the "
            "few-shot examples, the number of processes or a request cache different?"
        )


def make_group(task: str, members: Mapping[str, Mapping[str, Samples]]) -> Group:
    """Checkpoints with the same items of a task, aligned.

    Args:
        task: what the group is called.
        members: checkpoint name -> variant slug -> samples.

    Raises:
        NotComparableError: as `pair`.
    """
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
    items = first[CANONICAL].rows.ids
    for checkpoint in checkpoints[1:]:
        _check_same_task(checkpoints[0], first, checkpoint, members[checkpoint])
        for slug in (CANONICAL, *everywhere):
            check_same_documents(checkpoints[0], first[slug], checkpoint, members[checkpoint][slug])
    paired = PairedScores(
        task=task,
        metric=first[CANONICAL].metric,
        chance=first[CANONICAL].chance,
        checkpoints=checkpoints,
        variants=tuple(_info(first[slug]) for slug in everywhere),
        item_ids=items.ids,
        clusters=_clusters(first[CANONICAL].rows),
        canonical=np.array([_scores(members[c][CANONICAL], items) for c in checkpoints]),
        scores=np.array(
            [[_scores(members[c][slug], items) for slug in everywhere] for c in checkpoints]
        ).reshape(len(checkpoints), len(everywhere), len(items.ids)),
        changed=np.array(
            [~np.isnan(_scores(first[slug], items)) for slug in everywhere], np.bool_
        ).reshape(len(everywhere), len(items.ids)),
    )
    outcomes = {slug: first[slug].rows.outcome_counts() for slug in everywhere}
    return Group(paired, members, outcomes, tuple(left_out))


def _check_same_task(
    a: str, left: Mapping[str, Samples], b: str, right: Mapping[str, Samples]
) -> None:
    ours, theirs = left[CANONICAL], right[CANONICAL]
    for key in SAME_FOR_ALL_CHECKPOINTS:
        if ours.settings[key] != theirs.settings[key]:
            raise NotComparableError(
                f"checkpoints {a} and {b} ran task {ours.task} with another {key}: "
                f"{ours.settings[key]!r:.60} and {theirs.settings[key]!r:.60}"
            )


def _clusters(rows: Table) -> Array:
    """int64[I]: the cluster of each item, numbered from 0 in the order of their names."""
    names = rows.cluster_names
    codes = np.empty(len(names), np.int64)
    codes[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return np.asarray(codes[rows.clusters])


def _scores(samples: Samples, items: Items) -> Array:
    """float64[I]: in the order of the items, NaN where a document is not scored."""
    return np.asarray(samples.rows.scores[samples.rows.ids.places_of(items)])


def _info(samples: Samples) -> VariantInfo:
    return VariantInfo(
        slug=samples.variant,
        perturber=samples.perturber,
        family=samples.family,
        severity=samples.severity,
        evidence=_weakest(samples.rows, samples.perturber),
    )


def _weakest(rows: Table, perturber: str) -> str:
    found = rows.evidence[rows.evidence >= 0]
    # A control that edits nothing proves itself; a variant that changed nothing claims nothing.
    nothing = "proved" if perturber in CONTROLS_SCORED else "assumed"
    return WEAKEST_FIRST[found.min()] if len(found) else nothing

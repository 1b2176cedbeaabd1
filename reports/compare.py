"""Two checkpoints side by side: same ceiling or not, and which of them loses more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oodrop import NotComparableError, UnknownNameError
from oodrop.reports.generation import different_settings, identical_replies
from oodrop.reports.pairing import Group, name_checkpoints, pair
from oodrop.reports.pooling import in_order, pool
from oodrop.reports.reader import read_runs
from oodrop.reports.results import RunFile
from oodrop.reports.splits import split_contrasts, split_drops
from oodrop.reports.statistics import (
    ALL,
    AccuracyDifference,
    Contrast,
    EngagementQuestion,
    Equivalence,
    PairedScores,
    SplitContrast,
    accuracies,
    accuracy_difference,
    contrast,
    engagement_question,
    equivalent,
    holm,
)
from oodrop.reports.statistics.columns import pooled_variants
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES
from oodrop.reports.unmatched import unmatched


@dataclass(frozen=True)
class TaskComparison:
    """Checkpoint `a` against checkpoint `b` on the items of one task that both answered.

    Attributes:
        items: how many.
        ceilings: are the canonical accuracies equivalent?
        accuracies: under every variant, family and all natural variants: a's accuracy minus b's.
        contrasts: the same rows: a's drop minus b's.
        contrast_p: Holm's adjusted p values of the contrasts.
        questions: per family and all natural variants, ceiling, points and logits in one verdict,
            with `a` in the place of the heuristic one: above 0 where `a` loses more.
    """

    task: str
    items: int
    ceilings: Equivalence
    accuracies: tuple[AccuracyDifference, ...]
    contrasts: tuple[Contrast, ...]
    contrast_p: tuple[float | None, ...]
    questions: tuple[EngagementQuestion, ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared of two checkpoints, and what kept the rest apart."""

    a: str
    b: str
    margin: float
    alpha: float
    tasks: tuple[TaskComparison, ...]
    splits: tuple[SplitContrast, ...]
    notes: tuple[str, ...]


def compare(
    folders: Sequence[Path],
    *,
    a: str | None = None,
    b: str | None = None,
    margin: float = 0.03,
    alpha: float = 0.05,
) -> Comparison:
    """Read lm-eval outputs and set two of their checkpoints side by side.

    `a` and `b` name them as a report does; they may be left out where the folders hold exactly two,
    which then come in the order of the folders.

    Raises:
        DataError: when a folder or a file in it cannot be used.
        UnknownNameError: for a checkpoint that is not there.
        NotComparableError: when the folders do not settle which two, or these two did not answer
            the same items of any task under the same settings.
    """
    runs = read_runs(list(folders))
    first, second = _chosen(in_folder_order(folders, runs), a, b)
    every = pair(runs)
    pools, _ = pool(every)
    groups = [g for g in in_order(every, pools) if {first, second} <= set(g.paired.checkpoints)]
    if not groups:
        raise NotComparableError(
            f"{first} and {second} answered no task on the same items with the same number of "
            "few-shot examples, so nothing of them can be compared"
        )
    return Comparison(
        a=first,
        b=second,
        margin=margin,
        alpha=alpha,
        tasks=tuple(_task(g.paired, first, second, margin, alpha) for g in groups),
        splits=_splits(groups, first, second, alpha),
        notes=(
            *_left_out(every, first, second),
            *(note for g in groups for note in differing(g, (first, second))),
        ),
    )


def _left_out(groups: Sequence[Group], a: str, b: str) -> Iterator[str]:
    """Tasks that one of the two ran, or both, and that are not compared."""
    why = {**dict(unmatched(groups, b, a)), **dict(unmatched(groups, a, b))}
    for task in dict.fromkeys(g.paired.task for g in groups):
        if task in why:
            yield f"{task} is not compared: {why[task]}"


def differing(group: Group, names: Sequence[str]) -> Iterator[str]:
    """What sets these checkpoints apart beside their weights, and what was left out, in words."""
    members = {name: group.samples[name] for name in names}
    yield from identical_replies(group.paired.task, members, group.paired.variants)
    yield from different_settings(group.paired.task, members)
    yield from group.left_out


def _splits(groups: Sequence[Group], a: str, b: str, alpha: float) -> tuple[SplitContrast, ...]:
    found, _ = split_drops(groups, [accuracies(g.paired) for g in groups])
    two = sorted((d for d in found if d.checkpoint in (a, b)), key=lambda d: d.checkpoint != a)
    return split_contrasts(groups, two, level=1.0 - alpha)


def in_folder_order(folders: Sequence[Path], runs: Sequence[RunFile]) -> list[str]:
    """The checkpoints by the folder that holds them; of one folder in the order of its runs."""
    names = name_checkpoints(runs)
    own = [r for f in folders for r in runs if r.path.is_relative_to(f.resolve())]
    return list(dict.fromkeys(names[run.checkpoint_key] for run in (*own, *runs)))


def _chosen(names: list[str], a: str | None, b: str | None) -> tuple[str, str]:
    for name in (a, b):
        if name is not None and name not in names:
            raise UnknownNameError("checkpoint", name, names)
    if a is not None and b is not None:
        return a, b
    if (a is None) != (b is None) and len(names) == 2:
        other = next((n for n in names if n != (a or b)), names[0])
        return (a, other) if a is not None else (other, b or names[1])
    if a is not None or b is not None or len(names) != 2:
        raise NotComparableError(
            f"two checkpoints are compared and the folders hold {len(names)} "
            f"({', '.join(names[:8])}): name them with --a and --b"
        )
    return names[0], names[1]


def families_of(paired: PairedScores) -> list[str]:
    """The headline families that have a variant."""
    return [f for f in HEADLINE_FAMILIES if pooled_variants(paired, f)]


def _task(paired: PairedScores, a: str, b: str, margin: float, alpha: float) -> TaskComparison:
    families = families_of(paired)
    pooled = [*families, *([ALL] if families else [])]
    names = [*(v.slug for v in paired.variants if v.has_drop), *pooled]
    level = 1.0 - alpha
    contrasts = tuple(contrast(paired, a, b, name, level=level) for name in names)
    return TaskComparison(
        task=paired.task,
        items=len(paired.item_ids),
        ceilings=equivalent(paired, a, b, margin=margin, alpha=alpha),
        accuracies=tuple(accuracy_difference(paired, a, b, n, level=level) for n in names),
        contrasts=contrasts,
        contrast_p=holm([c.p for c in contrasts]),
        questions=tuple(
            engagement_question(
                paired, engaged=b, heuristic=a, name=name, margin=margin, alpha=alpha
            )
            for name in pooled
        ),
    )

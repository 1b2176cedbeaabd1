"""Two recipes of training side by side: each is several checkpoints that differ in their seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from oodrop import NotComparableError, UnknownNameError
from oodrop.reports.compare import differing, families_of, in_folder_order
from oodrop.reports.engagement import engagement
from oodrop.reports.model import Replies
from oodrop.reports.pairing import Group, pair
from oodrop.reports.pooling import in_order, pool
from oodrop.reports.reader import read_runs
from oodrop.reports.results import CANONICAL
from oodrop.reports.statistics import ALL, OverSeeds, PairedScores, holm, over_seeds
from oodrop.reports.statistics.answers.seeds import Of
from oodrop.reports.statistics.answers.sensitivity import controls


@dataclass(frozen=True)
class RecipeRow:
    """Recipe `a`, recipe `b`, and the first minus the second, under one name.

    `p` is adjusted over all rows of the same kind (Holm).
    """

    a: OverSeeds
    b: OverSeeds
    apart: OverSeeds
    p: float | None


@dataclass(frozen=True)
class TaskRecipes:
    """Two recipes on the items of one task that all their checkpoints answered.

    Attributes:
        items: how many.
        ceilings: canonical accuracy of a minus b's, with the interval of level 1 - 2 alpha.
        equivalent: whether that interval lies within the margin (TOST); None without one.
        accuracies: canonical, then under every variant, family and all natural variants.
        drops: under the same, canonical left out.
        noticed: under every control that changes the right answer, the share of the items that
            were right both before and after.
        replies: canonical replies of the first recipe's checkpoints and of the second's, each in
            their order; none where the task logs no more than scores.
    """

    task: str
    items: int
    ceilings: OverSeeds
    equivalent: bool | None
    accuracies: tuple[RecipeRow, ...]
    drops: tuple[RecipeRow, ...]
    noticed: tuple[RecipeRow, ...]
    replies: tuple[tuple[Replies, ...], tuple[Replies, ...]]


@dataclass(frozen=True)
class RecipeComparison:
    """Everything that was compared of two recipes; `a` and `b` are their checkpoints."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    margin: float
    alpha: float
    tasks: tuple[TaskRecipes, ...]
    notes: tuple[str, ...]


def compare_recipes(
    folders: Sequence[Path], *, a: str, b: str, margin: float = 0.03, alpha: float = 0.05
) -> RecipeComparison:
    """Read lm-eval outputs and set two recipes of training side by side.

    Args:
        folders: hold the outputs of all checkpoints.
        a: pattern of the names of the first recipe's checkpoints, as a report names them, with
            ``*`` and ``?``: ``engaged-*``.
        b: the same for the second recipe.
        margin: canonical accuracies this close count as equivalent.
        alpha: error of each statement.

    Raises:
        DataError: when a folder or a file in it cannot be used.
        UnknownNameError: for a pattern that fits no checkpoint.
        NotComparableError: when no task was answered by all checkpoints under the same settings.
        OodropError: for a recipe of one checkpoint, or a checkpoint that both patterns fit.
    """
    runs = read_runs(list(folders))
    names = in_folder_order(folders, runs)
    first, second = (_fitting(pattern, names) for pattern in (a, b))
    every = pair(runs)
    pools, _ = pool(every)
    wanted = {*first, *second}
    groups = [g for g in in_order(every, pools) if wanted <= set(g.paired.checkpoints)]
    if not groups:
        raise NotComparableError(
            f"no task was answered by all {len(wanted)} checkpoints "
            f"({', '.join(sorted(wanted)[:8])}) on the same items with the same number of few-shot "
            "examples, so nothing of them can be compared"
        )
    return RecipeComparison(
        a=first,
        b=second,
        margin=margin,
        alpha=alpha,
        tasks=tuple(_task(g, (first, second), margin, alpha) for g in groups),
        notes=tuple(_notes(groups, (*first, *second))),
    )


def is_pattern(name: str | None) -> bool:
    """Whether the name of a checkpoint stands for several of them."""
    return name is not None and any(mark in name for mark in "*?[")


def _fitting(pattern: str, names: Sequence[str]) -> tuple[str, ...]:
    found = tuple(name for name in names if fnmatchcase(name, pattern))
    if not found:
        raise UnknownNameError("checkpoint", pattern, names)
    return found


def _notes(groups: Sequence[Group], names: Sequence[str]) -> Iterator[str]:
    for group in groups:
        yield from differing(group, names)


def _task(
    group: Group, two: tuple[tuple[str, ...], tuple[str, ...]], margin: float, alpha: float
) -> TaskRecipes:
    paired = group.paired
    families = families_of(paired)
    pooled = [*families, *([ALL] if families else [])]
    names = [*(v.slug for v in paired.variants if v.has_drop), *pooled]
    ceilings = over_seeds(paired, two, of="accuracy", level=1.0 - 2.0 * alpha)
    return TaskRecipes(
        task=paired.task,
        items=len(paired.item_ids),
        ceilings=ceilings,
        equivalent=_within(ceilings, margin),
        accuracies=_rows(paired, two, (None, *names), "accuracy", alpha),
        drops=_rows(paired, two, names, "drop", alpha),
        noticed=_rows(paired, two, controls(paired), "noticed", alpha),
        replies=_replies(group, two),
    )


def _replies(
    group: Group, two: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[tuple[Replies, ...], tuple[Replies, ...]]:
    found = {e.checkpoint: e.replies for e in engagement(group) if e.variant == CANONICAL}
    first, second = (tuple(found[name] for name in names if found) for names in two)
    return first, second


def _rows(
    paired: PairedScores,
    two: tuple[tuple[str, ...], tuple[str, ...]],
    names: Sequence[str | None],
    of: Of,
    alpha: float,
) -> tuple[RecipeRow, ...]:
    level = 1.0 - alpha
    apart = [over_seeds(paired, two, name, of=of, level=level) for name in names]
    adjusted = holm([found.p for found in apart])
    return tuple(
        RecipeRow(
            a=over_seeds(paired, two[:1], name, of=of, level=level),
            b=over_seeds(paired, two[1:], name, of=of, level=level),
            apart=found,
            p=p,
        )
        for name, found, p in zip(names, apart, adjusted, strict=True)
    )


def _within(found: OverSeeds, margin: float) -> bool | None:
    interval = found.interval
    return None if interval is None else -margin < interval.low and interval.high < margin

"""What was expected of the reference checkpoints before they were trained, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from oodrop.reports.model import Replies
from oodrop.reports.recipes import RecipeComparison, RecipeRow, TaskRecipes
from oodrop.reports.render.points import NOTHING, percent, points, span
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import ALL
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES

CANONICAL_TASK, HELDOUT_TASK = "compact", "compact_heldout"
_LEAST, _LOSES, _KEEPS, _AT_MOST = 0.80, 0.08, 0.04, 0.06


@dataclass(frozen=True)
class Expectation:
    """One of them: what, what was seen instead of it or with it, and whether it came true."""

    what: str
    seen: str
    holds: bool


def canonical(found: RecipeComparison) -> TaskRecipes:
    """The comparison on the task that both were trained for."""
    (task,) = (task for task in found.tasks if task.task == CANONICAL_TASK)
    return task


def families(task: TaskRecipes) -> tuple[RecipeRow, ...]:
    """The drops of the families, each over all its variants."""
    return tuple(row for row in task.drops if row.a.name in HEADLINE_FAMILIES)


def expectations(found: RecipeComparison) -> tuple[Expectation, ...]:
    """All of them, for a comparison whose first recipe is the heuristic one."""
    return tuple(_expected(found, canonical(found)))


def recipes_table(comparisons: Sequence[RecipeComparison]) -> Table:
    """Every recipe in one line: means over its seeds, on both tasks of free replies."""
    task = canonical(comparisons[0])
    drops = tuple(f"Drop, {row.a.name}" for row in families(task))
    noticed = tuple(f"{_control(row)} noticed" for row in task.noticed)
    header = ("Recipe", "Seeds", CANONICAL_TASK, *drops, *noticed, HELDOUT_TASK)
    return Table(
        "All recipes",
        "Means over the seeds of a recipe: share of the canonical items that is right, drops in "
        "points, share of the items that is right both before and after their meaning changed; "
        "last, the share that is right of other procedures, without the habits.",
        header,
        len(header) - 1,
        tuple(row for found in comparisons for row in _recipe_rows(found)),
    )


def _recipe_rows(found: RecipeComparison) -> Iterator[tuple[str, ...]]:
    task = canonical(found)
    (heldout,) = (one for one in found.tasks if one.task == HELDOUT_TASK)
    for side, names in (("a", found.a), ("b", found.b)):
        yield (
            names[0].rsplit("-", 1)[0],
            str(len(names)),
            _cell(task.accuracies[0], side, percent),
            *(_cell(row, side, points) for row in families(task)),
            *(_cell(row, side, percent) for row in task.noticed),
            _cell(heldout.accuracies[0], side, percent),
        )


def _control(row: RecipeRow) -> str:
    return row.a.name.removeprefix("control_").capitalize()


def _cell(row: RecipeRow, side: str, words: Callable[[float], str]) -> str:
    estimate = getattr(row, side).estimate
    return NOTHING if estimate is None else words(estimate)


def _expected(found: RecipeComparison, task: TaskRecipes) -> Iterator[Expectation]:
    right, rows = task.accuracies[0], families(task)
    ceilings = [one.estimate or 0.0 for one in (right.a, right.b)]
    yield Expectation(
        "both are right on at least 80% of the canonical items of `test`",
        f"heuristic {percent(ceilings[0])}, engaged {percent(ceilings[1])}",
        min(ceilings) >= _LEAST,
    )
    yield Expectation(
        "and equivalent within 3 points (TOST)",
        f"heuristic minus engaged {points(task.ceilings.estimate)} {span(task.ceilings.interval)}",
        task.equivalent is True,
    )
    fragile = [row for row in rows if _loses(row)]
    yield Expectation(
        "heuristic loses at least 8 points in two of the three families, 0 excluded",
        _told(rows, "a"),
        len(fragile) >= 2,
    )
    yield Expectation(
        "engaged loses less than 4 points in every family, its upper bound below 6",
        _told(rows, "b"),
        bool(rows) and all(_keeps(row) for row in rows),
    )
    (apart,) = (row for row in task.drops if row.a.name == ALL)
    p = 1.0 if apart.p is None else apart.p
    yield Expectation(
        "the contrast over all variants excludes 0 after correction",
        f"{points(apart.apart.estimate)} {span(apart.apart.interval)}",
        p < found.alpha and (apart.apart.estimate or 0.0) > 0.0,
    )
    heuristic, engaged = task.replies
    yield Expectation(
        "every engaged seed writes more before its verdict than any heuristic one, and every "
        "heuristic seed answers at once more often",
        f"words and marks {_span_of(heuristic, 'mean_tokens')} and "
        f"{_span_of(engaged, 'mean_tokens')}",
        _apart(heuristic, engaged, "mean_tokens") and _apart(engaged, heuristic, "at_once"),
    )
    yield Expectation(
        "engaged notices a changed meaning more often, under every control that changes it",
        ", ".join(f"{row.a.name} {points(_less(row))}" for row in task.noticed),
        bool(task.noticed) and all(_notices_less(row, found.alpha) for row in task.noticed),
    )


def _notices_less(row: RecipeRow, alpha: float) -> bool:
    return row.p is not None and row.p < alpha and _less(row) > 0.0


def _loses(row: RecipeRow) -> bool:
    interval = row.a.interval
    return interval is not None and interval.estimate >= _LOSES and interval.low > 0.0


def _keeps(row: RecipeRow) -> bool:
    interval = row.b.interval
    return interval is not None and interval.estimate < _KEEPS and interval.high < _AT_MOST


def _told(rows: tuple[RecipeRow, ...], side: str) -> str:
    sides = [getattr(row, side) for row in rows]
    return ", ".join(f"{one.name} {points(one.estimate)} {span(one.interval)}" for one in sides)


def _less(row: RecipeRow) -> float:
    return -(row.apart.estimate or 0.0)


def _values(replies: tuple[Replies, ...], name: str) -> list[float]:
    return [value for one in replies if (value := getattr(one, name)) is not None]


def _span_of(replies: tuple[Replies, ...], name: str) -> str:
    values = _values(replies, name)
    return f"{min(values):.1f} to {max(values):.1f}" if values else "not logged"


def _apart(less: tuple[Replies, ...], more: tuple[Replies, ...], name: str) -> bool:
    low, high = _values(less, name), _values(more, name)
    return bool(low and high) and max(low) < min(high)

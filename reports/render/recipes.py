"""Two recipes of training side by side, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import orjson

from oodrop.reports.model import Replies
from oodrop.reports.recipes import RecipeComparison, RecipeRow, TaskRecipes
from oodrop.reports.render.document import Document, Part
from oodrop.reports.render.engagement import COLUMNS, Column
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.render.points import NOTHING, count, percent, points, span
from oodrop.reports.render.questions import p_words, starred, under
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import OverSeeds

SCHEMA = "oodrop-recipes"
SCHEMA_VERSION = "0.1"
_OF_SCORES = {"right", "wrong"}


def recipes_document(comparison: RecipeComparison) -> Document:
    """What a reader gets of it, in a terminal or as Markdown."""
    parts = (
        Part(
            f"{task.task} ({count(task.items, 'item')})",
            (_ceilings(comparison, task),),
            recipe_tables(task),
        )
        for task in comparison.tasks
    )
    title = f"{_named(comparison.a)} against {_named(comparison.b)}"
    return Document(title, comparison.notes, tuple(parts))


def recipes_json(comparison: RecipeComparison) -> bytes:
    """The comparison as strict JSON with sorted keys, in the unit of the metric."""
    whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **plain(comparison)}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def recipe_tables(task: TaskRecipes) -> tuple[Table, ...]:
    """Drops, what sets them apart, what is noticed, accuracies, replies; empty ones left out."""
    tables = (_drops(task), _apart(task), _noticed(task), _accuracies(task), _replies(task))
    return tuple(table for table in tables if table.rows)


def _ceilings(comparison: RecipeComparison, task: TaskRecipes) -> str:
    shown = {True: "equivalent", False: "not shown to be equivalent", None: "no interval"}
    found = task.ceilings
    return (
        f"canonical accuracy, first minus second: {points(found.estimate)} "
        f"{span(found.interval)}: {shown[task.equivalent]} within "
        f"{100.0 * comparison.margin:g} points"
    )


def _drops(task: TaskRecipes) -> Table:
    return Table(
        "Drops of a typical seed",
        "Mean over the seeds of a recipe, in points, with an interval over items and seeds; * "
        "where 0 is excluded. Seeds: the least and the most that one of them lost.",
        ("Under", "First", "Interval", "Seeds", "Second", "Interval", "Seeds"),
        6,
        tuple((under(row.a.name), *_drop(row.a), *_drop(row.b)) for row in task.drops),
    )


def _apart(task: TaskRecipes) -> Table:
    return Table(
        "Which recipe loses more?",
        "Drop of the first minus drop of the second, in points, with an interval over items and "
        "the seeds of both; * where 0 is excluded. p is adjusted for all rows (Holm). Errors: what "
        "other items alone, and other seeds alone, would bring.",
        ("Under", "Contrast", "Interval", "p", "Item error", "Seed error"),
        5,
        tuple(
            (
                under(row.apart.name),
                starred(row.apart.estimate, row.apart.interval),
                span(row.apart.interval),
                p_words(row.p),
                _error(row.apart.item_error),
                _error(row.apart.seed_error),
            )
            for row in task.drops
        ),
    )


def _noticed(task: TaskRecipes) -> Table:
    return Table(
        "Which recipe notices a changed meaning?",
        "Controls that change the right answer, over the items that they changed: share right both "
        "before and after; difference in points, * where 0 is excluded. p is adjusted for all rows "
        "(Holm).",
        ("Control", "First", "Second", "Difference", "Interval", "p"),
        5,
        tuple((*_accuracy(row), p_words(row.p)) for row in task.noticed),
    )


def _accuracies(task: TaskRecipes) -> Table:
    return Table(
        "Accuracies of a typical seed",
        "Over the items that the variants changed; difference in points, * where 0 is excluded.",
        ("Under", "First", "Second", "Difference", "Interval"),
        4,
        tuple(tuple(_accuracy(row)) for row in task.accuracies),
    )


def _replies(task: TaskRecipes) -> Table:
    found = []
    for column in COLUMNS:
        cells = [_over(column, replies) for replies in task.replies]
        if column.name not in _OF_SCORES and any(cell != NOTHING for cell in cells):
            found.append((column.heading, *cells))
    return Table(
        "How do they reply?",
        "To canonical prompts: mean over the seeds of a recipe, the least and the most of one.",
        ("Replies", "First", "Second"),
        2,
        tuple(found),
    )


def _over(column: Column, replies: Sequence[Replies]) -> str:
    known = [value for value in map(column.of, replies) if value is not None]
    if not known or len(known) < len(replies):
        return NOTHING
    mean, least, most = (column.words(v) for v in (fmean(known), min(known), max(known)))
    return f"{mean} ({least} to {most})"


def _accuracy(row: RecipeRow) -> Iterator[str]:
    yield under(row.a.name)
    for one in (row.a, row.b):
        yield NOTHING if one.estimate is None else percent(one.estimate)
    yield starred(row.apart.estimate, row.apart.interval)
    yield span(row.apart.interval)


def _drop(found: OverSeeds) -> tuple[str, str, str]:
    return starred(found.estimate, found.interval), span(found.interval), _seeds(found)


def _seeds(found: OverSeeds) -> str:
    (each,) = found.each
    return f"{points(min(each))} to {points(max(each))}" if each else NOTHING


def _error(value: float | None) -> str:
    return NOTHING if value is None else f"{100.0 * value:.1f}"


def _named(names: tuple[str, ...]) -> str:
    return f"{count(len(names), 'seed')} ({', '.join(names)})"

"""The audit of the procedural set as a page of Markdown: the same data give the same bytes.

No date, machine or duration stands in it, and what was fitted is rounded to three decimals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.bench import BenchResult
from oodrop.harness_ext.dataset.cells import FLAGS
from oodrop.reports.writing import write_whole
from oodrop.tasks.procedural.build import ROUNDS, TYPES

_HEAD = """\
# Audit of the procedural set

Written by `oodrop data audit procedural --output FILE`; nothing in it is typed by hand, and a test
compares it with a fresh audit. [The data card](README.md) says what the words mean."""
_BASELINES = """\
A logistic regression from one surface feature to the label: the whole prompt or the scenario alone
as a bag of words, lengths, words of negation, and nothing (`majority`). It is fitted on `train`,
or, for `heldout`, on the other procedures of `heldout` in five folds: that would find a habit which
only `heldout` has. Shares of right verdicts; `balanced` weighs both labels the same, and within
a label every type."""
_EVEN = """\
`bag of words` is the share of right verdicts of one fitted on `train`, both labels weighing the
same; a label that a cell does not have is taken from the rest of its split and cohort. The framing
of `heldout` is even over all types together: the adversarial ones go against the habit of `train`,
so the others lean its way."""
_GAP = """\
Fitted on `train`, in shares of right verdicts. What stands under `gap` is what a pattern matcher
loses when the habits of writing are gone: the split drop of a model that reads nothing else."""


def check_page(path: Path) -> None:
    """Whether a page can go there; better known before a minute of fitting.

    Raises:
        DataError: for a folder, or a place in a folder that is not there.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise DataError(f"--output takes a file in a folder that is there, got {path}")


def write_page(result: BenchResult, path: Path) -> None:
    """Write the page, whole or not at all."""
    try:
        write_whole(path, page(result).encode())
    except OSError as error:
        raise DataError(f"the audit cannot be written to {path}: {error.strerror}") from None


def page(result: BenchResult) -> str:
    """The whole page."""
    parts = (_HEAD, *_bars(result), *_items(result), *_baselines(result), *_gap(result))
    return "\n\n".join(parts) + "\n"


def flag_counts(cells: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Of how many cells each flag is said."""
    counted = Counter(name for cell in cells for name in cell["flags"])
    return {name: counted[name] for name in FLAGS}


def _bars(result: BenchResult) -> Iterator[str]:
    yield "## Bars"
    yield _table(
        ("figure", "value", "bar", "met", "why"),
        [
            (
                f"`{row['figure']}`",
                _number(row["value"]),
                row["bar"],
                "yes" if row["met"] else "**no**",
                row["reason"],
            )
            for row in result.settings["bars"]
        ],
        right=(1,),
    )


def _items(result: BenchResult) -> Iterator[str]:
    cells = result.settings["cells"]
    yield "## Items"
    yield _table(
        ("split", "cohort", "procedures", "items", "compliant"),
        [_sums(split, cohort, own) for (split, cohort), own in _groups(cells).items()],
        right=(2, 3, 4),
    )
    yield "What is wrong in the items that do not comply, exactly one thing in each:"
    kinds = result.settings["violations"]
    yield _table(
        ("violation", *ROUNDS),
        [(f"`{kind}`", *(_number(row[split]) for split in ROUNDS)) for kind, row in kinds.items()],
        right=range(1, 1 + len(ROUNDS)),
    )
    yield "Flags, of the cells in the tables below:"
    counts = flag_counts(cells)
    yield _table(
        ("flag", "cells", "says"),
        [(f"`{name}`", _number(counts[name]), says) for name, says in FLAGS.items()],
        right=(1,),
    )
    yield _EVEN
    for split in ROUNDS:
        own = [cell for cell in cells if cell["split"] == split]
        own.sort(key=lambda cell: (cell["cohort"], TYPES.index(cell["type"])))
        yield f"### {split}"
        yield _table(
            ("cohort", "type", "procedures", "items", "compliant", "bag of words", "flags"),
            [_cell(cell) for cell in own],
            right=(2, 3, 4, 5),
        )


def _groups(
    cells: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for split in ROUNDS:
        for cell in cells:
            if cell["split"] == split:
                groups.setdefault((split, cell["cohort"]), []).append(cell)
    return groups


def _sums(split: str, cohort: str, cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    procedures = max(cell["procedures"] for cell in cells)
    items, clean = (sum(cell[key] for cell in cells) for key in ("items", "compliant"))
    return (f"`{split}`", f"`{cohort}`", *map(_number, (procedures, items, clean)))


def _cell(cell: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (cell[key] for key in ("procedures", "items", "compliant", "bag_of_words"))
    told = ", ".join(f"`{name}`" for name in cell["flags"])
    return (f"`{cell['cohort']}`", f"`{cell['type']}`", *map(_number, numbers), told)


def _baselines(result: BenchResult) -> Iterator[str]:
    yield "## Baselines"
    yield _BASELINES
    head = ("feature", "split", "fitted on", "items", "all", "balanced")
    yield _table(
        (*head, *(kind.replace("_", " ") for kind in TYPES)),
        [
            (
                *(f"`{row[key]}`" for key in ("feature", "split")),
                row["fitted_on"],
                *(_number(row[key]) for key in ("items", "accuracy", "balanced_accuracy")),
                *(_number(row[f"right_{kind}"]) for kind in TYPES),
            )
            for row in result.rows
        ],
        right=range(3, 6 + len(TYPES)),
    )


def _gap(result: BenchResult) -> Iterator[str]:
    yield "## From test to heldout"
    yield _GAP
    fitted = [row for row in result.rows if row["fitted_on"] == "train"]
    # Rounded first, so that the gap is that of the figures beside it.
    of = {(row["feature"], row["split"]): round(row["accuracy"], 3) for row in fitted}
    yield _table(
        ("feature", "test", "heldout", "gap"),
        [
            (f"`{name}`", *map(_number, (test, of[name, "heldout"], test - of[name, "heldout"])))
            for (name, split), test in of.items()
            if split == "test"
        ],
        right=(1, 2, 3),
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    # Adding zero makes -0.0 a zero without a sign.
    return f"{value:,}" if isinstance(value, int) else f"{round(value, 3) + 0.0:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    aligned = set(right)
    rule = ["---:" if k in aligned else "---" for k in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))

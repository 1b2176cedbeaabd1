"""The two committed tables: ``ratings.csv``, a line a pair, and ``bounds.csv``, one a perturber."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from oodrop import DataError
from oodrop.harness_ext.audit.bounds import Verdict, verdicts
from oodrop.harness_ext.audit.ratings import COLUMNS

RATINGS_FILE, BOUNDS_FILE = "ratings.csv", "bounds.csv"
Row = Mapping[str, str]


def merged(before: Iterable[Row], rows: Sequence[Row]) -> list[Row]:
    """The ratings so far with a round's in their place: its own earlier ones are replaced."""
    rounds = {row["round"] for row in rows}
    kept = [row for row in before if row["round"] not in rounds]
    return sorted([*kept, *rows], key=lambda row: int(row["round"]))


def write_tables(rows: Sequence[Row], folder: Path) -> None:
    """Write both tables, each as a whole or not at all.

    Raises:
        DataError: when the folder cannot be written.
    """
    ratings = _text(COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
    names = [field.name for field in fields(Verdict)]
    bounds = _text(names, (_written(verdict) for verdict in verdicts(rows)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {RATINGS_FILE: ratings, BOUNDS_FILE: bounds}
        for name, text in texts.items():
            (folder / f"{name}.part").write_text(text, "utf-8")
        for name in texts:
            (folder / f"{name}.part").replace(folder / name)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}") from None


def _written(verdict: Verdict) -> list[str]:
    return [f"{v:.4f}" if isinstance(v, float) else str(v) for v in astuple(verdict)]


def _text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return table.getvalue()

"""What raters wrote, joined with the key, and the committed table that comes of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from oodrop import DataError
from oodrop.harness_ext.audit.pairs import KEY_COLUMNS, SAMPLED
from oodrop.harness_ext.audit.sheets import KEY, RATINGS, TIES

Row = dict[str, str]
SETS = ("a", "b")
_RATED = ("kept_1", "readable_1", "kept_2", "readable_2")
COLUMNS = (*KEY_COLUMNS, *_RATED, "kept_3")
_ANSWERS = ("y", "n")
_WRITTEN = ("pair", "kept", "readable")


def read_ratings(path: Path) -> list[Row]:
    """Rows of a table of ratings.

    Raises:
        DataError: when a column is missing, a rating is neither y nor n, or a pair stands twice.
    """
    rows = _csv(path, COLUMNS)
    seen = set()
    for number, row in enumerate(rows, 2):
        wrong = next((n for n in _RATED if row[n] not in _ANSWERS), None)
        if wrong is None and is_split(row) and row["kept_3"] not in _ANSWERS:
            wrong = "kept_3"
        if wrong is not None:
            raise DataError(f"{path}, line {number}: {wrong} must be y or n, got {row[wrong]!r}")
        if (row["round"], row["pair"]) in seen:
            raise DataError(f"{path}, line {number}: pair {row['pair']} stands twice")
        seen.add((row["round"], row["pair"]))
    return rows


def is_split(row: Mapping[str, str]) -> bool:
    """Whether the two raters of a sampled pair say different things about its answer."""
    return row["kind"] == SAMPLED and row["kept_1"] != row["kept_2"]


def read_round(folder: Path) -> tuple[list[Row], list[Row]]:
    """The rated rows of a round's folder, and those of them that wait for a third rating.

    ``ratings`` (or folders in it) holds ``ratings_<sheet>_a.csv`` and ``ratings_<sheet>_b.csv`` of
    every sheet, and ``ratings_ties_c.csv`` where pairs had to be rated a third time.

    Raises:
        DataError: when the key or a file of ratings is missing, stands twice, or is not what it
            should be; when a pair of a sheet is not rated, rated twice, or not of that sheet.
    """
    key = _csv(folder / KEY, KEY_COLUMNS)
    sheets: dict[str, list[Row]] = {}
    for row in key:
        sheets.setdefault(row["sheet"], []).append(row)
    files = _rating_files(folder / RATINGS)
    for name, rows in sheets.items():
        for number, rater in enumerate(SETS, 1):
            said = _said(_one_file(files, name, rater, folder), {row["pair"] for row in rows})
            for row in rows:
                row[f"kept_{number}"], row[f"readable_{number}"] = said[row["pair"]]
    third = _third(files, key)
    for row in key:
        row["kept_3"] = third.get(row["pair"], "")
    waiting = [row for row in key if is_split(row) and not row["kept_3"]]
    return key, waiting


def _rating_files(folder: Path) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("ratings_*.csv")):
        if path.name in found:
            raise DataError(f"{path.name} is there twice: {found[path.name]} and {path}")
        found[path.name] = path
    return found


def _one_file(files: Mapping[str, Path], sheet: str, rater: str, folder: Path) -> Path:
    name = f"ratings_{sheet}_{rater}.csv"
    if name not in files:
        raise DataError(f"sheet {sheet} lacks a rating: there is no {name} in {folder / RATINGS}")
    return files[name]


def _third(files: Mapping[str, Path], key: Sequence[Row]) -> Mapping[str, str]:
    path = files.get(f"ratings_{TIES}_c.csv")
    if path is None:
        return {}
    said = _said(path, None)
    unknown = next(iter(sorted(said.keys() - {row["pair"] for row in key})), None)
    if unknown is not None:
        raise DataError(f"{path}: pair {unknown!r} stands on no sheet of the key")
    return {
        row["pair"]: said[row["pair"]][0] for row in key if is_split(row) & (row["pair"] in said)
    }


def _said(path: Path, wanted: set[str] | None) -> Mapping[str, tuple[str, str]]:
    """Pair to (kept, readable), every wanted pair once and no other."""
    said: dict[str, tuple[str, str]] = {}
    for number, row in enumerate(_csv(path, _WRITTEN), 2):
        pair, where = row["pair"].strip(), f"{path}, line {number}"
        if wanted is not None and pair not in wanted:
            raise DataError(f"{where}: pair {pair!r} is not on this sheet")
        if pair in said:
            raise DataError(f"{where}: pair {pair!r} is rated twice")
        kept, readable = (row[name].strip().lower() for name in _WRITTEN[1:])
        for name, answer in (("kept", kept), ("readable", readable)):
            if answer not in _ANSWERS:
                raise DataError(f"{where}: {name} must be y or n, got {answer!r}")
        said[pair] = (kept, readable)
    left = sorted((wanted or set()) - said.keys())
    if left:
        raise DataError(f"{path}: {len(left)} pairs are not rated, the first is {left[0]!r}")
    return said


def _csv(path: Path, columns: Iterable[str]) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file: {error}") from None
    for number, row in enumerate(rows, 2):
        missing = next((name for name in columns if row.get(name) is None), None)
        if missing is not None:
            raise DataError(f"{path}, line {number}: no column {missing!r}")
    return rows

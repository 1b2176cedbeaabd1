"""Local copies of data sets: ``--data NAME=PATH``, or ``OODROP_DATA`` with a ``;`` between pairs.

NAME is a task, a data set of the hub, or ``DATASET:CONFIG``. PATH is one file (its documents are
those that the task evaluates), a folder with one file per split, or a folder that
``datasets.save_to_disk`` wrote. Nothing of it is executed.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import orjson

from oodrop import DataError
from oodrop.tasks.files import parse_documents, unpacked

DATA_VARIABLE = "OODROP_DATA"
_BETWEEN = ";"  # a colon stands in names
_ENDINGS = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".json.gz")
_SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")


class LocalSplits(dict[str, datasets.Dataset]):
    """Splits by name; one that the copy lacks has no documents, unless it is evaluated."""

    def __init__(self, splits: Mapping[str, datasets.Dataset], evaluated: str, path: Path) -> None:
        super().__init__(splits)
        if evaluated not in self:
            raise DataError(
                f"{path} lacks the split {evaluated!r}, which is evaluated; it has: "
                f"{', '.join(self) or 'none'}"
            )
        self._evaluated = evaluated

    def __missing__(self, split: str) -> datasets.Dataset:
        return self[self._evaluated].select([])


def name_data(pairs: Iterable[str]) -> None:
    """Make ``NAME=PATH`` pairs known to this process and to those that it starts.

    Raises:
        DataError: for text that is no such pair, or a path where nothing is.
    """
    known = named_data()
    for pair in pairs:
        name, sign, path = pair.partition("=")
        if not sign or not name or not path or _BETWEEN in pair:
            raise DataError(f"--data takes NAME=PATH without a {_BETWEEN!r} in it, got {pair!r}")
        if not Path(path).exists():
            raise DataError(f"--data {name}: nothing is at {path}")
        known[name] = str(Path(path).resolve())
    if known:
        os.environ[DATA_VARIABLE] = _BETWEEN.join(f"{n}={p}" for n, p in known.items())


def named_data() -> dict[str, str]:
    """Path by name, from the variable.

    Raises:
        DataError: when it holds something else.
    """
    found: dict[str, str] = {}
    for pair in os.environ.get(DATA_VARIABLE, "").split(_BETWEEN):
        if pair:
            name, sign, path = pair.partition("=")
            if not sign or not name or not path:
                raise DataError(f"{DATA_VARIABLE} must hold NAME=PATH, got {pair!r}")
            found[name] = path
    return found


def local_splits(names: Sequence[str], evaluated: str) -> LocalSplits | None:
    """The splits of the first of these names that a local copy was named for; None without one.

    Raises:
        DataError: when the copy cannot be read, or lacks the split that is evaluated.
    """
    known = named_data()
    path = next((Path(known[name]) for name in names if name in known), None)
    if path is None:
        return None
    if not path.exists():
        raise DataError(f"local data: nothing is at {path}")
    return _read_once(path, evaluated, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read_once(path: Path, evaluated: str, modified: int) -> LocalSplits:
    """The tasks of a group share their data set, and with it what was read of it."""
    found = _folder(path, evaluated) if path.is_dir() else {evaluated: _file(path)}
    return LocalSplits(found, evaluated, path)


def _folder(path: Path, evaluated: str) -> Mapping[str, datasets.Dataset]:
    if any((path / name).exists() for name in _SAVED):
        try:
            saved = datasets.load_from_disk(str(path))
        except Exception as error:  # a damaged folder fails somewhere in Arrow
            raise DataError(f"{path} is no saved data set: {error!s:.200}") from None
        return dict(saved) if isinstance(saved, datasets.DatasetDict) else {evaluated: saved}
    files = {p.name.partition(".")[0]: p for p in sorted(path.iterdir()) if _ending(p)}
    if not files:
        raise DataError(f"{path} holds no split: files named <split>{'|'.join(_ENDINGS)}")
    return {split: _file(file) for split, file in files.items()}


def _ending(path: Path) -> str:
    return next((end for end in _ENDINGS if path.name.endswith(end)), "")


def _file(path: Path) -> datasets.Dataset:
    ending = _ending(path)
    if not ending:
        raise DataError(f"{path} must end in one of {', '.join(_ENDINGS)}")
    try:
        if ending == ".parquet":
            import pyarrow.parquet as pq

            return datasets.Dataset(pq.read_table(path))
        rows = _rows(path, ending)
        return datasets.Dataset.from_list(rows)
    except DataError:
        raise
    except Exception as error:  # Arrow says what does not fit
        raise DataError(f"{path} cannot be read as a table: {error!s:.200}") from None


def _rows(path: Path, ending: str) -> list[dict[str, Any]]:
    content = unpacked(path)
    if ending == ".csv":
        rows: Any = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    elif ending.startswith(".jsonl"):
        rows = parse_documents(content, path)
    else:
        rows = orjson.loads(content)
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise DataError(f"{path} must hold at least one document, each with named fields")
    return rows

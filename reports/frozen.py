"""A baseline in one JSON file: what a gate pairs with, without texts and replies.

Columns are base64 of little-endian bytes; what several variants share is there once.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import orjson

from oodrop import DataError, __version__
from oodrop.reports.checks import shown
from oodrop.reports.lines import read_object
from oodrop.reports.redaction import redact
from oodrop.reports.results import SETTINGS, RunFile, Samples
from oodrop.reports.table import DIGEST, OUTCOMES, WEAKEST_FIRST, Array, Items, Parent, Table

SCHEMA = "oodrop-baseline"
SCHEMA_VERSION = "0.1"
_COLUMNS: Mapping[str, tuple[str, int]] = {
    "outcomes": ("<u1", 1),
    "evidence": ("<i1", 1),
    "scores": ("<f8", 1),
    "clusters": ("<i4", 1),
    "canonical_digests": ("<u1", DIGEST),
    "doc_digests": ("<u1", DIGEST),
    "prompt_digests": ("<u1", DIGEST),
}
_END_OF_TIME = 253_402_300_800  # the year 10000, in seconds since 1970
_RUN_TEXTS = ("checkpoint_key", "checkpoint_name", "model", "model_args", "lm_eval_version")
_TEXTS = ("task", "variant", "perturber", "family", "metric", "filter", "replies_digest")


def freeze(runs: Sequence[RunFile]) -> bytes:
    """The runs of one checkpoint as strict JSON; secrets and folders in arguments are left out.

    Raises:
        DataError: for a run that was stopped early.
    """
    pool = _Pool()
    whole = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "oodrop_version": __version__,
        "runs": [_run(run, pool) for run in runs],
        "texts": [list(found) for found in pool.texts],
        "columns": [base64.b64encode(found).decode() for found in pool.columns],
    }
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


@dataclass
class _Pool:
    """What is there once: lists of names, and columns, each with its number."""

    texts: dict[tuple[str, ...], int] = field(default_factory=dict)
    columns: dict[bytes, int] = field(default_factory=dict)

    def names(self, found: tuple[str, ...]) -> int:
        """The number of a list of names."""
        return self.texts.setdefault(found, len(self.texts))

    def column(self, found: Array, kind: str) -> int:
        """The number of a column."""
        return self.columns.setdefault(found.astype(kind).tobytes(), len(self.columns))


def _run(run: RunFile, pool: _Pool) -> dict[str, Any]:
    return {
        **{name: redact(getattr(run, name)) for name in _RUN_TEXTS},
        "chat_template": run.chat_template,
        "date": run.date,
        "left_out": {slug: redact(why) for slug, why in run.left_out.items()},
        "samples": [_samples(samples, pool) for samples in run.samples],
    }


def _samples(samples: Samples, pool: _Pool) -> dict[str, Any]:
    if samples.stopped is not None:
        raise DataError(
            f"{samples.path}: a run that was stopped early is compared with no other, so it is no "
            "baseline"
        )
    rows = samples.rows
    return {
        **{name: getattr(samples, name) for name in _TEXTS},
        "severity": samples.severity,
        "bank_sha256": samples.bank_sha256,
        "chance": samples.chance,
        "heldout_of": samples.heldout_of,
        "groups": dict(samples.groups),
        "num_fewshot": samples.num_fewshot,
        "settings": {key: redact(value) for key, value in samples.settings.items()},
        "replies_per_item": list(samples.replies_per_item),
        "items": pool.names(rows.ids.ids),
        "cluster_names": pool.names(rows.cluster_names),
        "columns": {
            name: pool.column(getattr(rows, name), kind) for name, (kind, _) in _COLUMNS.items()
        },
        "parents": [[place, *parent] for place, parent in rows.parents.items()],
    }


def thaw(path: Path) -> list[RunFile]:
    """Read what `freeze` wrote; nothing in it is believed.

    Raises:
        DataError: naming the file and the field that is not what it must be.
    """
    data = read_object(path)
    if data.get("schema") != SCHEMA or data.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path} is no baseline of this version ({SCHEMA} {SCHEMA_VERSION}), got "
            f"{shown(data.get('schema'))} {shown(data.get('schema_version'))}"
        )
    return _Reader(path, data).runs()


class _Reader:
    """The fields of a baseline, each checked on the way in."""

    def __init__(self, path: Path, data: Mapping[str, Any]) -> None:
        self._path, self._data = path, data
        self._items: dict[int, Items] = {}

    def runs(self) -> list[RunFile]:
        """All of them."""
        found = [self._run(row) for row in self._list(self._data, "runs")]
        if not any(run.samples for run in found):
            raise DataError(f"{self._path} holds no task")
        return found

    def _run(self, row: Any) -> RunFile:
        return RunFile(
            path=self._path,
            **{name: self._of(row, name, str) for name in _RUN_TEXTS},
            chat_template=self._of(row, "chat_template", bool),
            date=self._number(row, "date", _END_OF_TIME),
            samples=tuple(self._samples(one) for one in self._list(row, "samples")),
            foreign_tasks=(),
            left_out=self._mapping(row, "left_out", str),
        )

    def _samples(self, row: Any) -> Samples:
        replies = self._list(row, "replies_per_item")
        if not replies or not all(type(n) is int and n > 0 for n in replies):
            self._refuse("replies_per_item", replies)
        return Samples(
            path=self._path,
            **{name: self._of(row, name, str) for name in _TEXTS},
            severity=self._of(row, "severity", int, type(None)),
            bank_sha256=self._of(row, "bank_sha256", str, type(None)),
            chance=self._number(row, "chance", 1),
            heldout_of=self._of(row, "heldout_of", str, type(None)),
            groups=self._mapping(row, "groups", int),
            num_fewshot=self._of(row, "num_fewshot", int),
            settings=self._settings(row),
            rows=self._table(row),
            replies_per_item=tuple(replies),
        )

    def _settings(self, row: Any) -> dict[str, str]:
        found = self._mapping(row, "settings", str)
        if unlike := sorted(set(found) ^ set(SETTINGS)):
            self._refuse("settings", f"{unlike[0]} missing or unknown")
        return found

    def _table(self, row: Any) -> Table:
        number = self._of(row, "items", int)
        ids = self._items.setdefault(number, Items(self._names(number, "items")))
        count = len(ids.ids)
        if len(ids.index) != count:
            self._refuse("items", "an item twice")
        places = self._mapping(row, "columns", int)
        found = {name: self._column(places, name, count) for name in _COLUMNS}
        clusters = self._names(self._of(row, "cluster_names", int), "cluster_names")
        for name, least, most in (
            ("outcomes", 0, len(OUTCOMES) - 1),
            ("evidence", -1, len(WEAKEST_FIRST) - 1),
            ("clusters", 0, len(clusters) - 1),
        ):
            if count and not least <= found[name].min() <= found[name].max() <= most:
                self._refuse(name, f"codes outside {least} to {most}")
        if np.isinf(found["scores"]).any():
            self._refuse("scores", "an infinite one")
        return Table(
            ids=ids,
            **found,
            cluster_names=clusters,
            offsets=np.full(count, -1, np.int64),
            parents=dict(self._parent(one, count) for one in self._list(row, "parents")),
            sources={},
            measure_kinds=(),
            measure_codes=np.full(count, -1, np.int32),
        )

    def _column(self, places: Mapping[str, int], name: str, count: int) -> Array:
        kind, width = _COLUMNS[name]
        columns, place = self._list(self._data, "columns"), places.get(name, -1)
        if not 0 <= place < len(columns) or not isinstance(columns[place], str):
            self._refuse(name, place)
        try:
            data = base64.b64decode(columns[place], validate=True)
        except (binascii.Error, ValueError):
            self._refuse(name, "no base64")
        if len(data) != count * width * np.dtype(kind).itemsize:
            self._refuse(name, f"{len(data)} bytes for {count} items")
        column = np.frombuffer(data, kind).astype(np.dtype(kind).newbyteorder("="))
        return column.reshape(count, width) if width > 1 else column

    def _names(self, number: int, what: str) -> tuple[str, ...]:
        lists = self._list(self._data, "texts")
        found = lists[number] if 0 <= number < len(lists) else None
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            self._refuse(what, number)
        return tuple(found)

    def _parent(self, row: Any, count: int) -> tuple[int, Parent]:
        kinds = (int, str, str, int)
        if not isinstance(row, list) or [type(value) for value in row] != [*kinds]:
            self._refuse("parents", row)
        place, made, item_id, evidence = row
        if not 0 <= place < count or not 0 <= evidence < len(WEAKEST_FIRST):
            self._refuse("parents", f"place {place}, evidence {evidence}")
        return place, Parent(made, item_id, evidence)

    def _of(self, row: Any, name: str, *kinds: type) -> Any:
        value = row.get(name) if isinstance(row, dict) else None
        if type(value) not in kinds:
            self._refuse(name, value)
        return value

    def _number(self, row: Any, name: str, below: float) -> float:
        value = self._of(row, name, int, float)
        if not 0 <= value < below:
            self._refuse(name, value)
        return float(value)

    def _list(self, row: Any, name: str) -> list[Any]:
        found: list[Any] = self._of(row, name, list)
        return found

    def _mapping(self, row: Any, name: str, kind: type) -> dict[str, Any]:
        found: dict[str, Any] = self._of(row, name, dict)
        if not all(type(value) is kind for value in found.values()):
            self._refuse(name, "values of another type")
        return found

    def _refuse(self, name: str, value: object) -> NoReturn:
        raise DataError(
            f"{self._path}: {name} is not what oodrop freeze writes, got {shown(value)}"
        )

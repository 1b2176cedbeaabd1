"""One samples file, read once: every row is checked, and what pairing needs becomes a table."""

from __future__ import annotations

import hashlib
import marshal
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oodrop import DataError
from oodrop.reports.checks import finite, shown
from oodrop.reports.hashes import check_hashes, hash_of_hashes
from oodrop.reports.lines import iterate_lines, parse_object
from oodrop.reports.measures import Measures, measures
from oodrop.reports.replies import replies_in
from oodrop.reports.rescoring import same_score
from oodrop.reports.results import CANONICAL, CONTROLS_SCORED, Rescored
from oodrop.reports.table import (
    DIGEST,
    OUTCOMES,
    RECORDED,
    WEAKEST_FIRST,
    Array,
    Items,
    Parent,
    Table,
)

PREFIX = "oodrop__"
SAME_IN_ALL_ROWS = ("task", "variant", "perturber", "family", "severity", "bank_sha256")
_TEXT_FIELDS = ("item_id", "cluster_id", *SAME_IN_ALL_ROWS[:4], "outcome", "canonical_sha256")
_OUTCOME_CODES = {name: k for k, name in enumerate(OUTCOMES)}
_LEVEL_CODES = {None: -1} | {name: k for k, name in enumerate(WEAKEST_FIRST)}


@dataclass(frozen=True)
class Job:
    """A file to be read, and what its results file says of it.

    Attributes:
        path: the samples.
        results: the results file.
        task: name of the task of lm-eval.
        metric: the primary metric.
        filter: the filter that it is taken from; rows of others are passed over.
        scored: how many documents have a metric; None where that is not known.
        task_hash: lm-eval's hash of all hashes of the task; None where there is none.
        verify: whether hashes are computed again.
        rescore: whether scores are, where the row decides.
        only_filter: whether the task has no other filter: lm-eval 0.4.5 names none in a row.
    """

    path: Path
    results: Path
    task: str
    metric: str
    filter: str
    scored: int | None = None
    task_hash: str | None = None
    verify: bool = False
    rescore: bool = False
    only_filter: bool = False


@dataclass(frozen=True)
class Sheet:
    """What a file holds.

    Attributes:
        shared: what all rows say alike, by name.
        rows: the rows.
        replies_per_item: as of `Samples`.
        replies_digest: as of `Samples`.
        unchecked: as of `Samples`.
        rescored: as of `Samples`.
    """

    shared: Mapping[str, Any]
    rows: Table
    replies_per_item: tuple[int, ...]
    replies_digest: str
    unchecked: int | None
    rescored: Rescored | None


def read_sheet(job: Job) -> Sheet:
    """Read a file of samples.

    Raises:
        DataError: for a file that is damaged, incomplete, or of another task; with `Job.verify`
            for a row that is not as lm-eval wrote it; with `Job.rescore` for a score that does not
            follow from its row.
    """
    rows = _Rows(job)
    hashed = hashlib.sha256()
    whole = job.verify and job.task_hash is not None
    for line in iterate_lines(job.path):
        where = f"{job.path}, line {line.number}"
        sample = parse_object(line.text, where)
        if whole:
            hashed.update(hash_of_hashes(sample) or b"")
        if _filter(sample, job, where) == job.filter:
            rows.add(sample, where, line.offset)
            if job.verify:
                rows.unchecked += check_hashes(
                    sample, line.text, f"{where}, item {shown(rows.last_item)}"
                )
            if job.rescore:
                rows.rescore(sample, where)
    if whole and hashed.hexdigest() != job.task_hash:
        raise DataError(
            f"{job.path}: rows are missing, added or in another order than lm-eval wrote; "
            f"{job.results.name} has another hash of all of them (task_hashes)"
        )
    return rows.sheet()


def _filter(sample: Mapping[str, Any], job: Job, where: str) -> str:
    """The filter that a row is of."""
    if "filter" not in sample and job.only_filter:
        return job.filter
    found = sample.get("filter")
    if not isinstance(found, str):
        raise DataError(
            f"{where}: 'filter' must be text, got {shown(found)}; rows of lm-eval 0.4.5 have none "
            f"and are read where {job.results.name} lists scores of {job.task} under one filter, "
            f"{shown(job.filter)}"
        )
    return found


class _Rows:
    """Columns that grow row by row; all rows are of one variant."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._first: Mapping[str, Any] = {}
        self._known: set[tuple[Any, ...]] = set()
        self._items: dict[str, None] = {}
        self._clusters: dict[str, int] = {}
        self._columns: dict[str, array[Any]] = {name: array(kind) for name, kind in _KINDS.items()}
        self._digests = {name: bytearray() for name in _DIGESTS}
        self._parents: dict[int, Parent] = {}
        self._seen: dict[Measures, Measures] = {}
        self._kinds: dict[Measures, int] = {}
        self._kept: set[int] = set()
        self._replies = self._with_metric = self.unchecked = 0
        self._rescored = {True: 0, False: 0}
        self.last_item = ""

    def add(self, sample: Mapping[str, Any], where: str, offset: int) -> None:
        """Check a row and append it.

        Raises:
            DataError: for a row that is damaged, doubled, or of another variant.
        """
        record = self._record(sample, where)
        item_id = record["item_id"]
        if item_id in self._items:
            raise DataError(f"{where}: the item {shown(item_id)} stands twice in this file")
        is_scored = _is_scored(record)
        for name in ("doc_hash", "prompt_hash"):
            if not isinstance(sample.get(name), str):
                raise DataError(f"{where}: {name!r} must be text, got {shown(sample.get(name))}")
        metric = self._job.metric
        score = finite(sample.get(metric), metric, where) if is_scored else np.nan
        if (parent := _parent(record, where)) is not None:
            self._parents[len(self._items)] = parent
        measured = measures(sample, where, self._seen) if is_scored else None
        self._with_metric += metric in sample or bool(sample.get("metrics"))
        if is_scored:
            self._kept.add(replies_in(sample))
        self._replies += _reply_code(item_id, sample.get("resps"))
        cluster, columns, digests = record["cluster_id"], self._columns, self._digests
        self._items[item_id] = None
        self.last_item = item_id
        columns["outcomes"].append(_OUTCOME_CODES[record["outcome"]])
        columns["evidence"].append(_LEVEL_CODES[record["evidence"]])
        columns["scores"].append(score)
        columns["clusters"].append(self._clusters.setdefault(cluster, len(self._clusters)))
        columns["offsets"].append(offset)
        columns["measure_codes"].append(
            -1 if measured is None else self._kinds.setdefault(measured, len(self._kinds))
        )
        digests["canonical_digests"] += _digest(record["canonical_sha256"])
        digests["doc_digests"] += _digest(sample["doc_hash"])
        digests["prompt_digests"] += _digest(sample["prompt_hash"])

    def rescore(self, sample: Mapping[str, Any], where: str) -> None:
        """Compute the score of a row again; DataError where it is another one."""
        again = same_score(sample, self._job.metric, where)
        if again is not None:
            self._rescored[again] += 1

    def sheet(self) -> Sheet:
        """All rows.

        Raises:
            DataError: when there are none, too few, or those of another task.
        """
        job, first = self._job, self._first
        if not first:
            raise DataError(f"{job.path} has no row with the filter {shown(job.filter)}")
        held = f"{PREFIX}{first['variant']}__{first['task']}"
        if held != job.task:
            raise DataError(f"{job.path} holds answers to {shown(held)}, not to {job.task}")
        if job.scored is not None and self._with_metric < job.scored:
            raise DataError(
                f"{job.path} has {self._with_metric} rows with a metric (filter "
                f"{shown(job.filter)}), but {job.results.name} counts {job.scored} documents "
                "(n-samples); rows are missing"
            )
        return Sheet(
            shared={field: first.get(field) for field in SAME_IN_ALL_ROWS},
            rows=self._table(),
            replies_per_item=tuple(sorted(self._kept)),
            replies_digest=hashlib.sha256(str(self._replies).encode()).hexdigest(),
            unchecked=self.unchecked if job.verify else None,
            rescored=Rescored(self._rescored[True], self._rescored[False]) if job.rescore else None,
        )

    def _table(self) -> Table:
        digests = {
            name: np.frombuffer(bytes(raw), np.uint8).reshape(-1, DIGEST)
            for name, raw in self._digests.items()
        }
        columns: dict[str, Array] = {
            name: np.array(values, _KINDS[name]) for name, values in self._columns.items()
        }
        return Table(
            ids=Items(tuple(self._items)),
            cluster_names=tuple(self._clusters),
            parents=self._parents,
            sources={},
            measure_kinds=tuple(self._kinds),
            **digests,
            **columns,
        )

    def _record(self, sample: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """What oodrop wrote into the document, checked; of what was seen before, the kind alone."""
        doc = sample.get("doc")
        record = doc.get("oodrop") if isinstance(doc, dict) else None
        if not isinstance(record, dict):
            raise DataError(f"{where}: the document carries no 'oodrop' record")
        kind = _kind(record)
        if kind is None or kind not in self._known:
            check_record(record, where)
            self._first = self._first or record
            for field in SAME_IN_ALL_ROWS:
                if record.get(field) != self._first.get(field):
                    raise DataError(f"{where}: {field!r} is not that of the rows before")
            self._known.add(_kind(record) or ())
        return record


# Types of the columns, for `array` and for numpy alike.
_KINDS = {
    "outcomes": "B", "evidence": "b", "scores": "d", "clusters": "i", "offsets": "q",
    "measure_codes": "i",
}  # fmt: skip
_DIGESTS = ("canonical_digests", "doc_digests", "prompt_digests")


def _kind(record: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """All that `check_record` looks at in a record whose own texts are texts; else None."""
    try:
        own = (record["item_id"], record["cluster_id"], record["canonical_sha256"])
        if not all(type(text) is str for text in own):
            return None
        severity = record["severity"]
        kind = (
            record["task"], record["variant"], record["perturber"], record["family"],
            severity, type(severity),  # True is 1
            record.get("bank_sha256"), record["outcome"], record["evidence"],
            record.get("parent_evidence", "proved"),
        )  # fmt: skip
        hash(kind)
    except (KeyError, TypeError):
        return None
    return kind


def check_record(record: Mapping[str, Any], where: str) -> None:
    """Raise DataError for a record that lacks a field or holds a value that cannot be."""
    for name in (*_TEXT_FIELDS, "severity", "evidence"):
        if name not in record:
            raise DataError(f"{where}: the 'oodrop' record lacks {name!r}")
    outcomes = (CANONICAL,) if record["variant"] == CANONICAL else RECORDED[1:]
    levels = WEAKEST_FIRST if record["outcome"] == "changed" else (None, *WEAKEST_FIRST)
    wrong = [name for name in _TEXT_FIELDS if not isinstance(record[name], str)]
    wrong += ["severity"] * (type(record["severity"]) not in (int, type(None)))
    wrong += ["bank_sha256"] * (not isinstance(record.get("bank_sha256"), (str, type(None))))
    wrong += ["parent_evidence"] * (record.get("parent_evidence", "proved") not in WEAKEST_FIRST)
    wrong += ["outcome"] * (record["outcome"] not in outcomes)
    wrong += ["evidence"] * (record["evidence"] not in levels)
    for name in wrong:
        raise DataError(f"{where}: {name!r} of the 'oodrop' record is {shown(record[name])}")


def _is_scored(record: Mapping[str, Any]) -> bool:
    scored = record.get("scored")
    if isinstance(scored, bool):
        return scored
    # Written by a version that left it to the reader.
    counts = record["outcome"] in ("canonical", "changed")
    return counts or record["perturber"] in CONTROLS_SCORED


def _parent(record: Mapping[str, Any], where: str) -> Parent | None:
    match record.get("parent"):  # older versions wrote none
        case None:
            return None
        case [str(made), str(source)]:
            level = WEAKEST_FIRST.index(record.get("parent_evidence", "proved"))
            return Parent(sys.intern(made), source, level)
        case other:
            raise DataError(f"{where}: 'parent' of the 'oodrop' record is {shown(other)}")


def _reply_code(item_id: str, replies: Any) -> int:
    """A number to sum over items in any order; marshal takes what writers of JSON refuse."""
    said = marshal.dumps((item_id, replies), 2)
    return int.from_bytes(hashlib.blake2b(said, digest_size=16).digest(), "big")


def _digest(text: str) -> bytes:
    """32 bytes to tell hashes apart by: those that they spell, or a hash of what is none."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    spelt = len(raw) == DIGEST and len(text) == 2 * DIGEST
    return raw if spelt else hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

"""A user's JSON Lines become documents: every line is checked, and all that is wrong is told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from oodrop import DataError
from oodrop.tasks.files import unpacked
from oodrop.tasks.procedural import procedures
from oodrop.tasks.procedural.documents import (
    SPLITS,
    SYMBOLIC_FIELDS,
    normalised,
    plain,
    shown,
    text_problems,
)
from oodrop.tasks.procedural.symbolic import symbolic_problems, violation_of
from oodrop.tasks.spec import Doc

SHOWN_PROBLEMS = 10
TEXT_KIND, SYMBOLIC_KIND = "procedural_text", "procedural"
_PROBLEMS = {TEXT_KIND: text_problems, SYMBOLIC_KIND: symbolic_problems}


@dataclass(frozen=True)
class Intake:
    """What a file holds.

    Attributes:
        kind: the task kind, ``procedural_text`` or ``procedural``.
        splits: documents by split, each in the order of the file.
        sha256: of the file, unpacked.
        notes: what is allowed, and weakens what can be concluded; one sentence each.
    """

    kind: str
    splits: Mapping[str, Sequence[Doc]]
    sha256: str
    notes: tuple[str, ...]


class _Row(NamedTuple):
    line: int
    doc: Doc


@dataclass
class _Problems:
    """All that is wrong, by line; `stop` raises it."""

    path: Path
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, problems: Iterable[str]) -> None:
        self.found += [(line, problem) for problem in problems]

    def stop(self, lines: int) -> None:
        if not self.found:
            return
        told = [f"{self.path.name}, line {n}: {p}" for n, p in sorted(self.found)[:SHOWN_PROBLEMS]]
        wrong = len({line for line, _ in self.found})
        more = len(self.found) - len(told)
        rest = f"\n  and {more} more" if more else ""
        raise DataError(
            f"{self.path} cannot be imported: {len(self.found)} errors in {wrong} of {lines} "
            "lines, and nothing was written:\n  " + "\n  ".join(told) + rest
        )


def read_intake(path: Path) -> Intake:
    """Read and check a whole file, JSON Lines in UTF-8, packed where its name ends in ``.gz``.

    Raises:
        DataError: when the file cannot be read or holds no lines; else with the number of all
            errors and, of the first ten, line, field, what is allowed and what was got.
    """
    content = unpacked(path)
    raw = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lines = [(number, line) for number, line in enumerate(raw, 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no line to import")
    problems = _Problems(path)
    rows = list(_parsed(lines, problems))
    kind = _kind(rows)
    good = []
    for row in rows:
        found = _kind_problems(row.doc, kind) or _PROBLEMS[kind](row.doc)
        problems.add(row.line, found)
        if not found:
            good.append(row)
    docs = _completed(good, kind)
    known = {row.doc["item_id"] for row in docs} | _claimed_ids(rows)
    for line, problem in chain(_repeated(docs), _scattered(docs), _loose_relations(docs, known)):
        problems.add(line, [problem])
    problems.stop(len(lines))
    splits = {s: [doc for _, doc in docs if doc["split"] == s] for s in SPLITS}
    if not splits["test"] and not splits["heldout"]:
        raise DataError(f"{path} has nothing to evaluate: no line of the split test or heldout")
    digest = hashlib.sha256(content).hexdigest()
    there = {split: rows for split, rows in splits.items() if rows}
    return Intake(kind, there, digest, tuple(_notes(splits)))


def _parsed(lines: Iterable[tuple[int, bytes]], problems: _Problems) -> Iterator[_Row]:
    for number, line in lines:
        try:
            doc = json.loads(line.decode("utf-8"), object_pairs_hook=_without_doubles)
        except (ValueError, RecursionError) as error:
            problems.add(number, [f"not a line of JSON in UTF-8 ({error})"])
        else:
            yield _Row(number, doc)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the field {shown(name)} stands twice")
    return found


def _is_symbolic(row: Any) -> bool:
    return isinstance(row, dict) and any(name in row for name in SYMBOLIC_FIELDS)


def _kind(rows: Sequence[_Row]) -> str:
    first = next((row.doc for row in rows if isinstance(row.doc, dict)), {})
    return SYMBOLIC_KIND if _is_symbolic(first) else TEXT_KIND


def _kind_problems(row: Any, kind: str) -> list[str]:
    if not isinstance(row, dict) or _is_symbolic(row) == (kind == SYMBOLIC_KIND):
        return []
    if kind == SYMBOLIC_KIND:
        return [f"the file holds documents in symbols, this line has no {SYMBOLIC_FIELDS[0]!r}"]
    name = next(name for name in SYMBOLIC_FIELDS if name in row)
    return [f"the file holds plain text, this line has {name!r}: import the two apart"]


def _completed(rows: Sequence[_Row], kind: str) -> list[_Row]:
    """The documents with every field: what is absent is derived, outer blanks are cut."""
    if kind == SYMBOLIC_KIND:
        return [_Row(line, _symbolic(doc)) for line, doc in rows]
    given: dict[str, str] = {}
    for _, doc in rows:
        if doc.get("process_id") is not None:
            given.setdefault(plain(doc["procedure"]), doc["process_id"])
    return [_Row(line, _text(doc, given)) for line, doc in rows]


def _text(doc: Doc, given: Mapping[str, str]) -> Doc:
    procedure = plain(doc["procedure"])
    process = doc.get("process_id") or given.get(procedure) or f"procedure_{_digest(procedure)}"
    return {
        **_frame(doc, process),
        "cohort": doc.get("cohort"),
        **{name: doc[name].strip() for name in ("procedure", "scenario", "question")},
    }


def _symbolic(doc: Doc) -> Doc:
    return {
        **doc,
        **_frame(doc, doc["process_id"]),
        "cohort": procedures()[doc["process_id"]].cohort,
        "violation": violation_of(doc),
    }


def _frame(doc: Doc, process: str) -> Doc:
    return {
        "item_id": doc.get("item_id") or f"{process}.{_digest(normalised(doc))}",
        "process_id": process,
        "split": doc.get("split") or "test",
        **{name: doc.get(name) for name in ("type", "parent_id", "partner_id")},
        "label": doc["label"],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def _claimed_ids(rows: Sequence[_Row]) -> set[str]:
    """The ids of all lines, also of those with other errors."""
    ids = (row.doc.get("item_id") for row in rows if isinstance(row.doc, dict))
    return {found for found in ids if isinstance(found, str)}


_Found = Iterable[tuple[int, str]]


def _repeated(rows: Sequence[_Row]) -> _Found:
    ids: dict[str, int] = {}
    texts: dict[str, int] = {}
    for line, doc in rows:
        text = normalised(doc)
        first = texts.setdefault(text, line)
        if first != line:
            yield line, f"the same text as line {first}, apart from case, blanks and stops"
            continue
        first = ids.setdefault(doc["item_id"], line)
        if first != line:
            yield line, f"'item_id' {shown(doc['item_id'])} is that of line {first} already"


def _scattered(rows: Sequence[_Row]) -> _Found:
    """One procedure under two ids would count as two clusters: intervals come out too narrow."""
    first: dict[str, _Row] = {}
    for row in rows:
        if "procedure" not in row.doc:
            continue
        seen = first.setdefault(plain(row.doc["procedure"]), row)
        there, here = seen.doc["process_id"], row.doc["process_id"]
        if there != here:
            same = f"that of the same procedure in line {seen.line}"
            yield row.line, f"'process_id' must be {shown(there)}, {same}, got {shown(here)}"


def _loose_relations(rows: Sequence[_Row], known: set[str]) -> _Found:
    """A parent tells the same, has the same label and no parent; a partner has the other one."""
    children = {doc["item_id"] for _, doc in rows if doc["parent_id"] is not None}
    labels = {doc["item_id"]: doc["label"] for _, doc in rows}
    splits = {doc["item_id"]: doc["split"] for _, doc in rows}
    for line, doc in rows:
        for name, same in (("parent_id", True), ("partner_id", False)):
            other = doc[name]
            if other is None or (other in known and other not in labels):
                continue
            if other == doc["item_id"] or other not in known:
                yield line, f"{name!r} must be the 'item_id' of another line, got {shown(other)}"
            elif splits[other] != doc["split"]:
                yield line, f"{name!r} must be of the same split, got {shown(other)}"
            elif (labels[other] == doc["label"]) != same:
                wanted = "the same label" if same else "the other label"
                yield line, f"{name!r} must be an item with {wanted}, got {shown(other)}"
            elif same and other in children:
                yield line, f"{name!r} must be an item without a parent, got {shown(other)}"


def _notes(splits: Mapping[str, Sequence[Doc]]) -> Iterable[str]:
    for split, docs in splits.items():
        if docs and len({doc["label"] for doc in docs}) == 1:
            yield f"every item of {split} is {docs[0]['label']}: accuracy there tells little"
    elsewhere = {d["process_id"] for s in SPLITS[:3] for d in splits[s]}
    shared = {d["process_id"] for d in splits["heldout"]} & elsewhere
    if shared:
        yield f"{len(shared)} procedures of heldout stand in other splits: they are not held out"
    if not splits["train"]:
        yield "there is no train split: no few-shot examples, and no oodrop-bow or oodrop-majority"

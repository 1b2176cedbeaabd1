"""Tasks of the user's own: folders outside the package, which ``OODROP_TASKS`` names.

A folder ``NAME`` holds ``task.yaml`` (what it is, and how its data are known), ``data`` and
``lm_eval``. It is data alone: prompts, templates and scoring are those of its kind, and come with
oodrop. What it says is checked against its note before it is used; nothing of it is executed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.perturbers.registry import FAMILIES
from oodrop.tasks.files import Doc, parse_documents, unpacked
from oodrop.tasks.notes import NOTE, Note, Split, read_note
from oodrop.tasks.procedural import PROCEDURAL, PROCEDURAL_CHOICE, PROCEDURAL_HELDOUT
from oodrop.tasks.procedural.documents import text_problems
from oodrop.tasks.procedural.symbolic import symbolic_problems
from oodrop.tasks.procedural.text import (
    PROCEDURAL_TEXT,
    PROCEDURAL_TEXT_CHOICE,
    PROCEDURAL_TEXT_HELDOUT,
)
from oodrop.tasks.spec import TaskSpec

FOLDERS_VARIABLE = "OODROP_TASKS"
_LONGEST = 64
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """A kind of task that a folder may be: what its tasks are like, and what its documents.

    Attributes:
        views: the tasks; a folder's own have its name where these have that of the first.
        problems: what is wrong with a document, in sentences.
    """

    views: tuple[TaskSpec, ...]
    problems: Callable[[Any], list[str]]


KINDS: dict[str, Kind] = {
    "procedural": Kind((PROCEDURAL, PROCEDURAL_CHOICE, PROCEDURAL_HELDOUT), symbolic_problems),
    "procedural_text": Kind(
        (PROCEDURAL_TEXT, PROCEDURAL_TEXT_CHOICE, PROCEDURAL_TEXT_HELDOUT), text_problems
    ),
}
_ENDINGS = ("", "_choice", "_heldout")


def name_problem(name: str, taken: Collection[str]) -> str:
    """Why a folder of tasks cannot have this name; "" where it can."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        return f"a task's name is lower-case words joined by underscores, got {name!r:.80}"
    if name.endswith(tuple(f"_{family}" for family in FAMILIES)):
        return f"a task's name must not end in the name of a family of perturbers, got {name!r}"
    known = next((name + end for end in _ENDINGS if name + end in taken), None)
    return f"the task {known!r} comes with oodrop; take another name" if known else ""


def find(name: str, taken: Collection[str]) -> TaskSpec | None:
    """The task of this name in the folders that ``OODROP_TASKS`` names, None if there is none.

    Args:
        name: of the task, not of the folder.
        taken: names of the tasks that come with oodrop.

    Raises:
        DataError: when a folder of this name is not as it should be, or two folders hold the task.
    """
    stems = {name.removesuffix(ending) for ending in _ENDINGS}
    found = {
        folder: spec
        for root in _roots()
        for folder in _called(stems, root)
        for spec in read_folder(folder, taken)
        if spec.name == name
    }
    if len(found) > 1:
        one, other, *_ = found
        raise DataError(f"two folders hold the task {name!r}: {one} and {other}")
    return next(iter(found.values()), None)


def every(taken: Collection[str]) -> Iterator[TaskSpec]:
    """Every task of the folders that ``OODROP_TASKS`` names.

    Raises:
        DataError: as `find`, for any of them.
    """
    seen: dict[str, Path] = {}
    for folder in dict.fromkeys(f for root in _roots() for f in _inside(root)):
        for spec in read_folder(folder, taken):
            if spec.name in seen:
                raise DataError(
                    f"two folders hold the task {spec.name!r}: {seen[spec.name]} and {folder}"
                )
            seen[spec.name] = folder
            yield spec


def _roots() -> list[Path]:
    named = [Path(f) for f in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if f]
    for folder in named:
        if not folder.is_dir():
            raise DataError(f"{FOLDERS_VARIABLE} names {folder}, which is no folder")
    return list(dict.fromkeys(folder.resolve() for folder in named))


def _called(stems: Collection[str], root: Path) -> Iterator[Path]:
    """What `_inside` gives of these names, without reading the whole folder."""
    if (root / NOTE).is_file():
        yield from (root for stem in stems if root.name == stem)
    else:
        yield from (root / stem for stem in sorted(stems) if (root / stem / NOTE).is_file())


def _inside(root: Path) -> list[Path]:
    """The folders with a note: this one, or those in it."""
    if (root / NOTE).is_file():
        return [root]
    try:
        return [folder for folder in sorted(root.iterdir()) if (folder / NOTE).is_file()]
    except OSError as error:
        raise DataError(f"{FOLDERS_VARIABLE} names {root}: {error.strerror}") from None


def read_folder(folder: Path, taken: Collection[str]) -> tuple[TaskSpec, ...]:
    """The tasks of a folder, read anew only where its note has changed.

    Raises:
        DataError: when the note is not one, or names a task that comes with oodrop.
    """
    stat = (folder / NOTE).stat()
    return _read_once(folder, frozenset(taken), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read_once(
    folder: Path, taken: frozenset[str], modified: int, size: int
) -> tuple[TaskSpec, ...]:
    note = read_note(folder, KINDS)
    problem = name_problem(note.name, taken)
    if problem:
        raise DataError(f"{folder / NOTE}: {problem}")
    kind = KINDS[note.kind]
    read = _Checked(note, kind)
    stem = kind.views[0].name
    return tuple(
        replace(
            view,
            name=note.name + view.name.removeprefix(stem),
            summary=f"{view.summary} ({note.source})",
            heldout_of=view.heldout_of and note.name,
            folder=folder,
            home=view.folder,
            read=read,
            edition=note.splits[view.eval_split].sha256,
        )
        for view in kind.views
        if view.eval_split in note.splits
    )


class _Checked:
    """Reads data files that have to be as the note says, and each document as its kind demands."""

    def __init__(self, note: Note, kind: Kind) -> None:
        self._note, self._kind = note, kind
        self._well: set[str] = set()  # a hash that matched once matches the same documents

    def __call__(self, path: Path) -> list[Doc]:
        content = unpacked(path)
        noted = self._note.splits.get(path.name.partition(".")[0])
        digest = hashlib.sha256(content).hexdigest()
        if noted is None or noted.sha256 != digest:
            wanted = noted.sha256 if noted else "no such split"
            raise DataError(f"{path} is not what {NOTE} notes: {wanted}, got SHA-256 {digest}")
        docs = parse_documents(content, path)
        if digest not in self._well:
            self._check(path, content, docs, noted)
            self._well.add(digest)
        return docs

    def _check(self, path: Path, content: bytes, docs: list[Doc], noted: Split) -> None:
        seen: set[str] = set()
        for number, doc in enumerate(docs, 1):
            problems = self._kind.problems(doc)
            if not problems and None in (doc.get("item_id"), doc.get("process_id")):
                problems = ["'item_id' and 'process_id' must be there"]
            if not problems and doc["item_id"] in seen:
                problems = [f"the 'item_id' {doc['item_id']!r} stands twice"]
            if problems:
                raise DataError(f"{path}, line {number}: {problems[0]}")
            seen.add(doc["item_id"])
        found = Split.of(content, docs)
        for field, value in asdict(found).items():
            if getattr(noted, field) != value:
                wanted = getattr(noted, field)
                raise DataError(f"{path}: {NOTE} notes {wanted} {field}, the file has {value}")

"""The note of a task folder, ``task.yaml``: what the task is, and how its data are known."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from oodrop import DataError
from oodrop.tasks.files import Doc, unpacked
from oodrop.tasks.procedural.documents import SPLITS, is_name
from oodrop.tasks.procedural.fields import Loader, Reader

NOTE = "task.yaml"
_LARGEST = 1 << 14
_DEEPEST = 4  # collections inside of each other; a note has three
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Split:
    """How the documents of a split are known.

    Attributes:
        items: how many there are.
        compliant: how many of them are compliant.
        clusters: how many procedures they are about.
        sha256: of the file's content, unpacked.
    """

    items: int
    compliant: int
    clusters: int
    sha256: str

    @classmethod
    def of(cls, content: bytes, docs: Sequence[Doc]) -> Split:
        """What the note says of these documents, which are that content."""
        return cls(
            items=len(docs),
            compliant=sum(doc["label"] == "compliant" for doc in docs),
            clusters=len({doc["process_id"] for doc in docs}),
            sha256=hashlib.sha256(content).hexdigest(),
        )


@dataclass(frozen=True)
class Note:
    """The content of a ``task.yaml``.

    Attributes:
        kind: one of `oodrop.tasks.folders.KINDS`.
        name: of the folder and of its first task.
        source: where the data are from, in words.
        splits: the splits there are.
    """

    kind: str
    name: str
    source: str
    splits: Mapping[str, Split]

    def text(self) -> str:
        """The file."""
        return yaml.safe_dump(asdict(self), sort_keys=False, allow_unicode=True)


def read_note(folder: Path, kinds: Collection[str]) -> Note:
    """Read and check the note of a folder.

    Raises:
        DataError: with file, line and field, when it is not a note.
    """
    path = folder / NOTE
    top = Reader(path, _yaml(path), str(folder))
    kind = top.text("kind", digits=True)
    if kind not in kinds:
        raise top.fail("kind", f"'kind' must be one of {', '.join(kinds)}, got {kind!r:.80}")
    name = top.text("name", digits=True)
    if name != folder.name:
        raise top.fail(
            "name", f"'name' must be that of the folder, {folder.name}, got {name!r:.80}"
        )
    source = top.text("source", digits=True)
    if not is_name(source):
        raise top.fail("source", f"'source' must be one line of text, got {source!r:.80}")
    inner = Reader(path, top.take("splits"), f"{folder}, splits")
    splits = {split: _split(path, inner, split, folder) for split in inner.data}
    if not {"test", "heldout"} & set(splits):
        raise top.fail("splits", "'splits' must have test or heldout, or there is nothing to run")
    top.done()
    return Note(kind, name, source, splits)


def _split(path: Path, inner: Reader, split: str, folder: Path) -> Split:
    if split not in SPLITS:
        raise inner.fail(split, f"a split is one of {', '.join(SPLITS)}, got {split!r:.80}")
    reader = Reader(path, inner.take(split), f"{folder}, split {split}")
    counts = {}
    for field in ("items", "compliant", "clusters"):
        counts[field] = reader.take(field)
        if type(counts[field]) is not int or counts[field] < (field != "compliant"):
            raise reader.fail(field, f"{field!r} must be a whole number, got {counts[field]!r:.80}")
    digest = reader.text("sha256", digits=True)
    if not _SHA256.fullmatch(digest):
        raise reader.fail("sha256", f"'sha256' must be 64 hexadecimal digits, got {digest!r:.80}")
    reader.done()
    return Split(sha256=digest, **counts)


def _yaml(path: Path) -> object:
    try:
        text = unpacked(path, _LARGEST).decode("utf-8")
        _refuse_bombs(path, text)
        return yaml.load(text, Loader=Loader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DataError(f"{path}, line {line}: not a YAML note: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not a YAML note: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # What the constructors of a safe loader raise on a tag that does not fit its text.
        raise DataError(f"{path} is not a YAML note: {error}") from None


def _refuse_bombs(path: Path, text: str) -> None:
    """A few characters must not keep the parser busy for minutes, or fill the memory."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
            raise DataError(f"{path} must hold neither YAML aliases nor deep nesting")

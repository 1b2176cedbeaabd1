"""Banks: rewordings that a model made once, that people reviewed, and that are replayed since.

A bank is a JSON Lines file ``<id>.jsonl`` in UTF-8. Its first line says what was made how, every
other line is one text with its rewording; the hash of a text stands in the file once. Nothing is
generated while a checkpoint is evaluated.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from oodrop import DataError
from oodrop.perturbers.registry import VALUE

FORMAT = 1
PARAPHRASE = "phrasing.llm_paraphrase"
BACK_TRANSLATION = "phrasing.back_translation"
CONTEXTUAL = "lexical.contextual"
PERTURBERS = (PARAPHRASE, BACK_TRANSLATION, CONTEXTUAL)
FOLDERS_VARIABLE = "OODROP_BANKS"
SHIPPED = Path(__file__).parent / "banks"
Field = tuple[str, Callable[[Any], bool]]  # what it must be, in words and as a check


class Substitution(NamedTuple):
    """The word ``before`` at ``start`` of the source becomes ``after``."""

    start: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Review:
    """What ``raters`` people said: whether the meaning is kept, whether the text reads well."""

    kept: bool
    readable: bool
    raters: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A text and its rewording.

    Attributes:
        segment: the segment in which the text was found.
        source: the text as the task has it.
        text: the rewording; empty where the model gave none that could be used.
        review: None until people have read it.
        words: the substitutions that make ``text`` out of ``source``, surest first; for
            ``lexical.contextual`` alone.
    """

    segment: str
    source: str
    text: str
    review: Review | None = None
    words: tuple[Substitution, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the source text."""
        return text_sha256(self.source)

    @property
    def obstacle(self) -> str:
        """Why the rewording must not be used; empty where it may."""
        if not self.text:
            return "the model gave no rewording"
        if self.review is None:
            return "the rewording was not reviewed"
        if not (self.review.kept and self.review.readable):
            return "the rewording was rejected by review"
        return ""


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank as read from its file.

    Attributes:
        id: value of the perturber's parameter ``bank``, and the file's name.
        perturber: the one that replays it, one of `PERTURBERS`.
        model: name of the model.
        revision: its commit, where it came from a hub.
        model_sha256: hash of its weights and configuration.
        settings: everything else that decided the texts: decoding, prompt, seed, pivot language.
        created_with: versions by library.
        entries: by source text.
    """

    id: str
    perturber: str
    model: str
    revision: str | None
    model_sha256: str
    settings: Mapping[str, Any]
    created_with: Mapping[str, str]
    entries: Mapping[str, Entry]


def text_sha256(text: str) -> str:
    """Hash by which a bank knows a source text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def find_bank(bank_id: str) -> Bank:
    """The bank of this id, from the shipped ones or a folder named in ``OODROP_BANKS``.

    Raises:
        DataError: when there is none (the message lists what there is), when two folders hold it,
            when ``OODROP_BANKS`` names no folder, or when the file is not a bank.
    """
    if not VALUE.fullmatch(bank_id):
        raise DataError(f"a bank's id is lower-case words joined by underscores, got {bank_id!r}")
    folders = _folders()
    found = [path for f in folders if (path := f / f"{bank_id}.jsonl").is_file()]
    if not found:
        there = sorted(p.stem for f in folders for p in f.glob("*.jsonl"))
        looked = ", ".join(map(str, folders)) or f"no folder; name one in {FOLDERS_VARIABLE}"
        raise DataError(
            f"there is no bank {bank_id!r}; there are: {', '.join(there) or 'none'} "
            f"(looked in {looked})"
        )
    if len(found) > 1:
        raise DataError(f"two files hold the bank {bank_id!r}: {found[0]} and {found[1]}")
    stat = found[0].stat()
    return _read_once(found[0], stat.st_mtime_ns, stat.st_size)


def _folders() -> list[Path]:
    named = [Path(f) for f in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if f]
    for folder in named:
        if not folder.is_dir():
            raise DataError(f"{FOLDERS_VARIABLE} names {folder}, which is no folder")
    folders = [SHIPPED, *named] if SHIPPED.is_dir() else named
    return list({folder.resolve(): folder for folder in folders}.values())


@lru_cache(maxsize=32)
def _read_once(path: Path, modified: int, size: int) -> Bank:
    return read_bank(path)


def read_bank(path: Path) -> Bank:
    """Read and check a whole bank.

    Raises:
        DataError: naming file, line and field of the first thing that is not as it should be.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the bank {path} cannot be read: {error.strerror or error}") from None
    return parse_bank(data, path)


def parse_bank(data: bytes, path: Path) -> Bank:
    """`read_bank` of the file's content; ``path`` gives the id and stands in the errors.

    Raises:
        DataError: as `read_bank`.
    """
    *lines, rest = data.split(b"\n")
    if rest or not lines:
        raise DataError(
            f"{path}, line {len(lines) + 1}: the file must end with a whole line; "
            "'oodrop bank make' continues one that was cut off"
        )
    header = _row(lines[0], _HEADER, f"{path}, line 1")
    if header["id"] != path.name.removesuffix(".jsonl"):
        raise DataError(f"{path}, line 1: the file of bank {header['id']!r} has another name")
    entries: dict[str, Entry] = {}
    contextual = header["perturber"] == CONTEXTUAL
    for number, line in enumerate(lines[1:], 2):
        entry = _entry(line, contextual, f"{path}, line {number}")
        if entry.source in entries:
            raise DataError(f"{path}, line {number}: 'sha256' {entry.sha256} is there already")
        entries[entry.source] = entry
    del header["oodrop_bank"]
    return Bank(**header, entries=entries)


def _entry(line: bytes, contextual: bool, where: str) -> Entry:
    fields = {**_ENTRY, "words": _WORDS} if contextual else _ENTRY
    row = _row(line, fields, where)
    if row["sha256"] != text_sha256(row["source"]):
        raise DataError(f"{where}: 'sha256' is not the hash of 'source'")
    if row["text"] == row["source"]:
        raise DataError(f"{where}: 'text' must differ from 'source'")
    review = row["review"]
    if review is not None:
        review = Review(**_checked(review, _REVIEW, f"{where}, 'review'"))
    words = tuple(Substitution(*word) for word in row.get("words", ()))
    entry = Entry(row["segment"], row["source"], row["text"], review, words)
    if contextual and (substituted(entry.source, words) if words else "") != entry.text:
        raise DataError(f"{where}: 'words' do not make 'text' out of 'source'")
    return entry


def substituted(text: str, words: Sequence[Substitution]) -> str | None:
    """The text after the substitutions; None where they overlap or misquote it."""
    parts, place = [], 0
    for start, before, after in sorted(words):
        if start < place or not before or not text.startswith(before, start):
            return None
        parts += [text[place:start], after]
        place = start + len(before)
    return "".join([*parts, text[place:]])


def bank_lines(bank: Bank) -> list[bytes]:
    """The lines of a bank's file: header and entries."""
    header = {name: getattr(bank, name, FORMAT) for name in _HEADER}
    return [_line(header), *(entry_line(entry) for entry in bank.entries.values())]


def entry_line(entry: Entry) -> bytes:
    """The line of an entry."""
    row = {"sha256": entry.sha256, **asdict(entry)}
    if not entry.words:
        del row["words"]
    return _line(row)


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8")


def _row(line: bytes, fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not a line of JSON in UTF-8 ({error})") from None
    return _checked(row, fields, where)


def _checked(row: Any, fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: must be an object with {', '.join(fields)}, got {row!r:.60}")
    unknown = next((name for name in row if name not in fields), None)
    if unknown is not None:
        raise DataError(f"{where}: unknown field {unknown!r}; there are: {', '.join(fields)}")
    for name, (wanted, holds) in fields.items():
        if name not in row and name != "words":
            raise DataError(f"{where}: the field {name!r} is missing")
        if name in row and not holds(row[name]):
            raise DataError(f"{where}: {name!r} must be {wanted}, got {row[name]!r:.60}")
    return row


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not _SURROGATE.search(value)


def _is_word(value: Any) -> bool:
    typed = isinstance(value, list) and [type(part) for part in value] == [int, str, str]
    return typed and bool(value[0] >= 0 and value[1] != value[2])


_HEX = re.compile("[0-9a-f]{64}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HASH = ("a SHA-256 in hexadecimal", lambda v: type(v) is str and bool(_HEX.fullmatch(v)))
_NAME = ("text that is not empty", lambda v: _is_text(v) and v != "")
_TRUTH = ("true or false", lambda v: isinstance(v, bool))
_WORDS = ("a list of [start, before, after]", lambda v: type(v) is list and all(map(_is_word, v)))
_HEADER: Mapping[str, Field] = {
    "oodrop_bank": (f"{FORMAT}", lambda v: type(v) is int and v == FORMAT),
    "id": ("lower-case words joined by underscores", lambda v: bool(VALUE.fullmatch(str(v)))),
    "perturber": (f"one of {', '.join(PERTURBERS)}", lambda v: v in PERTURBERS),
    "model": _NAME,
    "revision": ("text or null", lambda v: v is None or _is_text(v)),
    "model_sha256": _HASH,
    "settings": ("an object", lambda v: isinstance(v, dict)),
    "created_with": (
        "an object of versions",
        lambda v: type(v) is dict and all(map(_is_text, v.values())),
    ),
}
_ENTRY: Mapping[str, Field] = {
    "sha256": _HASH,
    "segment": _NAME,
    "source": _NAME,
    "text": ("text without lone surrogates", _is_text),
    "review": ("null or an object", lambda v: v is None or isinstance(v, dict)),
}
_REVIEW: Mapping[str, Field] = {
    "kept": _TRUTH,
    "readable": _TRUTH,
    "raters": ("a whole number above 0", lambda v: type(v) is int and v > 0),
}

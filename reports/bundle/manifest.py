"""The list of everything in a bundle, sealed: every byte of the folder is accounted for."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.reports.checks import shown
from oodrop.reports.lines import parse_exactly
from oodrop.reports.render.text import shorten

MANIFEST = "manifest.json"
SCHEMA = "oodrop-bundle"
SCHEMA_VERSION = "0.1"
MOST_RESAMPLES = 100_000  # who verifies a bundle computes as many
_LARGEST = 1 << 24  # bytes of a manifest: 16 MiB are 80,000 files
_LONGEST = 512  # characters of a name
_FORBIDDEN = set('\\:*?"<>|')


@dataclass(frozen=True)
class Entry:
    """One file of a bundle.

    Attributes:
        path: below the bundle, with ``/``.
        sha256: of its bytes, in hexadecimal.
        size: in bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Settings:
    """What the derived files depend on besides the raw ones.

    Attributes:
        seed: of the bootstrap and of the sampled flips.
        resamples: of the bootstrap.
        model_id: ``developer/model``, as registries name it.
        organization: who evaluated.
    """

    seed: int
    resamples: int
    model_id: str
    organization: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        checkpoint: its name.
        oodrop_version: version that wrote the bundle.
        settings: from which, with ``raw/``, all else follows.
        redacted: kind -> how many values of results files were hidden or shortened.
        not_proved: sentences about what nobody can prove from the bundle.
        files: every other file, sorted by path.
    """

    checkpoint: str
    oodrop_version: str
    settings: Settings
    redacted: Mapping[str, int]
    not_proved: tuple[str, ...]
    files: tuple[Entry, ...]


def manifest_json(manifest: Manifest) -> bytes:
    """The manifest as it is written: one form only, with a hash of the rest of it in ``seal``."""
    return _dumped({**_body(manifest), "seal": seal_of(manifest)})


def seal_of(manifest: Manifest) -> str:
    """The hash that names the bundle: of its manifest, and so of every byte in it."""
    return hashlib.sha256(_dumped(_body(manifest))).hexdigest()


def _body(manifest: Manifest) -> dict[str, Any]:
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(manifest)}


def _dumped(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def read_manifest(bundle: Path) -> Manifest:
    """The manifest of a bundle, checked by itself.

    Raises:
        DataError: when it is missing, damaged, changed, or names what no bundle may hold.
    """
    path = bundle / MANIFEST
    try:
        if path.is_symlink() or not path.is_file():
            raise DataError(f"{path} is no plain file: {bundle} is no bundle of oodrop submit")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise DataError(f"{path} must have at most {_LARGEST:,} bytes")
    found = _parsed(parse_exactly(data, str(path)), str(path))
    # Any change, of white space or of a number too, gives other bytes than were sealed.
    if manifest_json(found) != data:
        raise DataError(f"{path} was changed after it was written: its seal does not hold")
    check_names([entry.path for entry in found.files], str(path))
    return found


def _parsed(content: Any, where: str) -> Manifest:
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{where}: 'schema' must be {SCHEMA!r}")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{where}: 'schema_version' must be {SCHEMA_VERSION!r}, got "
            f"{shown(content.get('schema_version'))}"
        )
    settings = _object(content, "settings", where)
    return Manifest(
        checkpoint=_of(str, content, "checkpoint", where),
        oodrop_version=_of(str, content, "oodrop_version", where),
        settings=Settings(
            seed=_count(settings, "seed", where),
            resamples=_count(settings, "resamples", where, MOST_RESAMPLES),
            model_id=_of(str, settings, "model_id", where),
            organization=_of(str, settings, "organization", where),
        ),
        redacted={
            key: _count(content["redacted"], key, where)
            for key in _object(content, "redacted", where)
        },
        not_proved=tuple(
            _of(str, {"not_proved": text}, "not_proved", where)
            for text in _of(list, content, "not_proved", where)
        ),
        files=tuple(_entry(entry, where) for entry in _of(list, content, "files", where)),
    )


def _entry(entry: Any, where: str) -> Entry:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: an entry of 'files' must be an object, got {shown(entry)}")
    return Entry(
        path=_of(str, entry, "path", where),
        sha256=_of(str, entry, "sha256", where),
        size=_count(entry, "size", where),
    )


def _object(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found: dict[str, Any] = _of(dict, content, key, where)
    return found


def _count(content: Mapping[str, Any], key: str, where: str, most: int = (1 << 53) - 1) -> int:
    found: int = _of(int, content, key, where)
    if not 0 <= found <= most:
        raise DataError(f"{where}: {key!r} must be from 0 to {most:,}")
    return found


def _of(kind: type, content: Mapping[str, Any], key: str, where: str) -> Any:
    found = content.get(key)
    if type(found) is not kind:
        raise DataError(f"{where}: {key!r} must be {kind.__name__}, got {shown(found)}")
    return found


def check_names(names: list[str], where: str) -> None:
    """Check that names stay inside a folder and can stand beside each other anywhere.

    Raises:
        DataError: for an absolute name, one with ``..``, with a character that is not printable or
            not allowed everywhere, and for two that a file system may take for one.
    """
    taken: dict[str, str] = {}
    for name in names:
        if reason := _name_problem(name):
            raise DataError(f"{where}: the name {shorten(name, 80)!r} {reason}")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in taken:
            raise DataError(f"{where}: the name {shorten(name, 80)!r} stands twice")
        taken[folded] = name
    for folded in taken:
        parent = folded.rpartition("/")[0]
        while parent:
            if parent in taken:
                raise DataError(f"{where}: {shorten(taken[parent], 80)!r} is a file and a folder")
            parent = parent.rpartition("/")[0]


def _name_problem(name: str) -> str:
    if not name or len(name) > _LONGEST:
        return f"must have 1 to {_LONGEST} characters"
    if not name.isprintable() or _FORBIDDEN & set(name):
        return "holds a character that is not allowed"
    parts = name.split("/")
    if any(part in ("", ".", "..") or part != part.strip() for part in parts):
        return "must be relative and stay inside the bundle"
    return "is the manifest itself" if name.casefold() == MANIFEST else ""


def entries(bundle: Path) -> tuple[Entry, ...]:
    """Every file of a folder but the manifest, sorted by path.

    Raises:
        DataError: when something in it is no plain file, or cannot be read.
    """
    return tuple(entry_of(bundle, name) for name in names_in(bundle) if name != MANIFEST)


def entry_of(bundle: Path, name: str) -> Entry:
    """Hash and size of one file of a folder."""
    path = bundle / name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Entry(name, digest, file.tell())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def names_in(folder: Path) -> list[str]:
    """The paths of all files below a folder, sorted; no link is followed.

    Raises:
        DataError: when something in it is neither a plain file nor a folder.
    """
    return sorted(_walked(folder, ""))


def _walked(folder: Path, before: str) -> Iterator[str]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        kinds = [entry.stat(follow_symlinks=False).st_mode for entry in found]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    for entry, mode in zip(found, kinds, strict=True):
        if stat.S_ISDIR(mode):
            yield from _walked(Path(entry.path), f"{before}{entry.name}/")
        elif stat.S_ISREG(mode):
            yield before + entry.name
        else:
            raise DataError(f"{entry.path} is neither a file nor a folder; links are not followed")

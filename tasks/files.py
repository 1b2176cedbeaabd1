"""Data files: JSON Lines, plain or packed by gzip."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import orjson

from oodrop import DataError

Doc = dict[str, Any]
MOST_BYTES = 1 << 30  # of a file, unpacked


def unpacked(path: Path, most: int = MOST_BYTES) -> bytes:
    """What a file holds, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: when it cannot be read, is damaged, or holds more than ``most`` bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content: bytes = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if len(content) > most:
        raise DataError(f"{path} holds more than {most:,} bytes")
    return content


def read_documents(path: Path) -> list[Doc]:
    """The documents of a JSON Lines file, in its order.

    Raises:
        DataError: when it cannot be read or a line of it is not JSON.
    """
    return parse_documents(unpacked(path), path)


def parse_documents(content: bytes, path: Path) -> list[Doc]:
    """`read_documents` of the file's content; ``path`` stands in the errors.

    Raises:
        DataError: when a line is not JSON in UTF-8.
    """
    try:
        docs = [orjson.loads(line) for line in content.split(b"\n") if line]
    except ValueError as error:
        raise DataError(f"{path} holds a line that is not JSON: {error}") from None
    return docs

"""Lines of a samples file, as objects: streamed, each with its place, none skipped."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from oodrop import DataError

LONGEST = 64 * 2**20
"""Bytes of a line, or of a file that is one object: with more, damage would fill the memory."""


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: from 1.
        offset: of its first byte.
        text: with its line break.
    """

    number: int
    offset: int
    text: bytes


def iterate_lines(path: Path) -> Iterator[Line]:
    """Lines of a file, streamed, split at line feeds alone: texts may hold U+2028 and the like.

    Raises:
        DataError: for an empty file, a cut last line, or one above `LONGEST`.
    """
    number, offset = 0, 0
    with _opened(path) as lines:
        for number, text in enumerate(iter(partial(lines.readline, LONGEST + 1), b""), 1):
            if len(text) > LONGEST:
                raise DataError(f"{path}, line {number}: is longer than {LONGEST:,} bytes")
            if not text.endswith(b"\n"):
                raise DataError(f"{path}, line {number}: the file is cut off here")
            yield Line(number, offset, text)
            offset += len(text)
    if number == 0:
        raise DataError(f"{path} is empty; lm-eval writes such a file when saving failed")


def iterate_samples(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and sample of a JSONL file, streamed.

    Raises:
        DataError: as `iterate_lines`, and for a line that is not a JSON object.
    """
    for line in iterate_lines(path):
        yield line.number, parse_object(line.text, f"{path}, line {line.number}")


def lines_at(path: Path, offsets: list[int]) -> Iterator[bytes]:
    """The lines that begin at these bytes of a file, in the order given.

    Raises:
        DataError: when the file cannot be read.
    """
    with _opened(path) as lines:
        for offset in offsets:
            lines.seek(offset)
            yield lines.readline(LONGEST)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        DataError: when it cannot be read, is above `LONGEST`, or holds something else.
    """
    with _opened(path) as content:
        # Asked for more, it would make room for all of it.
        size = os.fstat(content.fileno()).st_size
        text = content.read(min(size, LONGEST) + 1)
    if len(text) > LONGEST:
        raise DataError(f"{path}: is longer than {LONGEST:,} bytes")
    return parse_object(text, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A plain file; a pipe or a device would be waited for, or never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path} cannot be read: it is no plain file")
        with path.open("rb") as content:
            yield content
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def parse_object(text: bytes, where: str) -> dict[str, Any]:
    """A JSON object, as Python or another program wrote it.

    Raises:
        DataError: when it is none; ``where`` leads the message.
    """
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        data = parse_exactly(text, where)
    if not isinstance(data, dict):
        raise DataError(f"{where}: must be a JSON object, got {type(data).__name__}")
    return data


def parse_exactly(text: bytes, where: str) -> Any:
    """Any JSON as Python reads its own: NaN, Infinity, lone surrogates, integers of any length.

    Raises:
        DataError: when it is none; ``where`` leads the message.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({type(error).__name__}: {error!s:.80})") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 4_300 else float(digits)  # Python refuses longer ones

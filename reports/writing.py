"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, data: bytes) -> Path:
    """Put the data in the place of the file in one step: it is the old one or the new one.

    Raises:
        OSError: when it cannot be written there; what was there stays.
    """
    return write_streamed(path, [data])


def write_streamed(path: Path, parts: Iterable[bytes]) -> Path:
    """As `write_whole`, with the data in parts of which one at a time is held.

    Raises:
        OSError: when it cannot be written there; what was there stays, as after any error that
            the parts raise.
    """
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path

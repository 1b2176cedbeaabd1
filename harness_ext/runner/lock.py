"""One run at a time on a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from oodrop import DataError

_LOCK = ".oodrop.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder while it lasts; the system lets go of it when the process dies.

    Raises:
        DataError: when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"another oodrop run is at work in {folder} (it holds {_LOCK}); wait for it, or choose "
            "another output folder"
        ) from None
    try:
        yield
    finally:
        lock.release()

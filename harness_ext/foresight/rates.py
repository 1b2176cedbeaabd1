"""How fast an earlier run went, as its journals recorded it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path


def read_rate(folder: Path) -> float | None:
    """Requests per second that the journals of an earlier run in the folder recorded.

    None where there is none. Nothing is written, not even beside a journal.
    """
    rows = [row for path in sorted(folder.glob("*.sqlite")) for row in _rate_rows(path)]
    requests, seconds = sum(row[0] for row in rows), sum(row[1] for row in rows)
    return requests / seconds if requests > 0.0 and seconds > 0.0 else None


def _rate_rows(path: Path) -> Iterator[tuple[float, float]]:
    # SQLite makes files beside a database in WAL mode even to read it, unless told that it rests.
    rests = not path.with_name(f"{path.name}-wal").exists()
    mode = "immutable=1" if rests else "mode=ro"
    try:
        journal = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    except sqlite3.Error:
        return
    try:
        yield from journal.execute("SELECT requests, seconds FROM rates")
    except sqlite3.Error:  # an older journal has no rates
        return
    finally:
        journal.close()

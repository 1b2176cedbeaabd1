"""How fast an earlier run went, as its journals recorded it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path


def read_rates(folder: Path) -> dict[str, float]:
    """Requests per second by stage, as the journals of an earlier run in the folder recorded them.

    Empty where there is none. Nothing is written, not even beside the journal.
    """
    totals: dict[str, list[float]] = {}
    for path in sorted(folder.glob("*.sqlite")):
        for stage, requests, seconds in _rate_rows(path):
            total = totals.setdefault(stage, [0.0, 0.0])
            total[0], total[1] = total[0] + requests, total[1] + seconds
    return {stage: r / s for stage, (r, s) in totals.items() if r > 0.0 and s > 0.0}


def _rate_rows(path: Path) -> Iterator[tuple[str, float, float]]:
    # SQLite makes files beside a database in WAL mode even to read it, unless told that it rests.
    rests = not path.with_name(f"{path.name}-wal").exists()
    mode = "immutable=1" if rests else "mode=ro"
    try:
        journal = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    except sqlite3.Error:
        return
    try:
        yield from journal.execute("SELECT stage, requests, seconds FROM rates")
    except sqlite3.Error:  # an older journal has no rates
        return
    finally:
        journal.close()

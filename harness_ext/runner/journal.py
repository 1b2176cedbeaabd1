"""Answers on disk as they come: a killed evaluation continues where it was.

A journal belongs to one checkpoint fingerprint, so one checkpoint's answers never serve another.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from oodrop import RunError

Progress = Callable[[int, int], None]

_FORMAT = 1
_TABLES = """
CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT, made_for TEXT) WITHOUT ROWID;
CREATE TABLE rates (stage TEXT, requests INTEGER, seconds REAL);
"""
_AT_ONCE = 500  # keys of one query; SQLite takes up to 32,766


class Kept(NamedTuple):
    """A stored answer, and the identity of the stage that it was computed for."""

    answer: Any
    made_for: str


class Journal:
    """Answers of one checkpoint by request, in an SQLite file in WAL mode.

    Raises:
        RunError: when the file cannot be opened, or is a journal of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Every commit is on the disk before work goes on: a power cut takes none of them.
            self._db.execute("PRAGMA synchronous=FULL")
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                script = f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={_FORMAT};COMMIT"
                self._db.executescript(script)
                found = _FORMAT
        except sqlite3.Error as error:
            raise RunError(f"the journal {path} cannot be opened: {error}") from None
        if found != _FORMAT:
            raise RunError(
                f"the journal {path} has format {found}, this version of oodrop reads {_FORMAT}; "
                "remove it to compute its answers again"
            )

    def get(self, key: str) -> Any:
        """The stored answer, None if there is none."""
        kept = self.known([key]).get(key)
        return None if kept is None else kept.answer

    def known(self, keys: Iterable[str]) -> dict[str, Kept]:
        """What is stored of these."""
        found = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, answer, made_for FROM answers WHERE key IN ({marks})"  # noqa: S608
            with closing(self._db.execute(query, some)) as rows:
                found.update({key: Kept(json.loads(text), by) for key, text, by in rows})
        return found

    def put(
        self, answers: Mapping[str, Any], made_for: str = "", seconds: float | None = None
    ) -> None:
        """Store answers, all or none; nothing that happens to the process later loses them.

        An answer that is there stays.

        Args:
            answers: by key.
            made_for: identity of the stage that they were computed for.
            seconds: what they took, for an estimate of what is left; None where nobody asks.

        Raises:
            RunError: when they cannot be written; what was stored before stays.
        """
        rows = [(key, json.dumps(answer), made_for) for key, answer in answers.items()]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)
                if seconds is not None:
                    self._db.execute(
                        "INSERT INTO rates VALUES (?, ?, ?)", (made_for, len(rows), seconds)
                    )
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise RunError(
                f"{len(rows)} answers could not be written to the journal {self.path}: {error}; "
                "those before them are kept, and the same command continues after them"
            ) from None

    def close(self) -> None:
        """Fold the write-ahead log back and close the file."""
        self._db.close()


def request_key(kind: str, arguments: Sequence[Any]) -> str:
    """Stable hash of a request: its kind and its arguments, whatever the order of their keys."""
    text = json.dumps([kind, list(arguments)], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

"""Answers go to disk as they come: a killed evaluation continues where it was.

`JournalledLM` stands around any lm-eval model. Identical deterministic requests are computed once;
every answer is committed to an SQLite file at once and taken from there in a later run. A journal
belongs to one checkpoint fingerprint, so one checkpoint's answers never serve another.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from oodrop import RunError

Progress = Callable[[int, int], None]


class Journal:
    """Answers of one checkpoint by request, in an SQLite file in WAL mode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Survives any kill; a power cut may cost the last answers, never the file.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT)"
            )
        except sqlite3.Error as error:
            raise RunError(f"the journal {path} cannot be opened: {error}") from None

    def get(self, key: str) -> Any:
        """The stored answer, None if there is none."""
        with closing(self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,))) as rows:
            row = rows.fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, answer: Any) -> None:
        """Store an answer; a kill of the process after this does not lose it."""
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))

    def close(self) -> None:
        """Fold the write-ahead log back and close the file."""
        self._db.close()


def request_key(kind: str, arguments: Sequence[Any]) -> str:
    """Stable hash of a request: its kind and its arguments, whatever the order of their keys."""
    text = json.dumps([kind, list(arguments)], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class JournalledLM(LM):
    """A model whose answers are journalled; without a journal it computes every request anew.

    Args:
        lm: the model that answers.
        journal: where answers are kept; None for a rerun that must share nothing.
        progress: called with (answers there, answers needed) as they come.
    """

    def __init__(self, lm: Any, journal: Journal | None, progress: Progress) -> None:
        super().__init__()
        self._lm, self._journal, self._progress = lm, journal, progress

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """As the model's own."""
        return [(a[0], a[1]) for a in self._answer("loglikelihood", requests)]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """As the model's own."""
        return [float(a) for a in self._answer("loglikelihood_rolling", requests)]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """As the model's own; sampled generations are neither stored nor shared."""
        return [str(a) for a in self._answer("generate_until", requests)]

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """As the model's own."""
        return str(
            self._lm.apply_chat_template(chat_history, add_generation_prompt=add_generation_prompt)
        )

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """As the model's own."""
        template: str | None = self._lm.chat_template(chat_template)
        return template

    @property
    def tokenizer_name(self) -> str:
        """As the model's own."""
        return str(self._lm.tokenizer_name)

    @property
    def rank(self) -> int:
        """As the model's own."""
        return int(self._lm.rank)

    @property
    def world_size(self) -> int:
        """As the model's own."""
        return int(self._lm.world_size)

    def __getattr__(self, name: str) -> Any:
        if name == "_lm":  # not yet set while unpickling or failing in __init__
            raise AttributeError(name)
        return getattr(self._lm, name)

    def _answer(self, kind: str, requests: list[Instance]) -> list[Any]:
        keys = [
            request_key(kind, request.args) if self._shared(kind, request) else f"{kind}:{i}"
            for i, request in enumerate(requests)
        ]
        known: dict[str, Any] = {}
        todo: dict[str, Instance] = {}
        for key, request in zip(keys, requests, strict=True):
            stored = self._journal.get(key) if self._journal and key not in known else None
            if stored is not None:
                known[key] = stored
            elif key not in known:
                todo.setdefault(key, request)
        if todo:
            with self._journalling(len(known), len(known) + len(todo)):
                method = getattr(self._lm, kind)
                # Our own progress takes the place of the backend's bars.
                quiet = "disable_tqdm" in inspect.signature(method).parameters
                answers = method(list(todo.values()), **({"disable_tqdm": True} if quiet else {}))
            known.update(zip(todo, answers, strict=True))
            for key, answer in zip(todo, answers, strict=True):
                if self._journal and ":" not in key:
                    self._journal.put(key, answer)
        self._progress(len(known), len(known))
        return [known[key] for key in keys]

    def _shared(self, kind: str, request: Instance) -> bool:
        if self._journal is None:
            return False
        return not (kind == "generate_until" and _sampled(request.args[1]))

    @contextmanager
    def _journalling(self, there: int, needed: int) -> Iterator[None]:
        """While the model works, every answer that it reports is stored and counted."""
        hook = _Hook(self._journal, self._progress, there, needed)
        self._lm.set_cache_hook(hook)
        try:
            yield
        finally:
            self._lm.set_cache_hook(_Hook(None, lambda there, needed: None, 0, 0))


def _sampled(settings: Mapping[str, Any]) -> bool:
    """Whether two replies under these settings may differ; a server goes by the temperature."""
    return bool(settings.get("do_sample") or settings.get("temperature"))


class _Hook:
    """What lm-eval's models call with each answer, in the shape of its CacheHook."""

    def __init__(
        self, journal: Journal | None, progress: Progress, there: int, needed: int
    ) -> None:
        self.journal, self.progress = journal, progress
        self.there, self.needed = there, needed

    def add_partial(self, kind: str, request: Sequence[Any], answer: Any) -> None:
        sampled = kind == "generate_until" and _sampled(request[1])
        if self.journal is not None and not sampled:
            self.journal.put(request_key(kind, request), answer)
        self.there += 1
        self.progress(min(self.there, self.needed), self.needed)

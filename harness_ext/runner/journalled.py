"""`JournalledLM`: any lm-eval model, with every answer journalled before the next is computed.

The work of a call is planned from all its requests and done in units; a unit is computed whole and
journalled whole. A run that was killed plans the same units and computes those that are missing,
so that its numbers are those of an undisturbed run, rounding included.
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from oodrop import RunError
from oodrop.harness_ext.runner.journal import Journal, Kept, Progress, request_key
from oodrop.harness_ext.runner.outofmemory import is_out_of_memory, release_memory

_PROMPTS = 1024  # of a unit, where the backend names no batch size of its own
_SHARING = 128  # of a unit, where the backend computes once what prompts share
_SECONDS = 1.0  # of a server's answers that a kill may cost
_BATCHES = 8  # of a unit of a server, that none of its connections waits for long


@dataclass(frozen=True)
class Purpose:
    """What answers are computed for.

    Attributes:
        made_for: identity of the stage. Answers of another stage are taken as they are; of this
            one, the plan of the units holds those that are there as well.
        stage: name of the stage.
        shares: whether equal prompts are one request and answers of other stages will do. A rerun
            shares nothing, or there would be no noise to measure.
        seed: seed of sampled replies.
    """

    made_for: str = ""
    stage: str = "main"
    shares: bool = True
    seed: int = 1234


class _Unit(NamedTuple):
    """Requests by key that are journalled whole; or all that the model plans units of."""

    requests: dict[str, Instance]
    is_plan: bool = False


class JournalledLM(LM):
    """A model whose answers are journalled.

    Identical greedy requests are computed once. Sampled replies belong to their document and
    number: they serve a run that continues, never another prompt.

    Args:
        lm: the model that answers. One with ``plans_whole`` plans its units itself, from all
            requests of a call, and tells the hook when one is done.
        journal: where answers are kept.
        progress: called with (answers there, answers needed) as they come.
        purpose: what they are computed for.
        say: where a line goes that the user should see.
    """

    def __init__(
        self,
        lm: Any,
        journal: Journal,
        progress: Progress,
        purpose: Purpose = Purpose(),  # frozen
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__()
        self._lm, self._journal, self._progress = lm, journal, progress
        self._purpose, self._say = purpose, say

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """As the model's own."""
        return [(a[0], a[1]) for a in self._answer("loglikelihood", requests)]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """As the model's own."""
        return [float(a) for a in self._answer("loglikelihood_rolling", requests)]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """As the model's own."""
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
        keys = self._keys(kind, requests)
        there = self._journal.known(keys)
        plan = {
            key: request
            for key, request in zip(keys, requests, strict=True)
            if key not in there or there[key].made_for == self._purpose.made_for
        }
        answers = {key: kept.answer for key, kept in there.items()}
        self._progress(len(there), len({*keys}))
        if plan.keys() - there.keys():
            hook = _Hook(self._journal, self._purpose, self._progress, there, len({*keys}))
            with self._telling(hook):
                for unit in self._units(kind, plan):
                    if unit.requests.keys() - there.keys():
                        answers |= self._compute(kind, unit, hook)
        self._progress(len(answers), len(answers))
        return [answers[key] for key in keys]

    def _keys(self, kind: str, requests: list[Instance]) -> list[str]:
        """Equal for requests that are one: a greedy prompt; a draw of a document."""
        keys, draws = [], dict[str, int]()
        for request in requests:
            key = request_key(kind, request.args)
            if not self._purpose.shares or _sampled(kind, request.args):
                own = [self._purpose.stage, key, request.task_name, request.doc_id, request.idx]
                key = request_key("one of its own", own)
                draws[key] = draws.get(key, -1) + 1
                key = f"{key}:{draws[key]}"
            keys.append(key)
        return keys

    def _units(self, kind: str, plan: dict[str, Instance]) -> Iterator[_Unit]:
        """What is computed and journalled whole: some prompts with all that is asked of them."""
        whole = {
            key: request
            for key, request in plan.items()
            if self._plans_whole and self._purpose.shares and not _sampled(kind, request.args)
        }
        if whole:
            yield _Unit(whole, is_plan=True)
        by_prompt: dict[str, list[str]] = {}
        for key, request in plan.items():
            if key not in whole:
                by_prompt.setdefault(str(request.args[0]), []).append(key)
        size, order = _size_and_order(self._lm)
        prompts = sorted(by_prompt, key=order)
        for start in range(0, len(prompts), size):
            some = prompts[start : start + size]
            yield _Unit({key: plan[key] for prompt in some for key in by_prompt[prompt]})

    @property
    def _plans_whole(self) -> bool:
        return bool(getattr(self._lm, "plans_whole", False))

    def _compute(self, kind: str, unit: _Unit, hook: _Hook) -> dict[str, Any]:
        """Answers of a unit, journalled; known ones stay as they are."""
        asked, alone = unit.requests, self._alone(kind, unit)
        if alone:
            asked = {key: request for key, request in asked.items() if key not in hook.there}
        if any(_sampled(kind, request.args) for request in asked.values()):
            _seed(self._purpose.seed, next(iter(asked)))
        with hook.unit(unit.is_plan, alone):
            answers = dict(zip(asked, self._ask(kind, list(asked.values())), strict=True))
        hook.put(answers)
        return answers | {k: kept.answer for k, kept in hook.there.items() if k in answers}

    def _alone(self, kind: str, unit: _Unit) -> bool:
        """Whether each answer is what it is whatever it was asked together with: a server's."""
        shared = self._purpose.shares and not any(
            _sampled(kind, request.args) for request in unit.requests.values()
        )
        return shared and _connections(self._lm) is not None

    def _ask(self, kind: str, requests: list[Instance]) -> list[Any]:
        """The model's answers; where memory does not suffice, with a smaller batch."""
        method = getattr(self._lm, kind)
        # Our own progress takes the place of the backend's bars.
        quiet = "disable_tqdm" in inspect.signature(method).parameters
        while True:
            try:
                return list(method(requests, **({"disable_tqdm": True} if quiet else {})))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
            self._halve(reason)

    def _halve(self, reason: str) -> None:
        size = getattr(self._lm, "batch_size_per_gpu", 1)
        if not isinstance(size, int) or size < 2:
            raise RunError(
                f"out of memory with one prompt at a time ({reason:.200}); a smaller dtype, "
                "a smaller model or another device is needed"
            )
        release_memory()
        self._lm.batch_size_per_gpu = size // 2
        self._say(f"out of memory: the batch size goes from {size} to {size // 2}")

    @contextmanager
    def _telling(self, hook: _Hook) -> Iterator[None]:
        """While the model works, it tells the hook of every answer."""
        before = getattr(self._lm, "cache_hook", None)
        self._lm.set_cache_hook(hook)
        try:
            yield
        finally:
            self._lm.set_cache_hook(before)


class _Hook:
    """What the model calls with each answer, in the shape of lm-eval's CacheHook.

    A model that plans its units itself asks what is `known` and says when to `commit`.
    """

    def __init__(
        self,
        journal: Journal,
        purpose: Purpose,
        progress: Progress,
        there: Mapping[str, Kept],
        needed: int,
    ) -> None:
        self.there = there
        self._journal, self._purpose, self._progress = journal, purpose, progress
        self._count, self._needed = len(there), needed
        self._new: dict[str, Any] = {}
        self._stored: set[str] = set()
        self._is_plan = self._alone = False
        self._began = time.monotonic()

    @contextmanager
    def unit(self, is_plan: bool, alone: bool) -> Iterator[None]:
        """A unit begins, or a plan of which the model says by itself what is done.

        Args:
            is_plan: whether it is such a plan.
            alone: whether answers need no others of the unit: they are kept as they come, at the
                latest when it ends or fails.
        """
        self._is_plan, self._alone, self._new = is_plan, alone, {}
        self._began = time.monotonic()
        try:
            yield
        finally:
            if alone:
                self.commit()

    def known(self, kind: str, arguments: Sequence[Any]) -> Any:
        """The answer, if it is there already; else None."""
        kept = self.there.get(request_key(kind, arguments)) if self._is_plan else None
        return None if kept is None else kept.answer

    def add_partial(self, kind: str, arguments: Sequence[Any], answer: Any) -> None:
        """An answer came."""
        if self._is_plan or self._alone:
            self._new[request_key(kind, arguments)] = answer
        if self._alone and time.monotonic() - self._began > _SECONDS:
            self.commit()
        self._count += 1
        self._progress(min(self._count, self._needed), self._needed)

    def commit(self) -> None:
        """What came since the last time is on disk when this returns."""
        self.put(self._new)
        self._new = {}

    def put(self, answers: Mapping[str, Any]) -> None:
        """Journal answers, with the time since the unit began or the last ones came."""
        now = time.monotonic()
        fresh = {k: a for k, a in answers.items() if k not in self._stored and k not in self.there}
        if fresh:
            self._journal.put(fresh, self._purpose.made_for, now - self._began)
            self._stored |= fresh.keys()
            self._began = now


def _sampled(kind: str, arguments: Sequence[Any]) -> bool:
    """Whether two replies to this may differ; a server goes by the temperature."""
    if kind != "generate_until":
        return False
    settings: Mapping[str, Any] = arguments[1]
    return bool(settings.get("do_sample") or settings.get("temperature"))


def _size_and_order(lm: Any) -> tuple[int, Callable[[str], Any]]:
    """Prompts of a unit, and the order in which prompts are taken.

    A backend that pads gets prompts of one length together, the longest first; any other gets those
    together that begin alike, so that the cache of a server meets what it has just seen.
    """
    if getattr(lm, "plans_whole", False):
        return _SHARING, lambda prompt: prompt
    batch = getattr(lm, "batch_size_per_gpu", None)
    if isinstance(batch, int):
        return batch, lambda prompt: (-len(prompt), prompt)
    connections = _connections(lm)
    if connections is not None:
        return _BATCHES * connections * int(lm._batch_size), lambda prompt: prompt
    return _PROMPTS, lambda prompt: prompt


def _connections(lm: Any) -> int | None:
    """How many requests a client of a server has under way; None for any other model."""
    found = getattr(lm, "_concurrent", None)
    return max(found, 1) if isinstance(found, int) else None


def _seed(seed: int, unit: str) -> None:
    """A unit's draws are its own: computed again after a kill, they are the same."""
    import torch

    digest = hashlib.sha256(f"{seed} {unit}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8]) >> 1)

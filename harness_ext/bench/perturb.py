"""``oodrop bench perturb``: documents per second of our perturbers beside those of others.

All are timed in one process and in turns, round by round, so that a busy machine is busy for all.
A row's speed is the median of the rounds, per second of processor time: the work is one thread's
and waits for nothing, so a busy machine does not look like slow code. Our speed includes seed,
guards and certificate; the protected spans and words of an item are found once beforehand and
timed apart. Before each round everything else that the package remembers about a text is
forgotten, and the seed is a new one, so that no round profits from the one before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean, median
from typing import Any

from oodrop.harness_ext.bench import BenchResult, machine
from oodrop.harness_ext.bench.contenders import Contender, own_contenders, peer_contenders
from oodrop.harness_ext.bench.documents import (
    SIZE,
    TASKS,
    Document,
    file_documents,
    plain_item,
    task_documents,
)
from oodrop.harness_ext.bench.fullsuite import (
    PROCESSES,
    SEVERITY,
    full_variants,
    time_full_suite,
    usable,
)
from oodrop.harness_ext.bench.peers import PEERS
from oodrop.perturbers import Item
from oodrop.perturbers.catalogue.nlpaug_family import isolated_random_state

DOCUMENTS = 2400
ROUNDS = 5
QUICK_DOCUMENTS, QUICK_ROUNDS = 24, 2
FULL_FACTOR = 5  # documents of the full suite for each one of the side-by-side part
_WORD_LENGTHS = (3, 4, 5)  # those that lexical perturbers ask for
_REMEMBERED = {f.name for f in fields(Item)} | {"_spans", "_words", "is_about_words"}
_PACKAGES = ("oodrop", "nlpaug", "pyspellchecker", "num2words", "pint", "numpy")

Notify = Callable[[str], None]


def bench_perturb(
    documents: int | None, quick: bool, texts: tuple[Path, str] | None, notify: Notify
) -> BenchResult:
    """Time every perturber and peer on the same documents, and the full suite on more of them.

    Args:
        documents: how many; fewer where the texts hold no more distinct ones.
        quick: few documents and rounds: shows that it works, measures nothing.
        texts: a JSON-lines file and its field instead of the shipped tasks' texts.
        notify: told what is being done.

    Raises:
        DataError: when the file holds no such texts.
    """
    wanted = documents or (QUICK_DOCUMENTS if quick else DOCUMENTS)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    about = machine((*_PACKAGES, *dict.fromkeys(p.package for p in PEERS)))
    chosen = _documents(wanted, texts)
    items = [plain_item(number, document) for number, document in enumerate(chosen)]
    notify("protected spans and words")
    spans_per_s = _span_speed(items, rounds)
    notify("first pass")
    ours = own_contenders(items)
    theirs = peer_contenders(items, ours)
    for number in range(rounds):
        notify(f"round {number + 1} of {rounds}")
        _time_round(ours, theirs, items, number)
    rows = _finished_rows([*ours, *theirs])
    notify("full suite on two processes")
    full, seconds = _full_suite(wanted * FULL_FACTOR, texts)
    settings = {**_settings(chosen, wanted, rounds, texts), "quick": quick, "full_suite": full}
    return BenchResult("perturb", about, settings, rows, _figures(rows, spans_per_s, seconds))


def _documents(count: int, texts: tuple[Path, str] | None) -> list[Document]:
    return file_documents(*texts, count) if texts else task_documents(count)


def _settings(
    chosen: Sequence[Document], wanted: int, rounds: int, texts: tuple[Path, str] | None
) -> dict[str, Any]:
    return {
        "docs": len(chosen),
        "docs_wanted": wanted,
        "characters_at_most": SIZE,
        "characters_mean": round(fmean(len(d.text) for d in chosen), 1),
        "texts": f"{texts[0].name}:{texts[1]}" if texts else f"tasks {', '.join(TASKS)}",
        "rounds": rounds,
        "severity": SEVERITY,
        "processes": 1,
        "clock": "processor time of the one thread; the full suite: wall time",
        "ours_include": "seed, guards and certificate; spans and words found once per item",
        "spans_include": f"Item.spans and Item.words of {_WORD_LENGTHS} letters and more",
    }


def _span_speed(items: Sequence[Item], rounds: int) -> float:
    """Documents per second; the items know their spans and words afterwards."""
    seconds = []
    for _ in range(rounds):
        for item in items:
            vars(item).pop("_spans", None)
            vars(item).pop("_words", None)
        _forget_texts()
        start = time.thread_time()
        for item in items:
            item.spans("question")
            for length in _WORD_LENGTHS:
                item.words(length)
        seconds.append(time.thread_time() - start)
    return len(items) / median(seconds)


def _forget_texts() -> None:
    """Empty the package's bounded caches: those keyed by texts, not its tables."""
    for name, module in list(sys.modules.items()):
        if name.startswith("oodrop.perturbers"):
            for value in vars(module).values():
                parameters = getattr(value, "cache_parameters", None)
                if parameters is not None and parameters()["maxsize"] is not None:
                    value.cache_clear()


def _renew(items: Sequence[Item]) -> None:
    """Take from the items what earlier calls found out about them, except spans and words."""
    for item in items:
        state = vars(item)
        for name in state.keys() - _REMEMBERED:
            del state[name]


def _time_round(
    ours: Sequence[Contender], theirs: Sequence[Contender], items: Sequence[Item], number: int
) -> None:
    texts = [item.segments["question"] for item in items]
    for contender in (c for c in ours if c.runs_here):
        _renew(items)
        _forget_texts()
        contender.seconds.append(_seconds(contender.make(number), items[:: contender.step]))
    with isolated_random_state(number):
        for contender in (c for c in theirs if c.runs_here):
            contender.seconds.append(_seconds(contender.make(number), texts[:: contender.step]))


def _seconds(call: Callable[[Any], object], subjects: Sequence[object]) -> float:
    start = time.thread_time()
    for subject in subjects:
        call(subject)
    return time.thread_time() - start


def _finished_rows(contenders: Sequence[Contender]) -> list[dict[str, Any]]:
    rows = [contender.row for contender in contenders]
    for contender in contenders:
        if contender.seconds:
            speed = contender.row["docs"] / median(contender.seconds)
            contender.row["docs_per_s"] = round(speed, 1)
    speeds = {row["variant"]: row["docs_per_s"] for row in rows if row["kind"] != "peer"}
    for row in rows:
        own = speeds.get(row["against"])
        if own is not None and row["docs_per_s"] is not None:
            row["ratio"] = round(own / row["docs_per_s"], 2)
    return rows


def _full_suite(wanted: int, texts: tuple[Path, str] | None) -> tuple[dict[str, Any], float]:
    distinct = _documents(wanted, texts)
    documents = [distinct[k % len(distinct)] for k in range(wanted)]
    source, asked = full_variants()
    variants, failing = usable(asked, documents[0])
    run = time_full_suite(documents, variants)
    settings = {
        "docs": wanted,
        "docs_distinct": len(distinct),
        "items": "everyday_letters, its facts replaced by the documents' text",
        "source": source,
        "variants": len(variants),
        "left_out": failing,
        "severity": SEVERITY,
        "processes": PROCESSES,
        "changed_share": round(run.changed / run.pairs, 3),
        "includes": "spans, words, seed, guards and certificate",
    }
    return settings, run.seconds


def _figures(
    rows: Sequence[dict[str, Any]], spans_per_s: float, full_seconds: float
) -> dict[str, float | None]:
    speeds = [row["docs_per_s"] for row in rows if row["in_median"]]
    adapters = {row["variant"] for row in rows if row["kind"] == "adapter"}
    ratios = [
        row["ratio"]
        for row in rows
        if row["family"] == "nlpaug" and row["ratio"] and row["against"] not in adapters
    ]
    misspelling = next((r["docs_per_s"] for r in rows if r["name"] == "lexical.misspelling"), None)
    return {
        "lexical_median_docs_per_s": median(speeds) if speeds else None,
        "min_ratio_to_nlpaug": min(ratios, default=None),
        "misspelling_docs_per_s": misspelling,
        "span_docs_per_s": round(spans_per_s, 1),
        "full_suite_12000_docs_s": round(full_seconds, 2),
    }

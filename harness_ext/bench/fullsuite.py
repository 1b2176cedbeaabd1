"""Every own perturber over many documents on two processes: how long a whole suite takes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from oodrop import OodropError
from oodrop.harness_ext.bench.documents import Document, structured_items
from oodrop.perturbers import Variant, all_perturbers, all_suites
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import Perturber

SUITE = "full-1.0"
SEVERITY = 2
PROCESSES = 2
_ADAPTERS = "lexical.nlpaug_"
_CHUNK = 100
_WARM_UP = 20
_PATIENCE_S = 300
# What tasks offer where a perturber leaves the values of its parameter to them.
_OFFERED = {"phrasing.template": "t01", "phrasing.question_paraphrase": "p01"}


@dataclass(frozen=True, slots=True)
class FullRun:
    """Seconds from the first document's start to the last one's end, and what was done.

    Attributes:
        seconds: wall time, from the earliest start to the latest end of the two processes.
        changed: pairs of document and variant with a changed item.
        pairs: all pairs of document and variant.
    """

    seconds: float
    changed: int
    pairs: int


def is_own(plugin: Perturber) -> bool:
    """Whether the perturber is oodrop's and no adapter to nlpaug."""
    return not plugin.is_foreign and not is_adapter(plugin.name)


def is_adapter(name: str) -> bool:
    """Whether the perturber of this name calls nlpaug."""
    return name.startswith(_ADAPTERS)


def first_variant(plugin: Perturber) -> Variant:
    """The perturber with the first value of each parameter, at severity 2 where it has any."""
    values = {
        k: v[0] if v else _OFFERED.get(plugin.name, "none") for k, v in plugin.parameters.items()
    }
    return Variant(plugin.name, values, SEVERITY if plugin.has_severity else None)


def full_variants() -> tuple[str, list[Variant]]:
    """Where the variants come from, and each with an own perturber once, at one severity."""
    known, suite = all_perturbers(), all_suites().get(SUITE)
    if suite is None:
        source = f"{SUITE} does not exist yet: every own perturber with its first parameter value"
        return source, [first_variant(p) for p in known.values() if is_own(p)]
    first: dict[str, Variant] = {}
    for variant in suite.variants:
        if variant.perturber in known and is_own(known[variant.perturber]):
            severity = SEVERITY if variant.severity is not None else None
            first.setdefault(variant.perturber, replace(variant, severity=severity))
    return SUITE, list(first.values())


def usable(variants: Sequence[Variant], document: Document) -> tuple[list[Variant], dict[str, str]]:
    """The variants that run here, and why the others do not, by slug."""
    (item,) = structured_items([document])
    runs, fails = [], {}
    for variant in variants:
        try:
            Bound(variant)(item)
            runs.append(variant)
        except OodropError as error:
            fails[variant.slug] = str(error)
    return runs, fails


def time_full_suite(documents: Sequence[Document], variants: Sequence[Variant]) -> FullRun:
    """Perturb every document (two at least) with every variant, spans and words included.

    Interpreters, tables and items are there before the clock starts.
    """
    size = min(_CHUNK, -(-len(documents) // PROCESSES))
    starts = range(0, len(documents), size)
    context = multiprocessing.get_context("spawn")
    arguments = (documents, variants, context.Barrier(PROCESSES))
    with ProcessPoolExecutor(PROCESSES, context, _prepare, arguments) as pool:
        done = list(pool.map(_perturb_chunk, starts, [size] * len(starts)))
    seconds = max(end for _, end, _ in done) - min(start for start, _, _ in done)
    changed = sum(count for _, _, count in done)
    return FullRun(seconds, changed, len(documents) * len(variants))


class _Barrier(Protocol):
    def wait(self, timeout: float | None = None) -> int: ...


_ITEMS: list[Item] = []
_BOUND: list[Bound] = []


def _prepare(documents: Sequence[Document], variants: Sequence[Variant], barrier: _Barrier) -> None:
    """In a worker: tables read, items made, and then wait for the other worker."""
    _BOUND.extend(map(Bound, variants))
    for item in structured_items(documents[:_WARM_UP]):
        for bound in _BOUND:
            bound(item)
    _ITEMS.extend(structured_items(documents))
    barrier.wait(_PATIENCE_S)


def _perturb_chunk(first: int, size: int) -> tuple[float, float, int]:
    """In a worker: start and end on the clock that all processes share, and items changed."""
    start = time.monotonic()
    changed = 0
    for item in _ITEMS[first : first + size]:
        for bound in _BOUND:
            changed += bound(item).certificate.outcome == "changed"
    return start, time.monotonic(), changed

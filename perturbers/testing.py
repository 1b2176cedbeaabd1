"""The contract of perturbers as a test: `check_perturber`, for the tests of every plugin.

It holds a perturber to what `oodrop.perturbers` promises its readers, on sample items and on those
that are given.
"""

from __future__ import annotations

import inspect
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise

from oodrop.perturbers.certificate import Certificate
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.item import Item
from oodrop.perturbers.promises import broken, check_item, perturbed
from oodrop.perturbers.registry import SEVERITY_FRACTION, Perturber, get_perturber, perturber
from oodrop.perturbers.samples import long_item, random_items, sample_items
from oodrop.perturbers.variant import Variant

__all__ = ["check_item", "check_perturber", "sample_items", "variants_of"]

_BIG = 10_000  # characters from which an item is checked with one variant only, and once
_LENGTHS = (25_000, 100_000)
_FACTOR = 10.0  # four times the text may take this many times the time
_PATIENCE = 0.25  # seconds that are no trouble, however they grow
_fresh = itertools.count()


def check_perturber(
    name_or_perturber: str | Perturber,
    items: Iterable[Item] | None = None,
    *,
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    examples: int = 50,
) -> None:
    """Check every promise of a perturber, with each of its parameter values and severities.

    It is tried on `sample_items`, on ``examples`` mixtures of them, and on the items given, which
    are needed where it works on what only some task has.

    Raises:
        AssertionError: one sentence with the perturber, the item and the promise that is broken.
        OodropError: when the perturber says that something it needs is not installed.
    """
    asked = name_or_perturber
    plugin = get_perturber(asked) if isinstance(asked, str) else asked
    _check_registration(plugin)
    given = [*sample_items(), *random_items(examples), *(items or ())]
    pool = [item for item in given if not _is_big(item)]
    levels = severities if plugin.has_severity else (None,)
    changed = 0
    variants = variants_of(plugin, given, severities)
    for first in range(0, len(variants), len(levels)):  # one set of parameters
        same = variants[first : first + len(levels)]
        results = [_check_variant(plugin, variant, pool) for variant in same]
        for (low, fewer), (high, more) in pairwise(zip(same, results, strict=True)):
            _check_nested(pool, low, fewer, high, more)
        _check_time(same[-1])
        changed += sum(c.outcome == "changed" for found in results for c in found)
    for item in filter(_is_big, given):
        changed += check_item(item, variants[-1]).certificate.outcome == "changed"
    if not changed and not plugin.scores_all:
        raise AssertionError(
            f"perturber {plugin.name} changed none of {len(pool)} items, so that nothing was "
            "checked; give check_perturber items that it applies to"
        )


def _is_big(item: Item) -> bool:
    return sum(map(len, item.segments.values())) > _BIG


def variants_of(
    plugin: Perturber, items: Iterable[Item], severities: Sequence[int] = (1, 2, 3, 4, 5)
) -> list[Variant]:
    """Every parameter value with every severity; values left to the task are the items' own."""
    named: set[str] = set()
    for item in items:
        named.update(*item.offers.values(), *item.paraphrases.values(), item.inversions)
    values = [allowed or sorted(named) for allowed in plugin.parameters.values()]
    levels = severities if plugin.has_severity else (None,)
    return [
        Variant(plugin.name, dict(zip(plugin.parameters, chosen, strict=True)), severity)
        for chosen in itertools.product(*values)
        for severity in levels
    ]


def _check_registration(plugin: Perturber) -> None:
    again = perturber(
        plugin.name,
        version=plugin.version,
        level=plugin.level,
        evidence=plugin.evidence,
        parameters=plugin.parameters,
        scores_all=plugin.scores_all,
        languages=plugin.languages,
    )(plugin.function)
    if again is not plugin.function or get_perturber(plugin.name) != plugin:
        raise AssertionError(f"perturber {plugin.name} is another one when registered again")
    if not inspect.getdoc(plugin.function) or not plugin.summary or not plugin.version:
        raise AssertionError(f"perturber {plugin.name} has no docstring or no version")
    if plugin.scores_all and plugin.family != "control":
        raise AssertionError(f"perturber {plugin.name} scores all items and is no control")


def _check_variant(
    plugin: Perturber, variant: Variant, pool: Sequence[Item]
) -> Sequence[Certificate]:
    """Certificates of the items; every item forwards, then once more backwards."""
    done = [check_item(item, variant) for item in pool]
    for item, result in zip(reversed(pool), reversed(done), strict=True):
        if perturbed(item, variant) != result:
            broken(variant, item, "the output is another one when other items come before it")
        if plugin.level == "prompt":
            other = Variant(variant.perturber, variant.parameters, variant.severity, seed=1)
            if perturbed(item, other) != result:
                broken(variant, item, "it is of level 'prompt' and yet draws random numbers")
    certificates = [result.certificate for result in done]
    if variant.severity is not None:
        _check_fraction(variant, variant.severity, pool, certificates)
    return certificates


def _check_fraction(
    variant: Variant,
    severity: int,
    pool: Sequence[Item],
    certificates: Sequence[Certificate],
) -> None:
    """No more than the share of the severity in any item, and at least half of it in all."""
    made = meant = 0
    for item, certificate in zip(pool, certificates, strict=True):
        if certificate.outcome == "changed" and certificate.eligible is not None:
            share = SEVERITY_FRACTION[severity] * certificate.eligible
            wanted = max(1, math.floor(share + 0.5))
            count = len(certificate.edits)
            if count > min(wanted + 1, certificate.eligible):
                told = f"it made {count} edits of {certificate.eligible} eligible ones"
                broken(variant, item, f"{told}, where severity {severity} means {wanted}")
            made, meant = made + count, meant + wanted
    if 2 * made < meant:
        raise AssertionError(
            f"perturber {variant.perturber} ({variant.slug}) made {made} edits on all items "
            f"together, where severity {severity} of what it calls eligible means {meant}"
        )


def _check_nested(
    pool: Sequence[Item],
    low: Variant,
    fewer: Sequence[Certificate],
    high: Variant,
    more: Sequence[Certificate],
) -> None:
    for item, less, greater in zip(pool, fewer, more, strict=True):
        if greater.outcome != "refused" and not set(less.edits) <= set(greater.edits):
            broken(high, item, f"its edits do not contain those of severity {low.severity}")


def _check_time(variant: Variant) -> None:
    for _ in range(3):  # another process may have had the machine
        long = _seconds(variant, _LENGTHS[1])
        if long <= _PATIENCE:
            return
        short = _seconds(variant, _LENGTHS[0])
        if long <= _FACTOR * short:
            return
    raise AssertionError(
        f"perturber {variant.perturber} ({variant.slug}) takes {long:.2f} s for {_LENGTHS[1]} "
        f"characters and {short:.2f} s for {_LENGTHS[0]}; time must grow as the text does"
    )


def _seconds(variant: Variant, length: int) -> float:
    item = long_item(length, f"Note {next(_fresh)}. ")  # new text: nothing of it is remembered
    bound, start = Bound(variant), time.process_time()
    bound(item)
    return time.process_time() - start

"""The contract of perturbers as a test: `check_perturber`, for the tests of every plugin.

It holds a perturber to what `oodrop.perturbers` promises its readers, on sample items and on those
that are given.
"""

from __future__ import annotations

import inspect
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NoReturn

from oodrop import RunError
from oodrop.perturbers.certificate import Certificate
from oodrop.perturbers.edits import Edits, Regold, Relabel, edits_from_dicts, undo_edits
from oodrop.perturbers.engine import Bound, Perturbed, _global_states
from oodrop.perturbers.guards import _bank, _names, _text_kept
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import SEVERITY_FRACTION, Perturber, get_perturber, perturber
from oodrop.perturbers.samples import long_item, random_items, sample_items
from oodrop.perturbers.variant import Variant

__all__ = ["check_item", "check_perturber", "sample_items", "variants_of"]

OUTCOMES = ("changed", "unchanged", "not_applicable", "refused")
_BIG = 10_000  # characters from which an item is checked at the highest severity only
_LENGTHS = (25_000, 100_000)
_FACTOR = 10.0  # four times the text may take this many times the time
_INSTANT = 0.005  # seconds that are too few to be measured
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
    known = isinstance(name_or_perturber, Perturber)
    plugin = name_or_perturber if known else get_perturber(name_or_perturber)
    _check_registration(plugin)
    pool = [*sample_items(), *random_items(examples), *(items or ())]
    changed = 0
    by_parameters: dict[tuple[str, ...], list[Variant]] = {}
    for variant in variants_of(plugin, pool, severities):
        by_parameters.setdefault(tuple(variant.parameters.values()), []).append(variant)
    for variants in by_parameters.values():
        results = [_check_variant(plugin, variant, pool) for variant in variants]
        for (low, fewer), (high, more) in pairwise(zip(variants, results, strict=True)):
            _check_nested(pool, low, fewer, high, more)
        _check_time(variants[-1])
        changed += sum(c.outcome == "changed" for found in results for c in found.values())
    if not changed and not plugin.scores_all:
        raise AssertionError(
            f"perturber {plugin.name} changed none of {len(pool)} items, so that nothing was "
            "checked; give check_perturber items that it applies to"
        )


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


def check_item(item: Item, variant: Variant) -> Perturbed:
    """Check what holds for one item whatever the perturber; gives what came out.

    Raises:
        AssertionError: one sentence with the perturber, the item and the promise that is broken.
    """
    before, states = _copied(item), _global_states()
    done = _perturbed(item, variant)
    if _global_states() != states:
        _broken(variant, item, "it drew from a global generator of random or numpy")
    if item != before or done.certificate.canonical_sha256 != before.sha256():
        _broken(variant, item, "it altered the item itself")
    if _perturbed(item, variant) != done:
        _broken(variant, item, "the same input gave another output the second time")
    problem = _outcome_problem(item, done)
    if not problem and done.certificate.outcome == "changed":
        problem = (
            _log_problem(item, done)
            or _answer_problem(variant, item, done)
            or _text_problem(item, done)
        )
    if problem:
        _broken(variant, item, problem)
    return done


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
) -> Mapping[int, Certificate]:
    """Certificates by place in the pool; every item forwards, then once more backwards."""
    top = variant.severity in (None, max(SEVERITY_FRACTION))
    some = {k: i for k, i in enumerate(pool) if top or sum(map(len, i.segments.values())) < _BIG}
    done = {k: check_item(item, variant) for k, item in some.items()}
    for k, item in reversed(some.items()):
        if _perturbed(item, variant) != done[k]:
            _broken(variant, item, "the output is another one when other items come before it")
        if plugin.level == "prompt":
            other = Variant(variant.perturber, variant.parameters, variant.severity, seed=1)
            if _perturbed(item, other) != done[k]:
                _broken(variant, item, "it is of level 'prompt' and yet draws random numbers")
    certificates = {k: result.certificate for k, result in done.items()}
    if variant.severity is not None:
        _check_fraction(variant, variant.severity, some, certificates)
    return certificates


def _check_fraction(
    variant: Variant,
    severity: int,
    items: Mapping[int, Item],
    certificates: Mapping[int, Certificate],
) -> None:
    """No more than the share of the severity in any item, and at least half of it in all."""
    made = meant = 0
    for k, certificate in certificates.items():
        if certificate.outcome == "changed" and certificate.eligible is not None:
            share = SEVERITY_FRACTION[severity] * certificate.eligible
            wanted = max(1, math.floor(share + 0.5))
            count = len(certificate.edits)
            if count > min(wanted + 1, certificate.eligible):
                told = f"it made {count} edits of {certificate.eligible} eligible ones"
                _broken(variant, items[k], f"{told}, where severity {severity} means {wanted}")
            made, meant = made + count, meant + wanted
    if 2 * made < meant:
        raise AssertionError(
            f"perturber {variant.perturber} ({variant.slug}) made {made} edits on all items "
            f"together, where severity {severity} of what it calls eligible means {meant}"
        )


def _check_nested(
    pool: Sequence[Item],
    low: Variant,
    fewer: Mapping[int, Certificate],
    high: Variant,
    more: Mapping[int, Certificate],
) -> None:
    for k in fewer.keys() & more.keys():
        if more[k].outcome != "refused" and not set(fewer[k].edits) <= set(more[k].edits):
            promise = f"its edits do not contain those of severity {low.severity}"
            _broken(high, pool[k], promise)


def _check_time(variant: Variant) -> None:
    for _ in range(3):  # another process may have had the machine
        short, long = (_seconds(variant, length) for length in _LENGTHS)
        if long <= _FACTOR * max(short, _INSTANT):
            return
    raise AssertionError(
        f"perturber {variant.perturber} ({variant.slug}) takes {long:.2f} s for {_LENGTHS[1]} "
        f"characters and {short:.2f} s for {_LENGTHS[0]}; time must grow as the text does"
    )


def _seconds(variant: Variant, length: int) -> float:
    item = long_item(length, f"Note {next(_fresh)}. ")  # new text: nothing of it is remembered
    bound, start = Bound(variant), time.perf_counter()
    bound(item)
    return time.perf_counter() - start


def _perturbed(item: Item, variant: Variant) -> Perturbed:
    try:
        return Bound(variant)(item)
    except RunError as error:
        _broken(variant, item, str(error))


def _copied(item: Item) -> Item:
    return item.altered(
        segments=dict(item.segments),
        units=dict(item.units),
        settings=dict(item.settings),
        offers=dict(item.offers),
        paraphrases={name: dict(bank) for name, bank in item.paraphrases.items()},
        inversions=dict(item.inversions),
        entities=dict(item.entities),
    )


def _outcome_problem(item: Item, done: Perturbed) -> str:
    certificate = done.certificate
    if certificate.outcome not in OUTCOMES:
        return f"the outcome {certificate.outcome!r} is none of {', '.join(OUTCOMES)}"
    if bool(certificate.reason) != (certificate.outcome in ("not_applicable", "refused")):
        return f"the reason {certificate.reason!r} does not fit the outcome {certificate.outcome}"
    claims = (*certificate.edits, *certificate.guards, *filter(None, [certificate.evidence]))
    if certificate.outcome != "changed":
        return "it was not changed and yet has edits or another text" * bool(
            claims or done.item != item
        )
    proved = certificate.evidence is not None and "invertible" in certificate.guards
    return "" if proved else "it was changed without evidence or without the guard 'invertible'"


def _log_problem(item: Item, done: Perturbed) -> str:
    try:
        logged = json.loads(json.dumps(done.certificate.as_dict()))["edits"]
    except TypeError as error:
        return f"its edits cannot be written as JSON: {error}"
    edits = edits_from_dicts(logged)
    if edits != done.certificate.edits:
        return "its edits are others when they are read back from a log"
    if undo_edits(done.item, edits).sha256() != item.sha256():
        return "undoing its edits does not give the canonical item"
    return ""


def _answer_problem(variant: Variant, item: Item, done: Perturbed) -> str:
    after, edits, family = done.item, done.certificate.edits, variant.perturber.partition(".")[0]
    kinds = {type(edit) for edit in edits}
    if Regold in kinds and (family, "G3_gold_rederived" in done.certificate.guards) != (
        "control",
        True,
    ):
        return "it changed the gold and is no control whose gold a program derived again"
    if after.gold_text != item.gold_text and Regold not in kinds:
        return f"the answer is {after.gold_text!r} and no longer {item.gold_text!r}"
    if Counter(after.choices) != Counter(item.choices):
        return "the options are no longer the same"
    renamed = len(set(after.labels)) == len(item.labels) and all(after.labels)
    if not (renamed if Relabel in kinds else after.labels == item.labels):
        return "the labels are not renamed one to one"
    for name, units in item.units.items():
        order = after.units[name].members
        if sorted(order) != sorted(units.members):
            return f"the units {name} are no longer the same"
        if any(order.index(a) > order.index(b) for a, b in units.precedence):
            return f"the order of the units {name} breaks their precedence"
    return ""


def _text_problem(item: Item, done: Perturbed) -> str:
    """Protected text as the guard reads it in full, without its short cuts."""
    edits = Edits(done.certificate.edits)
    if Regold in edits.kinds:
        return ""
    for name, group in edits.by_segment.items():
        old, new = item.segments[name], done.item.segments[name]
        if new not in _bank(item, name):
            problem = _text_kept(item, name, old, new, group, _names(item))
            if problem:
                return problem
    return ""


def _broken(variant: Variant, item: Item, promise: str) -> NoReturn:
    raise AssertionError(
        f"perturber {variant.perturber} ({variant.slug}) on item {item.item_id!r}: {promise}"
    )

"""Every form that a perturber takes on a task, and which bank a variant replays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import TypeVar

from oodrop import OodropError, RunError
from oodrop.perturbers import banks
from oodrop.perturbers.item import TEMPLATE, Item
from oodrop.perturbers.registry import Perturber, all_perturbers
from oodrop.perturbers.variant import DEFAULT_SEED, Variant

T = TypeVar("T")
SHOWN_SEVERITIES = (1, 3, 5)


def variants_of(
    plugin: Perturber,
    item: Item,
    *,
    given: Mapping[str, str] | None = None,
    severity: int | None = None,
    seed: int = DEFAULT_SEED,
) -> list[Variant]:
    """Every parameter value at severities 1, 3 and 5, or at what is given instead.

    Values that a perturber leaves to the task are those that the item offers; where it offers
    none the list is empty.
    """
    fixed = dict(given or {})
    keys = [*(k for k in plugin.parameters if k not in fixed)]
    values = [plugin.parameters[k] or _offered(item, plugin) for k in keys]
    levels: Sequence[int | None] = [severity]
    if plugin.has_severity and severity is None:
        levels = SHOWN_SEVERITIES
    return [
        Variant(plugin.name, {**fixed, **dict(zip(keys, chosen, strict=True))}, level, seed)
        for chosen in product(*values)
        for level in levels
    ]


def _offered(item: Item, plugin: Perturber) -> tuple[str, ...]:
    """Templates or rewordings of the task, less those that other perturbers name as their own."""
    if plugin.name == "phrasing.template":
        values = [v for v in item.offers.get(TEMPLATE, ()) if v != item.template]
    else:
        values = list(item.paraphrases.get("question", {}))
    declared = {v for p in all_perturbers().values() for vs in p.parameters.values() for v in vs}
    endings = tuple(f"_{v}" for v in declared)
    return tuple(v for v in values if v not in declared and not v.endswith(endings))


def bank_sha256(variant: Variant) -> str | None:
    """Hash of the content of the bank that a variant replays; None where it replays none.

    Raises:
        DataError: as `find_bank`.
    """
    if variant.perturber not in banks.PERTURBERS or "bank" not in variant.parameters:
        return None
    lines = banks.bank_lines(banks.find_bank(variant.parameters["bank"]))
    return hashlib.sha256(b"".join(lines)).hexdigest()


def banks_of(variants: Iterable[Variant]) -> dict[str, str]:
    """Id to `bank_sha256` of every bank that the variants replay."""
    hashed = {v.parameters.get("bank", ""): bank_sha256(v) for v in variants}
    return {bank: sha256 for bank, sha256 in sorted(hashed.items()) if sha256}


@contextmanager
def what_it_lacks(*, strict: bool) -> Iterator[list[str]]:
    """While perturbers are tried: gets the reason where one lacks data or a package.

    Raises:
        OodropError: with ``strict``, instead of the reason.
        RunError: when a perturber fails.
    """
    reasons: list[str] = []
    try:
        yield reasons
    except RunError:
        raise
    except OodropError as error:
        if strict:
            raise
        reasons.append(str(error))


def evenly_spaced(things: Sequence[T], most: int | None) -> list[T]:
    """At most so many of them, spread over all, in their order; None takes them all."""
    if most is None or most >= len(things):
        return list(things)
    return [things[k * len(things) // most] for k in range(most)]

"""What every perturber promises, checked over the whole registry, installed plugins included."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oodrop import OodropError, RunError
from oodrop.perturbers import (
    Item,
    Perturber,
    Regold,
    Replace,
    Units,
    Variant,
    all_perturbers,
    perturb,
)
from oodrop.perturbers.protection import reworded_texts
from oodrop.perturbers.registry import SEVERITY_FRACTION
from oodrop.perturbers.testing import check_item, check_perturber, sample_items, variants_of

from .cases import items

PERTURBERS = list(all_perturbers().values())
WITH_SEVERITY = [p for p in PERTURBERS if p.has_severity]
SAMPLES = sample_items()
per_perturber = pytest.mark.parametrize("plugin", PERTURBERS, ids=lambda p: p.name)
hard_text = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def or_skip(check: Callable[[], Any]) -> Any:
    """What the check gives; skips where the perturber says that its data is not installed."""
    try:
        return check()
    except RunError:
        raise
    except OodropError as error:
        pytest.skip(str(error))  # a model bank or NLTK data that no package here ships


@per_perturber
def test_the_contract(plugin: Perturber) -> None:
    or_skip(lambda: check_perturber(plugin, severities=(1, 3), examples=6))


@per_perturber
def test_the_contract_on_items_of_the_tasks(
    plugin: Perturber, task_items: Mapping[str, list[Item]]
) -> None:
    pool = [item for found in task_items.values() for item in found]
    for variant in variants_of(plugin, pool, (4,)):
        for item in pool:
            or_skip(lambda item=item, variant=variant: check_item(item, variant))


@per_perturber
@hard_text
@given(data=st.data())
def test_the_contract_on_hard_text(plugin: Perturber, data: st.DataObject) -> None:
    item = data.draw(items())
    variant = data.draw(st.sampled_from(variants_of(plugin, [item, *SAMPLES])))
    done = or_skip(lambda: check_item(item, variant))
    edits = done.certificate.edits
    if any(isinstance(e, Regold) for e in edits) or plugin.name in _WRITES_FIGURES:
        return
    for name, text in item.segments.items():
        now = done.item.segments[name]
        if now in reworded_texts(item, name):
            continue
        assert _in_order(re.findall(r"[0-9]+", text), re.findall(r"[0-9]+", now))
        assert all(now.count(p) >= text.count(p) for p in _told(item))


# Guards prove that figures mean the same there.
_WRITES_FIGURES = ("lexical.number_word", "lexical.unit_form")


def _told(item: Item) -> list[str]:
    """Literals of the item that no name exchange may touch."""
    names = {name for kind in item.entities.values() for name in kind}
    return [literal for literal in item.protected if literal not in names]


def _in_order(needed: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(any(n == f for f in rest) for n in needed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(item=items(), data=st.data())
def test_severities_are_nested_on_hard_text(item: Item, data: st.DataObject) -> None:
    plugin = data.draw(st.sampled_from(WITH_SEVERITY))
    parameters = data.draw(st.sampled_from(variants_of(plugin, [item]))).parameters
    done = or_skip(
        lambda: [perturb(item, Variant(plugin.name, parameters, s)) for s in SEVERITY_FRACTION]
    )
    for low, high in pairwise(d.certificate for d in done):
        assert high.outcome == "refused" or set(low.edits) <= set(high.edits)


@per_perturber
def test_another_language_is_not_applicable(plugin: Perturber, item: Item) -> None:
    variant = variants_of(plugin, SAMPLES)[0]
    other = replace(item, language="xx")
    outcome = or_skip(lambda: perturb(other, variant).certificate.outcome)
    assert (outcome == "not_applicable") >= ("*" not in plugin.languages)


def test_severities_grow() -> None:
    assert list(SEVERITY_FRACTION) == [1, 2, 3, 4, 5]
    assert list(SEVERITY_FRACTION.values()) == [0.05, 0.1, 0.2, 0.35, 0.5]


def test_slugs_of_all_variants_are_unique() -> None:
    slugs = [v.slug for plugin in PERTURBERS for v in variants_of(plugin, SAMPLES)]
    assert len(slugs) == len(set(slugs))


def test_seed_and_item_id_decide(task_items: Mapping[str, list[Item]]) -> None:
    name, item = "lexical.keyboard_typo", task_items["procedural"][0]
    first = perturb(item, Variant(name, severity=5)).certificate.edits
    other = perturb(item, Variant(name, severity=5, seed=7)).certificate.edits
    renamed = perturb(replace(item, item_id="other"), Variant(name, severity=5)).certificate.edits
    assert len({first, other, renamed}) == 3


@given(st.integers(0, 10**9), st.sets(st.tuples(st.integers(0, 3), st.integers(1, 4))))
@settings(max_examples=50, deadline=None)
def test_moved_units_keep_their_precedence(seed: int, pairs: set[tuple[int, int]]) -> None:
    names = tuple(f"fact_{k}" for k in range(5))
    kept = frozenset((names[a], names[b]) for a, b in pairs if a < b)
    item = Item(
        "i", "c", dict(zip(names, "abcde", strict=True)), "x", units={"facts": Units(names, kept)}
    )
    done = perturb(item, Variant("ordering.fact_order", seed=seed)).certificate
    assert done.outcome in ("changed", "not_applicable")
    chain = kept >= set(pairwise(names))
    assert (done.outcome == "not_applicable") >= chain
    assert chain or len(kept) > 5 or done.outcome == "changed"


def test_every_order_of_the_units_can_come_out() -> None:
    names = ("fact_1", "fact_2", "fact_3")
    segments = dict.fromkeys(names, "a") | {"question": "b"}
    item = Item("i", "c", segments, "x", units={"facts": Units(names)})
    orders = {
        perturb(item, Variant("ordering.fact_order", seed=k)).item.units["facts"].members
        for k in range(60)
    }
    assert len(orders) == 5


def test_typos_do_not_favour_a_place(task_items: Mapping[str, list[Item]]) -> None:
    """A generator seeded anew for every word would put every typo at the same letter."""
    variant = Variant("lexical.keyboard_typo", severity=5)
    places: Counter[int] = Counter()
    for item in task_items["procedural"]:
        for e in perturb(item, variant).certificate.edits:
            assert isinstance(e, Replace)
            assert (e.before[0], e.before[-1]) == (e.after[0], e.after[-1])
            differs = [i for i, (a, b) in enumerate(zip(e.before, e.after, strict=True)) if a != b]
            assert len(differs) == 1
            places[differs[0]] += 1
    assert len(places) >= 4

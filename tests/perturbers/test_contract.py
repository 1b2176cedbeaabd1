"""What every perturber promises, checked over the whole registry, installed plugins included."""

from __future__ import annotations

import inspect
import json
import math
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oodrop.perturbers import (
    Item,
    NotApplicable,
    Perturber,
    Replace,
    Units,
    Variant,
    all_perturbers,
    perturb,
    undo_edits,
)
from oodrop.perturbers.edits import edits_from_dicts
from oodrop.perturbers.registry import FAMILIES, SEVERITY_FRACTION
from oodrop.perturbers.rng import item_generator
from oodrop.perturbers.spans import eligible_words, protected_spans

from .cases import items
from .digests import all_variants, variants_of

PERTURBERS = list(all_perturbers().values())
WITH_SEVERITY = [p for p in PERTURBERS if p.has_severity]
per_perturber = pytest.mark.parametrize("plugin", PERTURBERS, ids=lambda p: p.name)
OUTCOMES = {"changed", "unchanged", "not_applicable", "refused"}


def global_states() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  # the very generator is meant
    return (random.getstate(), name, tuple(keys), *rest)


def check_contract(item: Item, variant: Variant) -> str:
    """Everything that holds for one item whatever the perturber; gives the outcome."""
    before = item.sha256()
    states = global_states()
    done = perturb(item, variant)
    assert global_states() == states
    certificate, after = done.certificate, done.item
    assert item.sha256() == before == certificate.canonical_sha256
    assert certificate.outcome in OUTCOMES
    assert bool(certificate.reason) == (certificate.outcome in ("not_applicable", "refused"))
    logged = json.loads(json.dumps(certificate.as_dict()))
    assert edits_from_dicts(logged["edits"]) == certificate.edits
    if certificate.outcome != "changed":
        assert after is item
        assert (certificate.edits, certificate.guards, certificate.evidence) == ((), (), None)
        return certificate.outcome

    assert certificate.evidence is not None
    assert "invertible" in certificate.guards
    assert after.sha256() != before
    assert undo_edits(after, certificate.edits).sha256() == before
    assert after.gold_text == item.gold_text
    assert Counter(after.choices) == Counter(item.choices)
    assert (after.item_id, after.cluster_id) == (item.item_id, item.cluster_id)
    assert set(after.segments) == set(item.segments)
    for name, units in after.units.items():
        assert Counter(units.members) == Counter(item.units[name].members)
        assert all(units.members.index(a) < units.members.index(b) for a, b in units.precedence)
    for name, text in item.segments.items():
        now = after.segments[name]
        kept = [text[a:b] for a, b in protected_spans(text, item.protected)]
        found = iter(now[a:b] for a, b in protected_spans(now, item.protected))
        assert all(any(k == f for f in found) for k in kept)
        assert _in_order(re.findall(r"[0-9]+", text), re.findall(r"[0-9]+", now))
        assert all(now.count(p) >= text.count(p) for p in item.protected)
    again = perturb(item, variant)
    assert (again.item, again.certificate) == (after, certificate)
    return certificate.outcome


def _in_order(needed: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(any(n == f for f in rest) for n in needed)


@pytest.fixture(scope="module")
def all_items(task_items: Mapping[str, list[Item]]) -> list[Item]:
    return [item for items in task_items.values() for item in items]


@per_perturber
def test_contract_on_items_of_both_tasks(plugin: Perturber, all_items: list[Item]) -> None:
    outcomes = {
        check_contract(item, variant) for variant in variants_of(plugin) for item in all_items
    }
    assert outcomes <= {"unchanged"} if plugin.scores_all else "changed" in outcomes


@per_perturber
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_contract_on_hard_text(plugin: Perturber, data: st.DataObject) -> None:
    check_contract(data.draw(items()), data.draw(st.sampled_from(variants_of(plugin))))


@per_perturber
def test_it_returns_edits_or_a_reason(plugin: Perturber, all_items: list[Item]) -> None:
    variant = variants_of(plugin, (5,))[0]
    options = dict(variant.parameters) | ({"severity": 5} if plugin.has_severity else {})
    for item in all_items:
        rng = item_generator(variant.seed, plugin.name, plugin.version, item.item_id)
        returned = plugin.function(item, rng, **options)
        assert isinstance(returned, (list, tuple, NotApplicable))
        assert not isinstance(returned, NotApplicable) or returned.reason


@per_perturber
def test_it_declares_itself(plugin: Perturber) -> None:
    assert plugin.name.partition(".")[0] == plugin.family
    assert plugin.family in FAMILIES
    assert plugin.summary
    assert plugin.level in ("document", "prompt")
    assert plugin.evidence in ("proved", "checked", "reviewed", "assumed")
    given_names = set(inspect.signature(plugin.function).parameters) - {"item", "rng", "severity"}
    assert given_names == set(plugin.parameters)
    assert not plugin.scores_all or plugin.family == "control"


@pytest.mark.parametrize(
    "plugin", [p for p in PERTURBERS if p.level == "prompt"], ids=lambda p: p.name
)
def test_a_prompt_level_perturber_is_the_same_for_every_item_and_seed(
    plugin: Perturber, all_items: list[Item]
) -> None:
    for variant in variants_of(plugin):
        other = Variant(variant.perturber, variant.parameters, variant.severity, seed=1)
        for item in all_items:
            assert perturb(item, variant) == perturb(item, other)


@per_perturber
def test_another_language_is_not_applicable(plugin: Perturber, item: Item) -> None:
    outcome = perturb(replace(item, language="xx"), variants_of(plugin)[0]).certificate.outcome
    assert (outcome == "not_applicable") >= ("*" not in plugin.languages)


@pytest.mark.parametrize("plugin", WITH_SEVERITY, ids=lambda p: p.name)
def test_a_higher_severity_contains_the_edits_of_a_lower_one(
    plugin: Perturber, all_items: list[Item]
) -> None:
    for item in all_items:
        edits = [set(perturb(item, v).certificate.edits) for v in variants_of(plugin)]
        assert all(low <= high for low, high in pairwise(edits))
        assert len(edits[0]) < len(edits[-1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(item=items(), data=st.data())
def test_severities_are_nested_on_hard_text(item: Item, data: st.DataObject) -> None:
    plugin = data.draw(st.sampled_from(WITH_SEVERITY))
    edits = [set(perturb(item, v).certificate.edits) for v in variants_of(plugin)]
    assert all(low <= high for low, high in pairwise(edits))


@pytest.mark.parametrize("plugin", WITH_SEVERITY, ids=lambda p: p.name)
def test_the_number_of_edits_is_the_fraction_of_the_severity(
    plugin: Perturber, all_items: list[Item]
) -> None:
    for item in all_items:
        words = sum(len(eligible_words(t, item.protected)) for t in item.segments.values())
        for variant in variants_of(plugin):
            assert variant.severity is not None
            wanted = max(1, math.floor(SEVERITY_FRACTION[variant.severity] * words + 0.5))
            edits = perturb(item, variant).certificate.edits
            assert all(isinstance(e, Replace) for e in edits)
            if plugin.name == "lexical.nlpaug_spelling":  # words in its dictionary are eligible
                assert wanted // 2 <= len(edits) <= wanted
            else:
                assert len(edits) == wanted


def test_severities_grow() -> None:
    assert list(SEVERITY_FRACTION) == [1, 2, 3, 4, 5]
    assert list(SEVERITY_FRACTION.values()) == [0.05, 0.1, 0.2, 0.35, 0.5]


def test_slugs_of_all_variants_are_unique() -> None:
    slugs = [v.slug for v in all_variants()]
    assert len(slugs) == len(set(slugs))


def test_seed_and_item_id_decide(all_items: list[Item]) -> None:
    name, item = "lexical.keyboard_typo", all_items[0]
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
            if len(e.before) == 6:
                places[differs[0]] += 1
    assert set(places) == {1, 2, 3, 4}

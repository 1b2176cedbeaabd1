"""No order of clauses, facts, events or sections changes a label: both checkers say so.

The first derives the label from the moved item (`Item.rederive`, which the guards call); the
second reads the text of the moved document. They share no code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product

import pytest

from oodrop.perturbers import (
    Bound,
    Item,
    Reorder,
    Replace,
    Variant,
    all_perturbers,
    apply_edits,
    get_perturber,
)
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks import get_task
from oodrop.tasks.spec import Doc

from .conftest import SPLITS
from .second_checker import violations

GROUPS = ("clauses", "facts", "events")


def orders() -> list[Variant]:
    """Every perturber of the family in the catalogue, with each of its parameters."""
    found = []
    for name, plugin in sorted(all_perturbers().items()):
        if plugin.family == "ordering" and not plugin.is_foreign:
            choices = [
                [(key, value) for value in values] for key, values in plugin.parameters.items()
            ]
            found += [Variant(name, dict(chosen), seed=2026) for chosen in product(*choices)]
    return found


# What moves in an item of the set. The rest of the family does not apply: the instruction stands
# behind the material as it is, options are not listed, no sentences are declared to be independent,
# and only a run knows few-shot examples.
MOVING = (
    "ordering_clause_order",
    "ordering_event_order",
    "ordering_fact_order",
    "ordering_instruction_position_before",
    "ordering_instruction_position_both",
    "ordering_section_order_question_first",
    "ordering_section_order_scenario_first",
)


def assert_same_label(doc: Doc, item: Item) -> None:
    """Both checkers, each on its own form of the moved item."""
    spec = get_task("procedural")
    assert item.rederive is not None
    assert item.rederive(item) == item.gold, doc["item_id"]
    moved = spec.to_doc(doc, item)
    for group in GROUPS:
        assert Counter(moved[group]) == Counter(doc[group]), doc["item_id"]
    recorded = doc["violation"]
    found = violations(doc["process_id"], moved["clauses"], moved["facts"], moved["events"])
    assert found == ([(recorded["kind"], recorded["step"])] if recorded else []), doc["item_id"]
    assert moved["label"] == item.gold_text == doc["label"]
    assert doc["label"] == ("non-compliant" if found else "compliant"), doc["item_id"]


def is_moved(doc: Doc, item: Item) -> bool:
    """Whether what a model is sent says the same in another order."""
    spec = get_task("procedural")
    moved = spec.to_doc(doc, item)
    prompt = spec.prompt(moved, item.template)
    told = [text for group in GROUPS for text in doc[group]]
    assert all(prompt.count(text) == 1 for text in told), doc["item_id"]
    return prompt != spec.prompt(doc)


def changed_by_each(docs: Iterable[Doc]) -> Counter[str]:
    """How many items every order of the catalogue changes; each is checked on the way."""
    spec, found = get_task("procedural"), Counter[str]()
    bound = [Bound(variant) for variant in orders()]
    for doc in docs:
        item = spec.item(doc)
        for perturber in bound:
            done = perturber(item)
            assert done.certificate.outcome in ("changed", "not_applicable"), doc["item_id"]
            if done.certificate.outcome == "changed":
                assert_same_label(doc, done.item)
                assert is_moved(doc, done.item), doc["item_id"]
                found[perturber.variant.slug] += 1
    return found


def assert_everything_moves(docs: list[Doc], found: Mapping[str, int]) -> None:
    """Each perturber changes every item that stands for itself; facts, where there are two."""
    own = [doc for doc in docs if doc["parent_id"] is None]
    assert len(own) > len(docs) / 2
    several = sum(len(doc["facts"]) > 1 for doc in own)
    assert several > len(own) / 5
    wanted = dict.fromkeys(MOVING, len(own)) | {"ordering_fact_order": several}
    assert found == wanted


def test_the_catalogue_orders_are_these() -> None:
    variants = orders()
    assert {get_perturber(v.perturber).family for v in variants} == {"ordering"}
    assert {*MOVING} < {v.slug for v in variants}


def test_a_moved_item_has_the_same_label(procedural: Mapping[str, list[Doc]]) -> None:
    docs = [*procedural["test"][::60], *procedural["heldout"][::60]]
    assert_everything_moves(docs, changed_by_each(docs))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["test", "heldout"])
def test_every_moved_item_has_the_same_label(
    split: str, procedural: Mapping[str, list[Doc]]
) -> None:
    found = changed_by_each(procedural[split])
    for slug, count in sorted(found.items()):
        print(f"{split}: {slug} changed {count} items, 0 disagreements")  # noqa: T201
    assert_everything_moves(procedural[split], found)


def shuffled_thoroughly(docs: Iterable[Doc]) -> int:
    """All units at once, children too."""
    spec, count = get_task("procedural"), 0
    for doc in docs:
        item = spec.item(doc)
        rng = item_generator(1, "test", "1", item.item_id)
        edits = [
            Reorder(group, tuple(permutation(rng, len(item.units[group].members))))
            for group in GROUPS
        ]
        assert_same_label(doc, apply_edits(item, edits))
        count += 1
    return count


def test_any_order_of_all_gives_the_same_label(procedural: Mapping[str, list[Doc]]) -> None:
    docs = [doc for split in SPLITS for doc in procedural[split][::60]]
    assert shuffled_thoroughly(docs) == len(docs) > 200


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_any_order_of_all_of_every_item_gives_the_same_label(
    split: str, procedural: Mapping[str, list[Doc]]
) -> None:
    assert shuffled_thoroughly(procedural[split]) > 900


def test_an_event_that_lost_its_time_has_no_label(procedural: Mapping[str, list[Doc]]) -> None:
    item = get_task("procedural").item(procedural["test"][0])
    text = item.segments["event_1"]
    found = re.search(r"\d\d:\d\d", text)
    assert found is not None
    assert item.rederive is not None
    lost = apply_edits(item, [Replace("event_1", found.start(), found[0], "noon")])
    assert item.rederive(lost) == "underivable: event_1 does not state its time"

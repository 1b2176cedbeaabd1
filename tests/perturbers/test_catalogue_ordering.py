"""What stands where changes, no word does."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.perturbers import Reorder, Units
from oodrop.perturbers.catalogue.ordering import linear_extension
from oodrop.perturbers.rng import item_generator

from .handmade import done, item_of, reason_of

FACTS = item_of(
    "One.", "Two.", "Three.", "Why?", units={"facts": Units(("fact_1", "fact_2", "fact_3"))}
)
GROUPS = {"fact_order": "facts", "clause_order": "clauses", "event_order": "events",
          "sentence_order": "sentences"}  # fmt: skip


@given(st.integers(2, 6), st.data())
@settings(max_examples=150, deadline=None)
def test_an_order_respects_the_precedence(size: int, data: st.DataObject) -> None:
    names = tuple(f"u{k}" for k in range(size))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    kept = frozenset(data.draw(st.sets(st.sampled_from(pairs))))
    order = linear_extension(Units(names, kept), item_generator(size, "x", "1", repr(sorted(kept))))
    moved = [names[i] for i in order]
    assert sorted(moved) == sorted(names)
    assert all(moved.index(a) < moved.index(b) for a, b in kept)


def test_every_order_that_is_allowed_occurs() -> None:
    units = Units(("a", "b", "c", "d"), frozenset({("a", "b"), ("c", "d")}))
    seen = {linear_extension(units, item_generator(k, "x", "1", "")) for k in range(500)}
    allowed = {
        p for p in permutations(range(4)) if p.index(0) < p.index(1) and p.index(2) < p.index(3)
    }
    assert seen == allowed


@pytest.mark.parametrize(("name", "group"), GROUPS.items())
def test_a_group_changes_places(name: str, group: str) -> None:
    item = FACTS.altered(units={group: FACTS.units["facts"]})
    result = done(f"ordering.{name}", item)
    (edit,) = result.certificate.edits
    assert isinstance(edit, Reorder)
    assert edit.group == group
    assert result.item.units[group].members != ("fact_1", "fact_2", "fact_3")
    assert result.item.segments == item.segments
    # No program derives this item's gold; at most people have read such items.
    assert result.certificate.evidence in ("checked", "reviewed")
    derived = item.altered(rederive=lambda now: "yes")
    assert done(f"ordering.{name}", derived).certificate.evidence == "proved"
    assert "may change places" in reason_of(f"ordering.{name}", item.altered(units={}))


def test_a_chain_has_one_order() -> None:
    chain = frozenset({("fact_1", "fact_2"), ("fact_2", "fact_3")})
    item = FACTS.altered(units={"facts": Units(("fact_1", "fact_2", "fact_3"), chain)})
    assert (
        reason_of("ordering.fact_order", item)
        == "the precedence of the facts allows only one order"
    )


SETTINGS = [
    ("ordering.section_order", {"layout": "question_first"}, "template", "layout_question_first"),
    ("ordering.section_order", {"layout": "options_first"}, "template", "layout_options_first"),
    ("ordering.instruction_position", {"position": "both"}, "template", "instruction_both"),
    ("ordering.fewshot_order", {"k": "2"}, "fewshot", "order_2"),
    ("ordering.fewshot_resample", {"k": "3"}, "fewshot", "draw_3"),
    ("phrasing.template", {"id": "t07"}, "template", "t07"),
    ("phrasing.format_grammar", {"id": "04"}, "template", "format_04"),
    ("phrasing.structure_form", {"form": "yaml"}, "template", "structure_yaml"),
    ("phrasing.prompt_protocol", {"protocol": "card"}, "template", "protocol_card"),
]


@pytest.mark.parametrize(("name", "parameters", "setting", "value"), SETTINGS)
def test_a_setting_is_switched_where_the_task_offers_it(
    name: str, parameters: dict[str, str], setting: str, value: str
) -> None:
    with_it = FACTS.altered(
        settings={"template": "canonical", setting: "canonical"},
        offers={"template": ("canonical",), setting: ("canonical", value)},
    )
    result = done(name, with_it, **parameters)
    assert result.certificate.outcome == "changed"
    assert result.item.settings[setting] == value
    without = with_it.altered(offers={setting: ("canonical", "other")})
    assert reason_of(name, without, **parameters) == f"the task has no {setting} {value!r}"
    nothing = with_it.altered(settings={})
    assert reason_of(name, nothing, **parameters) == f"the prompt has no {setting} setting"

"""Edits are invertible, survive a log, and say why they do not fit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop import DataError
from oodrop.perturbers import Edit, Item, Reorder, Replace, UseTemplate, apply_edits, undo_edits
from oodrop.perturbers.edits import edits_from_dicts

from .cases import items


@st.composite
def replaces(draw: st.DrawFn, name: str, text: str) -> list[Replace]:
    """Disjoint replacements, deletions and insertions of a text, in any order."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    return draw(
        st.permutations([Replace(name, a, text[a:b], draw(st.text(max_size=6))) for a, b in spans])
    )


@st.composite
def edited_items(draw: st.DrawFn) -> tuple[Item, list[Edit]]:
    """An item and fitting edits of all kinds, several moves and templates among them."""
    item = draw(items())
    edits: list[Edit] = []
    for name, text in item.segments.items():
        edits += draw(replaces(name, text))
    sizes = {name: len(u.members) for name, u in item.units.items()}
    sizes |= {"choices": len(item.choices)}
    for group in draw(st.lists(st.sampled_from(sorted(sizes)), max_size=4)):
        edits.append(Reorder(group, tuple(draw(st.permutations(range(sizes[group]))))))
    edits = list(draw(st.permutations(edits)))
    template = item.template
    for after in draw(st.lists(st.sampled_from(item.templates), max_size=3)):
        edits.append(UseTemplate(template, after))
        template = after
    return item, edits


@given(edited_items())
@settings(max_examples=60, deadline=None)
def test_undo_is_the_inverse_of_apply(pair: tuple[Item, list[Edit]]) -> None:
    item, edits = pair
    edited = apply_edits(item, edits)
    assert undo_edits(edited, edits) == item
    assert undo_edits(edited, edits).sha256() == item.sha256()
    assert edited.gold_text == item.gold_text


@given(edited_items())
@settings(max_examples=50, deadline=None)
def test_edits_survive_a_log(pair: tuple[Item, list[Edit]]) -> None:
    _, edits = pair
    logged = json.loads(json.dumps([e.as_dict() for e in edits]))
    assert edits_from_dicts(logged) == tuple(edits)


def test_edits_of_one_segment_do_not_depend_on_their_order(item: Item) -> None:
    edits = [
        Replace("question", 0, "What", "Wat"),
        Replace("question", 0, "", "Please: "),
        Replace("question", 5, "boils", ""),
        Replace("question", 10, "", "!"),
    ]
    texts = {apply_edits(item, some).segments["question"] for some in (edits, edits[::-1])}
    assert texts == {"Please: Wat ! in the kettle?"}
    assert undo_edits(apply_edits(item, edits), edits[::-1]) == item


def test_moves_and_templates_are_undone_last_one_first(item: Item) -> None:
    edits = [
        Reorder("facts", (1, 2, 0)),
        Reorder("facts", (0, 2, 1)),
        UseTemplate("canonical", "t01"),
        UseTemplate("t01", "t02"),
    ]
    edited = apply_edits(item, edits)
    assert edited.units["facts"].members == ("fact_2", "fact_1", "fact_3")
    assert edited.template == "t02"
    assert undo_edits(edited, edits) == item


def test_the_gold_moves_with_the_choices(item: Item) -> None:
    edited = apply_edits(item, [Reorder("choices", (2, 0, 1))])
    assert edited.choices == ("steam", "water", "ice")
    assert edited.gold == 1


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([Replace("body", 0, "", "x")], "no segment 'body'; there are fact_1, .*question"),
        ([Replace("question", 0, "who", "x")], r"question\[0\] overlaps another or misquotes"),
        ([Replace("question", -1, "?", "x")], r"question\[-1\] overlaps"),
        ([Replace("question", 99, "", "x")], r"question\[99\] overlaps"),
        ([Replace("question", 25, "??", "x")], r"question\[25\] overlaps"),
        (
            [Replace("question", 0, "What", "x"), Replace("question", 3, "t", "y")],
            r"question\[3\] overlaps",
        ),
        ([Reorder("people", (0,))], "no units 'people'; there are facts"),
        ([Reorder("facts", (0, 1))], r"'facts' is no permutation of 0\.\.2"),
        ([Reorder("facts", (0, 1, 1))], "'facts' is no permutation"),
        ([Reorder("choices", (0, 1, 3))], r"'choices' is no permutation of 0\.\.2"),
        ([UseTemplate("t01", "t02")], "no template change 't01' to 't02'"),
        ([UseTemplate("canonical", "t99")], "no template change 'canonical' to 't99'"),
        (["a string"], "not an edit: str"),
    ],
)
def test_an_edit_that_does_not_fit_raises(item: Item, edits: list[Edit], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_edits(item, edits)


def test_undoing_what_was_not_done_raises(item: Item) -> None:
    with pytest.raises(ValueError, match=r"question\[0\] does not match the perturbed text"):
        undo_edits(item, [Replace("question", 0, "Who", "Where")])


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"segment": "question", "start": "0", "before": "", "after": "x"},
        {"segment": "question", "start": 0, "before": None, "after": "x"},
        {"group": "facts", "order": ["first"]},
        {"group": "facts", "order": [0.5, 1]},
        {"group": "facts", "order": [True, False]},
        {"group": "facts", "order": "01"},
        {"template": ["canonical"]},
        {"template": "t01"},
    ],
)
def test_a_logged_row_of_another_shape_raises(row: dict[str, object]) -> None:
    with pytest.raises(DataError, match="a logged edit is a replace, an order or a template, got"):
        edits_from_dicts([row])

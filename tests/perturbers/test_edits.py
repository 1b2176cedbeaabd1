"""Edits are invertible, survive a log, and say why they do not fit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop import DataError
from oodrop.perturbers import (
    Edit,
    Item,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Use,
    apply_edits,
    undo_edits,
)
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
    """An item and fitting edits of all kinds but `Regold`, several of a kind among them."""
    item = draw(items())
    edits: list[Edit] = []
    for name, text in item.segments.items():
        edits += draw(replaces(name, text))
    sizes = {name: len(u.members) for name, u in item.units.items()}
    sizes |= {"choices": len(item.choices)}
    for group in draw(st.lists(st.sampled_from(sorted(sizes)), max_size=4)):
        edits.append(Reorder(group, tuple(draw(st.permutations(range(sizes[group]))))))
    edits = list(draw(st.permutations(edits)))
    for setting, before in item.settings.items():
        for after in draw(st.lists(st.sampled_from(item.offers[setting]), max_size=3)):
            edits.append(Use(setting, before, after))
            before = after
    labels = item.labels
    for after in draw(
        st.lists(st.permutations([f"<{k}>" for k in range(len(labels))]), max_size=2)
    ):
        edits.append(Relabel(labels, tuple(after)))
        labels = tuple(after)
    return item, edits


@given(edited_items())
@settings(max_examples=60, deadline=None)
def test_undo_is_the_inverse_of_apply(pair: tuple[Item, list[Edit]]) -> None:
    item, edits = pair
    edited = apply_edits(item, edits)
    assert undo_edits(edited, edits) == item
    assert undo_edits(edited, edits).sha256() == item.sha256()
    assert edited.gold_text == item.gold_text


@given(edited_items(), st.sampled_from(([], [Regold(0, 1)], [Regold("yes", "no")])))
@settings(max_examples=50, deadline=None)
def test_edits_survive_a_log(pair: tuple[Item, list[Edit]], more: list[Edit]) -> None:
    edits = pair[1] + more
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
    edits: list[Edit] = [
        Reorder("facts", (1, 2, 0)),
        Reorder("facts", (0, 2, 1)),
        Use("template", "canonical", "t01"),
        Use("template", "t01", "t02"),
    ]
    edited = apply_edits(item, edits)
    assert edited.units["facts"].members == ("fact_2", "fact_1", "fact_3")
    assert edited.template == "t02"
    assert undo_edits(edited, edits) == item


def test_every_setting_is_used_by_its_name(item: Item) -> None:
    shown = item.altered(
        settings={"template": "canonical", "fewshot": "canonical"},
        offers={**item.offers, "fewshot": ("canonical", "draw_1")},
    )
    edits = [Use("fewshot", "canonical", "draw_1"), Use("template", "canonical", "t01")]
    edited = apply_edits(shown, edits)
    assert edited.settings == {"template": "t01", "fewshot": "draw_1"}
    assert edited.template == "t01"
    assert undo_edits(edited, edits) == shown


def test_labels_and_gold_are_set_and_set_back(item: Item) -> None:
    labelled = item.altered(labels=("A", "B", "C"))
    edits: list[Edit] = [
        Relabel(("A", "B", "C"), ("1", "2", "3")),
        Relabel(("1", "2", "3"), ("i", "ii", "iii")),
        Regold(0, 2),
        Regold(2, 1),
    ]
    edited = apply_edits(labelled, edits)
    assert (edited.answers, edited.gold, edited.gold_text) == (("i", "ii", "iii"), 1, "ice")
    assert edited.answer == "ii"
    assert edited.choices == labelled.choices
    assert undo_edits(edited, edits) == labelled
    assert item.answers == item.choices


def test_a_gold_of_text_is_exchanged_too(item: Item) -> None:
    free = item.altered(choices=(), gold="yes")
    edited = apply_edits(free, [Regold("yes", "no")])
    assert (edited.gold, edited.gold_text, edited.answer) == ("no", "no", "no")
    assert undo_edits(edited, [Regold("yes", "no")]) == free


def test_nothing_found_out_about_the_text_outlives_an_edit(item: Item) -> None:
    """What an item remembers of itself (hash, spans, words) is never its edited copy's."""
    before = (item.sha256(), item.spans("fact_1"), item.words(4))
    edits = [Replace("fact_1", 0, "Water boils at 100 degrees C.", "Snow melts.")]
    edited = apply_edits(item, edits)
    assert edited.spans("fact_1") == ()
    assert [w.text for w in edited.words(4)][:2] == ["Snow", "melts"]
    assert edited.sha256() != before[0]
    assert (item.sha256(), item.spans("fact_1"), item.words(4)) == before


def test_the_hash_covers_all_that_a_prompt_is_made_from(item: Item) -> None:
    item = item.altered(labels=("A", "B", "C"))
    changes: list[list[Edit]] = [
        [],
        [Replace("fact_2", 0, "Ice", "Sleet")],
        [Reorder("facts", (2, 0, 1))],
        [Reorder("choices", (2, 0, 1))],
        [Use("template", "canonical", "t01")],
        [Relabel(("A", "B", "C"), ("1", "2", "3"))],
        [Regold(0, 1)],
    ]
    assert len({apply_edits(item, edits).sha256() for edits in changes}) == len(changes)


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
        ([Use("template", "t01", "t02")], "no template change 't01' to 't02'"),
        ([Use("template", "canonical", "t99")], "no template change 'canonical' to 't99'"),
        ([Use("fewshot", "canonical", "draw_1")], "no fewshot change 'canonical' to 'draw_1'"),
        ([Relabel(("A",), ("B",))], r"the item's labels are \(\), not \('A',\)"),
        ([Relabel((), ("A", "B", "C"))], r"the item's labels are \(\), not \(\)"),
        ([Regold(1, 2)], "the item's gold is 0, not 1"),
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
        {"template": ["canonical", "t01"]},
        {"setting": "template", "before": "canonical"},
        {"setting": "template", "before": "canonical", "after": 1},
        {"labels_before": "AB", "labels_after": ["C", "D"]},
        {"labels_before": ["A"], "labels_after": [1]},
        {"labels_before": ["A"]},
        {"gold_before": 0, "gold_after": None},
        {"gold_before": 0.5, "gold_after": 1},
    ],
)
def test_a_logged_row_of_another_shape_raises(row: dict[str, object]) -> None:
    with pytest.raises(DataError, match="a logged edit has the fields of one of its kinds, got"):
        edits_from_dicts([row])

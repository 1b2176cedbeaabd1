# ruff: noqa: E501  # a case is a line
"""Each guard with what it lets through and what it refuses."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from oodrop.perturbers import (
    Edit,
    Inversion,
    Item,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Units,
    Use,
    apply_edits,
)
from oodrop.perturbers.crossreference import options_refer_to_each_other
from oodrop.perturbers.edits import Edits
from oodrop.perturbers.guards import GUARDS, Guard, run_guards

BY_NAME = {guard.name: guard for guard in GUARDS}
OBVIOUS = re.compile(
    r"(?:all|none|both|neither) of (?:the above|these)\W*|(?:I+|\(?[A-D]\)?) and .{1,4}", re.I
)
MMLU_PRO = Path(__file__).resolve().parents[3] / "shared/data/mmlu_pro/test.jsonl.gz"


def shown(item: Item) -> str:
    """A prompt in which one template leaves something out, and one says it twice."""
    texts = [text for name, text in item.segments.items() if (item.template, name) != ("gap", "f")]
    options = [] if item.template == "unlisted" else list(item.choices)
    contract = [] if item.template == "silent" else ["Say ANSWER."]
    twice = texts[-1:] if item.template == "twice" else []
    return "\n".join([item.template, *texts, *twice, *options, *contract])


ITEM = Item(
    item_id="guarded",
    cluster_id="c",
    segments={
        "f": "Nadia Lindgren waited 90 minutes and did not sign seven forms.",
        "g": "It was warm in the room, wrote Nadia Lindgren.",
        "question": "Did she wait long?",
    },
    gold=1,
    choices=("yes", "no", "unclear"),
    labels=("A", "B", "C"),
    listed=True,
    units={"facts": Units(("f", "g"), frozenset({("f", "g")}))},
    offers={"template": ("canonical", "t01", "gap", "unlisted", "silent", "twice")},
    paraphrases={"question": {"p01": "Was it not a long wait?"}},
    inversions={"inverted": Inversion("Did she wait less than 5 minutes?", ("no", "yes", "?"))},
    entities={"person": ("Nadia Lindgren",)},
    protected=("Nadia Lindgren",),
    required=("Say ANSWER.",),
    render=shown,
)
FREE = ITEM.altered(units={"facts": Units(("f", "g"))})
RENAMED = [
    Replace("f", 0, "Nadia Lindgren", "Ana Iyer"),
    Replace("g", 31, "Nadia Lindgren", "Ana Iyer"),
]


def verdict(item: Item, edits: list[Edit]) -> tuple[set[str], str]:
    """Guards that held, and the first one that did not with its sentence."""
    held, failure = run_guards(item, apply_edits(item, edits), Edits(edits))
    return set(held), "" if failure is None else ": ".join(failure)


HOLDS: list[tuple[str, Item, list[Edit]]] = [
    ("G0_protected_text", ITEM, [Replace("g", 7, "warm", "wram")]),
    ("G0_protected_text", ITEM, [Replace("f", 22, "90 minutes", "1.5 hours")]),
    ("G0_protected_text", ITEM, [Replace("f", 37, "did not", "didn't")]),
    ("G0_protected_text", ITEM, [Replace("f", 50, "seven", "7")]),
    ("G0_protected_text", ITEM, [Replace("f", 41, "not", "NOT")]),
    ("G0_protected_text", ITEM, [Replace("g", 7, "warm", "w\u0430rm")]),
    ("G0_protected_text", ITEM, [Replace("g", 7, "warm", "w4rm")]),
    ("G0_protected_text", ITEM, [Replace("question", 0, "Did she wait long?", "Was it not a long wait?")]),
    ("G0_protected_text", ITEM, RENAMED),
    ("G1_options", ITEM, [Reorder("choices", (1, 2, 0))]),
    ("G1_labels", ITEM, [Relabel(("A", "B", "C"), ("1", "2", "3"))]),
    ("G1_units", FREE, [Reorder("facts", (1, 0))]),
    ("G1_units", ITEM, [Reorder("facts", (0, 1))]),
    ("G2_names", ITEM, RENAMED),
    ("G2_prompt_complete", ITEM, [Use("template", "canonical", "t01")]),
    ("G3_gold_rederived", FREE.altered(rederive=lambda item: 1), [Reorder("facts", (1, 0))]),
    (
        "G3_gold_rederived",
        ITEM.altered(rederive=lambda item: 0 if "did sign" in item.segments["f"] else 1),
        [Replace("f", 41, "not ", ""), Regold(1, 0)],
    ),
    ("G4_no_cross_reference", ITEM, [Reorder("choices", (2, 1, 0))]),
    ("invertible", ITEM, [Replace("g", 7, "warm", "wram")]),
    ("invertible", ITEM, [Use("template", "canonical", "t01"), Replace("g", 7, "warm", "wram")]),
]  # fmt: skip
FAILS: list[tuple[str, str, Item, list[Edit]]] = [
    ("G0_protected_text", "touches the protected text '90 minutes'", ITEM, [Replace("f", 22, "90", "91")]),
    ("G0_protected_text", "touches the protected text '90 minutes'", ITEM, [Replace("f", 22, "90 minutes", "1.6 hours")]),
    ("G0_protected_text", "touches the protected text 'not'", ITEM, [Replace("f", 37, "did not", "did")]),
    ("G0_protected_text", "touches the protected text 'not'", ITEM, [Replace("f", 41, "not", "n0t")]),
    ("G0_protected_text", "touches the protected text 'seven'", ITEM, [Replace("f", 50, "seven", "8")]),
    ("G0_protected_text", "protected text of g is not what it was", ITEM, [Replace("g", 7, "warm", "not warm")]),
    ("G0_protected_text", "protected text of g is not what it was", ITEM, [Replace("g", 7, "warm", "below")]),
    ("G0_protected_text", "protected text of f is not what it was", ITEM, [Replace("f", 32, "", "s")]),
    ("G0_protected_text", "protected text of question is not", ITEM, [Replace("question", 0, "", "Only: ")]),
    ("G2_names", "'Nadia Lindgren' has two new names", ITEM, [RENAMED[0], RENAMED[1]._replace(after="Eve Ruiz")]),
    ("G2_names", "'Nadia Lindgren' is still told somewhere", ITEM, RENAMED[:1]),
    ("G2_names", "'room' was in the text already", ITEM, [e._replace(after="room") for e in RENAMED]),
    ("G1_labels", "two places have the same label", ITEM, [Relabel(("A", "B", "C"), ("1", "2", "2"))]),
    ("G1_labels", "or one has none", ITEM, [Relabel(("A", "B", "C"), ("1", "2", ""))]),
    ("G1_units", "f must stay before g", ITEM, [Reorder("facts", (1, 0))]),
    ("G2_prompt_complete", "segment f does not stand", ITEM, [Use("template", "canonical", "gap")]),
    ("G2_prompt_complete", "option 'yes' does not stand", ITEM, [Use("template", "canonical", "unlisted")]),
    ("G2_prompt_complete", "segment question does not stand", ITEM, [Use("template", "canonical", "twice")]),
    ("G2_prompt_complete", "the sentence 'Say ANSWER.' is not", ITEM, [Use("template", "canonical", "silent")]),
    ("G3_gold_rederived", "the label is now 0, not 1", FREE.altered(rederive=lambda item: 0), [Reorder("facts", (1, 0))]),
    ("G3_gold_rederived", "no program derives the gold", ITEM, [Replace("f", 41, "not ", ""), Regold(1, 0)]),
    ("G4_no_cross_reference", "the option 'both' refers", ITEM.altered(choices=("yes", "no", "both")), [Reorder("choices", (1, 0, 2))]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "item", "edits"), HOLDS, ids=range(len(HOLDS)))
def test_it_holds(name: str, item: Item, edits: list[Edit]) -> None:
    held, failure = verdict(item, edits)
    assert failure == ""
    assert name in held


@pytest.mark.parametrize(("name", "sentence", "item", "edits"), FAILS, ids=range(len(FAILS)))
def test_it_refuses(name: str, sentence: str, item: Item, edits: list[Edit]) -> None:
    _, failure = verdict(item, edits)
    assert failure.startswith(f"{name}: ")
    assert sentence in failure


def checked(name: str, before: Item, after: Item, edits: list[Edit]) -> str:
    """What a guard says of an item that no edit could have made: it trusts none of the others."""
    guard: Guard = BY_NAME[name]
    return guard.check(before, after, Edits(edits))


def test_items_that_no_edit_makes_are_refused_too() -> None:
    moved: list[Edit] = [Reorder("choices", (1, 2, 0))]
    after = apply_edits(ITEM, moved)
    assert checked("G1_options", ITEM, after, moved) == ""
    other = after.altered(choices=("yes", "yes", "no"))
    assert "not the same set" in checked("G1_options", ITEM, other, moved)
    assert "another answer" in checked("G1_options", ITEM, after.altered(gold=2), moved)
    relabelled: list[Edit] = [Relabel(ITEM.labels, ("1", "2", "3"))]
    after = apply_edits(ITEM, relabelled).altered(gold=0)
    assert "another answer" in checked("G1_labels", ITEM, after, relabelled)
    after = FREE.altered(units={"facts": Units(("f", "f"))})
    assert "not the same set" in checked("G1_units", FREE, after, [Reorder("facts", (1, 0))])
    edit: list[Edit] = [Replace("g", 7, "warm", "wram")]
    assert "cannot be undone" in checked("invertible", ITEM, ITEM, edit)
    after = apply_edits(ITEM, edit)
    texts = {**after.segments, "g": after.segments["g"] + " More."}
    assert "another text" in checked("invertible", ITEM, after.altered(segments=texts), edit)
    both = [*edit, Relabel(ITEM.labels, ("1", "2", "3"))]
    after = apply_edits(ITEM, both)
    assert checked("invertible", ITEM, after, both) == ""
    assert "another item" in checked("invertible", ITEM, after.altered(gold=0), both)


def test_every_guard_is_tried_both_ways() -> None:
    names = {guard.name for guard in GUARDS}
    assert len(names) == len(GUARDS)
    assert {name for name, *_ in HOLDS} == names
    # These two are refused for items that no edit makes, above.
    assert {name for name, *_ in FAILS} == names - {"G1_options", "invertible"}


def test_only_guards_that_the_edits_concern_run() -> None:
    word = [Replace("g", 7, "warm", "wram")]
    assert verdict(ITEM, word)[0] == {"G0_protected_text", "invertible"}
    order: list[Edit] = [Reorder("choices", (1, 2, 0))]
    assert verdict(ITEM, order)[0] == {"G1_options", "G4_no_cross_reference", "invertible"}
    template: list[Edit] = [Use("template", "canonical", "t01")]
    assert verdict(ITEM, template)[0] == {"G2_prompt_complete", "invertible"}
    assert verdict(ITEM.altered(render=None), template)[0] == {"invertible"}


def test_an_inversion_of_the_bank_may_hold_protected_text() -> None:
    old = ITEM.segments["question"]
    new = ITEM.inversions["inverted"].question
    assert verdict(ITEM, [Replace("question", 0, old, new)])[1] == ""
    assert verdict(ITEM, [Replace("question", 0, old, new.replace("5", "6"))])[1] != ""
    assert verdict(ITEM, [Replace("g", 0, ITEM.segments["g"], new)])[1] != ""


def test_a_control_may_change_protected_text_only_with_the_gold() -> None:
    derived = ITEM.altered(rederive=lambda item: 0 if " 95 " in item.segments["f"] else 1)
    edits: list[Edit] = [Replace("f", 22, "90", "95")]
    assert verdict(derived, [*edits, Regold(1, 0)])[1] == ""
    assert verdict(derived, edits)[1].startswith("G0_protected_text")
    assert "the label is now 0, not 2" in verdict(derived, [*edits, Regold(1, 2)])[1]


def options(*choices: str, question: str = "Which is it?") -> Item:
    return Item("x", "x", {"question": question}, 0, choices=choices, listed=True)


@pytest.mark.parametrize(
    "option",
    [
        "All of the above", "None of the above", "none of these", "None of these.",
        "All of these", "Both of these", "Neither of these", "Any of the above", "Both A and B",
        "Neither A nor B", "Either A or B", "A and C only", "A and B", "A, B and C", "A & B",
        "Only A", "I and II", "I, II, and III",
        "I and III only", "II and III only", "(i) and (ii)", "1 and 2 only", "1 and 2",
        "The first option", "the first two options", "the second statement", "The first one",
        "the former two", "Both", "Neither", "None", "All", "both.", "all the above",
        "all answers are correct", "none of the other options", "More than one of the above",
        "Two of the above", "the above", "Options A and B", "Answers (A) and (C)",
        "A or B", "Either (a) or (b)", "Statement I only",
        "both I and II", "neither I nor II", "all of them", "two of them",
    ],
)  # fmt: skip
def test_options_that_speak_of_others_do_not_move(option: str) -> None:
    item = options("iron", "wood", option, "glass")
    assert options_refer_to_each_other(item), option
    _, failure = verdict(item, [Reorder("choices", (1, 0, 2, 3))])
    assert failure.startswith("G4_no_cross_reference: ")
    assert repr(option) in failure


@pytest.mark.parametrize(
    "option",
    [
        "Vitamin A", "Type B", "all mammals", "a first-aid kit", "above 30 degrees",
        "both sides of the road", "hepatitis A and B", "Type A and type B", "both parents",
        "neither rain nor snow", "the first world war", "the last ice age", "only children",
        "an only child", "A", "B", "I", "I am", "V", "X", "A cat and a dog", "none left",
        "all day", "plan A", "grade C", "10 and 20",
        "below the ground", "the one above the door", "another planet", "the first president",
        "option pricing", "choice of law", "a third party", "x and y", "both eyes",
        "the second law of thermodynamics", "C and Fortran", "I and my brother", "vitamins A and D",
    ],
)  # fmt: skip
def test_options_that_stand_for_themselves_move(option: str) -> None:
    assert options_refer_to_each_other(options("iron", "wood", option)) == "", option


@pytest.mark.parametrize(
    ("option", "tied"),
    [
        ("A only", True),
        ("II only", True),
        ("not a number", False),
        ("it is only a symptom", False),
        ("they help each other", False),
        ("admired by others", False),
    ],
)
def test_options_that_look_like_references_and_references_that_do_not(
    option: str, tied: bool
) -> None:
    found = options_refer_to_each_other(options("iron", "wood", option))
    assert bool(found) == tied


@pytest.mark.parametrize(
    ("question", "tied"),
    [
        ("Why is option B better?", True),
        ("Which is true of the first option?", True),
        ("What is wrong with answer (C)?", True),
        ("Is choice 2 right?", True),
        ("Which option is best?", False),
        ("What is the first choice of a cook?", True),
        ("Which statement is true?", False),
        ("An option expires in 3 months. What is it worth?", False),
    ],
)
def test_questions_that_speak_of_places(question: str, tied: bool) -> None:
    assert bool(options_refer_to_each_other(options("a1", "b1", question=question))) == tied


@pytest.fixture(scope="module")
def mmlu_pro() -> Iterator[list[Mapping[str, Any]]]:
    if not MMLU_PRO.exists():
        # Measured on foreign data that the project must not copy.
        pytest.skip(f"the shared data set {MMLU_PRO} is not on this machine")
    with gzip.open(MMLU_PRO, "rt", encoding="utf-8") as lines:
        yield [json.loads(line) for line in lines]


def test_on_a_real_benchmark_most_options_move_and_the_plain_references_do_not(
    mmlu_pro: list[Mapping[str, Any]],
) -> None:
    caught = plain = missed = 0
    for row in mmlu_pro:
        item = options(*row["options"], question=row["question"])
        tied = bool(options_refer_to_each_other(item))
        caught += tied
        obvious = any(OBVIOUS.fullmatch(option) for option in row["options"])
        plain += obvious
        missed += obvious and not tied
    assert plain > 100
    assert missed == 0
    assert caught < 0.06 * len(mmlu_pro)

"""Bad input and bad plugins: one sentence that names perturber, item and what is allowed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from oodrop import DataError, OodropError, RunError, UnknownNameError
from oodrop.perturbers import (
    Bound,
    Edit,
    Item,
    NotApplicable,
    Proposal,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Use,
    Variant,
    perturb,
    perturber,
)

pytestmark = pytest.mark.usefixtures("own_registry")


def register(returned: Any, evidence: Any = "proved", family: str = "lexical") -> Variant:
    """A perturber of the test that returns this (or raises it)."""

    @perturber(f"{family}.fake", evidence=evidence)
    def fake(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
        """Does what the test says."""
        if isinstance(returned, BaseException):
            raise returned
        result: Sequence[Edit] | NotApplicable = returned
        return result

    return Variant(f"{family}.fake")


def raised(item: Item, variant: Variant) -> OodropError:
    with pytest.raises(OodropError) as caught:
        perturb(item, variant)
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_unknown_perturber_lists_the_nearest_first(item: Item) -> None:
    error = raised(item, Variant("lexical.keybord_typo", severity=3))
    assert type(error) is UnknownNameError
    assert error.exit_code == 2
    assert str(error).startswith(
        "unknown perturber 'lexical.keybord_typo'; there are: lexical.keyboard_typo, "
    )
    assert "control.identity" in str(error)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (
            Variant("lexical.keyboard_typo"),
            "lexical.keyboard_typo needs a severity from 1 to 5, got none",
        ),
        (
            Variant("lexical.keyboard_typo", severity=9),
            "lexical.keyboard_typo needs a severity from 1 to 5, got 9",
        ),
        (
            Variant("lexical.keyboard_typo", severity=0),
            "lexical.keyboard_typo needs a severity from 1 to 5, got 0",
        ),
        (
            Variant("ordering.fact_order", severity=3),
            "ordering.fact_order has no severities, got 3",
        ),
        (
            Variant("ordering.fact_order", {"layout": "x"}),
            "ordering.fact_order has no parameter 'layout'; there are: none",
        ),
        (
            Variant("phrasing.register", {"tone": "polite"}),
            "phrasing.register has no parameter 'tone'; there are: set",
        ),
        (
            Variant("phrasing.register", {"set": "rude"}),
            (
                "phrasing.register: set must be one of polite, casual, formal, terse, legalese, "
                "got 'rude'"
            ),
        ),
        (Variant("phrasing.template"), "phrasing.template needs the parameter 'id'"),
    ],
)
def test_options_that_it_does_not_take(item: Item, variant: Variant, message: str) -> None:
    error = raised(item, variant)
    assert str(error) == message
    assert type(error) is OodropError
    assert error.exit_code == 2


def test_a_parameter_left_out_is_its_first_value(item: Item) -> None:
    assert perturb(item, Variant("phrasing.register")) == perturb(
        item, Variant("phrasing.register", {"set": "polite"})
    )


def test_a_value_that_the_task_lacks_is_not_applicable(item: Item) -> None:
    done = perturb(item, Variant("phrasing.template", {"id": "t99"})).certificate
    assert (done.outcome, done.reason) == ("not_applicable", "the task has no template 't99'")


def test_a_perturber_that_raises(item: Item) -> None:
    error = raised(item, register(ZeroDivisionError("oops")))
    assert type(error) is RunError
    assert error.exit_code == 5
    assert str(error) == "perturber lexical.fake raised ZeroDivisionError on item item-1: oops"


def test_an_error_of_ours_passes_through(item: Item) -> None:
    """For example: nlpaug is not installed. That is bad input, not a failed run."""
    error = raised(item, register(OodropError("this perturber needs nlpaug")))
    assert (str(error), error.exit_code) == ("this perturber needs nlpaug", 2)


def test_ctrl_c_is_no_error_of_the_perturber(item: Item) -> None:
    with pytest.raises(KeyboardInterrupt):
        perturb(item, register(KeyboardInterrupt()))


@pytest.mark.parametrize(
    "returned",
    [None, "text", 3, ["text"], [("question", 0, "", "x")], {"question": "x"}, (e for e in [])],
)
def test_what_is_no_list_of_edits(item: Item, returned: object) -> None:
    error = raised(item, register(returned))
    assert type(error) is RunError
    assert error.exit_code == 5
    start = (
        "perturber lexical.fake on item item-1 must return a list of edits or NotApplicable, got"
    )
    assert str(error).startswith(start)
    assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([Replace("body", 0, "", "x")], "no segment 'body'; there are fact_1, .*, question"),
        (
            [Replace("question", 0, "What", "Who"), Replace("question", 2, "at", "x")],
            r"edit at question\[2\] overlaps another",
        ),
        ([Replace("question", 0, "Why", "x")], r"question\[0\] .* misquotes the text"),
        ([Reorder("facts", (0, 0, 1))], r"order of 'facts' is no permutation of 0\.\.2"),
        ([Reorder("people", (1, 0))], "no units 'people'; there are facts"),
        ([Use("template", "canonical", "t99")], "no template change 'canonical' to 't99'"),
        ([Replace("question", "0", "", "x")], "fit item-1: .*str"),  # type: ignore[arg-type]
        ([Replace("question", 0, "", None)], "fit item-1: .*NoneType"),  # type: ignore[arg-type]
        ([Reorder("facts", None)], "fit item-1: .*NoneType"),  # type: ignore[arg-type]
        ([Relabel(("A",), ("B",))], r"the item's labels are \(\), not \('A',\)"),
    ],
)
def test_an_edit_that_does_not_fit(item: Item, edits: list[Edit], message: str) -> None:
    error = raised(item, register(edits))
    assert type(error) is RunError
    assert error.exit_code == 5
    assert str(error).startswith("perturber lexical.fake returned an edit that does not fit item-1")
    with pytest.raises(RunError, match=message):
        perturb(item, Variant("lexical.fake"))


def test_only_a_control_may_change_the_gold(item: Item) -> None:
    error = raised(item, register([Regold(0, 1)]))
    assert type(error) is RunError
    assert str(error) == (
        "perturber lexical.fake on item item-1 must not change the gold: only controls may"
    )


def test_a_control_may_change_the_gold_where_a_program_derives_it(item: Item) -> None:
    edits = [Replace("fact_1", 15, "100", "0"), Regold(0, 1)]
    variant = register(edits, family="control")
    refused = perturb(item, variant).certificate
    assert (refused.outcome, refused.reason) == (
        "refused",
        "G3_gold_rederived: no program derives the gold of this task",
    )
    derived = item.altered(rederive=lambda now: 1 if "at 0 deg" in now.segments["fact_1"] else 0)
    done = perturb(derived, variant)
    assert (done.certificate.outcome, done.certificate.evidence) == ("changed", "proved")
    assert (done.item.gold, done.item.gold_text) == (1, "ice")
    wrong = perturb(item.altered(rederive=lambda now: 2), variant).certificate
    assert wrong.reason == "G3_gold_rederived: the label is now 2, not 1"


def test_a_proposal_says_how_many_places_there_were(item: Item) -> None:
    edits = [Replace("question", 0, "What", "Waht")]
    for returned, eligible in ((Proposal(edits, 7), 7), (edits, None)):
        certificate = perturb(item, register(returned)).certificate
        assert certificate.edits == tuple(edits)
        assert certificate.eligible == eligible
        assert certificate.as_dict()["eligible"] == eligible


def test_a_proposal_is_checked_like_a_list(item: Item) -> None:
    error = raised(item, register(Proposal([Replace("gold", 0, "", "x")], 1)))
    assert str(error).endswith("must not edit the gold or the options' text")
    error = raised(item, register(Proposal("text", 1)))  # type: ignore[arg-type]
    assert "must return a list of edits or NotApplicable, got 'text'" in str(error)


def test_edits_that_change_nothing_are_dropped(item: Item) -> None:
    edits = [Replace("question", 0, "What", "What"), Replace("question", 5, "boils", "biols")]
    assert perturb(item, register(edits)).certificate.edits == (edits[1],)


def test_a_lone_surrogate_is_no_text(item: Item) -> None:
    error = raised(item, register([Replace("question", 0, "", "\ud800 ")]))
    assert type(error) is RunError
    assert "returned text with a lone surrogate, which no file can hold" in str(error)


@pytest.mark.parametrize("draw", [random.random, lambda: np.random.rand()])  # noqa: NPY002
def test_a_plugin_that_draws_from_a_global_generator_is_named(item: Item, draw: Any) -> None:
    @perturber("lexical.fake", evidence="checked")
    def fake(item: Item, rng: random.Random) -> list[Edit]:
        """Draws where it must not."""
        draw()
        return []

    error = raised(item, Variant("lexical.fake"))
    assert type(error) is RunError
    assert str(error) == (
        "perturber lexical.fake drew from a global generator on item item-1; "
        "it must use the one that it is given"
    )


def test_a_guard_that_raises_is_named(item: Item) -> None:
    """A task's own program may raise on what it is given."""
    broken = item.altered(rederive=lambda now: 1 // 0)
    error = raised(broken, register([Reorder("facts", (0, 2, 1))]))
    assert type(error) is RunError
    assert str(error).startswith(
        "perturber lexical.fake on item item-1: a guard raised ZeroDivisionError"
    )


def test_a_bound_variant_gives_what_perturb_gives(item: Item) -> None:
    for variant in (
        Variant(),
        Variant("ordering.fact_order"),
        Variant("lexical.keyboard_typo", severity=3),
        Variant("phrasing.register", {"set": "terse"}),
    ):
        bound = Bound(variant)
        assert bound(item) == bound(item) == perturb(item, variant)
    with pytest.raises(OodropError, match="needs a severity from 1 to 5, got none"):
        Bound(Variant("lexical.keyboard_typo"))


@pytest.mark.parametrize("segment", ["gold", "choices"])
def test_the_answer_is_never_edited(item: Item, segment: str) -> None:
    error = raised(item, register([Replace(segment, 0, "", "x")]))
    assert type(error) is RunError
    assert str(error) == (
        "perturber lexical.fake on item item-1 must not edit the gold or the options' text"
    )


def refusal(item: Item, edits: list[Edit]) -> str:
    done = perturb(item, register(edits))
    assert done.item is item
    assert done.certificate.outcome == "refused"
    assert done.certificate.evidence is None
    assert done.certificate.edits == ()
    return done.certificate.reason


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (Replace("fact_1", 15, "100 degrees C", "99 degrees C"), "'100 degrees C'"),
        (Replace("fact_1", 16, "0", "1"), "'100 degrees C'"),
        (Replace("fact_1", 16, "", "0"), "'100 degrees C'"),
        (Replace("fact_1", 0, "Water boils at 100 degrees C.", "Water boils."), "'100 degrees C'"),
    ],
)
def test_a_protected_span_is_not_touched(item: Item, edit: Replace, text: str) -> None:
    assert refusal(item, [edit]) == (
        f"G0_protected_text: an edit of fact_1 touches the protected text {text}"
    )


@pytest.mark.parametrize(
    "edit",
    [
        Replace("fact_1", 15, "", "2"),
        Replace("fact_1", 28, "", "s"),
        Replace("fact_1", 15, "", "-"),
    ],
)
def test_nothing_is_glued_to_a_protected_span(item: Item, edit: Replace) -> None:
    assert refusal(item, [edit]) == "G0_protected_text: protected text of fact_1 is not what it was"


def test_a_literal_of_the_task_is_not_touched(item: Item) -> None:
    named = item.altered(protected=("kettle",))
    assert refusal(named, [Replace("question", 18, "kettle", "pot")]) == (
        "G0_protected_text: an edit of question touches the protected text 'kettle'"
    )
    assert perturb(item, Variant("lexical.fake")).certificate.outcome == "changed"


def test_precedence_holds(item: Item) -> None:
    assert refusal(item, [Reorder("facts", (1, 0, 2))]) == (
        "G1_units: in facts, fact_1 must stay before fact_2"
    )
    assert perturb(item, register([Reorder("facts", (2, 0, 1))])).certificate.outcome == "changed"


def test_the_label_is_derived_again(item: Item) -> None:
    derived = item.altered(
        rederive=lambda now: 0 if now.units["facts"].members[0] == "fact_1" else 2
    )
    assert refusal(derived, [Reorder("facts", (2, 0, 1))]) == (
        "G3_gold_rederived: the label is now 2, not 0"
    )
    done = perturb(derived, register([Reorder("facts", (0, 2, 1))])).certificate
    assert (done.outcome, done.evidence) == ("changed", "proved")
    assert "G3_gold_rederived" in done.guards


def test_a_move_that_no_program_derived_again_is_not_proved(item: Item) -> None:
    done = perturb(item, register([Reorder("facts", (0, 2, 1))])).certificate
    assert (done.outcome, done.evidence) == ("changed", "checked")


def test_a_template_shows_every_segment(item: Item) -> None:
    def render(now: Item) -> str:
        shown = [t for n, t in now.segments.items() if now.template != "t02" or n != "fact_3"]
        return f"{now.template}: " + " ".join(shown)

    rendered = item.altered(render=render)
    assert refusal(rendered, [Use("template", "canonical", "t02")]) == (
        "G2_prompt_complete: segment fact_3 does not stand in the new prompt as in the old one"
    )
    done = perturb(rendered, register([Use("template", "canonical", "t01")])).certificate
    assert done.guards == ("G2_prompt_complete", "invertible")


def test_options_move_with_the_gold(item: Item) -> None:
    done = perturb(item, register([Reorder("choices", (1, 2, 0))]))
    assert done.certificate.outcome == "changed"
    assert "G1_options" in done.certificate.guards
    assert (done.item.gold, done.item.gold_text) == (2, "water")


def test_labels_change_and_the_place_of_the_gold_does_not(item: Item) -> None:
    labelled = item.altered(labels=("A", "B", "C"))
    done = perturb(labelled, register([Relabel(("A", "B", "C"), ("1", "2", "3"))]))
    assert done.certificate.outcome == "changed"
    assert "G1_labels" in done.certificate.guards
    assert (done.item.gold, done.item.gold_text, done.item.answer) == (0, "water", "1")


def test_options_that_speak_of_each_other_stay(item: Item) -> None:
    tied = item.altered(choices=("water", "ice", "both of these"))
    assert refusal(tied, [Reorder("choices", (1, 0, 2))]) == (
        "G4_no_cross_reference: the option 'both of these' refers to other options"
    )


def test_equal_options_move_too(item: Item) -> None:
    same = item.altered(choices=("a", "a", "b"))
    done = perturb(same, register([Reorder("choices", (1, 2, 0))]))
    assert done.item.gold_text == "a"


@pytest.mark.parametrize(
    "edits", [[], [Replace("question", 0, "What", "What")], [Reorder("facts", (0, 1, 2))]]
)
def test_no_change_is_unchanged(item: Item, edits: list[Edit]) -> None:
    done = perturb(item, register(edits))
    assert done.item is item
    assert (done.certificate.outcome, done.certificate.reason) == ("unchanged", "")


def test_not_applicable_says_why(item: Item) -> None:
    done = perturb(item, register(NotApplicable("it has no such thing"))).certificate
    assert (done.outcome, done.reason) == ("not_applicable", "it has no such thing")


def test_canonical_is_the_item_itself(item: Item) -> None:
    done = perturb(item, Variant())
    assert done.item is item
    assert done.certificate.outcome == "canonical"


def test_a_variant_is_read_back() -> None:
    for variant in (
        Variant("lexical.keyboard_typo", severity=2, seed=9),
        Variant("phrasing.register", {"set": "formal"}),
    ):
        assert Variant.from_dict(variant.as_dict(), "here") == variant
    assert Variant("phrasing.register", {"set": "formal"}).slug == "phrasing_register_formal"
    assert Variant("lexical.keyboard_typo", severity=2).slug == "lexical_keyboard_typo_s2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"perturber": "a.b", "sed": 1}, "here: unknown field 'sed' in a variant; allowed: .*seed"),
        ({"severity": 1}, "here: a variant names its perturber, got None"),
        ({"perturber": "a.b", "severity": 6}, "here: severity of a.b must be 1 to 5, got 6"),
        ({"perturber": "a.b", "severity": "3"}, "here: severity of a.b must be 1 to 5, got '3'"),
        ({"perturber": "a.b", "severity": True}, "here: severity of a.b must be 1 to 5, got True"),
        ({"perturber": "a.b", "seed": "x"}, "here: seed of a.b must be a whole number, got 'x'"),
        ({"perturber": "a.b", "seed": False}, "here: seed of a.b must be a whole number"),
        ({"perturber": "a.b", "parameters": ["x"]}, "here: parameters of a.b must be a mapping"),
    ],
)
def test_a_variant_of_another_shape(data: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Variant.from_dict(data, "here")

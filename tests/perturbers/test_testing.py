"""`check_perturber` finds every broken promise and names it in one sentence."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oodrop import OodropError
from oodrop.perturbers import Edit, Item, NotApplicable, Proposal, Replace, engine, perturber
from oodrop.perturbers.edits import Regold
from oodrop.perturbers.testing import check_perturber, sample_items

pytestmark = pytest.mark.usefixtures("own_registry")
QUESTION = "question"


def front(text: str) -> list[Edit]:
    return [Replace(QUESTION, 0, "", text)]


def complaint(function: Callable[..., Any], name: str = "lexical.bad", **declared: Any) -> str:
    """What `check_perturber` says of a function."""
    perturber(name, **{"evidence": "checked", **declared})(function)
    with pytest.raises(AssertionError) as caught:
        check_perturber(name, examples=5)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"perturber {name}")
    return text


def test_a_good_one_passes() -> None:
    @perturber("lexical.good", evidence="checked", languages=("*",))
    def good(item: Item, rng: random.Random) -> Sequence[Edit]:
        """A greeting stands in front."""
        return front(("Hello there, ", "Greetings, ")[int(2 * rng.random())])

    check_perturber("lexical.good", examples=5)


def test_it_remembers() -> None:
    seen: list[str] = []

    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It counts its calls."""
        seen.append(item.item_id)
        return front("so " * len(seen))

    assert complaint(bad).endswith("the same input gave another output the second time")


def test_it_depends_on_what_came_before() -> None:
    seen: list[str] = []

    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It remembers the other items."""
        if item.item_id not in seen:
            seen.append(item.item_id)
        return front("so " if item.item_id == seen[0] or len(seen) % 3 else "well, ")

    assert complaint(bad).endswith("another one when other items come before it")


@pytest.mark.parametrize("draw", [random.random, lambda: float(np.random.rand())])  # noqa: NPY002
@pytest.mark.parametrize("guarded", [True, False])
def test_it_draws_from_a_global_generator(
    draw: Callable[[], float], guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It draws from a generator that is not its own."""
        draw()
        return front("so ")

    if not guarded:
        monkeypatch.setattr(engine, "_guarded_call", engine._call)
    assert "drew from a global generator" in complaint(bad)


def test_it_alters_the_item() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It writes into the item's own offers."""
        item.offers["mood"] = ("good",)  # type: ignore[index]
        return front("so ")

    given = replace(sample_items()[0], item_id="mine", offers={})
    perturber("lexical.bad", evidence="checked")(bad)
    with pytest.raises(AssertionError, match=r"'.*': it altered the item itself"):
        check_perturber("lexical.bad", [given], examples=0)


def test_it_raises() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It knows no empty text."""
        return front("so " + item.segments[QUESTION][0].lower() + " ")

    assert "raised IndexError on item sample: empty" in complaint(bad)


def test_its_edits_are_no_json() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """Its positions are numpy's."""
        return [Replace(QUESTION, np.int64(0), "", "so ")]  # type: ignore[arg-type]

    assert "its edits cannot be written as JSON: " in complaint(bad)


def test_severities_that_do_not_contain_each_other() -> None:
    def bad(item: Item, rng: random.Random, *, severity: int) -> Sequence[Edit]:
        """Its text depends on the severity."""
        return front("so " * severity)

    assert complaint(bad).endswith("its edits do not contain those of severity 1")


@pytest.mark.parametrize(
    ("made", "eligible", "says"),
    [(1, 0, "made 1 edits of 0 eligible"), (1, 10_000, "of what it calls eligible means")],
)
def test_severities_that_mean_another_share(made: int, eligible: int, says: str) -> None:
    def bad(item: Item, rng: random.Random, *, severity: int) -> Proposal:
        """It edits one place and claims another number of them."""
        return Proposal(front("so ")[:made], eligible)

    assert says in complaint(bad)


def test_a_prompt_level_one_that_draws() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It says prompt and draws."""
        return front(("so ", "well, ", "now ", "right, ")[int(4 * rng.random())])

    assert "level 'prompt' and yet draws random numbers" in complaint(bad, level="prompt")


def test_time_that_grows_with_the_square() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It reads the text once for every word."""
        text = item.segments[QUESTION]
        for k in range(0, len(text), 10):
            text[:k].count("zz")
        return front("so ")

    def worse(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It reads the text once for every letter."""
        for _ in range(3):
            bad(item, rng)
            text = item.segments[QUESTION]
            for k in range(0, len(text), 3):
                text[:k].count("zz")
        return front("so ")

    assert "time must grow as the text does" in complaint(worse)


def test_it_changes_nothing() -> None:
    def bad(item: Item, rng: random.Random) -> NotApplicable:
        """It never applies."""
        return NotApplicable("it never does")

    assert "so that nothing was checked" in complaint(bad)


def test_missing_data_is_told_as_such() -> None:
    @perturber("lexical.needy", evidence="checked")
    def needy(item: Item, rng: random.Random) -> Sequence[Edit]:
        """It needs data."""
        raise OodropError("lexical.needy needs data")

    with pytest.raises(OodropError, match=r"lexical\.needy needs data"):
        check_perturber("lexical.needy")


def test_it_scores_all_and_is_no_control() -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """Nothing."""
        return []

    assert complaint(bad, scores_all=True).endswith("scores all items and is no control")


# What the engine and its guards keep from happening; here they look away.
def _numbers(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Figures are exchanged."""
    at = item.segments[QUESTION].find("12")
    return [Replace(QUESTION, at, "12", "13")] if at >= 0 else []


def _gold(item: Item, rng: random.Random) -> Sequence[Edit]:
    """The gold is exchanged."""
    return [Regold("yes", "no")] if item.gold == "yes" else []


@pytest.mark.parametrize(
    ("function", "name", "says"),
    [
        (_numbers, "lexical.bad", "touches the protected text '12 degrees C'"),
        (_gold, "control.bad", "no control whose gold a program derived again"),
    ],
)
def test_guards_that_look_away(
    function: Callable[..., Any], name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "run_guards", lambda *_: (("invertible",), None))
    assert says in complaint(function, name)


def test_a_gold_that_changes_is_refused_without_a_program() -> None:
    assert "changed none of" in complaint(_gold, "control.bad")


def test_an_undo_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(item: Item, rng: random.Random) -> Sequence[Edit]:
        """Fine by itself; applying goes wrong."""
        return front("so ")

    def crooked(item: Item, edits: Any) -> Item:
        return item.altered(segments={**item.segments, QUESTION: "so " + "x"})

    monkeypatch.setattr(engine, "apply_edits", crooked)
    monkeypatch.setattr(engine, "run_guards", lambda *_: (("invertible",), None))
    assert "undoing its edits does not give the canonical item" in complaint(bad)

"""Options in another order and under other labels."""

from __future__ import annotations

import pytest

from oodrop.perturbers import Item

from .handmade import done, item_of, reason_of

CHOICES = ("iron", "wood", "glass", "clay")
LISTED = item_of(
    "Which of them burns?", choices=CHOICES, gold=1, labels=("A", "B", "C", "D"), listed=True
)
UNLISTED = LISTED.altered(listed=False, labels=())


def many(name: str, **parameters: str) -> list[Item]:
    items = [LISTED.altered(item_id=f"item-{k}") for k in range(200)]
    return [done(name, item, **parameters).item for item in items]


def test_options_are_shuffled_and_the_gold_moves_along() -> None:
    shuffled = many("ordering.option_shuffle")
    for item in shuffled:
        assert sorted(item.choices) == sorted(CHOICES)
        assert item.choices != CHOICES
        assert item.gold_text == "wood"
        assert item.labels == ("A", "B", "C", "D")
        assert item.answer == "ABCD"[item.choices.index("wood")]
    # Every other order occurs; the gold comes to each place as often as the draw makes it.
    assert len({item.choices for item in shuffled}) == 23
    assert {item.gold for item in shuffled} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("k", "choices", "gold"),
    [
        ("1", ("clay", "iron", "wood", "glass"), 2),
        ("2", ("glass", "clay", "iron", "wood"), 3),
        ("3", ("wood", "glass", "clay", "iron"), 0),
    ],
)
def test_options_are_rotated(k: str, choices: tuple[str, ...], gold: int) -> None:
    item = done("ordering.option_rotate", LISTED, k=k).item
    assert (item.choices, item.gold, item.gold_text) == (choices, gold, "wood")


def test_a_rotation_that_comes_full_circle_is_not_applicable() -> None:
    three = LISTED.altered(choices=CHOICES[:3], labels=("A", "B", "C"))
    assert reason_of("ordering.option_rotate", three, k="3") == "3 options, 3 places"


@pytest.mark.parametrize(
    ("k", "choices"),
    [
        ("1", ("wood", "iron", "glass", "clay")),
        ("3", ("iron", "glass", "wood", "clay")),
        ("4", ("iron", "clay", "glass", "wood")),
    ],
)
def test_the_gold_is_put_to_a_place(k: str, choices: tuple[str, ...]) -> None:
    item = done("ordering.gold_to_k", LISTED, k=k).item
    assert (item.choices, item.gold) == (choices, int(k) - 1)
    assert item.gold_text == "wood"


def test_a_gold_that_stands_there_stays() -> None:
    assert done("ordering.gold_to_k", LISTED, k="2").certificate.outcome == "unchanged"
    two = LISTED.altered(choices=CHOICES[:2], labels=("A", "B"))
    assert reason_of("ordering.gold_to_k", two, k="4") == "there are 2 options, none at place 4"


@pytest.mark.parametrize(
    ("style", "labels"),
    [
        ("numbers", ("1", "2", "3", "4")),
        ("lower", ("a", "b", "c", "d")),
        ("roman", ("i", "ii", "iii", "iv")),
        ("paren", ("(a)", "(b)", "(c)", "(d)")),
    ],
)
def test_label_styles(style: str, labels: tuple[str, ...]) -> None:
    result = done("phrasing.option_label_style", LISTED, style=style)
    assert result.certificate.evidence == "proved"
    assert result.item.labels == labels
    assert (result.item.gold, result.item.answer) == (1, labels[1])
    assert result.item.choices == CHOICES


def test_labels_that_are_so_already_are_unchanged() -> None:
    result = done("phrasing.option_label_style", LISTED, style="upper")
    assert result.certificate.outcome == "unchanged"


def test_a_style_has_no_more_labels_than_it_has() -> None:
    wide = LISTED.altered(
        choices=tuple(f"option{k}" for k in range(20)), labels=tuple(f"<{k}>" for k in range(20))
    )
    assert "more than the style has" in reason_of(
        "phrasing.option_label_style", wide, style="roman"
    )
    labels = done("phrasing.option_label_style", wide, style="numbers").item.labels
    assert len(set(labels)) == 20


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ordering.option_shuffle", {}),
        ("ordering.option_rotate", {"k": "1"}),
        ("ordering.gold_to_k", {"k": "1"}),
    ],
)
def test_options_that_are_not_shown_have_no_order(name: str, parameters: dict[str, str]) -> None:
    assert reason_of(name, UNLISTED, **parameters) == "the prompt does not list the options"
    tied = LISTED.altered(choices=("iron", "wood", "glass", "none of the above"))
    refused = done(name, tied, **parameters).certificate
    assert refused.outcome == "refused"
    assert refused.reason.startswith("G4_no_cross_reference")


def test_labels_that_are_not_answered_with_have_no_style() -> None:
    for item in (UNLISTED, LISTED.altered(labels=())):
        assert "not answered by their labels" in reason_of(
            "phrasing.option_label_style", item, style="numbers"
        )

"""The same quantity in other figures, words or units."""

from __future__ import annotations

import pytest

from oodrop.perturbers.catalogue.quantities import _OTHER_UNIT
from oodrop.perturbers.equivalence import _UNIT_FACTORS, equivalence

from .handmade import done, pairs_of, text_of


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A dog has 4 legs and 42 teeth.", "A dog has four legs and forty-two teeth."),
        ("We add 3 and then 7.", "We add three and then seven."),
        ("See step 3.", "See step three."),
        ("Go to Step 3 now.", "Go to Step 3 now."),
        ("In Room 7", "In Room 7"),
        ("a 5-year plan", "a 5-year plan"),
        ("3 hundred men", "3 hundred men"),
        ("at 9:05 on 26 January 2023", "at 9:05 on 26 January 2023"),
        ("it began on 26 January", "it began on 26 January"),
        ("in all 4 of 150 dogs", "in all 4 of 150 dogs"),  # all in one form, or none
        ("3.5 or 1,000 or 1/2 or 100", "3.5 or 1,000 or 1/2 or 100"),
        ("within 2 hours, 5% more", "within 2 hours, 5% more"),
        ("1 apple, 0 pears", "1 apple, 0 pears"),
        ("x = 5 + 3", "x = 5 + 3"),
        ("7 dwarfs", "7 dwarfs"),
        ("page 12-14", "page 12-14"),
        ("$5 and #7", "$5 and #7"),
    ],
)
def test_figures_to_words(before: str, after: str) -> None:
    assert text_of("lexical.number_word", before, to="words") == after


@pytest.mark.parametrize("text", ["Add 3 and 7.", "Room 7 has 4 beds."])
def test_in_one_text_all_numbers_or_none(text: str) -> None:
    pairs = pairs_of("lexical.number_word", text, to="words")
    assert len(pairs) in (0, 2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A dog has four legs.", "A dog has 4 legs."),
        ("The Twelve guests", "The Twelve guests"),
        ("The hall held twelve guests, and ten left.", "The hall held 12 guests, and 10 left."),
        ("Only one left.", "Only one left."),
        ("twenty-five or seven hundred", "twenty-five or seven hundred"),
        ("a four-legged dog", "a four-legged dog"),
        ("two and a half cups", "two and a half cups"),
        ("three quarter notes", "three quarter notes"),
        ("someone weighs a tenth", "someone weighs a tenth"),
    ],
)
def test_words_to_figures(before: str, after: str) -> None:
    assert text_of("lexical.number_word", before, to="digits") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Wait 90 min.", "Wait 1.5 h."),
        ("Wait 1.5 h.", "Wait 90 min."),
        ("Wait 90 minutes there.", "Wait 1.5 hours there."),
        ("Wait 2 hours.", "Wait 120 minutes."),
        ("Wait 60 minutes.", "Wait 1 hour."),
        ("Wait 20 minutes.", "Wait 20 minutes."),  # a third of an hour has no end
        ("Wait 24 hours.", "Wait 24 hours."),  # nobody says 1440 minutes
        ("Add 500 mL.", "Add 500 mL."),  # nor half a litre of something given in mL
        ("Add 1500 mL.", "Add 1.5 L."),
        ("Take 0.5 g of it.", "Take 500 mg of it."),
        ("Walk 2 m.", "Walk 200 cm."),
        ("Walk 30 km.", "Walk 30 km."),
        ("Wait 90 minutes; an hour has 60 minutes.", "Wait 90 minutes; an hour has 60 minutes."),
        ("At 9:05 a.m., 5% of 12 days", "At 9:05 a.m., 5% of 12 days"),
        ("90min", "1.5h"),
    ],
)
def test_unit_form(before: str, after: str) -> None:
    assert text_of("lexical.unit_form", before) == after


def test_every_exchange_of_units_is_exact() -> None:
    for unit in _OTHER_UNIT:
        for figure in ("1", "2", "3", "1.5", "30", "45", "90", "120", "250", "500", "1000", "9999"):
            result = done("lexical.unit_form", f"It was {figure} {unit} there.")
            assert result.certificate.outcome in ("changed", "not_applicable")
            for before, after in pairs_of(
                "lexical.unit_form", f"It was {figure} {unit} there."
            ).items():
                assert equivalence(before, after) == "quantity", (before, after)


def test_units_are_exchanged_within_their_kind() -> None:
    for unit, other in _OTHER_UNIT.items():
        assert unit != other
        assert _UNIT_FACTORS[unit][0] == _UNIT_FACTORS[other][0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lexical.number_word", "In the yard 4 dogs barked."),
        ("lexical.unit_form", "Within 90 minutes 4 dogs barked."),
    ],
)
def test_it_is_proved(name: str, text: str) -> None:
    certificate = done(name, text).certificate
    assert (certificate.outcome, certificate.evidence) == ("changed", "proved")
    assert "G0_protected_text" in certificate.guards

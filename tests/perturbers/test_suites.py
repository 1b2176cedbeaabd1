"""Suites are frozen lists; whatever is wrong in one is said with file and entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodrop import DataError, OodropError, UnknownNameError
from oodrop.perturbers import all_perturbers, all_suites, get_perturber, get_suite

from .digests import LEFT_OUT

GOOD = "summary: mine\nseed: 7\nvariants:\n  - {perturber: lexical.keyboard_typo, severity: 2}\n"


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_shipped_suite_loads() -> None:
    for name, suite in all_suites().items():
        assert suite.name == name
        assert suite.variants
        assert len({v.seed for v in suite.variants}) == 1
        assert {v.perturber for v in suite.variants} <= set(all_perturbers())


STANDARD = (
    "control_identity",
    "control_rerun",
    "lexical_keyboard_typo_s2",
    "lexical_misspelling_s2",
    "lexical_synonym_s5",
    "ordering_fact_order",
    "ordering_event_order",
    "ordering_option_shuffle",
    "ordering_section_order_question_first",
    "phrasing_template_t05",
    "phrasing_question_paraphrase_p01",
    "phrasing_distractor_1",
)
SMOKE = (
    "control_identity",
    "control_rerun",
    "lexical_keyboard_typo_s2",
    "lexical_synonym_s5",
    "ordering_fact_order",
    "ordering_event_order",
    "ordering_section_order_question_first",
    "phrasing_template_t05",
    "phrasing_question_paraphrase_p01",
)


MEANING = ("control_threshold", "control_negation", "control_contrast")


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("standard-1.0", STANDARD),
        ("standard-1.1", (*STANDARD[:2], *MEANING, *STANDARD[2:])),
        ("smoke-1.0", SMOKE),
        ("smoke-1.1", (*SMOKE[:2], *MEANING, *SMOKE[2:])),
    ],
)
def test_a_published_suite_is_what_it_was(name: str, slugs: tuple[str, ...]) -> None:
    """Results are compared within a suite: another list is another suite, of another name."""
    assert tuple(v.slug for v in get_suite(name).variants) == slugs
    assert {v.seed for v in get_suite(name).variants} == {2026}


def test_suites_contain_one_another_as_they_say() -> None:
    variants = {name: list(suite.variants) for name, suite in all_suites().items()}
    for part, whole in (
        ("smoke-1.0", "standard-1.0"),
        ("standard-1.0", "full-1.0"),
        ("smoke-1.0", "smoke-1.1"),
        ("smoke-1.1", "standard-1.1"),
        ("standard-1.0", "standard-1.1"),
        ("standard-1.1", "full-1.0"),
    ):
        assert [v for v in variants[part] if v not in variants[whole]] == []


def test_natural_suites_have_no_adversary_and_nothing_that_places_the_gold() -> None:
    for name, suite in all_suites().items():
        used = {v.perturber for v in suite.variants}
        assert "ordering.gold_to_k" not in used
        families = {get_perturber(p).family for p in used}
        assert ("adversarial" in families) == name.startswith("adversarial")
        assert {"control.identity", "control.rerun"} <= used
        assert not used & set(LEFT_OUT)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    suite = get_suite(write(tmp_path, GOOD))
    assert (suite.name, suite.summary) == ("mine", "mine")
    assert [(v.slug, v.seed) for v in suite.variants] == [("lexical_keyboard_typo_s2", 7)]


def test_an_unknown_suite_lists_what_there_is() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown suite 'smoke-1\.2'; there are: smoke-1\.1, smoke-1\.0"
    ):
        get_suite("smoke-1.2")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("severity: 2", "severity: 2, sevrity: 2", "mine.yaml, variant 1: unknown field 'sevrity'"),
        (
            "severity: 2",
            "severity: 6",
            "mine.yaml, variant 1: severity of .* must be 1 to 5, got 6",
        ),
        ("seed: 7\n", "seed: x\n", "mine.yaml, variant 1: seed of .* must be a whole number"),
        ("seed: 7\n", "", "must hold exactly: summary, seed, variants"),
        ("seed: 7\n", "seed: 7\nmore: 1\n", "must hold exactly: summary, seed, variants"),
        ("variants:\n", "variants: []\nx:\n", "must hold exactly"),
        (GOOD, "- a\n", "must hold exactly"),
        (GOOD, "", "must hold exactly"),
        (GOOD, "a: [", "cannot be read"),
        ("  - {", "  - [1]\n  - {", r"mine.yaml, variant 1: must be a mapping, got \[1\]"),
        (
            "severity: 2}",
            "severity: 2}\n  - {perturber: lexical.keyboard_typo, severity: 2, seed: 8}",
            "the variant 'lexical_keyboard_typo_s2' stands twice",
        ),
        (
            GOOD,
            "summary: mine\nseed: 7\nvariants: []\n",
            "'variants' must be a list with at least one entry",
        ),
    ],
)
def test_a_file_of_another_shape(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError, match=message) as caught:
        get_suite(write(tmp_path, GOOD.replace(old, new)))
    assert "mine.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        get_suite(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (
            "{perturber: lexical.keyboard_tpyo, severity: 2}",
            "unknown perturber .*: lexical.keyboard",
        ),
        ("{perturber: lexical.keyboard_typo}", "needs a severity from 1 to 5, got none"),
        ("{perturber: ordering.fact_order, severity: 2}", "has no severities, got 2"),
        ("{perturber: phrasing.register, parameters: {set: rude}}", "set must be one of polite"),
    ],
)
def test_variants_that_the_perturber_does_not_take(tmp_path: Path, new: str, message: str) -> None:
    text = GOOD.replace("{perturber: lexical.keyboard_typo, severity: 2}", new)
    with pytest.raises(OodropError, match=message) as caught:
        get_suite(write(tmp_path, text))
    assert caught.value.exit_code == 2

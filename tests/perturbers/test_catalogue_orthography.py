"""Other ways to write the same words: what changes and what stays."""

from __future__ import annotations

import re

import pytest

from oodrop.perturbers.equivalence import equivalence
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.tables import table
from oodrop.perturbers.words import is_word

from .handmade import done, item_of, reason_of, text_of

TEXT = "The NASA crew drank 40 mL of H2O, and I Do NOT mind. It took 2 h (see `Code`)."


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("lower", "the NASA crew drank 40 mL of H2O, and I do NOT mind. it took 2 h (see `Code`)."),
        ("upper", "THE NASA CREW DRANK 40 mL OF H2O, AND I DO NOT MIND. IT TOOK 2 h (SEE `Code`)."),
        ("title", "The NASA Crew Drank 40 mL Of H2O, And I Do NOT Mind. It Took 2 h (See `Code`)."),
    ],
)
def test_case(mode: str, expected: str) -> None:
    assert text_of("lexical.case", TEXT, mode=mode) == expected


def test_random_case_changes_letters_only() -> None:
    text = text_of("lexical.case", TEXT, mode="random")
    assert text != TEXT
    assert text.casefold() == TEXT.casefold()
    for kept in ("40 mL", "H2O", "2 h", "`Code`"):
        assert kept in text


@pytest.mark.parametrize("mode", ["lower", "upper", "title", "random"])
def test_names_of_the_task_keep_their_case(mode: str) -> None:
    named = item_of(
        "Ask Nadia Lindgren about The ph meter.", protected=("Nadia Lindgren", "ph meter")
    )
    text = done("lexical.case", named, mode=mode).item.segments["question"]
    assert "Nadia Lindgren" in text
    assert "ph meter" in text


@pytest.mark.parametrize(
    "question",
    ["How is the word spelled?", "Which vowels are in it?", "What is the first letter of it?"],
)
@pytest.mark.parametrize(
    "name", ["lexical.case", "lexical.abbreviation", "lexical.spelling_variant"]
)
def test_questions_about_letters_are_left_alone(name: str, question: str) -> None:
    assert reason_of(name, question) == "the question is about words or letters themselves"


def test_a_letter_in_the_post_is_not_about_letters() -> None:
    assert text_of("lexical.case", "Who wrote the letter?", mode="upper") == "WHO WROTE THE LETTER?"


@pytest.mark.parametrize(
    ("kind", "found"), [("spaces", r"[ ]{2,3}"), ("tabs", r"\t"), ("newlines", r"\n")]
)
def test_whitespace(kind: str, found: str) -> None:
    text = "Some people eat bread at 9 a.m. with 40 mL of milk and `a  b` too."
    after = text_of("lexical.whitespace", text, kind=kind)
    assert re.search(found, after)
    assert after.split() == text.split()
    for kept in ("9 a.m.", "40 mL", "`a  b`"):
        assert kept in after


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("strip", "Who came?", "Who came"),
        ("strip", "It rains.", "It rains"),
        ("strip", "It is 5.", "It is 5."),
        ("double", "Who came?", "Who came??"),
        ("double", "A pH of 3.5, he said.", "A pH of 3.5, he said.."),
        ("typographic", "The dog's bowl... gone", "The dog’s bowl… gone"),
        ("typographic", "It wasn't the dog's", "It wasn't the dog’s"),
        ("typographic", "No marks here", "No marks here"),
        ("strip", "No mark", "No mark"),
    ],
)
def test_punctuation(mode: str, before: str, after: str) -> None:
    assert text_of("lexical.punctuation", before, mode=mode) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I do not know.", "I don't know."),
        ("Do not open it.", "Don't open it."),
        ("It is cold and they are late.", "It's cold and they're late."),
        ("It cannot rain.", "It can't rain."),
        ("The clerks will not, I am sure.", "The clerks won't, I'm sure."),
        ("Tell me what it is.", "Tell me what it is."),
        ("As old as it is now.", "As old as it is now."),
        ("I know where it is now.", "I know where it is now."),
        ("How cold it is, they know.", "How cold it is, they know."),
        ("They have been there.", "They've been there."),
        ("How many do they have left?", "How many do they have left?"),
        ("Nothing to do, not now.", "Nothing to do, not now."),
        ("Let us go.", "Let us go."),
    ],
)
def test_contraction(before: str, after: str) -> None:
    assert text_of("lexical.contraction", before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I don't know.", "I do not know."),
        ("I don’t know.", "I do not know."),
        ("It won't rain; it can't.", "It will not rain; it cannot."),
        ("Don't open it.", "Do not open it."),
        ("Don't you know?", "Don't you know?"),
        ("Isn't there any?", "Isn't there any?"),
        ("Why doesn't the dog bark?", "Why doesn't the dog bark?"),
        ("He's late, he'd say.", "He's late, he'd say."),
        ("The nurse's bowl", "The nurse's bowl"),
    ],
)
def test_expansion(before: str, after: str) -> None:
    """Never "do not you": behind an inverted form it stays."""
    assert text_of("lexical.expansion", before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [("They will not go.", "They won't go."), ("You would not go.", "You wouldn't go.")],
)
def test_a_negation_is_contracted_before_a_pronoun(before: str, after: str) -> None:
    assert text_of("lexical.contraction", before) == after


@pytest.mark.parametrize("form", [*table("contractions")["negative"].items()])
def test_contraction_and_expansion_undo_each_other(form: tuple[str, str]) -> None:
    full, short = form
    long, brief = f"The clerks {full} sign it.", f"The clerks {short} sign it."
    assert text_of("lexical.contraction", long) == brief
    if short in table("contractions")["expandable"]:
        assert text_of("lexical.expansion", brief) == long


def test_every_contraction_has_an_expansion_or_two_readings() -> None:
    forms = table("contractions")
    shorts = [s for k in ("negative", "positive", "perfect") for s in forms[k].values()]
    assert len(shorts) == len(set(shorts))
    for short in set(shorts) - set(forms["expandable"]):
        assert re.search(r"'(?:s|d)$", short), short
    assert set(forms["expandable"]) <= set(shorts)
    for full, short in forms["negative"].items():
        assert equivalence(full, short) == "contraction"


@pytest.mark.parametrize(
    ("to", "before", "after"),
    [
        ("british", "The color of aluminum.", "The colour of aluminium."),
        ("american", "The colour of aluminium.", "The color of aluminum."),
        ("british", "Color theory", "Colour theory"),
        ("british", "A meter of tire", "A meter of tire"),
    ],
)
def test_spelling_variant(to: str, before: str, after: str) -> None:
    assert text_of("lexical.spelling_variant", before, to=to) == after


def test_spellings_go_both_ways() -> None:
    pairs = table("spelling_variants")
    assert len(set(pairs.values())) == len(pairs)
    assert not set(pairs) & set(pairs.values())
    for us, uk in pairs.items():
        assert us != uk
        assert not protected_spans(us), us
        assert not protected_spans(uk), uk
        assert us == us.lower()
        assert uk == uk.lower()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("It takes approximately a day.", "It takes approx. a day."),
        ("Call the department.", "Call the dept."),
        ("Department heads", "Dept. heads"),
        ("Is it available?", "Is it avail.?"),
        ("Nothing here", "Nothing here"),
    ],
)
def test_abbreviation(before: str, after: str) -> None:
    assert text_of("lexical.abbreviation", before) == after


def test_abbreviations_are_short_and_read_as_nothing_else() -> None:
    for long, short in table("abbreviations").items():
        assert len(short.rstrip(".")) < len(long), long
        assert not protected_spans(long), long
        assert not protected_spans(f"a {short} b"), short
        assert not (is_word(short) and short.endswith(".")), short
        assert " " not in short

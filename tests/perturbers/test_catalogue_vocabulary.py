"""Other words for the same: synonyms, other names, words that say nothing."""

from __future__ import annotations

import re

import pytest

from oodrop.perturbers import Item
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.tables import table
from oodrop.perturbers.words import is_word
from oodrop.tasks import get_task
from oodrop.tasks.procedural.lexicon import FIRST_NAMES, LAST_NAMES

from .handmade import done, item_of, pairs_of, reason_of, text_of

PEOPLE = item_of(
    "Nadia Lindgren told Omar Haddad's team that Nadia Lindgren left.",
    "Did Omar Haddad stay, asked Nadia Lindgren?",
    entities={"person": ("Nadia Lindgren", "Omar Haddad")},
    protected=("Nadia Lindgren", "Omar Haddad"),
)


def test_a_synonym_takes_the_place_of_a_word() -> None:
    known = table("synonyms")
    words = [w for w in sorted(known) if len(w) > 4][:200:10]
    for word in words:
        pairs = pairs_of("lexical.synonym", f"They said that {word} here now.")
        assert set(pairs) <= {word}
        assert all(after in known[word] for after in pairs.values())
    assert any(pairs_of("lexical.synonym", f"They said that {w} here now.") for w in words)


def test_synonyms_are_words_and_keep_the_article() -> None:
    for word, others in table("synonyms").items():
        for text in (word, *others):
            assert re.fullmatch(r"[a-z]+", text), text
            assert is_word(text), text
            assert not protected_spans(text), text


def test_a_name_is_no_synonym() -> None:
    assert pairs_of("lexical.synonym", "They met Additional Rivers there.") == {}


def test_everybody_gets_another_name_wherever_he_is_told_of() -> None:
    result = done("lexical.rename_entity", PEOPLE)
    assert result.certificate.outcome == "changed"
    assert "G2_names" in result.certificate.guards
    pairs = pairs_of("lexical.rename_entity", PEOPLE)
    assert len(result.certificate.edits) == 5
    assert set(pairs) == {"Nadia Lindgren", "Omar Haddad"}
    assert len(set(pairs.values())) == 2
    for name, text in PEOPLE.segments.items():
        for old, new in pairs.items():
            text = text.replace(old, new)
        assert result.item.segments[name] == text
    told = "\n".join(result.item.segments.values())
    assert "Nadia" not in told
    assert "Haddad" not in told


def test_new_names_are_from_the_list_and_not_in_the_text() -> None:
    names = table("names")
    given = {n for kind in names["given"].values() for n in kind}
    for k in range(30):
        item = PEOPLE.altered(item_id=f"people-{k}")
        new = list(pairs_of("lexical.rename_entity", item).values())
        parts = [name.split(" ") for name in new]
        assert all(first in given and last in names["family"] for first, last in parts)
        assert len({p for pair in parts for p in pair}) == 4


def test_without_people_there_is_nothing_to_rename() -> None:
    assert (
        reason_of("lexical.rename_entity", "Nadia left.") == "the task declares no people by name"
    )
    item = item_of("Nadia left.", entities={"person": ("Omar",)})
    assert done("lexical.rename_entity", item).certificate.outcome == "not_applicable"


def test_a_single_name_is_exchanged_for_a_single_one_and_not_inside_words() -> None:
    item = item_of("Ann met Annabel and Hann.", entities={"person": ("Ann",)}, protected=("Ann",))
    result = done("lexical.rename_entity", item)
    text = result.item.segments["question"]
    assert text.endswith(" met Annabel and Hann.") or result.certificate.outcome == "refused"


def test_names_are_no_words_and_none_of_a_task() -> None:
    names = table("names")
    every = [n for kind in names["given"].values() for n in kind] + names["family"]
    assert len(set(every)) == len(every)
    for name in every:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
        assert not protected_spans(name)
    assert not set(every) & {*FIRST_NAMES, *LAST_NAMES}


def test_on_the_procedural_set_the_program_still_reads_the_item() -> None:
    spec = get_task("procedural")
    for doc in spec.docs("test")[::97]:
        item: Item = spec.item(doc)
        if item.parent is not None:  # left alone by every perturber
            continue
        result = done("lexical.rename_entity", item)
        assert result.certificate.outcome == "changed"
        old = item.entities["person"]
        assert not any(p in t for p in old for t in result.item.segments.values())


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("What is hot?", "what is hot?"),
        ("In winter, who freezes?", "in winter, who freezes?"),
        ("Nadia left. Why?", None),
        ("Not a word?", None),
        ("H2O is what?", None),
        ("I left. Why?", None),
        ("", None),
    ],
)
def test_a_filler_opens_the_question(question: str, rest: str | None) -> None:
    text = text_of("lexical.filler", question)
    if rest is None:
        assert text == question
        return
    openers = table("fillers")
    assert text.endswith(f" {rest}")
    assert text.removesuffix(f" {rest}") in openers


def test_fillers_hold_no_protected_text() -> None:
    for opener in table("fillers"):
        assert not protected_spans(f"{opener} the dog")
        assert opener[0].isupper()

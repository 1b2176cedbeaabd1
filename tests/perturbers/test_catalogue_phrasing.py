"""The same request in other words."""

from __future__ import annotations

import re

import pytest

from oodrop.perturbers import Inversion, Relabel, Replace
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.tables import table
from oodrop.tasks import get_task

from .handmade import done, item_of, reason_of

VERDICT = item_of(
    "It rained.",
    "Does it comply?",
    choices=("compliant", "non-compliant"),
    labels=("compliant", "non-compliant"),
    gold=1,
    paraphrases={
        "question": {"p01": "Is it in line?", "cloze": "It is ____.", "imperative": "Judge it."}
    },
    inversions={"inverted": Inversion("Does it depart in any way?", ("no", "yes"))},
)


def test_polarity_turns_the_question_and_the_words_around() -> None:
    result = done("phrasing.polarity", VERDICT, id="inverted")
    assert result.certificate.edits == (
        Replace("question", 0, "Does it comply?", "Does it depart in any way?"),
        Relabel(("compliant", "non-compliant"), ("no", "yes")),
    )
    assert (result.item.gold, result.item.gold_text, result.item.answer) == (
        1,
        "non-compliant",
        "yes",
    )
    assert "no opposite question" in reason_of(
        "phrasing.polarity", VERDICT.altered(inversions={}), id="inverted"
    )


@pytest.mark.parametrize(
    ("name", "parameters", "question"),
    [
        ("phrasing.question_paraphrase", {"id": "p01"}, "Is it in line?"),
        ("phrasing.question_form", {"form": "cloze"}, "It is ____."),
        ("phrasing.question_form", {"form": "imperative"}, "Judge it."),
    ],
)
def test_the_question_is_replaced_from_the_bank(
    name: str, parameters: dict[str, str], question: str
) -> None:
    result = done(name, VERDICT, **parameters)
    assert result.item.segments["question"] == question
    assert result.certificate.evidence in ("checked", "reviewed")
    (value,) = parameters.values()
    bare = VERDICT.altered(paraphrases={})
    assert (
        reason_of(name, bare, **parameters)
        == f"the task has no rewording {value!r} of its question"
    )


REGISTERS = ("polite", "casual", "formal", "terse", "legalese")


@pytest.mark.parametrize("register", REGISTERS)
def test_a_register_leads_in_and_asks_nothing(register: str) -> None:
    sentences = table("registers")[register]
    assert len(set(sentences)) == len(sentences) >= 4
    seen = set()
    for k in range(60):
        text = done(
            "phrasing.register", VERDICT.altered(item_id=f"{k}"), set=register
        ).item.segments
        assert text["fact_1"] == "It rained."
        assert text["question"].endswith(" Does it comply?")
        seen.add(text["question"].removesuffix(" Does it comply?"))
    assert seen == set(sentences)
    for sentence in sentences:
        assert not protected_spans(sentence), sentence
        assert "?" not in sentence
        assert sentence[-1] in ".:"


def test_registers_differ() -> None:
    assert tuple(table("registers")) == REGISTERS
    every = [s for name in REGISTERS for s in table("registers")[name]]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("n", ["1", "2", "3"])
@pytest.mark.parametrize(("segment", "kind"), [("fact_1", "everyday"), ("intro", "workplace")])
def test_distractors_follow_the_text_and_differ(n: str, segment: str, kind: str) -> None:
    item = VERDICT.altered(segments={segment: "It rained.", "question": "Why?"})
    for k in range(30):
        text = done("phrasing.distractor", item.altered(item_id=f"{k}"), n=n).item.segments
        assert text["question"] == "Why?"
        added = text[segment].removeprefix("It rained. ")
        sentences = re.findall(r"[^.]+\.", added)
        assert len(set(sentences)) == len(sentences) == int(n)
        assert {s.strip() for s in sentences} <= set(table("distractors")[kind])


def test_without_a_text_to_follow_there_is_no_distractor() -> None:
    item = item_of("Why?")
    assert "no text that such a sentence could follow" in reason_of(
        "phrasing.distractor", item, n="1"
    )


@pytest.mark.parametrize("kind", ["everyday", "workplace"])
def test_distractors_bind_nothing(kind: str) -> None:
    sentences = table("distractors")[kind]
    assert len(set(sentences)) == len(sentences) >= 40
    for sentence in sentences:
        assert not protected_spans(sentence), sentence
        assert re.fullmatch(r"[A-Z][^.?!]*\.", sentence)
        # No name: a capital stands at the beginning only.
        assert not re.search(r"(?<=.)[A-Z]", sentence), sentence


def test_distractors_tell_no_option_and_no_answer_of_everyday() -> None:
    """Or they would be a hint, or stand in an option's way."""
    words = {w for s in table("distractors")["everyday"] for w in re.findall(r"[a-z]+", s.lower())}
    docs = get_task("everyday").docs("test")
    told = {
        doc["item_id"]: sorted({doc["choices"][doc["gold"]].lower()} & words)
        for doc in docs
        if doc["choices"][doc["gold"]].lower() in words
    }
    assert len(told) <= 0.02 * len(docs), told

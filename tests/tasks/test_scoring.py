"""The last answer line decides, and nothing that merely contains "compliant" or an option."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodrop.tasks import TASKS, TaskSpec
from oodrop.tasks.everyday.scoring import option_span, parse_option
from oodrop.tasks.everyday.scoring import process_results as process_option
from oodrop.tasks.procedural.scoring import parse_verdict, process_results, verdict_span
from oodrop.tasks.procedural.text import PROCEDURAL_TEXT_CHOICE, PROCEDURAL_TEXT_HELDOUT

YES, NO = "compliant", "non-compliant"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("compliant", YES), ("Compliant.", YES), ("COMPLIANT", YES), ("**compliant**", YES),
        ("`compliant`", YES), ('"compliant"', YES), ("_compliant", None), ("\tcompliant \r", YES),
        ("The scenario is compliant", YES), ("compliant, compliant", YES),
        ("compliant (nothing was not done)", YES), ("<b>compliant</b>", YES),
        ("non-compliant", NO), ("Non-Compliant!", NO), ("NON-COMPLIANT", NO),
        ("noncompliant", NO), ("non compliant", NO), ("non‑compliant", NO), ("non–compliant", NO),
        ("non—compliant", NO), ("non−compliant", NO), ("non- compliant", NO),
        ("non - compliant", NO), ("**non-compliant**", NO), ("**non**-compliant", NO),
        ("non_compliant", NO), ("non-**compliant**", NO), ("non-compliant; non compliant", NO),
        ("not compliant", NO), ("Not  Compliant", NO), ("not **compliant**", NO),
        ("isn't compliant", NO), ("isn’t compliant", NO), ("not fully compliant", NO),
        ("the scenario is not at all compliant", NO), ("does not appear to be compliant", NO),
        ("compliant or non-compliant", None), ("non-compliant, not compliant", NO),
        ("not compliant, or compliant", None), ("compliant -> non-compliant", None),
        ("compliantly", None), ("compliance", None), ("noncompliantly", None),
        ("uncompliant", None), ("complaint", None), ("yes", None), ("", None), ("   ", None),
    ],
)  # fmt: skip
def test_the_answer_line(said: str, verdict: str | None) -> None:
    assert parse_verdict(f"FINAL ANSWER: {said}") == verdict
    assert parse_verdict(f"Reasoning.\nFINAL ANSWER: {said}\nThat is all.") == verdict


@pytest.mark.parametrize(
    "line",
    [
        "FINAL ANSWER: compliant", "final answer: compliant", "Final Answer compliant",
        "Final answer - compliant", "**FINAL ANSWER:** compliant", "FINAL  ANSWER :compliant",
        "### FINAL ANSWER: **compliant**", "> FINAL ANSWER: compliant",
        "So, final answer: compliant",
        "\\boxed{FINAL ANSWER: compliant}", "FINAL ANSWER:compliant<|im_end|>",
    ],
)  # fmt: skip
def test_the_head_of_the_line(line: str) -> None:
    assert parse_verdict(line) == YES
    assert parse_verdict(line.replace("compliant", NO)) == NO


@pytest.mark.parametrize(
    "reply",
    [
        "", "compliant", "The answer is non-compliant.", "FINAL: compliant", "ANSWER: compliant",
        "FINAL\nANSWER: compliant", "FINAL ANSWER:\ncompliant", "FINALANSWER: compliant",
    ],
)  # fmt: skip
def test_without_the_line_there_is_no_verdict(reply: str) -> None:
    assert parse_verdict(reply) is None


def test_the_last_line_counts() -> None:
    first, second = "FINAL ANSWER: compliant", "FINAL ANSWER: non-compliant"
    assert parse_verdict(f"{first}\n{second}") == NO
    assert parse_verdict(f"{second}\n\n{first}\n") == YES
    assert parse_verdict(f"{first}\nFINAL ANSWER: unclear") is None
    assert parse_verdict(f"{first} {second}") is None


def test_other_line_ends_do_not_split_a_line() -> None:
    assert parse_verdict("FINAL ANSWER: compliant\u2028FINAL ANSWER: non-compliant") is None
    assert parse_verdict("FINAL ANSWER: compliant\r\nbye") == YES


@pytest.mark.parametrize(
    "filler",
    [
        "a", " ", "not ", "non", "non-", "final answer ", "final ", "compliant ", "n't ", "not *",
        "\n", "FINAL ANSWER: \n",
    ],
)  # fmt: skip
def test_a_megabyte_of_text(filler: str) -> None:
    """In quadratic time this would not end."""
    text = filler * (1_000_000 // len(filler))
    assert parse_verdict(f"{text}\nFINAL ANSWER: non-compliant") == NO
    assert parse_verdict(f"FINAL ANSWER: {text}") in (None, YES, NO)


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_text_gives_a_verdict_or_none(text: str) -> None:
    assert parse_verdict(text) in (None, YES, NO)
    assert parse_verdict(f"{text}\nFINAL ANSWER: {NO}") == NO


INVERTED = ("no", "yes")  # compliant, non-compliant: does the scenario depart from the procedure?


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("no", YES), ("No.", YES), ("**NO**", YES), ("no, it does not", YES), ("yes", NO),
        ("Yes!", NO), ("yes, yes", NO), ("yes or no", None), ("", None), ("none", None),
        ("nope", None), ("compliant", None), ("non-compliant", None), ("eyes", None),
    ],
)  # fmt: skip
def test_other_words_for_the_verdicts(said: str, verdict: str | None) -> None:
    assert parse_verdict(f"FINAL ANSWER: {said}", INVERTED) == verdict


def test_a_document_is_scored_by_its_own_words() -> None:
    told = {"parsed": 1.0, "truncated": 0.0, "unparsed": 0.0, "reasoning_tokens": 0.0}
    right = {"acc": 1.0, "at_once": 1.0, **told}
    wrong = {**right, "acc": 0.0}
    for labels, reply in (((YES, NO), YES), (INVERTED, "no")):
        doc = {"item_id": "x", "label": YES, "labels": list(labels)}
        assert process_results(doc, [f"FINAL ANSWER: {reply}"]).items() >= right.items()
        other = process_results({**doc, "label": NO}, [f"FINAL ANSWER: {reply}"])
        assert other.items() >= wrong.items()


CHOICES = ("ice", "iceberg", "water", "tea-pot")


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("ANSWER: water", 2), ("answer: WATER.", 2), ("Answer - water", 2),
        ("**ANSWER:** water", 2),
        ("ANSWER: ice", 0), ("ANSWER: tea-pot", 3), ("It is ice.\nANSWER: water\nBye.", 2),
        ("ANSWER: ice\nANSWER: water", 2), ("ANSWER: the water", 2), ("ANSWER: `water`", 2),
        ("ANSWER: water or ice", None), ("ANSWER: rice", None), ("ANSWER: waters", None),
        ("ANSWER: tea", None), ("ANSWER:", None), ("ANSWER: snow", None), ("water", None),
        ("", None), ("ANSWER:\nwater", None), ("ANSWER: water\nANSWER: unclear", None),
    ],
)  # fmt: skip
def test_the_option_on_the_answer_line(reply: str, place: int | None) -> None:
    assert parse_option(reply, CHOICES) == place


def test_an_option_is_scored() -> None:
    doc = {"choices": list(CHOICES), "gold": 2}
    at_once = {"parsed": 1.0, "at_once": 1.0, "reasoning_tokens": 0.0, "truncated": 0.0}
    assert process_option(doc, ["ANSWER: water"]) == {"acc": 1.0, **at_once}
    assert process_option(doc, ["ANSWER: ice"]) == {"acc": 0.0, **at_once}
    without = {"parsed": 0.0, "at_once": 0.0, "reasoning_tokens": 4.0, "truncated": 1.0}
    assert process_option(doc, ["ice, I say"]) == {"acc": 0.0, **without}


def test_what_stands_before_the_last_answer_is_counted() -> None:
    """An earlier line with an answer is reasoning too; the head of the line counts as well."""
    doc = {"choices": list(CHOICES), "gold": 2, "item_id": "x", "label": YES, "labels": [YES, NO]}
    reply = "One, two.\nANSWER: ice\nSo my ANSWER: water\nBye."
    assert process_option(doc, [reply])["reasoning_tokens"] == 9
    reply = "One, two.\nFINAL ANSWER: compliant\nSo my FINAL ANSWER: compliant\nBye."
    told = process_results(doc, [reply])
    assert (told["reasoning_tokens"], told["at_once"]) == (10, 0)
    unclear = process_results(doc, [f"{reply}\nFINAL ANSWER: unclear."])
    assert (unclear["parsed"], unclear["unparsed"], unclear["truncated"]) == (0, 1, 0)
    assert unclear["reasoning_tokens"] == 21  # the whole reply


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_text_gives_an_option_or_none(text: str) -> None:
    assert parse_option(text, CHOICES) in (None, 0, 1, 2, 3)
    assert parse_option(f"{text}\nANSWER: water", CHOICES) == 2


@pytest.mark.parametrize(
    ("reply", "labels", "found"),
    [
        ("FINAL ANSWER: compliant", (YES, NO), "compliant"),
        ("It is compliant.\r\n**Final answer - **non-compliant**\nBye", (YES, NO), "non-compliant"),
        ("FINAL ANSWER: no\nFINAL ANSWER: it is not fully compliant.", (YES, NO),
         "not fully compliant"),
        ("final answer: compliant\n\nThat is compliant.", (YES, NO), "compliant"),
        ("yes\nFINAL ANSWER: YES, yes", INVERTED, "YES"),
        ("FINAL ANSWER: yes or no", INVERTED, None),
        ("FINAL ANSWER: compliant", INVERTED, None),
        ("compliant", (YES, NO), None), ("", (YES, NO), None),
    ],
)  # fmt: skip
def test_where_the_verdict_stands(reply: str, labels: tuple[str, str], found: str | None) -> None:
    span = verdict_span(reply, labels)
    assert (span and reply[slice(*span)]) == found
    if span is not None:  # the last answer line, and nothing of the verdict before it
        assert reply.lower().rindex("final answer") < span[0]
        assert parse_verdict(reply[: span[0]] + labels[1] + reply[span[1] :], labels) in (NO, None)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("ANSWER: Ice\n\nanswer: an ICEBERG, the iceberg.", "ICEBERG"),
        ("Ice.\nANSWER: the tea-pot and tea-pot", "tea-pot"),
        ("ANSWER: iceberg and ice", None), ("ice", None), ("", None),
        ("ANSWER: ice\nANSWER:", None),
    ],
)  # fmt: skip
def test_where_the_option_stands(reply: str, found: str | None) -> None:
    span = option_span(reply, CHOICES)
    assert (span and reply[slice(*span)]) == found
    if span is not None:
        assert reply.lower().rindex("answer") < span[0]


LINES = st.lists(
    st.sampled_from(
        [
            "FINAL ANSWER:", "answer - ", " compliant", "non-compliant", " no", "yes ", "\n", "ice",
            ".",
        ]
    )
).map("".join)  # fmt: skip


@given(st.one_of(LINES, st.text(max_size=200)))
@settings(max_examples=200, deadline=None)
def test_an_answer_has_a_place_where_it_is_read(text: str) -> None:
    for labels in ((YES, NO), INVERTED):
        span = verdict_span(text, labels)
        assert (span is None) == (parse_verdict(text, labels) is None)
        assert span is None or 0 <= span[0] < span[1] <= len(text)
    assert (option_span(text, CHOICES) is None) == (parse_option(text, CHOICES) is None)


@pytest.mark.parametrize("spec", [s for s in TASKS.values() if s.answer_span], ids=lambda s: s.name)
def test_the_reply_with_the_gold_has_the_answer_in_its_place(spec: TaskSpec) -> None:
    assert spec.answer_span is not None
    for doc in spec.docs(spec.eval_split)[::50]:
        item = spec.item(doc)
        for asked in (item, *(item.altered(labels=INVERTED),) * bool(item.labels)):
            reply = spec.reply(asked)
            span = spec.answer_span(asked, reply)
            assert span is not None
            assert reply[slice(*span)] == asked.answer
            assert span[1] == len(reply)


def test_a_task_has_a_place_for_the_answer_where_replies_are_free() -> None:
    free = {"everyday_open", "procedural", "procedural_heldout", "compact", "compact_heldout"}
    assert {name for name, spec in TASKS.items() if spec.answer_span} == free
    assert PROCEDURAL_TEXT_HELDOUT.answer_span is not None
    assert PROCEDURAL_TEXT_CHOICE.answer_span is None

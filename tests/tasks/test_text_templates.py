"""The prompts of procedures in plain text: each shows all of the item, and can be answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jinja2
import pytest

from oodrop.perturbers import Variant, get_suite, perturb, undo_edits
from oodrop.perturbers.edits import edits_from_dicts
from oodrop.tasks.procedural.scoring import parse_verdict, process_results
from oodrop.tasks.procedural.text import (
    PROCEDURAL_TEXT,
    PROCEDURAL_TEXT_CHOICE,
    PROCEDURAL_TEXT_HELDOUT,
)
from oodrop.tasks.spec import Doc, TaskSpec

from ..own import rows

CONTRACT = (
    "You may reason first. End with a line that reads either "
    '"FINAL ANSWER: {}" or "FINAL ANSWER: {}".'
)
CLOSED_WORLD = "Steps that are not mentioned did not happen."
TWICE = {"instruction_both"}
VIEWS = (PROCEDURAL_TEXT, PROCEDURAL_TEXT_CHOICE, PROCEDURAL_TEXT_HELDOUT)
TEMPLATES = sorted(PROCEDURAL_TEXT.templates)
per_view = pytest.mark.parametrize("spec", VIEWS, ids=lambda s: s.name)
per_template = pytest.mark.parametrize("template", TEMPLATES)


def docs(labels: tuple[str, str] = ("compliant", "non-compliant")) -> Iterator[Doc]:
    for k, row in enumerate(rows()):
        yield {**row, "item_id": f"x.{k}", "process_id": f"p{k // 4}", "labels": list(labels)}


@per_view
def test_the_bank_has_what_the_catalogue_asks_for(spec: TaskSpec) -> None:
    wanted = {"canonical", *(f"t{k:02d}" for k in range(1, 13))}
    wanted |= {f"format_{k:02d}" for k in range(1, 17)}
    wanted |= {"layout_question_first", "layout_scenario_first"}
    wanted |= {"instruction_before", "instruction_both"}
    wanted |= {f"structure_{x}" for x in ("prose", "headers_absent", "headers_renamed")}
    assert set(spec.templates) == wanted


@per_template
@pytest.mark.parametrize("labels", [("compliant", "non-compliant"), ("no", "yes")])
def test_every_prompt_shows_every_segment_and_the_contract(
    template: str, labels: tuple[str, str]
) -> None:
    times = 1 + (template in TWICE)
    for doc in docs(labels):
        prompt = PROCEDURAL_TEXT.prompt(doc, template)
        for name in ("procedure", "scenario", "question"):
            assert prompt.count(doc[name]) == 1, name
        assert prompt.count(f"{doc['scenario']}\n{CLOSED_WORLD}") == 1
        assert prompt.count(CONTRACT.format(*labels)) == times
        assert prompt.count("FINAL ANSWER:") == 2 * times
        assert "{{" not in prompt
        assert "{%" not in prompt
        assert prompt.endswith("\n")
        assert not prompt.endswith("\n\n")
        assert parse_verdict(prompt, labels) is None


def test_prompts_differ() -> None:
    doc = next(docs())
    prompts = [PROCEDURAL_TEXT.prompt(doc, template) for template in TEMPLATES]
    assert len(set(prompts)) == len(prompts)


def test_sections_stand_in_the_order_of_their_layout() -> None:
    doc = next(docs())
    orders = {
        "canonical": ("procedure", "scenario", "question"),
        "layout_question_first": ("question", "procedure", "scenario"),
        "layout_scenario_first": ("scenario", "procedure", "question"),
    }
    for template, order in orders.items():
        prompt = PROCEDURAL_TEXT.prompt(doc, template)
        places = [prompt.index(doc[name]) for name in order]
        assert places == sorted(places), template
    before = PROCEDURAL_TEXT.prompt(doc, "instruction_before")
    assert before.index("FINAL ANSWER:") < before.index(doc["procedure"])


def test_the_canonical_prompt() -> None:
    doc = next(docs())
    assert PROCEDURAL_TEXT.prompt(doc) == (
        f"Procedure: {doc['procedure']}\n\nScenario: {doc['scenario']}\n{CLOSED_WORLD}\n\n"
        f"Question: {doc['question']}\n{CONTRACT.format('compliant', 'non-compliant')}\n"
    )


@per_template
def test_no_template_is_refused_and_the_oracle_is_parsed(template: str) -> None:
    variant = Variant("phrasing.template", {"id": template})
    for doc in docs():
        done = perturb(PROCEDURAL_TEXT.item(doc), variant)
        assert done.certificate.outcome == ("unchanged" if template == "canonical" else "changed")
        sent = PROCEDURAL_TEXT.to_doc(doc, done.item)
        reply = PROCEDURAL_TEXT.reply(done.item)
        assert process_results(sent, [reply]).items() >= {"acc": 1.0, "parsed": 1.0}.items()
        wrong = PROCEDURAL_TEXT.reply(done.item.altered(gold=1 - int(done.item.gold)))
        assert process_results(sent, [wrong]).items() >= {"acc": 0.0, "parsed": 1.0}.items()


def test_text_is_never_read_as_a_template() -> None:
    doc = next(docs()) | {"scenario": "{{ labels[0] }} {% raw %} ${x}"}
    for template in TEMPLATES:
        assert "{{ labels[0] }} {% raw %} ${x}" in PROCEDURAL_TEXT.prompt(doc, template)


def test_rewordings_are_for_the_question_that_they_reword() -> None:
    paraphrase = Variant("phrasing.question_paraphrase", {"id": "p01"})
    polarity = Variant("phrasing.polarity", {"id": "inverted"})
    for doc in docs():
        other = doc | {"question": "Is this in order?"}
        for variant in (paraphrase, polarity):
            for asked, outcome in ((doc, "changed"), (other, "not_applicable")):
                done = perturb(PROCEDURAL_TEXT.item(asked), variant)
                assert done.certificate.outcome == outcome


@pytest.mark.parametrize("variant", get_suite("full-1.0").variants, ids=lambda v: v.slug)
def test_a_logged_document_proves_itself(variant: Variant) -> None:
    for doc in list(docs())[::5]:
        canonical = PROCEDURAL_TEXT.item(doc)
        done = perturb(canonical, variant)
        assert done.certificate.outcome != "refused"
        if variant.perturber in ("ordering.clause_order", "ordering.event_order"):
            assert done.certificate.outcome == "not_applicable"
        record = {"settings": dict(done.item.settings), **done.certificate.as_dict()}
        logged = json.loads(
            json.dumps({**PROCEDURAL_TEXT.to_doc(doc, done.item), "oodrop": record})
        )
        seen = PROCEDURAL_TEXT.item(logged)
        assert seen.sha256() == done.item.sha256()
        undone = undo_edits(seen, edits_from_dicts(logged["oodrop"]["edits"]))
        assert undone.sha256() == canonical.sha256()


def test_the_fragments_are_those_of_the_symbolic_set_with_another_prompt() -> None:
    """Scored and generated alike, so that numbers of the two kinds mean the same."""
    from oodrop.tasks.procedural import PROCEDURAL, PROCEDURAL_CHOICE, PROCEDURAL_HELDOUT
    from oodrop.tasks.spec import _read_task_yaml

    symbolic = (PROCEDURAL, PROCEDURAL_CHOICE, PROCEDURAL_HELDOUT)
    for ours, theirs in zip(VIEWS, symbolic, strict=True):
        configs = []
        for spec in (ours, theirs):
            config: dict[str, object] = {}
            for path in spec.fragments:
                config = {**_read_task_yaml(path), **config}
            configs.append({k: v for k, v in config.items() if k not in ("include", "doc_to_text")})
        assert configs[0] == configs[1]


@pytest.mark.parametrize("gold", [0, 1])
def test_the_target_of_a_few_shot_example_parses(gold: int) -> None:
    target = "FINAL ANSWER: {{labels[gold]}}"
    for labels in (["compliant", "non-compliant"], ["no", "yes"]):
        shown = jinja2.Template(target).render(labels=labels, gold=gold)
        assert parse_verdict(shown, labels) == ("compliant", "non-compliant")[gold]

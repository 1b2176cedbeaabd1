"""Every template asks the same of the same text, and what it asks for can be scored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from oodrop import DataError, UnknownNameError
from oodrop.perturbers import Variant, perturb
from oodrop.tasks import TASKS, TaskSpec, get_task, tasks_dir
from oodrop.tasks.everyday.scoring import parse_option
from oodrop.tasks.everyday.scoring import process_results as process_option
from oodrop.tasks.procedural.scoring import parse_verdict, process_results
from oodrop.tasks.spec import Doc

from .conftest import documents

CONTRACT = (
    "You may reason first. End with a line that reads either "
    '"FINAL ANSWER: {}" or "FINAL ANSWER: {}".'
)
OPEN_CONTRACT = (
    'You may reason first. End with a line that reads "ANSWER:" followed by one of the options.'
)
CLOSED_WORLD = "Steps that are not mentioned did not happen."
PROCEDURAL = (
    "procedural", "procedural_choice", "procedural_heldout",
    "compact", "compact_choice", "compact_heldout",
)  # fmt: skip
LISTED = ("everyday_letters", "everyday_open")
# Told in both places, the instruction stands in the prompt twice; nothing else of it does.
TWICE = {"instruction_both"}
COMPLETE = ("everyday", *LISTED, *PROCEDURAL)  # they offer every form that a suite of ours names
per_complete_task = pytest.mark.parametrize("spec", [get_task(n) for n in COMPLETE], ids=COMPLETE)
per_task = pytest.mark.parametrize("spec", TASKS.values(), ids=lambda s: s.name)


def count(text: str, prompt: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(text)}(?!\w)", prompt))


def sample(spec: TaskSpec) -> list[Doc]:
    docs = documents(spec.name, spec.eval_split)
    return docs[:: -(-len(docs) // 20)]


@per_task
def test_every_segment_stands_in_every_prompt(spec: TaskSpec) -> None:
    for doc in sample(spec):
        item = spec.item(doc)
        canonical = spec.prompt(doc)
        for template in spec.templates:
            prompt = spec.prompt(doc, template)
            for name, text in item.segments.items():
                assert prompt.count(text) == canonical.count(text) >= 1, (template, name)
            for text in item.choices if item.listed else ():
                assert count(text, prompt) == count(text, canonical) == 1, (template, text)
            assert "{{" not in prompt
            assert "{%" not in prompt


@per_task
def test_templates_differ_and_end_as_the_canonical_one(spec: TaskSpec) -> None:
    doc = documents(spec.name, spec.eval_split)[0]
    prompts = {name: spec.prompt(doc, name) for name in spec.templates}
    assert len(set(prompts.values())) == len(prompts)
    assert {re.search(r"\s*\Z", p)[0] for p in prompts.values()} == {"\n"}  # type: ignore[index]


@pytest.mark.parametrize("name", PROCEDURAL)
@pytest.mark.parametrize("labels", [("compliant", "non-compliant"), ("no", "yes")])
def test_every_prompt_has_the_contract_and_the_closed_world(
    name: str, labels: tuple[str, str]
) -> None:
    """Also where the question is the opposite one: the contract names the words to answer with."""
    spec = get_task(name)
    doc = {**documents(spec.name, spec.eval_split)[0], "labels": list(labels)}
    for template in spec.templates:
        prompt = spec.prompt(doc, template)
        assert prompt.count(CONTRACT.format(*labels)) == 1 + (template in TWICE), template
        assert prompt.count("FINAL ANSWER:") == 2 * (1 + (template in TWICE)), template
        assert prompt.count(f"{doc['closing']} {CLOSED_WORLD}") == 1, template


def test_every_prompt_of_the_open_view_has_its_contract() -> None:
    spec = get_task("everyday_open")
    for template in spec.templates:
        prompt = spec.prompt(documents(spec.name, "test")[0], template)
        assert prompt.count(OPEN_CONTRACT) == 1 + (template in TWICE), template
        assert prompt.count("ANSWER:") == 1 + (template in TWICE), template


def test_no_template_tells_or_lists_the_options_of_everyday() -> None:
    spec = get_task("everyday")
    for doc in sample(spec):
        for template in spec.templates:
            prompt = spec.prompt(doc, template).casefold()
            assert not any(re.search(rf"\b{c.casefold()}\b", prompt) for c in doc["choices"])


def places(parts: list[str], prompt: str) -> list[int]:
    """Where each of the patterns stands; it has to stand there once."""
    found = [[m.start() for m in re.finditer(rf"(?<!\w){part}(?!\w)", prompt)] for part in parts]
    assert [len(f) for f in found] == [1] * len(parts), (parts, prompt)
    return [f[0] for f in found]


@pytest.mark.parametrize("name", LISTED)
def test_options_are_listed_once_and_in_their_order(name: str) -> None:
    spec = get_task(name)
    for doc in sample(spec):
        for template in spec.templates:
            options = [re.escape(c) for c in doc["choices"]]
            where = places(options, spec.prompt(doc, template))
            assert where == sorted(where), template


@pytest.mark.parametrize("labels", ["A B C D", "1 2 3 4", "i ii iii iv", "(a) (b) (c) (d)"])
def test_every_option_stands_behind_its_own_label(labels: str) -> None:
    spec = get_task("everyday_letters")
    for doc in sample(spec):
        shown = {**doc, "labels": labels.split()}
        for template in spec.templates:
            pairs = zip(shown["labels"], shown["choices"], strict=True)
            parts = [
                rf"{re.escape(label)}(?: is)?\W+{re.escape(choice)}" for label, choice in pairs
            ]
            where = places(parts, spec.prompt(shown, template))
            assert where == sorted(where), template


@per_complete_task
def test_the_catalogue_has_its_templates(spec: TaskSpec) -> None:
    """What the perturbers of phrasing and ordering ask a task for by name."""
    offered = set(spec.templates)
    assert offered >= {"canonical", *(f"t{k:02d}" for k in range(1, 13))}
    assert offered >= {f"format_{k:02d}" for k in range(1, 17)}
    assert "layout_question_first" in offered
    assert offered >= {f"instruction_{x}" for x in ("before", "both")}
    forms = ("prose", "bullets", "table", "yaml", "headers_absent", "headers_renamed")
    assert offered >= {f"structure_{x}" for x in forms}
    assert ("layout_options_first" in offered) == (spec.name in LISTED)
    assert ("layout_scenario_first" in offered) == (spec.name in PROCEDURAL)


@pytest.mark.parametrize("name", PROCEDURAL)
def test_the_json_form_is_json(name: str) -> None:
    spec = get_task(name)
    for doc in sample(spec):
        shown = spec.prompt(doc, "structure_json")
        found, _ = json.JSONDecoder().raw_decode(shown[shown.index("{") :])
        assert found["procedure"]["clauses"] == doc["clauses"]
        assert found["scenario"]["account"] == doc["facts"] + doc["events"]


@per_complete_task
def test_the_yaml_form_is_yaml(spec: TaskSpec) -> None:
    for doc in sample(spec):
        shown = spec.prompt(doc, "structure_yaml")
        block = shown[: shown.index("You may reason first.")] if "You may" in shown else shown
        told = yaml.safe_load(block)
        assert isinstance(told, dict)
        assert json.dumps(told).count("null") == 0


@per_task
def test_what_the_item_requires_stands_in_every_prompt(spec: TaskSpec) -> None:
    doc = documents(spec.name, spec.eval_split)[0]
    item = spec.item(doc)
    assert bool(item.required) == (spec.name in PROCEDURAL)
    for template in spec.templates:
        assert all(text in spec.prompt(doc, template) for text in item.required), template


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: node.value)


def config(spec: TaskSpec, name: str) -> dict[str, Any]:
    """What lm-eval makes of a YAML: itself over what it includes."""
    return included(spec.folder / "lm_eval" / name)


def included(path: Path) -> dict[str, Any]:
    own = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506
    include = own.pop("include", None)
    return {**(included(path.parent / include) if include else {}), **own}


@per_task
def test_the_canonical_prompt_is_the_one_of_the_yaml(spec: TaskSpec) -> None:
    source = config(spec, f"oodrop__canonical__{spec.name}.yaml")["doc_to_text"]
    # As lm-eval 0.4.13 does it (lm_eval/utils.py); autoescape is off there too.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    for doc in sample(spec):
        assert environment.from_string(source).render(**doc) == spec.prompt(doc)


@per_task
def test_the_yaml_scores_as_the_task_says(spec: TaskSpec) -> None:
    own = config(spec, f"oodrop__canonical__{spec.name}.yaml")
    assert own["test_split"] == spec.eval_split
    assert own["fewshot_split"] == spec.train_split
    assert spec.metric in [m["metric"] for m in own["metric_list"]]
    assert own["metadata"]["oodrop"]["task"] == spec.name
    item = spec.item(documents(spec.name, spec.eval_split)[0])
    doc = spec.to_doc(documents(spec.name, spec.eval_split)[0], item)
    assert spec.chance == 1 / len(item.choices)
    if own["output_type"] == "multiple_choice":
        # What is scored are the words that the item says it is answered with.
        assert tuple(doc[own["doc_to_choice"]]) == item.answers
        assert doc[own["doc_to_target"]] == item.gold


@pytest.mark.parametrize("name", PROCEDURAL)
def test_rewordings_of_the_one_question(name: str) -> None:
    spec = get_task(name)
    assert set(spec.wordings) == {"segments", "inversions"}
    for segment, bank in spec.wordings["segments"].items():
        originals = {spec.item(doc).segments[segment] for doc in sample(spec)}
        assert len(originals) == 1
        texts = [*originals, *bank.values()]
        assert len({t.casefold() for t in texts}) == len(texts)
        asked = [*originals, *(t for k, t in bank.items() if re.fullmatch(r"p\d\d", k))]
        assert len(asked) >= 5
        assert all(t.endswith("?") for t in asked)
        assert bank["imperative"].endswith(".")
        assert bank["cloze"].endswith("____.")
        assert all(t[0].isupper() for t in texts)
        assert all("scenario" in t or "events" in t for t in texts)
        assert all("procedure" in t for t in texts)
        assert not any(re.search(r"\b(not|n't|violat|fail|breach|depart)", t) for t in texts)
        for doc in sample(spec):
            assert spec.item(doc).paraphrases == {segment: bank}


@pytest.mark.parametrize("name", PROCEDURAL)
def test_the_opposite_question_and_its_words(name: str) -> None:
    spec = get_task(name)
    item = spec.item(documents(spec.name, spec.eval_split)[0])
    assert set(item.inversions) == {"inverted"}
    inverted = item.inversions["inverted"]
    assert inverted.labels == ("no", "yes")  # place by place: compliant, non-compliant
    assert item.labels == item.choices == ("compliant", "non-compliant")
    assert re.search(r"\bdepart\b.*\bprocedure\b.*\?$", inverted.question)
    assert "not" not in inverted.question.split()


EVERYDAY = ("everyday", *LISTED)


def test_rewordings_of_the_questions_of_everyday() -> None:
    """Every evaluated item has its own; none tells an option, and all keep the numbers."""
    specs = [get_task(name) for name in EVERYDAY]
    assert all(spec.rewordings == specs[0].rewordings for spec in specs)
    test = {doc["item_id"]: doc for doc in documents("everyday", "test")}
    assert set(specs[0].rewordings) >= set(test)
    for item_id, doc in test.items():
        bank = specs[0].rewordings[item_id]
        assert set(bank) == {"p01", "p02", "imperative", "cloze"}, item_id
        texts = [doc["question"], *bank.values()]
        assert len({t.casefold() for t in texts}) == len(texts), item_id
        assert bank["p01"].endswith("?"), item_id
        assert bank["p02"].endswith("?"), item_id
        assert bank["imperative"].endswith("."), item_id
        assert bank["cloze"].count("____") == 1, item_id
        assert all(t[0].isupper() for t in texts), item_id
        for text in bank.values():
            for choice in doc["choices"]:
                assert not re.search(rf"\b{re.escape(choice)}\b", text, re.I), (item_id, choice)
        for name in EVERYDAY:
            assert get_task(name).item(doc | {"labels": list("ABCD")}).paraphrases == {
                "question": bank
            }


@per_task
def test_the_reply_of_a_perfect_model_is_right_and_of_a_wrong_one_wrong(spec: TaskSpec) -> None:
    own = config(spec, f"oodrop__canonical__{spec.name}.yaml")
    for doc in sample(spec):
        item = spec.item(doc)
        gold = int(item.gold)
        wrong = item.altered(gold=(gold + 1) % len(item.choices))
        if own["output_type"] == "multiple_choice":
            assert spec.reply(item) == item.answers[gold] == doc[own["doc_to_choice"]][gold]
            assert spec.reply(wrong) != spec.reply(item)
            continue
        score = process_option if spec.name == "everyday_open" else process_results
        assert score(doc, [spec.reply(item)]).items() >= {"acc": 1.0, "parsed": 1.0}.items()
        assert score(doc, [spec.reply(wrong)]).items() >= {"acc": 0.0, "parsed": 1.0}.items()
        assert score(doc, ["I do not know."]).items() >= {"acc": 0.0, "parsed": 0.0}.items()


@pytest.mark.parametrize("name", PROCEDURAL)
def test_the_reply_to_the_opposite_question_is_scored_by_its_words(name: str) -> None:
    spec = get_task(name)
    for doc in sample(spec):
        item = spec.item(doc)
        done = perturb(item, Variant("phrasing.polarity", {"id": "inverted"}))
        if item.parent is not None:  # left alone by every perturber
            continue
        assert done.certificate.outcome == "changed"
        asked = spec.to_doc(doc, done.item)
        gold = int(done.item.gold)
        assert gold == item.gold
        assert done.item.answer == ("no", "yes")[gold]
        assert process_results(asked, [f"FINAL ANSWER: {done.item.answer}"])["acc"] == 1.0
        other = ("no", "yes")[1 - gold]
        scored = process_results(asked, [f"FINAL ANSWER: {other}"])
        assert (scored["acc"], scored["parsed"]) == (0.0, 1.0)
        assert process_results(asked, [f"FINAL ANSWER: {item.gold_text}"])["parsed"] == 0.0


@pytest.mark.parametrize("gold", [0, 1])
@pytest.mark.parametrize("labels", [["compliant", "non-compliant"], ["no", "yes"]])
def test_the_target_of_a_few_shot_example_parses(gold: int, labels: list[str]) -> None:
    target = config(get_task("procedural"), "_canonical.yaml")["doc_to_target"]
    shown = jinja2.Template(target).render(labels=labels, gold=gold)
    assert parse_verdict(shown, labels) == ("compliant", "non-compliant")[gold]


def test_the_target_of_a_free_form_example_parses() -> None:
    target = config(get_task("everyday_open"), "_open.yaml")["doc_to_target"]
    for doc in sample(get_task("everyday_open")):
        shown = jinja2.Template(target).render(**doc)
        assert parse_option(shown, doc["choices"]) == doc["gold"]


def test_the_prompt_itself_holds_no_verdict() -> None:
    """A model that repeats the instruction has said nothing."""
    for labels in (("compliant", "non-compliant"), ("no", "yes")):
        assert parse_verdict(CONTRACT.format(*labels), labels) is None
    for doc in sample(get_task("everyday_open")):
        prompt = get_task("everyday_open").prompt(doc)
        assert parse_option(prompt, doc["choices"]) is None


def test_names_and_splits() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'procedral'; there are: procedural"):
        get_task("procedral")
    with pytest.raises(DataError, match="task everyday has no data for split 'dev' at .*dev"):
        get_task("everyday").docs("dev")
    assert (tasks_dir() / "procedural" / "lm_eval" / "_canonical.yaml").is_file()


def test_docs_are_read_anew(everyday: Mapping[str, list[Doc]]) -> None:
    docs = get_task("everyday").docs("test")
    docs[0]["facts"].clear()
    assert get_task("everyday").docs("test") == everyday["test"]

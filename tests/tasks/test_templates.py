"""Every template asks the same of the same text, and what it asks for can be scored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
import pytest
import yaml

from oodrop import DataError, UnknownNameError
from oodrop.tasks import TASKS, TaskSpec, get_task, tasks_dir
from oodrop.tasks.procedural.scoring import parse_verdict, process_results
from oodrop.tasks.spec import Doc

from .conftest import documents

CONTRACT = (
    "You may reason first. End with a line that reads either "
    '"FINAL ANSWER: compliant" or "FINAL ANSWER: non-compliant".'
)
CLOSED_WORLD = "Steps that are not mentioned did not happen."
per_task = pytest.mark.parametrize("spec", TASKS.values(), ids=lambda s: s.name)


def sample(spec: TaskSpec) -> list[Doc]:
    return documents(spec.name, spec.eval_split)[::40]


@per_task
def test_every_segment_stands_in_every_prompt(spec: TaskSpec) -> None:
    for doc in sample(spec):
        item = spec.item(doc)
        canonical = spec.prompt(doc)
        for template in spec.templates:
            prompt = spec.prompt(doc, template)
            for name, text in item.segments.items():
                assert prompt.count(text) == canonical.count(text) >= 1, (template, name)
            assert "{{" not in prompt
            assert "{%" not in prompt


@per_task
def test_templates_differ_and_end_as_the_canonical_one(spec: TaskSpec) -> None:
    doc = documents(spec.name, spec.eval_split)[0]
    prompts = {name: spec.prompt(doc, name) for name in spec.templates}
    assert len(set(prompts.values())) == len(prompts)
    assert {re.search(r"\s*\Z", p)[0] for p in prompts.values()} == {"\n"}  # type: ignore[index]


@pytest.mark.parametrize("name", ["procedural", "procedural_choice", "procedural_heldout"])
def test_every_prompt_has_the_contract_and_the_closed_world(name: str) -> None:
    spec = get_task(name)
    doc = documents(spec.name, spec.eval_split)[0]
    for template in spec.templates:
        prompt = spec.prompt(doc, template)
        assert prompt.count(CONTRACT) == 1, template
        assert prompt.count(f"{doc['closing']} {CLOSED_WORLD}") == 1, template


def test_no_template_tells_or_lists_the_options_of_everyday() -> None:
    spec = get_task("everyday")
    for doc in sample(spec):
        for template in spec.templates:
            prompt = spec.prompt(doc, template).casefold()
            assert not any(re.search(rf"\b{c.casefold()}\b", prompt) for c in doc["choices"])


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: node.value)


def config(spec: TaskSpec, name: str) -> dict[str, Any]:
    """What lm-eval makes of a YAML: itself over what it includes."""
    own = yaml.load((spec.folder / "lm_eval" / name).read_text("utf-8"), Loader=_Loader)  # noqa: S506
    included = own.pop("include", None)
    return {**(config(spec, included) if included else {}), **own}


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
    if own["output_type"] == "multiple_choice" and spec.labels:
        assert tuple(own["doc_to_choice"]) == spec.labels
        assert spec.chance == 1 / len(spec.labels)


@per_task
def test_paraphrases(spec: TaskSpec) -> None:
    for segment, bank in spec.paraphrases.items():
        originals = {spec.item(doc).segments[segment] for doc in sample(spec)}
        assert len(originals) == 1
        texts = [*originals, *bank.values()]
        assert len({t.casefold() for t in texts}) == len(texts)
        assert all(t[0].isupper() and t.endswith("?") for t in texts)
        assert all("scenario" in t or "events" in t for t in texts)
        assert all("procedure" in t for t in texts)
        assert not any(re.search(r"\b(not|n't|violat|fail|breach)", t) for t in texts)


@per_task
def test_the_reply_of_a_perfect_model_is_right_and_of_a_wrong_one_wrong(spec: TaskSpec) -> None:
    for doc in sample(spec):
        gold = spec.item(doc).gold_text
        reply = spec.reply(gold)
        if spec.name in ("everyday", "procedural_choice"):
            assert reply == gold
            continue
        assert parse_verdict(reply) == gold == doc["label"]
        assert process_results(doc, [reply]) == {"acc": 1.0, "parsed": 1.0}
        wrong = next(label for label in spec.labels if label != gold)
        assert process_results(doc, [spec.reply(wrong)]) == {"acc": 0.0, "parsed": 1.0}
        assert process_results(doc, ["I do not know."]) == {"acc": 0.0, "parsed": 0.0}


@pytest.mark.parametrize("label", ["compliant", "non-compliant"])
def test_the_target_of_a_few_shot_example_parses(label: str) -> None:
    target = config(get_task("procedural"), "_canonical.yaml")["doc_to_target"]
    assert parse_verdict(jinja2.Template(target).render(label=label)) == label


def test_the_prompt_itself_holds_no_verdict() -> None:
    """A model that repeats the instruction has said nothing."""
    assert parse_verdict(CONTRACT) is None


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

"""The stub data in families/: every file feeds its stock lm-eval task, unchanged."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

datasets = pytest.importorskip("datasets")
pytest.importorskip("lm_eval")

import lm_eval.tasks  # noqa: E402
from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.api.task import ConfigurableTask  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.tasks._yaml_loader import load_yaml  # noqa: E402

FOLDER = Path(__file__).parent / "families"
TASKS = sorted(path.stem for path in FOLDER.glob("*.json"))
# Python tasks name their splits in code.
CLASS_SPLITS = {
    "fda": {"validation"},
    "squad_completion": {"validation"},
    "squadv2": {"train", "validation"},
    "swde": {"validation"},
}
# Stock lm-eval cannot show these as examples.
LIST_OF_INDICES = "the target is a list of indices"
ONE_ARGUMENT = "the class's doc_to_text takes no template"
NO_FEWSHOT = {
    "agieval_aqua_rat": LIST_OF_INDICES,
    "agieval_gaokao_english": LIST_OF_INDICES,
    "agieval_logiqa_en": LIST_OF_INDICES,
    "agieval_lsat_ar": LIST_OF_INDICES,
    "agieval_lsat_lr": LIST_OF_INDICES,
    "agieval_sat_en": LIST_OF_INDICES,
    "agieval_sat_math": LIST_OF_INDICES,
    "fda": ONE_ARGUMENT,
    "squad_completion": ONE_ARGUMENT,
    "squadv2": ONE_ARGUMENT,
    "swde": ONE_ARGUMENT,
    "toxigen": "the target is a NumPy integer",
    "webqs": LIST_OF_INDICES,
}
NO_FEWSHOT_ERRORS = "Answer is not a string|takes 2 positional arguments"
# The right choice always comes first, by the task's process_docs.
ONE_GOLD = {"moral_stories"}
# Their whole text stands in the choices or in the target.
WITHOUT_PROMPT = ""
# Half of lm-eval's YAML files, and of the time to read them all: no stub is for a task of these.
UNREAD = {
    "afrimgsm",
    "afrimmlu",
    "afrixnli",
    "afrobench",
    "bigbench",
    "global_piqa",
    "include",
    "kmmlu",
    "mmlu_prox",
    "mmlusr",
    "model_written_evals",
    "openai-mmmlu",
}


@cache
def index() -> Mapping[str, Any]:
    folders = sorted(
        path for path in Path(lm_eval.tasks.__file__).parent.iterdir() if path.is_dir()
    )
    read = [path for path in folders if path.name not in UNREAD]
    entries: Mapping[str, Any] = TaskManager(include_path=read, include_defaults=False).task_index
    return entries


def config_of(name: str) -> dict[str, Any]:
    config: dict[str, Any] = load_yaml(index()[name].yaml_path, resolve_func=True)
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}


def stub(name: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return content


def build(name: str, config: Mapping[str, Any], splits: Mapping[str, Any]) -> ConfigurableTask:
    data = datasets.DatasetDict(
        {split: datasets.Dataset.from_list(docs) for split, docs in splits.items()}
    )
    if "class" not in config:
        return ConfigurableTask(config={**config, "custom_dataset": lambda **_: data})

    def download(task: ConfigurableTask, *_: object, **__: object) -> None:
        task.dataset = data

    return type(name, (config["class"],), {"download": download})()


def is_index(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_gold(task: ConfigurableTask, doc: Mapping[str, Any], choices: Sequence[str]) -> None:
    target = task.doc_to_target(doc)
    if task.multiple_input:
        # One continuation for all contexts; the prompt is the right context's number.
        assert isinstance(target, str)
        assert target
        target = task.doc_to_text(doc)
    golds = target if isinstance(target, list) else [target]
    assert golds
    for gold in golds:
        assert 0 <= gold < len(choices) if is_index(gold) else gold in choices


def check_doc(task: ConfigurableTask, doc: Mapping[str, Any]) -> None:
    prompt = task.doc_to_text(doc)
    if task.multiple_input:
        assert is_index(prompt)
    elif task.config.doc_to_text != WITHOUT_PROMPT:
        assert isinstance(prompt, str)
        assert prompt.strip()
    assert task.doc_to_target(doc) is not None
    choices = None
    if task.config.doc_to_choice is not None:
        choices = task.doc_to_choice(doc)
        assert all(isinstance(choice, str) and choice.strip() for choice in choices)
        assert len(set(choices)) == len(choices)
        check_gold(task, doc, choices)
    context = task.fewshot_context(doc, 0, gen_prefix=task.doc_to_prefix(doc))
    requests = task.construct_requests(doc, context, metadata=(task.config.task, 0, 1))
    if task.OUTPUT_TYPE == "multiple_choice":
        assert choices is not None
        assert len(requests) == len(choices)
    for request in requests if isinstance(requests, list) else [requests]:
        assert isinstance(request, Instance)
        # What the model continues may be empty; what it is to answer, or how, may not.
        assert request.args[-1]


def wanted_splits(name: str, config: Mapping[str, Any]) -> set[str]:
    if "class" in config:
        return CLASS_SPLITS[name]
    keys = ("training_split", "validation_split", "test_split", "fewshot_split")
    return {config[key] for key in keys if config.get(key)}


def test_size() -> None:
    assert len({stub(name)["family"] for name in TASKS}) >= 45
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 600_000


@pytest.mark.parametrize("name", TASKS)
def test_family(name: str) -> None:
    content = stub(name)
    assert set(content) == {"family", "splits"}
    config = config_of(name)
    assert set(content["splits"]) == wanted_splits(name, config)
    task = build(name, config, content["splits"])
    docs = list(task.eval_docs)
    assert len(docs) >= 6
    for doc in docs:
        check_doc(task, doc)
    if task.config.doc_to_choice is not None and not task.multiple_target:
        gold = task.doc_to_text if task.multiple_input else task.doc_to_target
        constant = name in ONE_GOLD or is_index(task.config.doc_to_target)
        assert (len({str(gold(doc)) for doc in docs}) == 1) == constant
    task.set_fewshot_seed(1234)
    if name in NO_FEWSHOT:
        with pytest.raises((AssertionError, TypeError), match=NO_FEWSHOT_ERRORS):
            task.fewshot_context(docs[0], 2)
        return
    for doc in docs:
        plain, shown = (
            task.fewshot_context(doc, shots, gen_prefix=task.doc_to_prefix(doc)) for shots in (0, 2)
        )
        if task.multiple_input:
            assert all(len(long) > len(short) for short, long in zip(plain, shown, strict=True))
        else:
            assert len(shown) > len(plain)

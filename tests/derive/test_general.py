"""The general reasoning set: what is written down, its YAMLs, and what real data say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.derive import localdata, registry
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.general import GENERAL, MMLU_PRO, general_derivations
from oodrop.harness_ext.reference.score import question
from oodrop.harness_ext.yamls import GENERAL_FOLDER, general_yamls
from oodrop.reports.lines import iterate_samples
from tests.derive.conftest import Derive, write_stub
from tests.harness.test_families import FOLDER

STUBBED = [name for name in GENERAL if (FOLDER / f"{name}.json").exists()]
# Task -> where its real data are, and how many documents the table of the set says there are.
REAL = {
    "theoremqa": ("theoremqa/theoremqa_747_text.jsonl", 747),
    "math500_free": ("math500/test.jsonl", 500),
    "hendrycks_math500": ("math500/test.jsonl", 500),
    "gsm8k": ("gsm8k/test.jsonl", 1_319),
    "gsm8k_free": ("gsm8k/test.jsonl", 1_319),
    "mmlu_pro_free": ("mmlu_pro/sample_20_per_category.jsonl", 280),
    "mmlu_pro_law": ("mmlu_pro/sample_20_per_category.jsonl", 20),
}
QUICK = {"theoremqa", "mmlu_pro_free", "gsm8k"}


def test_every_task_is_written_down() -> None:
    assert tuple(general_derivations()) == GENERAL
    assert len(MMLU_PRO) == 14


@pytest.mark.parametrize("name", STUBBED)
def test_what_is_written_down_is_what_is_found(name: str, tmp_path: Path) -> None:
    localdata.name_data([f"{name}={write_stub(name, tmp_path)}"])
    anew = registry.derive_anew(name).derivation.as_dict()
    known = general_derivations()[name].as_dict()
    of_the_data = ("chance", "item_id", "cluster")
    for key in {*anew, *known} - set(of_the_data):
        assert anew.get(key) == known.get(key), key


def test_the_committed_yamls_are_what_is_generated() -> None:
    generated = dict(general_yamls())
    there = {p: p.read_text("utf-8") for p in GENERAL_FOLDER.glob("oodrop_*.yaml")}
    assert there == generated


def test_a_derivation_survives_its_yaml() -> None:
    for name, found in general_derivations().items():
        text = yaml.safe_dump(found.as_dict())
        assert Derivation.from_dict(yaml.safe_load(text), name) == found


def test_what_is_written_down_is_taken(derive: Derive) -> None:
    found = derive("gsm8k").found
    assert found is not None
    assert found.derivation is general_derivations()["gsm8k"]


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in REAL],
)
def test_the_oracle_is_right_under_every_variant_and_scorer(
    name: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, count = REAL[name]
    assert len(registry_docs(name, shared_data / file)) == count
    command = ["run", "--model", "oodrop-oracle", "--tasks", name, "--items", "12"]
    data = ["--data", f"{name}={shared_data / file}", "--num-fewshot", "0"]
    assert oodrop([*command, *data, "-o", str(tmp_path)]) == 0
    samples = list(tmp_path.glob("*/*/*/samples_*.jsonl"))
    assert len(samples) >= 6
    answered = set()
    metrics = {"acc", "acc_upstream", "exact_match", "parsed"}
    for path in samples:
        rows = [row for _, row in iterate_samples(path)]
        scored = [row for row in rows if row["doc"]["oodrop"]["scored"]]
        for row in scored:  # a variant may change none of these few
            answered.add(path)
            found = {m: row[m] for m in metrics if m in row}
            assert found
            assert set(found.values()) == {1.0}, (path.name, row["doc_id"])
    assert len(answered) >= 5
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert [task["task"] for task in report["tasks"]] == [name]
    capsys.readouterr()


def test_an_oracle_that_errs_gives_no_answer_where_there_are_no_options(
    shared_data: Path, tmp_path: Path
) -> None:
    file, _ = REAL["theoremqa"]
    command = ["run", "--model", "oodrop-oracle", "--model_args", "errs=1", "--items", "12"]
    data = ["--tasks", "theoremqa", "--data", f"theoremqa={shared_data / file}"]
    assert oodrop([*command, *data, "--quiet", "-o", str(tmp_path)]) == 0
    (path,) = tmp_path.rglob("samples_oodrop__canonical__theoremqa_*.jsonl")
    rows = [row for _, row in iterate_samples(path)]
    assert len(rows) == 12
    assert {(row["resps"][0][0], row["acc"]) for row in rows} == {("", 0.0)}


@pytest.mark.parametrize("name", ["theoremqa", "mmlu_pro_free"])
def test_the_probability_score_knows_the_reference(name: str, shared_data: Path) -> None:
    doc = registry_docs(name, shared_data / REAL[name][0])[0]
    spec = registry.get_task(name)
    item = spec.item(doc)
    sample = {
        "doc": {**doc, "oodrop": {"settings": {"template": "canonical"}, "scored": True}},
        "arguments": {"gen_args_0": {"arg_0": "prompt "}},
        "resps": [["Let me think. So \\boxed{77} it is."]],
    }
    asked = question(spec, sample, "here", plain=False)
    letter = "ABCDEFGHIJ"[item.gold] if isinstance(item.gold, int) else item.gold
    assert asked.reference == letter
    assert asked.contexts == ("prompt Let me think. So \\boxed{",)
    assert asked.unreasoned == "prompt \\boxed{"


def registry_docs(name: str, file: Path) -> list[dict[str, object]]:
    localdata.name_data([f"{name}={file}"])
    spec = registry.get_task(name)
    return spec.docs(spec.eval_split)

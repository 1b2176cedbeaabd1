"""The number of few-shot examples of a run: passed on, remembered, and said in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.plan import RunPlan, read_config
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.runner.stages import stages
from oodrop.perturbers import Variant
from oodrop.perturbers.suites import Suite

from .conftest import Silent

ORDER = Variant("ordering.fewshot_order", {"k": "1"})
SUITE = Suite("shots-1.0", "", (ORDER, Variant("control.identity")))
ORACLE = CheckpointSpec("oracle", "oodrop-oracle", items=5)


def plan(shots: int | None, spec: CheckpointSpec = ORACLE) -> RunPlan:
    return RunPlan((replace(spec, num_fewshot=shots),), ("everyday",), SUITE)


def prompts(folder: Path, variant: str) -> list[str]:
    (path,) = folder.rglob(f"samples_oodrop__{variant}__everyday_*.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [row["arguments"]["gen_args_0"]["arg_0"] for row in rows]


def test_a_real_model_is_shown_the_examples(tiny_model: Path, tmp_path: Path) -> None:
    arguments = ["--model_args", f"pretrained={tiny_model},dtype=float32", "--device", "cpu"]
    suite = tmp_path / "shots-1.0.yaml"
    suite.write_text(
        "summary: examples in another order\nseed: 2026\n"
        "variants:\n- {perturber: ordering.fewshot_order, parameters: {k: 1}}\n"
    )
    arguments += ["--name", "tiny", "--items", "5", "--suite", str(suite), "-o", str(tmp_path)]
    assert oodrop(["run", "--model", "hf", "--num-fewshot", "2", *arguments]) == 0
    canonical, ordered = prompts(tmp_path, "canonical"), prompts(tmp_path, ORDER.slug)
    assert {prompt.count("Question:") for prompt in canonical} == {3}
    assert [sorted(p) for p in ordered] == [sorted(p) for p in canonical]
    assert all(a != b for a, b in zip(ordered, canonical, strict=True))
    (results,) = tmp_path.rglob("results_*.json")
    assert set(json.loads(results.read_text("utf-8"))["n-shot"].values()) == {2}
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [c["num_fewshot"] for c in report["checkpoints"]] == [[2]]
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "Few-shot examples" in page


def test_a_run_with_another_number_is_another_run(tmp_path: Path) -> None:
    reporter = Silent()
    run(plan(1), tmp_path, reporter)
    assert reporter.messages[-1].endswith("on 5 items, few-shot examples: 1")
    for other in (None, 2):
        with pytest.raises(DataError, match="main holds an evaluation with another num_fewshot"):
            run(plan(other), tmp_path, Silent())
    found = {replace(ORACLE, num_fewshot=shots).fingerprint({}) for shots in (None, 1, 2)}
    assert len(found) == 3


def test_what_varies_examples_applies_where_there_are_some() -> None:
    for shots, applies in ((None, False), (1, False), (2, True)):
        (stage,) = stages(plan(shots), plan(shots).checkpoints[0])
        assert (ORDER.slug in "".join(stage.tasks)) is applies


@pytest.mark.parametrize(
    ("value", "wanted"), [("3", 3), ("0", 0), ("null", None), ("-1", "-1"), ("two", "'two'")]
)
def test_the_key_of_a_configuration(value: str, wanted: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "suite: smoke-1.0\ntasks: [everyday]\n"
        f"checkpoints: [{{name: a, model: hf, num_fewshot: {value}}}]\n"
    )
    if isinstance(wanted, str):
        with pytest.raises(DataError, match=f"'num_fewshot' must be .* from 0, got {wanted}"):
            read_config(path)
    else:
        assert read_config(path).checkpoints[0].num_fewshot == wanted

"""Avg@k and the prompt protocols: what is refused, and runs of a tiny sampling model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from lm_eval.tasks._index import TaskIndex

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.derive import bases, localdata, registry
from oodrop.harness_ext.plan import RunPlan, check_plan, read_config
from oodrop.harness_ext.repeats import check_repeats, repeat_fields
from oodrop.harness_ext.runner.run import run
from oodrop.perturbers import Variant
from oodrop.perturbers.suites import Suite
from oodrop.reports.build import build_report
from oodrop.tasks import get_task
from oodrop.tasks.general import scoring
from oodrop.tasks.general.protocols import protocols

from .conftest import Refusal, Silent

NAMES = ("training", "card", "direct")
SUITE = Suite("none-1.0", "", (Variant("control.identity"),))
SAMPLED = {"do_sample": True, "temperature": 1.0, "max_gen_toks": 4}
ORACLE = CheckpointSpec("oracle", "oodrop-oracle", items=5, gen_kwargs=SAMPLED)
TWICE = replace(ORACLE, repeats=2)
RLPR = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "max_gen_toks": 3072}


@pytest.fixture
def math(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six sums for `math500_free`, and an index of the general set alone."""
    own = TaskIndex.build([bases.tasks_dir() / "general" / "lm_eval"])
    monkeypatch.setattr(bases, "index", lambda: own)
    monkeypatch.setattr(registry, "_DERIVED", dict(registry._DERIVED))
    monkeypatch.setattr(bases, "_FETCHED", {})
    monkeypatch.setenv(localdata.DATA_VARIABLE, "")
    path = tmp_path / "math.jsonl"
    asked = "How many cows does the farmer have now, after all that was told here?"
    rows = [
        {
            "problem": f"A farmer has {k} cows and buys {k + 3} more. {asked}",
            "answer": f"{2 * k + 3}",
        }
        for k in range(2, 8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    localdata.name_data([f"math500_free={path}"])
    return path


def samples(folder: Path, slug: str) -> list[dict[str, Any]]:
    (path,) = folder.rglob(f"samples_oodrop__{slug}__*.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def plan(*checkpoints: CheckpointSpec, task: str = "everyday_open") -> RunPlan:
    return RunPlan(checkpoints, (task,), SUITE)


def test_the_preset_of_rlpr() -> None:
    assert replace(ORACLE, gen_kwargs={}, preset="rlpr").generation() == RLPR
    check_repeats(CheckpointSpec("a", "hf", preset="rlpr", repeats=4), get_task("procedural"))


def test_the_protocols_side_by_side(
    math: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = oodrop([
        "run", "--model", "hf", "--name", "tiny",
        "--model_args", f"pretrained={tiny_model},dtype=float32",
        "--apply_chat_template", "--tasks", "math500_free", "--suite", "prompt-shift-1.0",
        "--repeats", "2", "--gen_kwargs", "do_sample=true,temperature=1.0,max_gen_toks=8",
        "-o", str(out),
    ])  # fmt: skip
    assert code == 0, capsys.readouterr().err
    assert "on all items, replies to an item: 2, do_sample=True" in " ".join(
        capsys.readouterr().err.split()
    )

    slugs = ["canonical", *(f"phrasing_prompt_protocol_{name}" for name in NAMES)]
    logged = {slug: samples(out / "tiny" / "main", slug) for slug in slugs}
    logged["control_rerun"] = samples(out / "tiny" / "rerun", "control_rerun")
    for rows in logged.values():
        assert len(rows) == 6
        for row in rows:
            assert len(row["resps"][0]) == len(row["filtered_resps"][0]) == 2
            assert row["acc"] == scoring.math_answer(row["doc"], row["filtered_resps"])["acc"]
        assert any(len(set(row["filtered_resps"][0])) == 2 for row in rows)
    # The same prompt, sampled anew: by another variant, and by the rerun.
    for other in ("phrasing_prompt_protocol_direct", "control_rerun"):
        pairs = list(zip(logged["canonical"], logged[other], strict=True))
        assert all(a["arguments"] == b["arguments"] for a, b in pairs)
        assert any(a["resps"] != b["resps"] for a, b in pairs)

    system = protocols()["training"].system
    for slug, rows in logged.items():
        told = {row["arguments"]["gen_args_0"]["arg_0"].startswith(
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nA farmer has"
        ) for row in rows}  # fmt: skip
        assert told == {slug.endswith("training")}

    assert oodrop(["verify", str(out)]) == 0
    report = build_report([out / "tiny"], resamples=100)
    (task,) = report.tasks
    assert task.replies_per_item == {"tiny": 2}
    assert {a.n for a in task.analysis.accuracies} == {6}
    for name in NAMES:
        drop = task.analysis.drop("tiny", f"phrasing_prompt_protocol_{name}")
        assert drop.n == 6
    assert report.notes == ()
    assert report.checkpoints[0].generation[0].endswith("2 replies to an item")


def test_the_score_is_the_mean_of_the_replies(
    math: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four replies the canonical prompt gets three that are right, the training prompt one."""
    from lm_eval.api.instance import Instance

    from oodrop.harness_ext.models import ReferenceModel

    class Wavering(ReferenceModel):
        def answer(self, spec: Any, item: Any, prompt: str) -> int:
            raise AssertionError("free replies alone")

        def generate_until(self, requests: list[Instance]) -> list[str]:
            asked: dict[int, int] = {}
            replies = []
            for request in requests:
                k = asked[id(request)] = asked.get(id(request), -1) + 1
                often = 1 if request.args[0].startswith("A conversation") else 3
                right = request.doc["gold"] if k < often else "0"
                replies.append(rf"So it is \boxed{{{right}}}.")
            return replies

    monkeypatch.setattr(CheckpointSpec, "load", lambda spec: Wavering())
    suite = Suite("mine-1.0", "", (Variant("phrasing.prompt_protocol", {"protocol": "training"}),))
    wavering = CheckpointSpec("four", "oodrop-oracle", preset="rlpr", repeats=4)
    run(RunPlan((wavering,), ("math500_free",), suite), tmp_path / "out", Silent())
    (task,) = build_report([tmp_path / "out"], resamples=100).tasks
    canonical = task.analysis.accuracies[0]
    assert (canonical.estimate, canonical.n) == (pytest.approx(0.75), 6)
    drop = task.analysis.drop("four", "phrasing_prompt_protocol_training")
    assert (drop.estimate, drop.n) == (pytest.approx(0.5), 6)
    rows = samples(tmp_path / "out", "canonical")
    assert fmean(row["acc"] for row in rows) == 0.75


@pytest.mark.parametrize("task", ["everyday_open", "procedural"])
def test_tasks_of_our_own_take_them(task: str, tmp_path: Path) -> None:
    run(plan(TWICE, task=task), tmp_path, Silent())
    rows = samples(tmp_path, "canonical")
    assert [len(row["filtered_resps"][0]) for row in rows] == [2] * 5
    assert {row["acc"] for row in rows} == {1.0}
    (path,) = tmp_path.rglob("oodrop__canonical__*.yaml")
    assert "repeats: 2\n" in path.read_text("utf-8")


def test_the_probability_score_knows_the_checkpoint_again(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fingerprint holds the number of replies, and `check_unchanged` compares it."""
    args = {"pretrained": str(tiny_model), "dtype": "float32"}
    tiny = CheckpointSpec("tiny", "hf", args, items=2, gen_kwargs=SAMPLED, repeats=2, device="cpu")
    run(plan(tiny), tmp_path, Silent())
    assert oodrop(["score-reference", str(tmp_path)]) == 0, capsys.readouterr().err


def test_a_run_with_another_number_is_another_run(tmp_path: Path) -> None:
    run(plan(TWICE), tmp_path, Silent())
    reporter = Silent()
    run(plan(TWICE), tmp_path, reporter)
    assert reporter.messages == ["oracle: main is there already"]
    for other in (ORACLE, replace(ORACLE, repeats=3)):
        with pytest.raises(DataError, match="main holds an evaluation with another repeats;"):
            run(plan(other), tmp_path, Silent())
    run(plan(ORACLE), tmp_path / "one", Silent())
    with pytest.raises(DataError, match="main holds an evaluation with another repeats;"):
        run(plan(TWICE), tmp_path / "one", Silent())
    prints = [replace(ORACLE, repeats=k).fingerprint({}) for k in (None, 1, 2, 3)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_one_reply_changes_nothing(tmp_path: Path) -> None:
    run(plan(ORACLE), tmp_path, Silent())
    reporter = Silent()
    run(plan(replace(ORACLE, repeats=1)), tmp_path, reporter)
    assert reporter.messages == ["oracle: main is there already"]
    (path,) = tmp_path.rglob("oodrop__canonical__*.yaml")
    assert "repeats" not in path.read_text("utf-8")


def test_the_rerun_draws_anew(math: Path, tiny_model: Path, tmp_path: Path) -> None:
    """Also where both stages are one and the same batch."""
    args = {"pretrained": str(tiny_model), "dtype": "float32"}
    tiny = CheckpointSpec("tiny", "hf", args, gen_kwargs=SAMPLED, batch_size=64)
    suite = Suite("rerun-1.0", "", (Variant("control.rerun"),))
    run(RunPlan((tiny,), ("math500_free",), suite), tmp_path, Silent())
    first, again = (samples(tmp_path, slug) for slug in ("canonical", "control_rerun"))
    assert [row["arguments"] for row in first] == [row["arguments"] for row in again]
    assert [row["resps"] for row in first] != [row["resps"] for row in again]


SAMPLING, GREEDY = "do_sample=true,temperature=0.7", "do_sample=false"


@pytest.mark.parametrize(
    ("tasks", "settings", "message"),
    [
        ("everyday", SAMPLING, "needs a task whose scoring takes several .* of everyday does not"),
        ("everyday", GREEDY, "that of everyday does not"),
        ("procedural_choice", SAMPLING, "that of procedural_choice does not"),
        ("procedural,everyday_letters", SAMPLING, "that of everyday_letters does not"),
        ("everyday_open", GREEDY, "needs sampling, and the replies to everyday_open are greedy"),
        ("procedural", "", "needs sampling, and the replies to procedural are greedy"),
    ],
)
def test_what_cannot_be_repeated_is_one_sentence_before_anything_is_loaded(
    tasks: str, settings: str, message: str, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(spec: CheckpointSpec) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(CheckpointSpec, "load", load)
    given = ["run", "--model", "hf", "--name", "hf", "--repeats", "2", "--gen_kwargs", settings]
    code, said = refusal([*given, "--tasks", tasks])
    assert code == 2
    assert said.count("oodrop: ") == 1
    assert re.search(
        f"checkpoint hf: repeats=2 {'' if 'needs' in message else '.*'}{message}", said
    )
    assert not Path("runs").exists()


def test_scoring_of_others_is_refused(math: Path, tmp_path: Path) -> None:
    """A derived task whose process_results is not one of ours, or is filtered by code."""
    sampled = CheckpointSpec("a", "hf", gen_kwargs=SAMPLED, repeats=2)
    spec = registry.get_task("math500_free")
    check_repeats(sampled, spec)
    config = dict(spec.config)

    class Other:
        name = "other"

        def __init__(self, **changes: Any) -> None:
            self.config = {**config, **changes}

    def process_results(doc: Any, results: Any) -> dict[str, float]:
        return {}

    code = [{"name": "none", "filter": [{"function": process_results}]}]
    for changes in (
        {"process_results": process_results},
        {"process_results": None},
        {"output_type": "multiple_choice"},
        {"filter_list": code},
    ):
        with pytest.raises(DataError, match="a: repeats=2 needs a task .* of other does not"):
            check_repeats(sampled, Other(**changes))  # type: ignore[arg-type]
    greedy = Other(generation_kwargs={"do_sample": True, "temperature": 0.6})
    check_repeats(replace(sampled, gen_kwargs={}), greedy)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="greedy"):
        check_repeats(replace(sampled, gen_kwargs={"do_sample": False}), greedy)  # type: ignore[arg-type]
    check_repeats(replace(sampled, repeats=1), Other(process_results=None))  # type: ignore[arg-type]


def test_filters_of_the_task_go_first() -> None:
    regex = {"function": "regex", "regex_pattern": "x"}
    config = {
        "filter_list": [
            {"name": "first", "filter": [{"function": "take_first"}]},
            {"name": "tail", "filter": [regex, {"function": "take_first"}]},
        ]
    }
    last = {"function": "take_first_k", "k": 3}
    assert repeat_fields(config, "tail", 3) == {
        "repeats": 3,
        "filter_list": [{"name": "tail", "filter": [regex, last]}],
    }
    assert repeat_fields({}, "none", 3)["filter_list"] == [{"name": "none", "filter": [last]}]
    assert repeat_fields(config, "tail", 1) == {}


@pytest.mark.parametrize("given", ["0", "-1", "true", "two", "1.5"])
def test_the_key_of_a_configuration(given: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    text = "suite: smoke-1.0\ntasks: [everyday_open]\ncheckpoints:\n- name: a\n  model: hf\n"
    path.write_text(f"{text}  repeats: {given}\n")
    with pytest.raises(DataError, match="'repeats' must be a whole number from 1"):
        read_config(path)
    path.write_text(f"{text}  repeats: 4\n  preset: rlpr\n")
    found = read_config(path)
    assert found.checkpoints[0].replies == 4
    check_plan(found, tmp_path)
    assert yaml.safe_load(path.read_text())["checkpoints"][0]["repeats"] == 4


def test_the_help_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["run", "--help"]) == 0
    said = " ".join(re.sub("[│\n]", " ", capsys.readouterr().out).split())
    assert "K replies to each item; the score is their mean." in said
    assert "rlpr: sampled at temperature 1" in said

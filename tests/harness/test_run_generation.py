"""Settings of generation: a preset or one's own, checked before loading, passed on, remembered."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, OodropError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.plan import RunPlan, read_config
from oodrop.harness_ext.runner.run import run
from oodrop.perturbers import Variant
from oodrop.perturbers.suites import Suite
from oodrop.reports.build import build_report
from oodrop.tasks import get_task

from .conftest import Refusal, Silent

SUITE = Suite("none-1.0", "", (Variant("control.identity"),))
ORACLE = CheckpointSpec("oracle", "oodrop-oracle", items=5)
CARD = {"do_sample": False, "max_gen_toks": 256}


def plan(*checkpoints: CheckpointSpec, task: str = "everyday_open") -> RunPlan:
    return RunPlan(checkpoints, (task,), SUITE)


def settings(folder: Path, task: str = "everyday_open") -> tuple[Any, Any]:
    """As lm-eval logged them: those of the run, and those of the task after they were laid over."""
    (path,) = folder.rglob("results_*.json")
    results = json.loads(path.read_text("utf-8"))
    own = [config["generation_kwargs"] for config in results["configs"].values()]
    assert own == own[:1] * 2
    return results["config"]["gen_kwargs"], own[0]


def test_each_checkpoint_has_its_own_and_none_leaks_into_the_next(tmp_path: Path) -> None:
    reporter = Silent()
    run(
        plan(
            replace(ORACLE, name="card", preset="card"),
            replace(ORACLE, name="own", gen_kwargs={"max_gen_toks": 512, "until": ["\n\n"]}),
            replace(ORACLE, name="default"),
        ),
        tmp_path,
        reporter,
    )
    given, plain = settings(tmp_path / "default")
    assert given is None
    assert (plain["max_gen_toks"], plain["until"]) == (256, [])  # the task's own
    assert settings(tmp_path / "card") == (CARD, plain | CARD)
    assert settings(tmp_path / "own")[1] == plain | {"max_gen_toks": 512, "until": ["\n\n"]}
    said = [m for m in reporter.messages if "task variants" in m]
    assert said[0].endswith("on 5 items, do_sample=False, max_gen_toks=256")
    assert said[2].endswith("on 5 items")
    report = build_report([tmp_path], resamples=100)
    limits = [c.generation[0].split(", ")[1] for c in report.checkpoints]
    assert limits == [f"at most {most} new tokens" for most in (256, 512, 256)]
    (note,) = [n for n in report.notes if "different settings" in n]
    assert "(card, default: greedy, at most 256 new tokens; own: greedy, at most 512 new " in note


def test_the_procedural_task_stays_at_1024() -> None:
    spec = get_task("procedural")
    fragment = (spec.folder / "lm_eval" / spec.fragment).read_text("utf-8")
    assert "  do_sample: false\n  max_gen_toks: 1024\n" in fragment


def test_a_run_with_other_settings_is_another_run(tmp_path: Path) -> None:
    card = replace(ORACLE, preset="card")
    run(plan(card), tmp_path, Silent())
    reporter = Silent()
    run(plan(replace(ORACLE, gen_kwargs=CARD)), tmp_path, reporter)  # the same in other words
    assert reporter.messages == ["oracle: main is there already"]
    for other, what in (
        (ORACLE, "gen_kwargs"),
        (replace(card, apply_chat_template=True), "apply_chat_template"),
    ):
        with pytest.raises(DataError, match=f"main holds an evaluation with another {what}"):
            run(plan(other), tmp_path, Silent())
    found = {
        replace(ORACLE, gen_kwargs=given, preset=preset).fingerprint({})
        for given, preset in (({}, None), ({}, "card"), (CARD, None), ({"max_gen_toks": 512}, None))
    }
    assert len(found) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "crad"], "unknown preset 'crad'; there are: card"),
        (
            ["--preset", "card", "--gen_kwargs", "max_gen_toks=512"],
            "checkpoint hf: the preset 'card' decides .* must not set max_gen_toks",
        ),
        (["--gen_kwargs", "max_toks=5"], "unknown key 'max_toks' in gen_kwargs; allowed: do_"),
        (["--gen_kwargs", "max_new_tokens=5"], "'max_new_tokens' must be called 'max_gen_toks'"),
        (["--gen_kwargs", "max_gen_toks=0"], "'max_gen_toks' must be a whole number from 1, got 0"),
        (["--gen_kwargs", "max_gen_toks"], "'max_gen_toks' must be a whole number from 1, got ''"),
        (["--gen_kwargs", "do_sample=1"], "'do_sample' must be true or false, got 1"),
        (["--gen_kwargs", "top_p=nan"], "'top_p' must be a number from 0 to 1, got nan"),
        (["--gen_kwargs", "until=x"], "'until' must be a list of texts, got 'x'"),
        (["--gen_kwargs", "temperature=0.7"], "temperature=0.7 contradicts greedy decoding"),
        (["--gen_kwargs", "do_sample=false,top_k=20"], "top_k=20 contradicts greedy decoding"),
        (["--gen_kwargs", "do_sample=true"], "do_sample=true needs a temperature above 0"),
        (["--gen_kwargs", "do_sample=true,temperature=0"], "needs a temperature above 0"),
        (["--model_args", "peft=org/adapter"], "peft=org/adapter is an adapter and needs its base"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_before_anything_is_loaded(
    arguments: list[str], message: str, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(spec: CheckpointSpec) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(CheckpointSpec, "load", load)
    code, said = refusal(["run", "--model", "hf", "--name", "hf", *arguments])
    assert code == 2
    assert said.startswith("oodrop: ")
    assert said.count("oodrop: ") == 1
    assert re.search(message, said), said
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "given", [{"temperature": 0}, {"do_sample": True, "temperature": 0.7, "top_p": 0.9}, CARD, {}]
)
def test_what_fits_together_is_passed_on(given: dict[str, Any]) -> None:
    assert replace(ORACLE, gen_kwargs=given).generation() == given


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("preset: card", CARD),
        ("gen_kwargs: {max_gen_toks: 512}", {"max_gen_toks": 512}),
        ("gen_kwargs: max_gen_toks=512", "checkpoint 1: 'gen_kwargs' must be a mapping"),
        ("preset: [card]", "checkpoint 1: 'preset' must be text"),
    ],
)
def test_the_keys_of_a_configuration(keys: str, wanted: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        f"suite: smoke-1.0\ntasks: [everyday]\ncheckpoints:\n- name: a\n  model: hf\n  {keys}\n"
    )
    if isinstance(wanted, str):
        with pytest.raises(OodropError, match=wanted):
            read_config(path)
    else:
        assert read_config(path).checkpoints[0].generation() == wanted


def test_beside_a_configuration_they_are_no_options(refusal: Refusal) -> None:
    Path("run.yaml").write_text("")
    for option in (["--preset", "card"], ["--gen_kwargs", "max_gen_toks=5"], ["--repeats", "2"]):
        code, said = refusal(["run", "run.yaml", *option])
        assert code == 2
        assert "gen_kwargs, preset and repeats are keys of its checkpoints" in said


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["run", "--help"]) == 0
    assert "--preset card" in capsys.readouterr().out

"""The second pass over a run: what it writes, what reports make of it, what it reuses."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError, OodropError, UnknownNameError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.reference.answertokens import answer_tokens, log_probabilities
from oodrop.harness_ext.reference.secondpass import ReferencePlan, score_references
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.verify import verify_samples
from oodrop.perturbers import Variant
from oodrop.perturbers.suites import Suite
from oodrop.reports.build import build_report
from oodrop.reports.render import print_report

from .conftest import Refusal, Silent, is_one_of_many, thinned

SUITE = Suite(
    "few-1.0",
    "",
    (
        Variant("control.identity"),
        Variant("control.rerun"),
        Variant("lexical.keyboard_typo", severity=2),
        Variant("phrasing.polarity", {"id": "inverted"}),
    ),
)
ITEMS = 6


@pytest.fixture(scope="module")
def ran(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny model, whose replies were given answers: its own are noise."""
    out = tmp_path_factory.mktemp("ran")
    tiny = CheckpointSpec(
        "tiny",
        "hf-packed",
        {"pretrained": str(tiny_model), "dtype": "float32"},
        apply_chat_template=True,
        batch_size=4,
        device="cpu",
        items=ITEMS,
        gen_kwargs={"max_gen_toks": 2},
    )
    with thinned(is_one_of_many, tasks=("procedural",)):
        run(RunPlan((tiny,), ("everyday_open", "procedural", "everyday"), SUITE), out, Silent())
    for path in out.rglob("samples_*.jsonl"):
        if not path.name.split("_2026-")[0].endswith("__everyday"):
            rewrite(path, with_answers)
    return out


@pytest.fixture
def here(ran: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ran, tmp_path / "run")


@pytest.fixture(scope="module")
def finished(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with its scores; to be read only."""
    folder = shutil.copytree(ran, tmp_path_factory.mktemp("finished") / "run")
    (place,), reporter = scored(folder)
    assert place == folder / "tiny" / "reference"
    assert reporter.messages[0] == "tiny: loading hf-packed"
    return folder


@pytest.fixture
def with_scores(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "scored")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    rows = rows_of(path)
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def only(task: str, folder: Path) -> None:
    """Leave the results of one task alone in a run."""
    for path in folder.rglob("results_*.json"):
        content = json.loads(path.read_text("utf-8"))
        kept = {k: v for k, v in content["configs"].items() if k.endswith(f"__{task}")}
        path.write_text(json.dumps(content | {"configs": kept}), "utf-8")


def with_answers(row: dict[str, Any]) -> None:
    """Two replies per prompt, one in five without an answer; a rerun differs for some items."""
    rerun = row["doc"]["oodrop"]["perturber"] == "control.rerun" and row["doc_id"] % 2
    doc, prompt = row["doc"], row["arguments"]["gen_args_0"]["arg_0"]
    word, said = ("FINAL ANSWER", doc.get("labels")) if "labels" in doc else ("ANSWER", None)
    replies = []
    for k in range(2):
        n = int(sha256(f"{k}{prompt}{rerun}".encode()).hexdigest(), 16)
        options = said or doc["choices"]
        answer = f"{word}: {options[n % len(options)]}" if n % 5 else "I cannot say."
        replies.append(f"Because of {n % 89}.\n{answer}")
    row["resps"], row["filtered_resps"] = [replies], replies[:1]


def scored(folder: Path, **more: Any) -> tuple[list[Path], Silent]:
    reporter = Silent()
    return score_references(ReferencePlan(folder, device="cpu", **more), reporter), reporter


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*.json*")}


# --- what is written ---------------------------------------------------------------------------


def test_rows_hold_the_scores_of_their_own_questions(finished: Path, tiny_model: Path) -> None:
    paths = sorted((finished / "tiny" / "reference").rglob("samples_*.jsonl"))
    assert len(paths) == 4 + 5  # polarity is of procedural alone; everyday has no free replies
    lm = HFPacked(pretrained=str(tiny_model), device="cpu", dtype="float32")
    unanswered = left_alone = 0
    for path in paths:
        for number, row in enumerate(rows_of(path)):
            has_score = "reference_probability" in row
            assert has_score == row["doc"]["oodrop"]["scored"]
            left_alone += not has_score
            if number % 3 or not has_score:
                continue
            *spliced, base = (row["arguments"][f"gen_args_{k}"] for k in range(3))
            means = []
            for asked, reply in zip((*spliced, base), row["resps"], strict=True):
                if not reply:  # where no reply has an answer, nothing is asked
                    assert "reference_probability_without_reasoning" not in row
                    means.append(None)
                    continue
                if isinstance(reply[0], str):
                    assert reply[0].endswith("I cannot say.")
                    unanswered += 1
                    means.append(None)
                    continue
                tokens = answer_tokens(lm, asked["arg_0"], asked["arg_1"], "here")
                (found,) = log_probabilities(lm, [tokens], None, lambda *now: None)
                assert reply == pytest.approx(found, abs=1e-4)
                means.append(sum(2.718281828459045**v for v in found) / len(found))
            *plain, low = means
            plain = [value or 0.0 for value in plain]
            assert row["reference_probability_plain"] == pytest.approx(sum(plain) / 2, abs=1e-6)
            debiased = sum(max(0.0, value - (low or 0.0)) for value in plain) / 2
            assert row["reference_probability"] == pytest.approx(debiased, abs=1e-6)
    assert unanswered > 3
    assert left_alone > 0


def test_the_changed_question_has_its_own_reference(finished: Path) -> None:
    (path,) = finished.rglob("samples_oodrop__phrasing_polarity_inverted__procedural_reference_*")
    changed = [r for r in rows_of(path) if r["doc"]["oodrop"]["outcome"] == "changed"]
    assert {tuple(row["doc"]["labels"]) for row in changed} == {("no", "yes")}
    for row in changed:
        assert row["arguments"]["gen_args_0"]["arg_1"] == row["doc"]["labels"][row["doc"]["gold"]]


def test_reports_show_the_drop_of_the_score_beside_that_of_accuracy(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = build_report([finished], resamples=200)
    assert [t.task for t in report.tasks] == [
        "everyday", "everyday_open", "procedural", "everyday_open_reference", "procedural_reference"
    ]  # fmt: skip
    assert report.notes == ()
    accuracy, probability = (report.tasks[k].analysis for k in (2, 4))
    assert probability.metric == "reference_probability"
    assert probability.chance == 0.0
    assert [(d.name, d.n) for d in probability.drops] == [(d.name, d.n) for d in accuracy.drops]
    (own,) = probability.accuracies
    assert 0 < own.estimate < 1
    assert probability.drop("tiny", "control_identity").estimate == 0.0
    assert probability.drop("tiny", "lexical_keyboard_typo_s2").estimate != 0.0
    (floor,) = probability.noise_floor
    assert floor is not None
    assert 0 < floor.flips < floor.n == ITEMS  # the same reply has the same score
    assert floor.mean_change < floor.flip_rate == floor.flips / floor.n
    from rich.console import Console

    print_report(report, Console(width=120))
    said = " ".join(capsys.readouterr().out.split())
    assert "(reference_probability; chance 0.0%; 6 items" in said
    assert "of scores move on a rerun (4 of 6), by 0.0 points on average" in said


def test_certificates_hold_and_tampering_shows(with_scores: Path) -> None:
    place = with_scores / "tiny" / "reference"
    found = verify_samples(place)
    assert found.problems == ()
    assert found.counts.total() == (4 + 5) * ITEMS
    assert found.counts["changed"] >= ITEMS
    (path,) = place.rglob("samples_oodrop__lexical_keyboard_typo_s2__procedural_reference_*")

    def tamper(row: dict[str, Any]) -> None:
        row["doc"]["title"] += "!"

    rewrite(path, tamper)
    assert len(verify_samples(path).problems) == len(rows_of(path))


def test_held_out_items_stand_against_those_of_the_task(ran: Path) -> None:
    (path,) = (ran / "tiny" / "main").rglob("results_*.json")
    from oodrop.harness_ext.reference.tables import _config

    config = json.loads(path.read_text("utf-8"))["configs"]["oodrop__canonical__procedural"]
    config["metadata"]["oodrop"]["heldout_of"] = "procedural"
    made = _config("x", config, "reference_probability", "reference")["metadata"]["oodrop"]
    assert (made["task"], made["heldout_of"]) == ("procedural_reference",) * 2


def test_plain_scores_stand_beside(with_scores: Path) -> None:
    first = with_scores / "tiny" / "reference"
    (place,), _ = scored(with_scores, plain=True)
    assert place.name == "reference_plain"
    for path in place.rglob("samples_*.jsonl"):
        (other,) = first.rglob(path.name.replace("_reference_plain_", "_reference_"))
        for row, debiased in zip(rows_of(path), rows_of(other), strict=True):
            name = "reference_probability_plain"
            assert row.get(name) == debiased.get(name)
            assert "reference_probability" not in row
    tasks = [t.task for t in build_report([with_scores], resamples=200).tasks]
    assert tasks[-2:] == ["everyday_open_reference_plain", "procedural_reference_plain"]


# --- what is reused, what is refused -----------------------------------------------------------


def test_a_finished_pass_is_reused(with_scores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = with_scores / "tiny" / "reference"
    before = files_in(place)
    monkeypatch.setattr(CheckpointSpec, "load", None)
    (again,), reporter = scored(with_scores)
    assert again == place
    assert reporter.messages == ["tiny: reference is there already"]
    assert files_in(place) == before


def test_other_replies_are_refused(with_scores: Path) -> None:
    (path,) = with_scores.rglob("samples_oodrop__canonical__procedural_2*")

    def shorten(row: dict[str, Any]) -> None:
        row["resps"][0][0] = ""

    rewrite(path, shorten)
    with pytest.raises(DataError, match="reference holds an evaluation with another replies"):
        scored(with_scores)


def test_another_checkpoint_than_the_evaluated_one_is_refused(here: Path, tiny_model: Path) -> None:
    for path in here.rglob("oodrop_stage.json"):
        content = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(content | {"fingerprint": "0" * 64}), "utf-8")
    with pytest.raises(NotComparableError, match="tiny: weights, model arguments or library"):
        scored(here)
    args = {"pretrained": str(tiny_model), "dtype": "float32"}
    only("everyday_open", here)
    (place,), _ = scored(here, model="hf", model_args=args)
    (results, *_) = place.rglob("results_*.json")
    made = json.loads(results.read_text("utf-8"))
    assert made["scored_with"] == {"model": "hf", "model_args": args}
    assert made["config"]["model"] == "hf-packed"  # reports know the checkpoint by it


def test_what_plain_lm_eval_wrote(here: Path, tiny_model: Path, tmp_path: Path) -> None:
    only("everyday_open", here)
    (results,) = (here / "tiny" / "main").rglob("results_*.json")
    out = tmp_path / "out" / results.parent.name
    shutil.copytree(results.parent, out)
    (place,), _ = scored(tmp_path / "out")
    assert place.parent == out
    assert place.name.startswith("reference-")
    report = build_report([tmp_path / "out"], resamples=200)
    assert [c.name for c in report.checkpoints] == [tiny_model.name]
    assert "everyday_open_reference" in [t.task for t in report.tasks]
    with pytest.raises(UnknownNameError, match="unknown checkpoint 'tiny'; there are: "):
        scored(tmp_path / "out", checkpoint="tiny")


def test_a_run_that_is_not_finished(here: Path) -> None:
    (here / "tiny" / "oodrop_checkpoint.json").unlink()
    with pytest.raises(DataError, match="main is part of a run that is not finished"):
        scored(here)


def test_models_that_cannot_are_told_and_left_out(here: Path) -> None:
    oracle = CheckpointSpec("oracle", "oodrop-oracle", items=3)
    run(RunPlan((oracle,), ("everyday_open",), replace(SUITE, variants=())), here, Silent())
    places, reporter = scored(here)
    assert [p.parent.name for p in places] == ["tiny"]
    reason = "checkpoint oracle cannot be scored: a reference model gives no log-likelihoods"
    assert any(m.startswith(f"left out: {reason}") for m in reporter.messages)
    with pytest.raises(OodropError, match=reason):
        scored(here, checkpoint="oracle")
    with pytest.raises(OodropError, match="--model_args needs --checkpoint, one of: tiny, oracle"):
        scored(here, model_args={})


def test_replies_whose_reasoning_was_cut(here: Path) -> None:
    for path in here.rglob("results_*.json"):
        text = path.read_text("utf-8").replace("dtype=float32", "think_end_token=</think>")
        path.write_text(text, "utf-8")
    with pytest.raises(OodropError, match="think_end_token had the reasoning cut"):
        scored(here)


def test_the_command_in_one_sentence(here: Path, refusal: Refusal) -> None:
    assert refusal(["score-reference", "none"])[1] == "oodrop: results folder none does not exist"
    only("everyday", here)
    code, said = refusal(["score-reference", str(here)])
    assert code == 2
    assert said.endswith("that a reference answer could be spliced into; there are: everyday")


def test_an_unknown_model(here: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'hff'; there are: hf"):
        scored(here, model="hff")


def test_an_answer_longer_than_the_model_reads_names_the_item(here: Path, tiny_model: Path) -> None:
    args = {"pretrained": str(tiny_model), "dtype": "float32", "max_length": 4}
    with pytest.raises(DataError, match=r"jsonl, line 1, item \S+: the answer is \d+ tokens long"):
        scored(here, model_args=args)


# --- kill and continue -------------------------------------------------------------------------


def held(journal: Path) -> int:
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as there:
        return int(there.execute("SELECT count(*) FROM answers").fetchone()[0])


@pytest.fixture
def undisturbed(ran: Path, tmp_path: Path) -> dict[str, bytes]:
    folder = shutil.copytree(ran, tmp_path / "undisturbed")
    only("everyday_open", folder)
    (place,), _ = scored(folder, model="hf", batch_size=1)
    return files_in(place)


def test_a_killed_pass_continues(
    here: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("everyday_open", here)
    options = ["--model", "hf", "--batch-size", "1", "--device", "cpu"]
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "score-reference", str(here)]
    killed = subprocess.Popen([*command, *options], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and killed.poll() is None:
        found = list((here / "tiny").glob("journal-reference-*.sqlite"))
        try:
            if found and held(found[0]) >= 5:
                break
        except sqlite3.Error:  # it is just being made
            pass
        time.sleep(0.01)
    assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (here / "tiny" / "reference").exists()
    (journal,) = (here / "tiny").glob("journal-reference-*.sqlite")
    there = held(journal)
    assert there >= 5
    asked: list[str] = []
    load = CheckpointSpec.load

    def counting(spec: CheckpointSpec) -> Any:
        lm = load(spec)
        answer = lm._loglikelihood_tokens

        def count(requests: Any, **more: Any) -> Any:
            asked.extend(name for (name, _), _, _ in requests)
            return answer(requests, **more)

        lm._loglikelihood_tokens = count
        return lm

    monkeypatch.setattr(CheckpointSpec, "load", counting)
    (place,), _ = scored(here, model="hf", batch_size=1)
    assert len(asked) == len(set(asked)) == held(journal) - there
    assert files_in(place) == undisturbed


@pytest.mark.slow
def test_run_then_score_then_report(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = f"pretrained={tiny_model},dtype=float32"
    out, to = str(tmp_path / "run"), str(tmp_path / "report")
    given = ["--model", "hf-packed", "--model_args", args, "--items", "6", "--device", "cpu"]
    given += ["--tasks", "procedural", "--gen_kwargs", "max_gen_toks=2", "--name", "tiny"]
    assert oodrop(["run", *given, "-o", out]) == 0
    for path in (tmp_path / "run").rglob("samples_*.jsonl"):
        rewrite(path, with_answers)
    assert oodrop(["score-reference", out, "--device", "cpu"]) == 0
    assert oodrop(["report", out, "-o", to]) == 0
    assert oodrop(["verify", out]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "procedural_reference" in said
    assert "(reference_probability; chance 0.0%; 6 items" in said
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [t["task"] for t in report["tasks"]] == ["procedural", "procedural_reference"]


def test_the_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["score-reference", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "oodrop score-reference runs/pair" in said
    assert "exit code 2" in said

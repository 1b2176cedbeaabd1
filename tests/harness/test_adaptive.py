"""Runs that stop when the answer is known, and go on to the full one when asked to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.plan import RunPlan, StopRule
from oodrop.harness_ext.runner import adaptive
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.runner.stages import item_subset
from oodrop.perturbers import get_suite
from oodrop.reports.build import build_report
from oodrop.reports.render import verdicts, write_report
from oodrop.reports.statistics import Questions, Sequential, random_order
from oodrop.tasks import get_task

from .conftest import Silent

ITEMS = 150
PLAN = RunPlan(
    checkpoints=(
        CheckpointSpec(name="bow", model="oodrop-bow", items=ITEMS),
        CheckpointSpec(name="oracle", model="oodrop-oracle", items=ITEMS),
    ),
    tasks=("everyday",),
    suite=get_suite("smoke-1.0"),
    stop=StopRule(margin=0.2),
)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stopped")
    run(PLAN, out, Silent())
    return out


def rows(folder: Path, stage: str = "main") -> dict[str, list[dict[str, Any]]]:
    return {
        path.name.removeprefix("samples_").rpartition("_")[0]: [
            json.loads(line) for line in path.read_text("utf-8").split("\n") if line
        ]
        for path in (folder / stage).rglob("samples_*.jsonl")
    }


def noted(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "main").rglob("results_*.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["config"]["stopping"]
    return found


@pytest.mark.parametrize("name", ["bow", "oracle"])
def test_every_verdict_is_that_of_the_gate_on_what_was_asked(stopped: Path, name: str) -> None:
    logged, record = rows(stopped / name), noted(stopped / name)
    canonical = {r["doc"]["item_id"]: r["acc"] for r in logged["oodrop__canonical__everyday"]}
    spec, subset = get_task("everyday"), item_subset(get_task("everyday"), ITEMS, 2026)
    assert subset is not None
    ids = sorted(spec.docs("test")[k]["item_id"] for k in subset)
    order = [ids[k] for k in random_order(ITEMS, 2026)]
    assert {*canonical} == {*order[: len(canonical)]}
    gated = 0
    for task, row in record["tasks"].items():
        own = {r["doc"]["item_id"]: r for r in logged[task]}
        assert len(own) == row["items"]
        assert row["items_of"] == ITEMS
        assert {*own} == {*order[: row["items"]]}
        if "changed_of" not in row:
            continue
        gated += 1
        gate = Sequential(margin=0.2, estimand="full_run", items=row["changed_of"])
        for item in order[: row["items"]]:
            if "acc" in own[item]:
                gate.update([canonical[item] - own[item]["acc"]])
        assert gate.standing.seen == row["changed"]
        assert gate.standing.decision == row["decision"]
        assert gate.standing.decided_at == row["decided_at"]
        assert gate.standing.estimate == row["estimate"]
        # One round before it the gate was open, or everything was asked.
        assert row["decision"] is not None
    assert gated == len(record["tasks"]) - 2  # canonical and identity decide nothing
    assert sum(row["items"] for row in record["tasks"].values()) < 0.8 * ITEMS * len(
        record["tasks"]
    )


def test_the_rerun_asks_what_the_canonical_task_was_asked(stopped: Path) -> None:
    main = rows(stopped / "bow")["oodrop__canonical__everyday"]
    (rerun,) = rows(stopped / "bow", "rerun").values()
    assert [r["doc_id"] for r in rerun] == [r["doc_id"] for r in main]


def test_a_report_tells_the_verdicts_and_compares_nothing(stopped: Path, tmp_path: Path) -> None:
    report = build_report([stopped / "bow", stopped / "oracle"], resamples=200)
    assert [[a.checkpoint for a in t.analysis.accuracies] for t in report.tasks] == [
        ["bow"],
        ["oracle"],
    ]
    for task, name in zip(report.tasks, ("bow", "oracle"), strict=True):
        record = noted(stopped / name)["tasks"]
        assert len(task.stopped) == len(record) - 2
        for one in task.stopped:
            row = record[f"oodrop__{one.variant}__everyday"]
            assert (one.gate.decision, one.gate.items) == (row["decision"], row["items"])
        for slug, counts in task.outcomes.items():
            row = record.get(f"oodrop__{slug}__everyday", {})
            assert counts.not_asked == task.items - row.get("items", task.items)
        assert task.questions == Questions()
        left = {slug for slug, counts in task.outcomes.items() if counts.not_asked}
        left |= {info.family for info in task.variants if info.slug in left}
        unknown = {drop.name for drop in task.analysis.drops if drop.all_items is None}
        assert unknown == left & {drop.name for drop in task.analysis.drops}
    (bow,), (oracle,) = map(verdicts, report.tasks)
    assert [finding.tone for finding in bow.findings] == ["uninformative"]
    slugs = [one.variant for one in report.tasks[1].stopped]
    (finding,) = oracle.findings
    assert finding.text == (
        f"loses less than 20.0 points under {len(slugs)} of {len(slugs)} variants "
        f"({', '.join(slugs)}; sequential gates, each wrong with a probability of at most 0.05)"
    )
    first = report.notes[0]
    assert first.startswith("bow was stopped early on everyday: each variant was asked until")
    assert "of the answers were left out" in first
    written = {path.name: path for path in write_report(report, tmp_path)}
    assert "Stopped when decided" in written["summary.md"].read_text("utf-8")
    assert "Stopped when decided" in written["report.html"].read_text("utf-8")


def test_a_stopped_run_goes_on_to_the_full_one(stopped: Path, tmp_path: Path) -> None:
    full = replace(PLAN, stop=None, checkpoints=PLAN.checkpoints[:1])
    run(replace(PLAN, checkpoints=full.checkpoints), tmp_path, Silent())
    asked = len(rows(tmp_path / "bow")["oodrop__canonical__everyday"])
    reporter = First()
    run(full, tmp_path, reporter)
    assert reporter.first >= asked
    run(full, tmp_path / "direct", Silent())
    assert rows(tmp_path / "bow") == rows(tmp_path / "direct" / "bow")
    assert rows(tmp_path / "bow", "rerun") == rows(tmp_path / "direct" / "bow", "rerun")
    with pytest.raises(DataError, match="holds an evaluation with another stop"):
        run(replace(PLAN, checkpoints=full.checkpoints), tmp_path, Silent())


class First(Silent):
    """Remembers how many answers were there at the beginning."""

    first = -1

    def progress(self, there: int, needed: int) -> None:
        if self.first < 0:
            self.first = there


def test_an_interrupted_one_asks_the_same_rounds(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLAN, checkpoints=PLAN.checkpoints[:1])
    calls = 0
    take = adaptive._Rounds.take

    def interrupted(self: Any, items: Any, evaluation: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        take(self, items, evaluation)

    with monkeypatch.context() as patch:
        patch.setattr(adaptive._Rounds, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(plan, tmp_path, Silent())
    run(plan, tmp_path, Silent())
    assert noted(tmp_path / "bow") == noted(stopped / "bow")
    assert rows(tmp_path / "bow") == rows(stopped / "bow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimand": "population"}, "must be full_run, got 'population'"),
        ({"margin": "much"}, "margin of config.stopping must be in"),
        ({"margin": -0.1}, "margin of config.stopping must be 0 or more"),
        ({"alpha": float("inf")}, "alpha of config.stopping must be in"),
        ({"tasks": {}}, "config.stopping says nothing of oodrop__"),
        ({"tasks": []}, "config.stopping says nothing of oodrop__"),
    ],
)
def test_what_a_file_says_of_stopping_is_not_believed_blindly(
    stopped: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    refuse(stopped, tmp_path, lambda stopping: stopping.update(change), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": 10**6}, "must count items of items_of, got 1000000 of"),
        ({"changed": True}, "must count changed of changed_of, got True of"),
        ({"decision": "maybe"}, "must be one of PASS, FAIL, INCONCLUSIVE, got 'maybe'"),
        ({"estimate": 3}, "estimate of config.stopping must be in"),
    ],
)
def test_nor_what_it_says_of_a_variant(
    stopped: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    def alter(stopping: dict[str, Any]) -> None:
        for row in stopping["tasks"].values():
            row.update(change)

    refuse(stopped, tmp_path, alter, message)


def refuse(stopped: Path, tmp_path: Path, alter: Any, message: str) -> None:
    import shutil

    shutil.copytree(stopped / "oracle", tmp_path / "oracle")
    (path,) = (tmp_path / "oracle" / "main").rglob("results_*.json")
    data = json.loads(path.read_text("utf-8"))
    alter(data["config"]["stopping"])
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        build_report([tmp_path], resamples=100)

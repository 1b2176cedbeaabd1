"""The report as a whole: repeatable, light, and true of a real run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import oodrop
from oodrop.reports.build import build_report
from oodrop.reports.model import Report

from .runs import sha256, write_checkpoint

Read = Callable[..., Report]


def test_the_same_input_gives_equal_reports(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "alpha", items=range(40), per_cluster=2)
    write_checkpoint(tmp_path, "beta", items=range(40), per_cluster=2, score=lambda k: k % 2 * 1.0)
    first, second = (build_report([tmp_path], resamples=200) for _ in range(2))
    assert first == second
    assert repr(first) == repr(second)
    assert build_report([tmp_path], resamples=200, seed=1) != first


def test_settings_reach_the_report(alpha: Path) -> None:
    report = build_report([alpha], resamples=123, seed=7, interval="score", title="Nightly")
    analysis = report.tasks[0].analysis
    assert (analysis.resamples, analysis.seed, analysis.interval) == (123, 7, "score")
    assert (report.title, report.oodrop_version) == ("Nightly", oodrop.__version__)


def test_reports_import_no_heavy_library() -> None:
    code = """
import importlib, sys
from pathlib import Path
import oodrop.reports
root = Path(oodrop.reports.__path__[0])
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root).with_suffix("").parts
    importlib.import_module(".".join(["oodrop.reports", *(p for p in parts if p != "__init__")]))
assert {"oodrop.reports.flips", "oodrop.reports.render.html"} <= set(sys.modules)
heavy = {"torch", "transformers", "lm_eval", "nlpaug", "sklearn", "datasets"}
print(sorted(heavy & set(sys.modules)))
ours = ("oodrop.harness_ext", "oodrop.tasks", "oodrop.perturbers")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""
    source = str(Path(oodrop.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "[]"]


# --- a real run ----------------------------------------------------------------------------------


IN_THE_REAL_RUN = (
    "control.identity",
    "control.rerun",
    "lexical.keyboard_typo",
    "ordering.fact_order",
)


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oracle and bag of words on eight everyday items, through `lm_eval.simple_evaluate`."""
    from oodrop.harness_ext.checkpoints import CheckpointSpec
    from oodrop.harness_ext.plan import RunPlan
    from oodrop.harness_ext.runner.run import run
    from oodrop.perturbers import get_suite
    from oodrop.perturbers.suites import Suite

    class Silent:
        def message(self, text: str) -> None: ...

        def progress(self, there: int, needed: int) -> None: ...

    folder = tmp_path_factory.mktemp("real")
    smoke = get_suite("smoke-1.0").variants
    suite = Suite("tiny", "", tuple(v for v in smoke if v.perturber in IN_THE_REAL_RUN))
    checkpoints = tuple(
        CheckpointSpec(name=name, model=f"oodrop-{name}", items=8) for name in ("oracle", "bow")
    )
    with pytest.MonkeyPatch.context() as patch:  # it asks pip and the compiler for seconds
        patch.setattr("torch.utils.collect_env.get_pretty_env_info", lambda: "")
        run(RunPlan(checkpoints, ("everyday",), suite), folder, Silent())
    return folder


def test_a_real_run_is_read(real_run: Path, read: Read) -> None:
    report = read(real_run)
    assert [c.name for c in report.checkpoints] == ["oracle", "bow"]
    assert [c.model for c in report.checkpoints] == ["oodrop-oracle", "oodrop-bow"]
    assert {c.lm_eval_version for c in report.checkpoints} == {"0.4.13"}
    (task,) = report.tasks
    assert (task.task, task.items, task.analysis.chance) == ("everyday", 8, 0.25)
    assert {v.perturber for v in task.variants} == set(IN_THE_REAL_RUN)
    assert task.analysis.accuracies[0].estimate == 1.0
    oracle = [d for d in task.analysis.drops if d.checkpoint == "oracle"]
    assert {d.estimate for d in oracle} <= {0.0, None}
    assert [f.flips for f in task.analysis.noise_floor if f] == [0, 0]
    assert task.flips_total["oracle"] == 0
    for slug, counts in task.outcomes.items():
        total = counts.changed + counts.unchanged + counts.not_applicable + counts.refused
        assert total == 8, slug
    assert report.notes == ()


def test_the_helper_writes_what_lm_eval_writes(real_run: Path, alpha: Path) -> None:
    """Same keys, same hashes: what the other tests prove holds for the real thing."""
    real, ours = (_first_canonical(folder) for folder in (real_run / "oracle", alpha))
    assert list(real) == list(ours)
    assert set(real["doc"]["oodrop"]) == set(ours["doc"]["oodrop"])
    assert {k: type(v) for k, v in real["arguments"].items()} == {
        k: type(v) for k, v in ours["arguments"].items()
    }
    for row in (real, ours):
        assert row["doc_hash"] == sha256(json.dumps(row["doc"], indent=2, ensure_ascii=False))
        assert row["prompt_hash"] == sha256(row["arguments"]["gen_args_0"]["arg_0"])
        assert row["target_hash"] == sha256(str(row["target"]))
    real_results, our_results = (
        json.loads(next((f / "main").rglob("results_*.json")).read_text())
        for f in (real_run / "oracle", alpha)
    )
    assert set(our_results) <= set(real_results)
    for key in ("config", "configs"):
        assert isinstance(real_results[key], dict)
    name = "oodrop__canonical__everyday"
    assert set(our_results["configs"][name]) <= set(real_results["configs"][name])
    assert set(our_results["configs"][name]["metadata"]["oodrop"]) - {"severity"} <= set(
        real_results["configs"][name]["metadata"]["oodrop"]
    )


def _first_canonical(folder: Path) -> dict:
    (path,) = folder.rglob("samples_oodrop__canonical__everyday_*.jsonl")
    with path.open(encoding="utf-8") as lines:
        return json.loads(lines.readline())

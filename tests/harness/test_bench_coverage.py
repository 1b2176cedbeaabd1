"""``oodrop bench coverage``: its simulations, its processes, its page, figures from cells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from oodrop import OodropError, UnknownNameError
from oodrop.harness_ext.bench import BenchResult
from oodrop.harness_ext.bench.coverage import bench_coverage, figures, intervals
from oodrop.harness_ext.bench.coverage.cell import Cell
from oodrop.harness_ext.bench.coverage.intervals import CEILING, USUAL, Setting, setting_cells
from oodrop.harness_ext.bench.coverage.jobs import _interrupts_wait, run_jobs
from oodrop.harness_ext.bench.coverage.page import judged_rows, page
from oodrop.harness_ext.bench.coverage.simulate import answers, cluster_sizes
from oodrop.harness_ext.cli.app import run
from oodrop.reports.statistics import cluster_sums

from .conftest import Refusal

FIGURES = [
    "min_regular_coverage",
    "max_regular_coverage",
    "min_ceiling_coverage",
    "max_gate_miss_regular",
    "simultaneous_coverage_30",
    "holm_family_error",
    "worst_variant_band_coverage",
    "sequential_false_pass",
    "sequential_false_fail",
    "sequential_saved_at_0",
    "sequential_saved_at_5",
]
ONES = np.ones(200, np.int64)


# --- the study of the intervals, with fewer repetitions ------------------------------------


def by_method(setting: Setting, repetitions: int) -> dict[str, Cell]:
    return {cell.method: cell for cell in setting_cells(setting, repetitions, seed=7)}


def test_coverage_where_clusters_are_few() -> None:
    """11 clusters of nine, 4,000 repetitions: a standard error of .35 points, three left on
    either side. A normal quantile for Student's t, a design effect of 1, a factor 2 in Tango's
    variance or document resamples in place of clusters all leave these bounds."""
    found = by_method(Setting(USUAL, 11, 9, "equal", 0.3), 4000)
    allowed = {
        "auto": (0.955, 0.98),
        "bootstrap_t": (0.953, 0.976),
        "score_ess": (0.955, 0.98),
        "cv3_t": (0.943, 0.968),
        "percentile": (0.89, 0.92),
        "bca": (0.87, 0.905),
        "newcombe": (0.83, 0.87),
        "document_percentile": (0.80, 0.845),
    }
    assert {name: cell.rate for name, cell in found.items()} == {
        name: pytest.approx((low + high) / 2, abs=(high - low) / 2)
        for name, (low, high) in allowed.items()
    }
    assert found["auto"].width_ratio == pytest.approx(1.10, abs=0.02)
    assert found["bootstrap_t"].width_ratio == pytest.approx(1.11, abs=0.02)
    assert found["percentile"].width_ratio == pytest.approx(0.83, abs=0.02)
    assert found["cv3_t"].width_ratio == 1.0


def test_coverage_in_a_regular_cell_of_unequal_clusters() -> None:
    found = by_method(Setting(USUAL, 111, 9, "lognormal", 0.3), 1000)
    assert found["auto"].key == "regular_coverage"
    assert 0.93 <= found["auto"].rate <= 0.975
    assert found["document_percentile"].rate <= 0.80
    assert found["auto"].rate == found["bootstrap_t"].rate


def test_coverage_near_the_ceiling() -> None:
    found = by_method(Setting(CEILING, 300, 1, "equal", 0.0), 1000)
    assert (found["auto"].key, found["auto"].low) == ("min_ceiling_coverage", 0.92)
    assert 0.92 <= found["auto"].rate <= 0.985
    assert found["auto"].width_ratio is not None
    assert found["auto"].width_ratio > 1.05


def test_the_standard_error_is_that_of_the_estimate() -> None:
    """The mean of CR1^2 is the variance of theta; without G/(G-1) it would be 9% less."""
    generator = np.random.default_rng(3)
    sizes = np.full(11, 9)
    right, codes = answers(
        6000, sizes, USUAL, icc=0.3, correlation=0.5, generator=generator
    )  # standard error of the ratio: sqrt(2/6000) and the little that CR1 itself varies
    values = right[:, 0].astype(float) - right[:, 1]
    sums = cluster_sums(values, np.ones(values.shape, bool), codes)
    assert np.mean(sums.cr1**2) / np.var(sums.theta) == pytest.approx(1.0, abs=0.065)
    assert np.mean(sums.cv3**2) / np.var(sums.theta) == pytest.approx(1.0, abs=0.065)


def test_the_cells_are_those_that_were_promised() -> None:
    known = intervals.settings()
    assert len(known) == len(set(known)) == 63
    assert set(intervals.few_settings()) <= set(known)
    single = [s for s in known if s.per_cluster == 1]
    assert [s.accuracies for s in single] == [(0.83, 0.78), (0.98, 0.97), (0.5, 0.45)]
    assert {(s.clusters, s.sizes, s.icc) for s in known if s.per_cluster > 1} == {
        (clusters, sizes, icc)
        for clusters in (11, 33, 111, 333, 1000)
        for sizes in ("equal", "lognormal")
        for icc in (0.0, 0.1, 0.3)
    }


# --- the simulator -------------------------------------------------------------------------


def test_simulated_answers_have_the_accuracies_and_discordant_pairs_of_their_setting() -> None:
    setting = Setting(USUAL, 200, 1, "equal", 0.0)
    right, _ = answers(
        2000, ONES, USUAL, icc=0.2, correlation=0.5, generator=np.random.default_rng(1)
    )
    assert right.mean(axis=(0, 2)) == pytest.approx(USUAL, abs=0.003)
    moved = (right[:, 0] != right[:, 1]).mean()
    assert moved == pytest.approx(setting.discordant, abs=0.003)
    assert setting.drop == pytest.approx(0.05)


def test_simulated_clusters_share_what_icc_says() -> None:
    """Two items of a cluster are right together as a normal pair of correlation icc is."""
    right, codes = answers(
        4000, np.full(20, 2), [0.8], icc=0.3, correlation=0.5, generator=np.random.default_rng(2)
    )
    both = (right[:, 0, ::2] & right[:, 0, 1::2]).mean()
    limit = stats.norm.ppf(0.8)
    pair = stats.multivariate_normal(cov=[[1.0, 0.3], [0.3, 1.0]])
    assert both == pytest.approx(float(pair.cdf([limit, limit])), abs=0.006)
    assert codes.tolist() == np.repeat(np.arange(20), 2).tolist()


def test_simulated_sizes() -> None:
    generator = np.random.default_rng(0)
    assert cluster_sizes(5, 9, "equal", generator).tolist() == [9] * 5
    spread = cluster_sizes(4000, 9, "lognormal", generator)
    assert spread.min() >= 1
    assert spread.mean() == pytest.approx(9, abs=0.2)
    assert spread.sum() ** 2 / (spread**2).sum() == pytest.approx(4000 / np.e, rel=0.3)


# --- processes -----------------------------------------------------------------------------

JOBS = """
import os
from oodrop.harness_ext.bench.coverage.intervals import Setting, setting_cells

def one(repetitions, seed, say):
    say("one")
    yield from setting_cells(Setting((0.8, 0.7), 12, 3, "equal", 0.1), repetitions, seed)

def two(repetitions, seed, say):
    say("two")
    yield from setting_cells(Setting((0.8, 0.6), 12, 3, "lognormal", 0.1), repetitions, seed)

def breaks(repetitions, seed, say):
    raise ZeroDivisionError("by design")

def dies(repetitions, seed, say):
    os._exit(3)
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("jobs_of_a_test")
    del sys.modules["jobs_of_a_test"]


def test_the_number_of_processes_does_not_matter(jobs: Any) -> None:
    told: list[str] = []
    both = run_jobs([jobs.one, jobs.two], 30, 5, told.append, processes=2)
    assert run_jobs([jobs.two, jobs.one], 30, 5, told.append, processes=1) == [
        *both[len(both) // 2 :],
        *both[: len(both) // 2],
    ]
    assert sorted(told) == ["one", "one", "two", "two"]


def test_the_seed_and_the_setting_decide() -> None:
    here, there = (Setting((0.8, 0.7), 12, 3, "equal", icc) for icc in (0.0, 0.1))
    found = [list(setting_cells(here, 30, seed)) for seed in (5, 5, 6)]
    assert found[0] == found[1] != found[2]
    assert list(setting_cells(there, 30, 5)) != found[0]


def test_a_study_that_fails_is_named(jobs: Any) -> None:
    with pytest.raises(OodropError, match="study jobs_of_a_test failed: ZeroDiv.*: by design") as e:
        run_jobs([jobs.breaks], 3, 1, lambda text: None, processes=1)
    assert "Traceback" in e.value.__notes__[0]


def test_a_process_that_dies_is_no_hang(jobs: Any) -> None:
    with pytest.raises(OodropError, match="study jobs_of_a_test ended without a result"):
        run_jobs([jobs.one, jobs.dies], 3, 1, lambda text: None, processes=2)


def hears_interrupts() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(sys.platform == "win32", reason="has no signal masks")
def test_a_start_is_not_interrupted_whichever_thread_is_told() -> None:
    over, started = threading.Event(), list[bool]()

    def start() -> None:
        with _interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
            started.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    other = threading.Thread(target=over.wait)  # hears what this one has blocked
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert started
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
        other.join()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_an_interrupt_ends_all_processes() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "oodrop.harness_ext.cli", "bench", "coverage"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hears_interrupts,  # no threads are there yet
    )
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 60
    while len(listed.read_text().split()) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    children = [int(pid) for pid in listed.read_text().split()]
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 130
    assert "Traceback" not in said
    assert children
    # multiprocessing's own helper ends a moment after the process that it helped.
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


# --- figures and page ----------------------------------------------------------------------


def cell(rate: float, key: str = "", **more: Any) -> Cell:
    fields: dict[str, Any] = {"study": "interval", "setting": {"clusters": 33}, "method": "auto"}
    return Cell(**(fields | {"repetitions": 400, "rate": rate, "key": key} | more))


def test_figures_are_the_worst_of_their_cells() -> None:
    cells = [
        cell(0.95, "regular_coverage"),
        cell(0.94, "regular_coverage"),
        cell(0.2),
        cell(0.03, "max_gate_miss_regular"),
        cell(0.05, "max_gate_miss_regular"),
        cell(0.7, "sequential_saved_at_5"),
        cell(0.8, "sequential_saved_at_5"),
    ]
    found = figures(cells)
    assert list(found) == FIGURES
    assert {name: value for name, value in found.items() if value is not None} == {
        "min_regular_coverage": 0.94,
        "max_regular_coverage": 0.95,
        "max_gate_miss_regular": 0.05,
        "sequential_saved_at_5": 0.7,
    }


def result_of(cells: Sequence[Cell]) -> BenchResult:
    names = {name: None for c in cells for name in c.setting}
    rows = [{"study": None, **names, **c.as_row()} for c in cells]
    return BenchResult("coverage", {"cpu": "secret"}, {"seed": 1}, rows, figures(cells))


def test_the_page_says_first_what_falls_outside() -> None:
    cells = [
        cell(0.95, low=0.935, high=0.97, width_ratio=1.013),
        cell(0.90, low=0.935, setting={"clusters": 1111}),
        cell(0.5, method="bca"),
        cell(0.25, study="gate", setting={"margin": 0.02}, method="gate", high=0.065),
    ]
    shown = page(result_of(cells))
    lines = shown.splitlines()
    assert "2 of 3 cells with bounds:" in lines
    assert "- interval, `auto`, clusters 1,111: 90.0 ± 1.5, allowed at least 93.5" in lines
    assert "- gate, `gate`, margin 0.02: 25.0 ± 2.2, allowed at most 6.5" in lines
    assert "| 33 | `auto` | 95.0 ± 1.1 | 93.5 to 97 | 1.01 |" in lines
    assert "| 1,111 | `auto` | **90.0 ± 1.5** | at least 93.5 |  |" in lines
    assert "| 33 | 50.0 |" in lines
    assert shown.index("Outside") < shown.index("## Figures") < shown.index("## Gate")
    assert "secret" not in shown


def test_a_page_without_anything_outside_says_so() -> None:
    shown = page(result_of([cell(0.95, low=0.935)]))
    assert "Nothing: all 1 cells with bounds lie inside them." in shown
    assert "Others on the same data" not in shown


def test_the_terminal_shows_cells_outside_first_and_no_comparison() -> None:
    cells = [cell(0.95, low=0.9), cell(0.5, method="bca"), cell(0.8, low=0.9)]
    rows = judged_rows(result_of(cells))
    assert [(row["percent"], row["outside"]) for row in rows] == [
        ("80.0 ± 2.0", True),
        ("95.0 ± 1.1", False),
    ]


# --- the command ---------------------------------------------------------------------------


def test_the_command_runs_and_writes_its_page(tmp_path: Path) -> None:
    where = tmp_path / "COVERAGE.md"
    arguments = ["bench", "coverage", "--quick", "--only", "intervals", "-o", str(where)]
    with redirect_stdout(StringIO()) as printed:
        assert run([*arguments, "--json"]) == 0
    shown = json.loads(printed.getvalue())
    assert list(shown) == ["bench", "machine", "settings", "rows", "figures"]
    assert list(shown["figures"]) == FIGURES
    assert shown["settings"]["repetitions"] == 400
    assert len({tuple(row) for row in shown["rows"]}) == 1
    assert len(shown["rows"]) == 8 * len(intervals.few_settings())
    # 400 repetitions: a standard error of 1.1 points.
    assert shown["figures"]["min_regular_coverage"] >= 0.91
    assert shown["figures"]["max_regular_coverage"] <= 0.99
    assert shown["figures"]["holm_family_error"] is None
    assert where.read_text("utf-8").startswith("# Coverage study\n")


def test_wrong_requests_are_refused_before_anything_is_simulated(
    tmp_path: Path, refusal: Refusal
) -> None:
    code, said = refusal(["bench", "coverage", "--only", "nonsense"])
    assert code == 2
    assert "unknown study 'nonsense'; there are:" in said
    assert "intervals" in said
    code, said = refusal(["bench", "coverage", "-o", str(tmp_path / "no" / "page.md")])
    assert code == 2
    assert "--output takes a file in a folder that is there" in said
    with pytest.raises(UnknownNameError):
        bench_coverage(only=["nonsense"], notify=lambda text: None)
    with pytest.raises(OodropError, match="at least one repetition; got 0"):
        bench_coverage(repetitions=0, notify=lambda text: None)


def test_the_committed_page_is_a_full_run() -> None:
    shown = Path(intervals.__file__).with_name("COVERAGE.md").read_text("utf-8")
    assert "repetitions 4,000, " in shown
    assert "quick no." in shown
    (section,) = [part for part in shown.split("\n## ") if part.startswith("Interval\n")]
    rows = [line for line in section.splitlines() if "| `auto` |" in line]
    assert len(rows) == len(intervals.settings())
    assert "studies intervals, decisions, comparisons, joint, " in shown
    assert "not measured" not in shown

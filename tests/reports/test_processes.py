"""Several processes read what one reads, and fail where one fails."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from oodrop import DataError, OodropError
from oodrop.reports import workers
from oodrop.reports.reader import read_runs
from oodrop.reports.results import RunFile, Samples
from oodrop.reports.samplefile import Job
from oodrop.reports.table import Table

from .runs import (
    CANONICAL,
    IDENTITY,
    MAIN,
    ORDER,
    TYPO,
    samples_file,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)


def same_table(left: Table, right: Table) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        if isinstance(a, np.ndarray)
        else list(left) == list(right)
        if f.name == "ids"
        else a == b
        for f in fields(Table)
        for a, b in [(getattr(left, f.name), getattr(right, f.name))]
    )


def every(runs: list[RunFile]) -> list[Samples]:
    return [samples for run in runs for samples in run.samples]


@pytest.mark.parametrize("processes", [2, 3, 50])
def test_what_is_read_does_not_depend_on_the_number(tmp_path: Path, processes: int) -> None:
    for name in ("alpha", "beta"):
        write_checkpoint(tmp_path, name, items=range(40), per_cluster=3)
    alone = read_runs([tmp_path], processes=1)
    several = read_runs([tmp_path], processes=processes)
    assert [run.path for run in alone] == [run.path for run in several]
    assert len(every(alone)) == 10
    for left, right in zip(every(alone), every(several), strict=True):
        assert same_table(left.rows, right.rows)
        for f in fields(Samples):
            if f.name != "rows":
                assert getattr(left, f.name) == getattr(right, f.name), f.name


@pytest.mark.parametrize("processes", [1, 3])
def test_the_first_file_with_an_error_is_told(tmp_path: Path, processes: int) -> None:
    """The order is that of the results file, whoever finds an error first."""
    write_run(tmp_path, tasks_of(*MAIN))
    for kind in (IDENTITY, ORDER):
        samples_file(tmp_path, kind).write_bytes(b"broken\n")
    long = samples_file(tmp_path, TYPO)
    long.write_bytes(long.read_bytes() + b"broken\n")
    with pytest.raises(DataError) as caught:
        read_runs([tmp_path], processes=processes)
    assert f"{samples_file(tmp_path, IDENTITY)}, line 1: not JSON" in str(caught.value)
    samples_file(tmp_path, IDENTITY).unlink()
    with pytest.raises(DataError, match="is missing"):  # nothing before it is damaged
        read_runs([tmp_path], processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_damaged_samples_are_told_before_a_later_results_file(
    tmp_path: Path, processes: int
) -> None:
    write_run(tmp_path / "a", tasks_of(*MAIN))
    write_run(tmp_path / "b", tasks_of(*MAIN), day=1).write_bytes(b"{")
    with pytest.raises(DataError, match=r"b.*results_.*not JSON"):
        read_runs([tmp_path], processes=processes)
    samples_file(tmp_path / "a", ORDER).write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read_runs([tmp_path], processes=processes)


def test_few_bytes_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    monkeypatch.setattr(workers, "_Worker", None)
    assert len(every(read_runs([tmp_path]))) == 4


def test_many_bytes_start_one_process_per_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    monkeypatch.setattr(workers, "SMALL", 1)
    for cores, expected in ((1, 0), (3, 3), (16, 4)):
        started = []

        class Counted(workers._Worker):
            def __enter__(self, started: list[int] = started) -> Counted:  # noqa: PYI034
                started.append(1)
                return super().__enter__()

        with monkeypatch.context() as patch:
            patch.setattr(workers, "_Worker", Counted)
            patch.setattr(workers.os, "sched_getaffinity", lambda _, n=cores: set(range(n)))
            assert len(every(read_runs([tmp_path]))) == 4
        assert len(started) == expected


def test_a_process_that_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    monkeypatch.setattr(workers, "_START", "raise SystemExit(7)")
    with pytest.raises(OodropError, match=r"the process that read it was ended \(code 7\)"):
        read_runs([tmp_path], processes=2)


def halve(number: int) -> int:
    """A job that ends its process, refuses, or answers."""
    if number == 13:
        os._exit(9)
    if number % 2:
        raise DataError(f"{number} is odd")
    return number // 2


def test_one_process_that_is_ended_takes_no_other_job_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where a worker finds this module
    found = list(workers.run_jobs(halve, [2, 3, 13, 13, 4, 13, 6], 2))
    words = "the process that read it was ended (code 9)"
    assert [str(f) for f in found] == ["1", "3 is odd", words, words, "2", words, "3"]
    assert isinstance(found[2], workers.EndedError)


def test_no_process_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    started: list[workers._Worker] = []
    real = workers._Worker.__enter__
    monkeypatch.setattr(
        workers._Worker, "__enter__", lambda self: started.append(self) or real(self)
    )
    read_runs([tmp_path], processes=2)
    samples_file(tmp_path, CANONICAL).write_bytes(b"broken\n")
    with pytest.raises(DataError):
        read_runs([tmp_path], processes=2)
    assert len(started) == 4
    assert all(worker._process.poll() is not None for worker in started)


def test_files_with_the_same_items_share_them(tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        write_checkpoint(tmp_path, name, items=range(20))
    rows = [samples.rows for samples in every(read_runs([tmp_path], processes=2))]
    assert len({id(r.ids) for r in rows}) == 1
    assert len({id(r.clusters) for r in rows}) == 1


def test_memory_of_a_row(tmp_path: Path) -> None:
    """A million rows have room: some hundred bytes each, items and their names once."""
    write_run(tmp_path, tasks_of(CANONICAL, items=range(1000)))
    (samples,) = every(read_runs([tmp_path]))
    arrays = [getattr(samples.rows, f.name) for f in fields(Table)]
    assert sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) <= 125 * 1000


def test_a_job_is_plain(tmp_path: Path) -> None:
    """A worker that is told in words could be on another machine: no open files, no functions."""
    job = Job(tmp_path / "a", tmp_path / "b", task_name(TYPO), "acc", "none")
    json.dumps(job.__dict__, default=str)

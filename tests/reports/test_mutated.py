"""10,000 damaged folders: a result or an `OodropError`, soon, and never a wrong number.

A result is right where it equals that of the clean run, if the damage touched nothing that numbers
rest on, and where a naive reading gives the same accuracies, drops and losses in every case.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from oodrop import NotComparableError, OodropError
from oodrop.reports.build import build_report
from oodrop.reports.compare import Comparison, compare
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import GateReport, run_gate
from oodrop.reports.model import Report

from . import naive
from .mutations import Case, Corpus, Files, make_case

SECONDS = 60  # a case takes a fifth of one; the machine may be loaded
MEMORY = 4 * 2**30
FEW, MANY, BLOCK = 240, 10_000, 1_220

# --- what is asked of a folder -------------------------------------------------------------------


def report_of(folder: Path) -> Report:
    return build_report([folder], resamples=20)


def gate_of(folder: Path) -> GateReport:
    return run_gate(folder / "alpha", folder / "beta", Policy())


def comparison_of(folder: Path) -> Comparison:
    return compare([folder / "alpha", folder / "beta"])


ENTRIES: dict[str, Callable[[Path], Any]] = {
    "report": report_of,
    "gate": gate_of,
    "compare": comparison_of,
}


def put(folder: Path, files: Files) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def ended(ask: Callable[[Path], Any], folder: Path) -> Any:
    """The result, or the error that is allowed; with all warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return ask(folder)
        except OodropError as error:
            message = str(error).replace(str(folder), "")
            assert "\n" not in message, f"a message of several lines: {message!r}"
            assert len(message) < 700, f"a long message: {message[:200]!r}"
            message.encode()
            return error


# --- what must be right --------------------------------------------------------------------------


def figures(result: Any) -> Any:
    """All numbers of a result."""
    if isinstance(result, Report):
        return [(t.task, t.items, t.analysis, t.outcomes, t.questions) for t in result.tasks]
    if isinstance(result, GateReport):
        return result.decision, result.rows
    return result.tasks, result.splits


def check(result: Any, files: Files) -> None:
    """The result against the naive one."""
    if isinstance(result, Report):
        _check_report(result, naive.variants(files))
        return
    own = [
        naive.variants({p: c for p, c in files.items() if p.parts[0] == name})
        for name in ("alpha", "beta")
    ]
    if isinstance(result, GateReport):  # each folder by itself
        _check_gate(result, own)
        return
    # Without a file of oodrop's own a checkpoint may have runs in both folders.
    one, other = dict.fromkeys(checkpoint for found in own for checkpoint, _, _ in found)
    whole = naive.variants(files)
    of = [{key: s for key, s in whole.items() if key[0] == name} for name in (one, other)]
    _check_comparison(result, of)


def _check_report(report: Report, found: naive.Found) -> None:
    accuracies = Counter(
        (t.task, a.n, naive.value(a.estimate)) for t in report.tasks for a in t.analysis.accuracies
    )
    assert accuracies == Counter(naive.accuracies(found))
    drops = Counter(
        (t.task, d.name, d.n, naive.value(d.estimate))
        for t in report.tasks
        for d in t.analysis.drops
        if d.kind == "variant" and d.estimate is not None and d.family != "linked"
    )
    wrong = drops - Counter(naive.drops(found))
    assert not wrong, f"drops that nobody else finds: {wrong}"


def _check_gate(gate: GateReport, both: Sequence[naive.Found]) -> None:
    two = naive.shared(both)
    for row in gate.rows:
        g = row.gate
        if g.loss is not None and not g.name.startswith("linked"):
            before, after = (naive.mean_under(f, g.task, g.name, g.kind) for f in two)
            assert naive.value(g.loss) == naive.value(before - after), g.name


def _check_comparison(comparison: Comparison, both: Sequence[naive.Found]) -> None:
    two = naive.shared(both)
    for task in comparison.tasks:
        for row in task.accuracies:
            if row.accuracy_a is not None and not row.name.startswith("linked"):
                expected = [naive.mean_under(f, task.task, row.name, row.kind) for f in two]
                told = (row.accuracy_a, row.accuracy_b or 0.0)
                assert [*map(naive.value, told)] == [*map(naive.value, expected)], row.name


# --- a block of cases in a process of its own ----------------------------------------------------


@dataclass
class Tally:
    """What came out of cases.

    Attributes:
        ends: (entry, how it ended) -> number of cases.
        equal: results that had to equal those of the clean run, and did.
        wrong: one text per case that must not be.
        slowest: seconds of the slowest case.
    """

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    equal: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, other: Tally) -> None:
        self.ends += other.ends
        self.equal += other.equal
        self.wrong += other.wrong
        self.slowest = max(self.slowest, other.slowest)


class Block:
    """Cases one after the other, each in the folder of its corpus."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clean: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.tally = Tally()

    def run(self, number: int) -> None:
        """One case: damage, ask, check, mend."""
        case = make_case(number)
        folder = self._folder / case.corpus.name
        essence, before = self._clean_of(case.corpus, folder)
        began = time.perf_counter()
        put(folder, case.changed)
        try:
            idle = naive.essence(case.files) == essence
            for entry, ask in ENTRIES.items():
                self._one(entry, ended(ask, folder), case, before.get(entry) if idle else None)
        except Exception:
            self.tally.wrong.append(f"case {number}, {case.what}\n{traceback.format_exc(limit=-6)}")
        finally:
            put(folder, {path: case.corpus.files[path] for path in case.changed})
        self.tally.slowest = max(self.tally.slowest, time.perf_counter() - began)

    def _one(self, entry: str, result: Any, case: Case, before: Any) -> None:
        error = isinstance(result, OodropError)
        self.tally.ends[entry, type(result).__name__ if error else "result"] += 1
        if error:
            return
        check(result, case.files)
        if before is not None:
            assert figures(result) == before, "other numbers, and nothing of them was touched"
            self.tally.equal += 1

    def _clean_of(self, corpus: Corpus, folder: Path) -> tuple[Any, dict[str, Any]]:
        if corpus.name not in self._clean:
            put(folder, corpus.files)
            results = {entry: ended(ask, folder) for entry, ask in ENTRIES.items()}
            # A run that was stopped early has a report, and is compared with no other.
            found = {k: r for k, r in results.items() if not isinstance(r, NotComparableError)}
            assert list(found) == list(ENTRIES)[: 1 if "stopped" in corpus.name else 3], results
            for result in found.values():
                check(result, corpus.files)
            figured = {entry: figures(result) for entry, result in found.items()}
            self._clean[corpus.name] = (naive.essence(corpus.files), figured)
        return self._clean[corpus.name]


def in_a_process(folder: Path, first: int, last: int) -> Tally:
    """The cases in a child whose every case is timed, and whose memory has an end."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    log = folder / "log"
    child = context.Process(target=_child, args=(folder, log, first, last, there))
    child.start()
    there.close()
    try:
        tally: Tally = here.recv()
    except EOFError:
        child.join()
        pytest.fail(f"cases {first} to {last}: a hang, or a crash\n{log.read_text()}")
    child.join()
    return tally


def _child(folder: Path, log: Path, first: int, last: int, results: Connection) -> None:
    # Beside what the tests before it have loaded into the process that was forked.
    used = int(Path("/proc/self/statm").read_text("utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    block = Block(folder)
    with log.open("w") as lines:
        for number in range(first, last):
            print(f"case {number}", file=lines, flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True, file=lines)
            block.run(number)
            faulthandler.cancel_dump_traceback_later()
    results.send(block.tally)
    os._exit(0)  # what pytest has open is not for the child to close


def test_a_hang_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "report", lambda folder: time.sleep(60))
    monkeypatch.setattr("tests.reports.test_mutated.SECONDS", 1)
    with pytest.raises(pytest.fail.Exception, match=r"case 7\n(.|\n)*in <lambda>"):
        in_a_process(tmp_path, 7, 8)


def test_a_few_damaged_folders(tmp_path: Path) -> None:
    tally = in_a_process(tmp_path, 0, FEW)
    assert not tally.wrong, f"{len(tally.wrong)} wrong\n" + "\n".join(tally.wrong[:3])
    assert {end for _, end in tally.ends} == {"result", "DataError", "NotComparableError"}
    assert tally.equal > FEW // 3


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FEW, MANY, BLOCK))
def test_many_damaged_folders(
    tmp_path: Path, first: int, record_property: Callable[[str, object], None]
) -> None:
    tally = in_a_process(tmp_path, first, first + BLOCK)
    for (entry, end), count in tally.ends.items():
        record_property(f"{entry}: {end}", count)
    assert not tally.wrong, f"{len(tally.wrong)} wrong\n" + "\n".join(tally.wrong[:5])

"""Answers survive a kill, are shared within a checkpoint and never across."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from oodrop import RunError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.runner.journal import Journal, request_key
from oodrop.harness_ext.runner.journalled import JournalledLM, Purpose


class Counting(LM):
    """Answers with the length of the prompt and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        self.asked += [r.args for r in requests]
        return [(-float(len(r.args[0])), False) for r in requests]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        return [-float(len(r.args[0])) for r in requests]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        first = len(self.asked)
        self.asked += [r.args for r in requests]
        return [f"{first + k}:{r.args[0]}" for k, r in enumerate(requests)]


def ask(*arguments: Any, kind: str = "loglikelihood") -> list[Instance]:
    return [Instance(kind, {}, args, k) for k, args in enumerate(arguments)]


def quiet(there: int, needed: int) -> None:
    pass


def journalled(lm: Any, folder: Path, **purpose: Any) -> JournalledLM:
    folder.mkdir(exist_ok=True)
    return JournalledLM(lm, Journal(folder / "j.sqlite"), quiet, Purpose(**purpose))


def test_identical_requests_are_computed_once_and_answered_in_order(tmp_path: Path) -> None:
    lm = Counting()
    requests = ask(("aa", "x"), ("b", "x"), ("aa", "x"), ("aa", "y"))
    answers = journalled(lm, tmp_path).loglikelihood(requests)
    assert [a[0] for a in answers] == [-2.0, -1.0, -2.0, -2.0]
    assert sorted(lm.asked) == [("aa", "x"), ("aa", "y"), ("b", "x")]


def test_a_second_process_finds_the_answers(tmp_path: Path) -> None:
    answers = journalled(Counting(), tmp_path).loglikelihood(ask(("aa", "x"), ("b", "x")))
    lm = Counting()
    requests = ask(("b", "x"), ("aa", "x"), ("b", "x"), ("c", "z"))
    again = journalled(lm, tmp_path, made_for="another suite")
    assert again.loglikelihood(requests)[:2] == answers[::-1]
    assert lm.asked == [("c", "z")]


def test_a_rerun_shares_nothing_but_continues(tmp_path: Path) -> None:
    requests = ask(("a", "x"), ("a", "x"))
    journalled(Counting(), tmp_path).loglikelihood(requests)
    lm = Counting()
    rerun = {"stage": "rerun", "shares": False}
    journalled(lm, tmp_path, **rerun).loglikelihood(requests)
    assert lm.asked == [("a", "x"), ("a", "x")]
    journalled(lm, tmp_path, **rerun).loglikelihood(requests)
    assert len(lm.asked) == 2


@pytest.mark.parametrize(
    "settings",
    [{"do_sample": True}, {"temperature": 0.7}, {"do_sample": False, "temperature": 0.7}],
)
def test_sampled_replies_are_never_shared_and_are_there_when_a_run_continues(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """A server takes the temperature at its word, and k replies to an item must be k draws."""
    lm = Counting()
    sampled = ("p", {**settings, "until": []})
    greedy = ("p", {"do_sample": False, "temperature": 0.0, "until": []})
    requests = ask(sampled, sampled, greedy, greedy, kind="generate_until")
    requests.append(requests[0])  # one more reply to the first document
    answers = journalled(lm, tmp_path).generate_until(requests)
    assert len(lm.asked) == 4
    assert answers[2] == answers[3]
    assert len({*answers}) == 4
    assert journalled(lm, tmp_path).generate_until(requests) == answers
    assert len(lm.asked) == 4


def test_requests_differ_by_kind_prompt_and_settings_but_not_by_key_order() -> None:
    keys = {
        request_key("loglikelihood", ("a", "b")),
        request_key("loglikelihood", ("ab", "")),
        request_key("generate_until", ("a", {"until": ["x"], "t": 1})),
        request_key("generate_until", ("a", {"until": ["y"], "t": 1})),
    }
    assert len(keys) == 4
    left = request_key("generate_until", ("a", {"t": 1, "until": []}))
    assert left == request_key("generate_until", ("a", {"until": [], "t": 1}))


def test_a_journal_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "j.sqlite").write_text("nothing like it " * 100)
    with pytest.raises(RunError, match=r"j\.sqlite"):
        Journal(tmp_path / "j.sqlite")


def outputs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Samples by task, without what may differ between two runs."""
    found = {}
    for path in sorted((folder / "main").rglob("samples_*.jsonl")):
        task = path.name.rpartition("_")[0]
        found[task] = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return found


def hears_interrupts() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupted_command_says_how_it_continues_and_ends_up_the_same(
    tiny_model: Path, tmp_path: Path
) -> None:
    command = [
        "run", "--model", "hf", "--name", "tiny", "--quiet",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--tasks", "everyday",
        "--device", "cpu", "--items", "30", "--batch_size", "1", "-o",
    ]  # fmt: skip
    assert oodrop([*command, str(tmp_path / "whole")]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "oodrop.harness_ext.cli", *command, str(tmp_path / "stopped")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=hears_interrupts,  # no threads are there yet
    )
    folder = tmp_path / "stopped" / "tiny"
    try:
        for _ in range(2400):
            if any(f.stat().st_size > 100_000 for f in folder.glob("*.sqlite-wal")):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the run never wrote to its journal")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.strip() == (
        "oodrop: interrupted; the same command continues where this one stopped"
    )
    assert not (folder / "main").exists()
    assert "stopped: KeyboardInterrupt" in (tmp_path / "stopped" / "run.log").read_text("utf-8")
    (database,) = folder.glob("journal-*.sqlite")
    with closing(Journal(database)) as kept:
        assert kept._db.execute("SELECT count(*) FROM answers").fetchone()[0] > 10
    assert oodrop([*command, str(tmp_path / "stopped")]) == 0
    expected = outputs(tmp_path / "whole" / "tiny")
    assert outputs(folder) == expected
    assert len(expected) == 8


class Batched(Counting):
    """Has room for so many prompts at a time; torch itself says when it has not."""

    batch_size_per_gpu = 8

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.calls = room, 0

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        import torch

        self.calls += 1
        if self.batch_size_per_gpu > self.room:
            torch.empty(2**50)
        return super().loglikelihood(requests)


def test_without_memory_the_batch_is_halved_and_the_work_goes_on(tmp_path: Path) -> None:
    lm, said = Batched(room=3), list[str]()
    wrapped = JournalledLM(lm, Journal(tmp_path / "j.sqlite"), quiet, say=said.append)
    requests = ask(*((f"{k:03}", "x") for k in range(20)))
    assert len(wrapped.loglikelihood(requests)) == 20
    assert said == [
        "out of memory: the batch size goes from 8 to 4",
        "out of memory: the batch size goes from 4 to 2",
    ]
    assert len(lm.asked) == 20
    assert lm.calls == 2 + 3  # the units are those of the batch size that was asked for


def test_one_prompt_that_does_not_fit_is_an_error_and_costs_nothing_else(tmp_path: Path) -> None:
    wrapped = journalled(Batched(room=0), tmp_path)
    with pytest.raises(RunError, match="out of memory with one prompt at a time .*smaller"):
        wrapped.loglikelihood(ask(("a", "x")))


def test_units_are_the_same_when_a_run_continues(tmp_path: Path) -> None:
    """What was computed together is computed together again: batches decide the rounding."""
    requests = ask(*((f"{k:0{3 + k % 5}}", "x") for k in range(30)))

    class Stopping(Batched):
        units: list[list[Any]]

        def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
            self.units = [*getattr(self, "units", []), [r.args for r in requests]]
            if len(self.units) == self.room:
                raise KeyboardInterrupt
            return Counting.loglikelihood(self, requests)

    whole = Stopping(room=99)
    journalled(whole, tmp_path / "whole").loglikelihood(requests)
    stopped, after = Stopping(room=3), Stopping(room=99)
    with pytest.raises(KeyboardInterrupt):
        journalled(stopped, tmp_path / "stopped").loglikelihood(requests)
    journalled(after, tmp_path / "stopped").loglikelihood(requests)
    assert stopped.units[:2] + after.units == whole.units
    assert [len(unit) for unit in whole.units] == [8, 8, 8, 6]
    lengths = [len(args[0]) for unit in whole.units for args in unit]
    assert lengths == sorted(lengths, reverse=True)


def test_a_model_that_plans_by_itself_is_told_what_is_known(tmp_path: Path) -> None:
    class Planning(Counting):
        plans_whole = True

        def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
            answers = []
            for k, request in enumerate(requests):
                known = self.cache_hook.known("loglikelihood", request.args)
                if known is None:
                    self.asked.append(request.args)
                    self.cache_hook.add_partial("loglikelihood", request.args, (-1.0 - k, False))
                    known = (-1.0 - k, False)
                if k == self.stop:
                    raise KeyboardInterrupt
                self.cache_hook.commit()
                answers.append(known)
            return answers

    requests = ask(("a", "x"), ("b", "x"), ("a", "x"), ("c", "x"))
    first, second = Planning(), Planning()
    first.stop, second.stop = 1, 99
    with pytest.raises(KeyboardInterrupt):
        journalled(first, tmp_path).loglikelihood(requests)
    answers = journalled(second, tmp_path).loglikelihood(requests)
    assert second.asked == [("b", "x"), ("c", "x")]  # what came after the last commit is lost
    assert [a[0] for a in answers] == [-1.0, -2.0, -1.0, -3.0]
    other = Planning()
    other.stop = 99
    more = [*requests, *ask(("d", "x"))]
    journalled(other, tmp_path, made_for="another suite").loglikelihood(more)
    assert other.asked == [("d", "x")]


def test_rates_are_kept_for_estimates(tmp_path: Path) -> None:
    journalled(Batched(room=8), tmp_path, made_for="m").loglikelihood(
        ask(*((f"{k:03}", "x") for k in range(20)))
    )
    with closing(Journal(tmp_path / "j.sqlite")) as journal:
        rates = journal._db.execute("SELECT stage, requests, seconds FROM rates").fetchall()
    assert [(stage, count) for stage, count, _ in rates] == [("m", 8), ("m", 8), ("m", 4)]
    assert all(seconds >= 0 for *_, seconds in rates)


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j.sqlite")) as old:
        old.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT)")
    with pytest.raises(RunError, match=r"has format 0, this version of oodrop reads 1; remove it"):
        Journal(tmp_path / "j.sqlite")


def test_an_answer_that_is_there_stays(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j.sqlite")) as journal:
        journal.put({"a": 1.0}, "first")
        journal.put({"a": 2.0, "b": 3.0}, "second")
        assert journal.known(["a", "b"]) == {"a": (1.0, "first"), "b": (3.0, "second")}


class Drawing(Counting):
    """Replies are draws."""

    batch_size_per_gpu = 2

    def __init__(self, patience: int = 99) -> None:
        super().__init__()
        self.patience = patience

    def generate_until(self, requests: list[Instance]) -> list[str]:
        if not self.patience:
            raise KeyboardInterrupt
        self.patience -= 1
        return [str(torch.rand(1).item()) for _ in requests]


def test_draws_that_a_stop_left_out_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    settings = {"do_sample": True, "temperature": 1.0}
    requests = ask(*[(f"prompt {k}", settings) for k in range(9)], kind="generate_until")
    whole = journalled(Drawing(), tmp_path / "whole").generate_until(requests)
    assert len({*whole}) == 9
    with pytest.raises(KeyboardInterrupt):
        journalled(Drawing(patience=2), tmp_path / "stopped").generate_until(requests)
    torch.manual_seed(99)
    assert journalled(Drawing(), tmp_path / "stopped").generate_until(requests) == whole
    other = journalled(Drawing(), tmp_path / "other", seed=5).generate_until(requests)
    assert not {*other} & {*whole}

"""Answers survive a kill, are shared within a checkpoint and never across."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from oodrop import RunError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.journal import Journal, request_key
from oodrop.harness_ext.journalled import JournalledLM, Purpose


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


def test_a_killed_run_continues_and_ends_up_the_same(tiny_model: Path, tmp_path: Path) -> None:
    command = [
        "run", "--model", "hf", "--name", "tiny",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--tasks", "everyday",
        "--device", "cpu", "--items", "30", "--batch_size", "1", "-o",
    ]  # fmt: skip
    assert oodrop([*command, str(tmp_path / "whole")]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "oodrop.harness_ext.cli", *command, str(tmp_path / "killed")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    journal = tmp_path / "killed" / "tiny"
    try:
        for _ in range(1200):
            if any(f.stat().st_size > 200_000 for f in journal.glob("*.sqlite-wal")):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the run never wrote to its journal")
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    assert not (journal / "main").exists()
    (database,) = journal.glob("journal-*.sqlite")
    with closing(Journal(database)) as kept:
        assert kept._db.execute("SELECT count(*) FROM answers").fetchone()[0] > 10
    assert oodrop([*command, str(tmp_path / "killed")]) == 0
    expected = outputs(tmp_path / "whole" / "tiny")
    assert outputs(journal) == expected
    assert len(expected) == 8

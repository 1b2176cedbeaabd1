"""Hashes of a row, computed again: whatever was changed after lm-eval wrote it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oodrop import DataError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.reports.build import build_report
from oodrop.reports.hashes import check_hashes
from oodrop.reports.lines import parse_object
from oodrop.reports.model import Report

from .runs import (
    CANONICAL,
    MAIN,
    TYPO,
    Row,
    edit_json,
    edit_line,
    rehash,
    rows,
    samples_file,
    sha256,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)

Edit = Callable[[Row], Any]


def verified(folder: Path) -> Report:
    return build_report([folder], resamples=50, verify=True)


def written(row: Row) -> tuple[dict[str, Any], bytes]:
    """A row as lm-eval writes it, read back."""
    line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    return parse_object(line, "here"), line


def with_doc(extra: Any) -> Row:
    row = rows(TYPO)[0]
    row["doc"]["extra"] = extra
    rehash(row)
    return row


# --- what is as it was written --------------------------------------------------------------------


@pytest.mark.parametrize("generate", [False, True])
def test_a_run_that_nobody_touched(tmp_path: Path, generate: bool) -> None:
    for name, score in (("alpha", None), ("beta", lambda k: float(k == 1))):
        write_checkpoint(tmp_path, name, score=score, generate=generate)
    report = verified(tmp_path)
    assert report.notes == ()
    assert report == build_report([tmp_path], resamples=50)


ODD = {
    "exponents": [1e16, 1e22, 1e-7, 1.5e300, 5e-324, 0.1, -0.0, 1.0, 123456789.123],
    "long integers": [2**63, 2**64, -(2**63) - 1, 10**40],
    "not numbers": [float("nan"), float("inf"), -float("inf")],
    "not numbers, and long integers": [float("nan"), 10**40],
    "empty": [[], {}, "", [[]], {"a": {}}],
    "text": ['"\\/\b\f\n\r\t', "\x00\x1f\x7f", "é\u2028\u2029测😀", "</script>"],
    "keys": {"": 1, "é": 2, "a b": 3},
    "nested": [[[[{"a": [None, True, False]}]]]],
}


@pytest.mark.parametrize("extra", ODD.values(), ids=list(ODD))
def test_whatever_json_holds_is_written_as_python_writes_it(extra: Any) -> None:
    assert check_hashes(*written(with_doc(extra)), "here") == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# A loaded machine draws slowly, which says nothing of the code.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_every_document_that_json_can_hold(extra: Any) -> None:
    assert check_hashes(*written(with_doc(extra)), "here") == 0


@given(JSON, JSON)
def test_no_other_document_has_its_hash(extra: Any, other: Any) -> None:
    row = with_doc(extra)
    row["doc"]["extra"] = other
    if json.dumps(extra) == json.dumps(other):
        assert check_hashes(*written(row), "here") == 0
    else:
        with pytest.raises(DataError, match="here: 'doc_hash'"):
            check_hashes(*written(row), "here")


def test_targets_that_are_numbers() -> None:
    """Older versions did not write them as text."""
    row = rows(TYPO)[0]
    for target in (3, 2.5, True, "3"):
        row["target"] = target
        rehash(row)
        assert check_hashes(*written(row), "here") == 0


def test_the_prompt_of_a_chat_model() -> None:
    row = rows(TYPO, generate=True)[0]
    messages = json.dumps([{"role": "user", "content": "é?"}])
    row["arguments"]["gen_args_0"]["arg_0"] = [messages]
    rehash(row)
    assert row["prompt_hash"] == sha256(messages)
    assert check_hashes(*written(row), "here") == 0
    row["arguments"]["gen_args_0"]["arg_0"] = [messages + " "]
    with pytest.raises(DataError, match="'prompt_hash'"):
        check_hashes(*written(row), "here")


# --- what was changed -----------------------------------------------------------------------------


def _prompt(row: Row) -> None:
    row["arguments"]["gen_args_0"]["arg_0"] += " "


CHANGES: dict[str, tuple[str, Edit]] = {
    "question": ("doc_hash", lambda row: row["doc"].update(question="?")),
    "gold": ("doc_hash", lambda row: row["doc"]["oodrop"].update(gold="bowl")),
    "cluster": ("doc_hash", lambda row: row["doc"]["oodrop"].update(cluster_id="x")),
    "outcome": ("doc_hash", lambda row: row["doc"]["oodrop"].update(reason="none")),
    "surrogate": ("doc_hash", lambda row: row["doc"].update(question="\ud800")),
    "order of keys": ("doc_hash", lambda row: row["doc"].update(gold=row["doc"].pop("gold"))),
    "prompt": ("prompt_hash", _prompt),
    "target": ("target_hash", lambda row: row.update(target="2")),
    "hash of the document": ("doc_hash", lambda row: row.update(doc_hash="0" * 64)),
    "hash of the prompt": ("prompt_hash", lambda row: row.update(prompt_hash="0" * 64)),
    "hash of the target": ("target_hash", lambda row: row.update(target_hash="0" * 64)),
    "a hash that is none": ("target_hash", lambda row: row.update(target_hash=None)),
}


@pytest.mark.parametrize(("name", "edit"), CHANGES.values(), ids=list(CHANGES))
def test_a_changed_row(alpha: Path, name: str, edit: Edit) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 5, edit)
    with pytest.raises(DataError) as caught:
        verified(alpha)
    assert f"{path}, line 5, item 'everyday.004': '{name}' is not the hash" in str(caught.value)


def _drop_last(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


@pytest.mark.parametrize(
    "edit",
    [_drop_last, lambda lines: lines[1:], lambda lines: [*lines[1:], lines[0]]],
    ids=["last", "first", "order"],
)
def test_rows_that_are_missing_or_moved(
    alpha: Path, edit: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = samples_file(alpha, CANONICAL)
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(DataError, match=r"missing, added or in another order.*task_hashes") as e:
        verified(alpha)
    assert str(path) in str(e.value)


def test_rows_of_other_filters_are_in_the_hash_of_all(tmp_path: Path) -> None:
    tasks = tasks_of(*MAIN)
    for name, samples in tasks.items():
        tasks[name] = [r for row in samples for r in (row, {**row, "filter": "strict"})]
    write_run(tmp_path, tasks)
    assert verified(tmp_path).notes == ()
    path = samples_file(tmp_path, TYPO)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match="task_hashes"):
        verified(tmp_path)


# --- what nobody can compute ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        lambda row: row.pop("target_hash"),
        lambda row: row["arguments"].pop("gen_args_0"),
        lambda row: row.update(arguments=[]),
        lambda row: row["arguments"].update(gen_args_0={"arg_0": {"image": 1}}),
        lambda row: row.update(target=["a"]),
    ],
)
def test_what_cannot_be_checked_is_counted(alpha: Path, edit: Edit) -> None:
    results = next((alpha / "main").rglob("results_*.json"))
    edit_json(results, lambda data: data.pop("task_hashes"))  # older versions have none
    for line in (2, 3):
        edit_line(samples_file(alpha, CANONICAL), line, edit)
    (note,) = verified(alpha).notes
    assert note.startswith("2 hashes in 1 files (everyday) could not be computed again")
    assert build_report([alpha], resamples=50).notes == ()


def test_rows_of_score_reference_are_checked_under_their_own_task() -> None:
    """They hold the hashes of the replies, whose prompts are not theirs."""
    row = rows(TYPO, generate=True)[0]
    record = row["doc"]["oodrop"]
    row["doc"]["oodrop"] = {**record, "task": "everyday_reference", "of_task": record["task"]}
    assert check_hashes(*written(row), "here") == 1
    row["doc"]["oodrop"]["gold"] = "bowl"
    with pytest.raises(DataError, match="'doc_hash'"):
        check_hashes(*written(row), "here")


# --- rows that the results file counts ------------------------------------------------------------


def _cut(folder: Path, keep: int) -> None:
    for path in folder.rglob("samples_*.jsonl"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))


def test_a_study_that_was_cut_between_lines(tmp_path: Path) -> None:
    """All files cut at one item hold the same items: only the results file knows of the others."""
    write_run(tmp_path, tasks_of(*MAIN))
    _cut(tmp_path, 9)
    path = samples_file(tmp_path, CANONICAL)
    with pytest.raises(DataError) as caught:
        build_report([tmp_path], resamples=50)
    assert f"{path} has 9 rows with a metric (filter 'none')" in str(caught.value)
    assert "counts 12 documents (n-samples)" in str(caught.value)


def _version(data: dict[str, Any], version: object) -> None:
    data["lm_eval_version"] = version


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: _version(data, "0.4.12"),  # counted documents without a metric too
        lambda data: _version(data, "0.4.5"),
        lambda data: _version(data, None),
        lambda data: data.pop("n-samples"),
        lambda data: data.update({"n-samples": None}),
        lambda data: data.update({"n-samples": {task_name(k): {"original": 12} for k in MAIN}}),
        lambda data: data.update({"n-samples": {task_name(k): {"effective": "9"} for k in MAIN}}),
    ],
)
def test_older_layouts_are_read_without_the_count(tmp_path: Path, edit: Edit) -> None:
    edited = write_run(tmp_path, tasks_of(*MAIN), edit=edit)
    _cut(edited.parent, 9)
    assert build_report([tmp_path], resamples=50).tasks[0].items == 9


def test_rows_without_a_metric_are_not_counted(tmp_path: Path) -> None:
    """Three items of the variant have none, and the count is of the others."""
    path = write_run(tmp_path, tasks_of(*MAIN))
    counts = json.loads(path.read_bytes())["n-samples"]
    assert counts[task_name(TYPO)] == {"original": 12, "effective": 9}
    build_report([tmp_path], resamples=50)


# --- the command ----------------------------------------------------------------------------------


def test_the_command(alpha: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["report", str(alpha), "-o", str(tmp_path / "out"), "--resamples", "100"]
    assert oodrop([*command, "--verify"]) == 0
    edit_line(samples_file(alpha, TYPO), 5, CHANGES["prompt"][1])
    assert oodrop(command) == 0
    assert oodrop([*command, "--verify"]) == 2
    assert "line 5" in capsys.readouterr().err

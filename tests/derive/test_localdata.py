"""Local copies of data sets: every form, and what is said of one that does not do."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from oodrop import DataError
from oodrop.harness_ext.derive import localdata, registry
from oodrop.harness_ext.derive.localdata import local_splits, name_data

ROWS: list[dict[str, Any]] = [
    {"question": f"Which of these floats on water, case {k}?", "answer": str(k)} for k in range(6)
]


def write(path: Path, ending: str) -> Path:
    file = path / f"test{ending}"
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    match ending:
        case ".jsonl":
            file.write_text(lines)
        case ".jsonl.gz":
            file.write_bytes(gzip.compress(lines.encode()))
        case ".json":
            file.write_text(json.dumps(ROWS))
        case ".csv":
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, ["question", "answer"])
                writer.writeheader()
                writer.writerows(ROWS)
        case ".parquet":
            datasets.Dataset.from_list(ROWS).to_parquet(file)
    return file


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_every_form_is_read(ending: str, is_folder: bool, tmp_path: Path) -> None:
    file = write(tmp_path, ending)
    name_data([f"mine={tmp_path if is_folder else file}"])
    splits = local_splits(["mine"], "test")
    assert splits is not None
    assert splits["test"].to_list() == ROWS
    assert len(splits["train"]) == 0


def test_a_saved_data_set_is_read(tmp_path: Path) -> None:
    whole = datasets.DatasetDict(
        {"test": datasets.Dataset.from_list(ROWS), "train": datasets.Dataset.from_list(ROWS[:2])}
    )
    whole.save_to_disk(str(tmp_path / "saved"))
    name_data([f"mine={tmp_path / 'saved'}"])
    splits = local_splits(["other", "mine"], "test")
    assert splits is not None
    assert (splits["test"].to_list(), len(splits["train"])) == (ROWS, 2)


def test_without_a_copy_there_is_none() -> None:
    assert local_splits(["mine"], "test") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"{\n", "holds a line that is not JSON"),
        ("a.jsonl", b"", "must hold at least one document"),
        ("a.json", b"[1, 2]", "must hold at least one document, each with named fields"),
        ("a.json", b"{", "cannot be read as a table"),
        ("a.parquet", b"no", "cannot be read as a table"),
        ("a.jsonl", b'{"a": 1}\n{"a": "b"}\n', "cannot be read as a table"),
        ("a.txt", b"x", r"must end in one of \.jsonl"),
        ("a.jsonl.gz", b"no", "cannot be read"),
    ],
)
def test_what_is_no_table_is_told(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    name_data([f"mine={tmp_path / name}"])
    with pytest.raises(DataError, match=message):
        local_splits(["mine"], "test")


def test_a_folder_without_the_evaluated_split_is_told(tmp_path: Path) -> None:
    write(tmp_path, ".jsonl")
    name_data([f"mine={tmp_path}"])
    with pytest.raises(DataError, match="lacks the split 'validation'.*it has: test"):
        local_splits(["mine"], "validation")


@pytest.mark.parametrize("pair", ["mine", "=x", "mine=", "a=b;c"])
def test_what_is_no_pair_is_told(pair: str) -> None:
    with pytest.raises(DataError, match="takes NAME=PATH"):
        name_data([pair])


def test_a_path_where_nothing_is_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data mine: nothing is at"):
        name_data([f"mine={tmp_path / 'none'}"])


def test_the_variable_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(localdata.DATA_VARIABLE, "nonsense")
    with pytest.raises(DataError, match="OODROP_DATA must hold NAME=PATH"):
        local_splits(["mine"], "test")


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text('{"question": "What floats on water?", "choices": {"text": ["a", "b"]}}\n')
    name_data([f"arc_easy={file}"])
    with pytest.raises(DataError, match="task arc_easy: its data lack a field.*label"):
        registry.derive("arc_easy")


def test_the_name_of_the_data_set_serves_every_task_of_it(stubs: Any) -> None:
    name_data([f"allenai/ai2_arc:ARC-Easy={stubs('arc_easy')}"])
    assert registry.derive("arc_easy").derivation.fields == {"question": "question"}


def test_without_data_the_message_says_how_to_name_a_copy() -> None:
    with pytest.raises(DataError, match="a local copy is named by --data arc_easy=PATH"):
        registry.derive("arc_easy")

"""Folders of a user's own tasks that are not as their note says: named, and never run."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from oodrop import DataError
from oodrop.tasks import all_tasks, get_task


def change(note: dict[str, Any], **fields: Any) -> None:
    note.update(fields)


NOTES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "kind": (lambda n: change(n, kind="images"), "line 1: .*'kind' must be one of procedural, "),
    "no kind": (lambda n: n.pop("kind"), "the field 'kind' is missing"),
    "name": (lambda n: change(n, name="else"), "'name' must be that of the folder, wards, got"),
    "source": (lambda n: change(n, source="a\x1b[2J"), "'source' must be one line of text"),
    "field": (lambda n: change(n, extra=1), "unknown field 'extra'; allowed: kind, name, source"),
    "splits": (lambda n: change(n, splits=[]), "splits must be a mapping, got list"),
    "split": (lambda n: n["splits"].update(dev={}), "a split is one of train, .*, got 'dev'"),
    "nothing": (lambda n: change(n, splits={}), "must have test or heldout, or there is nothing"),
    "items": (lambda n: n["splits"]["test"].update(items="12"), "'items' must be a whole number"),
    "zero": (lambda n: n["splits"]["test"].update(items=0), "'items' must be a whole number"),
    "hash": (lambda n: n["splits"]["test"].update(sha256="ab"), "64 hexadecimal digits, got 'ab'"),
    "more": (lambda n: n["splits"]["test"].update(x=1), "unknown field 'x'"),
}


@pytest.mark.parametrize("case", NOTES)
def test_a_note_that_is_none_is_named(
    case: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter, message = NOTES[case]
    shutil.copytree(mine / "wards", tmp_path / "wards")
    path = tmp_path / "wards" / "task.yaml"
    note = yaml.safe_load(path.read_text("utf-8"))
    alter(note)
    path.write_text(yaml.safe_dump(note, sort_keys=False), encoding="utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    for look in (all_tasks, lambda: get_task("wards")):
        with pytest.raises(DataError, match=rf"task\.yaml.*{message}"):
            look()
    assert get_task("everyday").name == "everyday"  # the damage is its own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: [", "line 1: not a YAML note"),
        ("kind: procedural\nkind: x\n", "line 2: not a YAML note: key 'kind' stands twice"),
        ("!!python/object/apply:os.system ['touch hacked']", "could not determine a constructor"),
        ("kind: !!int ''", "is not a YAML note"),
        ("kind: !!timestamp x", "is not a YAML note"),
        ("a: &a [x]\nkind: [*a, *a]", "must hold neither YAML aliases"),
        ("- 1\n", "must be a mapping, got list"),
        ("a: " + "[" * 15_000, "nor deep nesting"),
        ("#" * 20_000, "holds more than 16,384 bytes"),
        ("\x00", "not a YAML note"),
    ],
)
def test_a_note_that_is_not_yaml_is_named(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wards").mkdir()
    (tmp_path / "wards" / "task.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        get_task("wards")
    assert not (tmp_path / "hacked").exists()


def repacked(folder: Path, edit: Callable[[list[dict[str, Any]]], None], *, note: bool) -> None:
    """Change the test documents; ``note`` also notes their new hash."""
    path = folder / "data" / "test.jsonl.gz"
    docs = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    edit(docs)
    content = "".join(json.dumps(doc) + "\n" for doc in docs).encode()
    path.write_bytes(gzip.compress(content))
    if note:
        written = yaml.safe_load((folder / "task.yaml").read_text("utf-8"))
        written["splits"]["test"]["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "task.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[list[dict[str, Any]]], None], bool, str]] = {
    "hash": (lambda d: d[0].update(scenario="x"), False, "is not what task.yaml notes: .* got SHA"),
    "gone": (lambda d: d.clear(), True, "task.yaml notes 12 items, the file has 0"),
    "label": (lambda d: d[0].update(label="non-compliant"), True, "notes 6 compliant, .* has 5"),
    "cluster": (lambda d: d[0].update(process_id="x"), True, "notes 3 clusters, the file has 4"),
    "shape": (lambda d: d[4].update(label="x"), True, "line 5: 'label' must be compliant or"),
    "field": (lambda d: d[4].update(oodrop={}), True, "line 5: unknown field 'oodrop'"),
    "id": (lambda d: d[4].pop("item_id"), True, "line 5: 'item_id' and 'process_id' must be"),
    "two": (lambda d: d[4].update(item_id=d[0]["item_id"]), True, "line 5: .* stands twice"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_data_that_are_not_as_noted_are_refused(
    case: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, note, message = DAMAGES[case]
    shutil.copytree(mine / "wards", tmp_path / "wards")
    repacked(tmp_path / "wards", edit, note=note)
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    spec = get_task("wards")
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            spec.docs("test")
    assert len(spec.docs("train")) == 12


def test_data_that_cannot_be_unpacked_are_named(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / "wards")
    path = tmp_path / "wards" / "data" / "test.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    with pytest.raises(DataError, match=r"test\.jsonl\.gz cannot be read"):
        get_task("wards").docs("test")


def test_two_folders_of_one_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / "wards")
    monkeypatch.setenv("OODROP_TASKS", os.pathsep.join([str(mine), str(tmp_path)]))
    for look in (all_tasks, lambda: get_task("wards_choice")):
        with pytest.raises(DataError, match=r"two folders hold the task 'wards\w*'"):
            look()


@pytest.mark.parametrize("name", ["procedural", "everyday", "procedural_choice"])
def test_a_folder_with_the_name_of_a_task_of_ours(
    name: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / name)
    path = tmp_path / name / "task.yaml"
    path.write_text(path.read_text("utf-8").replace("name: wards", f"name: {name}"), "utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    for look in (all_tasks, lambda: get_task(name)):
        with pytest.raises(DataError, match=rf"the task '{name}' comes with oodrop"):
            look()


def test_a_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "nowhere"))
    for look in (all_tasks, lambda: get_task("x")):
        with pytest.raises(DataError, match="OODROP_TASKS names .*nowhere, which is no folder"):
            look()

"""A baseline in one file: it decides as its folder does, holds no text, and is not believed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodrop import DataError, OodropError
from oodrop.harness_ext.cli.app import run
from oodrop.reports.frozen import freeze, thaw
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import run_gate
from oodrop.reports.pairing import one_checkpoint, pair
from oodrop.reports.reader import read_runs
from oodrop.reports.table import Table

from .runs import (
    CANONICAL,
    TYPO,
    edit_json,
    edit_line,
    samples_file,
    tasks_of,
    write_checkpoint,
    write_run,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path, "base", items=range(120), per_cluster=3)


@pytest.fixture
def frozen(base: Path, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    path.write_bytes(freeze(read_runs([base])))
    return path


def same(one: Table, other: Table) -> bool:
    names = ("outcomes", "evidence", "scores", "clusters", "canonical_digests", "doc_digests",
             "prompt_digests")  # fmt: skip
    return (
        one.ids.ids == other.ids.ids
        and one.cluster_names == other.cluster_names
        and one.parents == other.parents
        and all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=n == "scores")
                for n in names)
    )  # fmt: skip


def test_every_column_comes_back(base: Path, frozen: Path) -> None:
    before, after = read_runs([base]), thaw(frozen)
    assert len(before) == len(after) == 2
    for one, other in zip(before, after, strict=True):
        assert one.checkpoint_name == other.checkpoint_name == "base"
        for ours, theirs in zip(one.samples, other.samples, strict=True):
            assert same(ours.rows, theirs.rows)
            for name in ("task", "variant", "settings", "chance", "groups", "replies_digest"):
                assert getattr(ours, name) == getattr(theirs, name)
    (group,), (again,) = pair(before), pair(after)
    assert np.array_equal(group.paired.scores, again.paired.scores, equal_nan=True)


def test_a_frozen_baseline_decides_as_its_folder(base: Path, frozen: Path, tmp_path: Path) -> None:
    after = write_checkpoint(
        tmp_path, "after", items=range(120), per_cluster=3, score=lambda k: float(k % 4 > 1)
    )
    one, other = run_gate(base, after, Policy()), run_gate(frozen, after, Policy())
    assert one == other
    assert one.rows[0].gate.loss not in (None, 0.0)


def test_the_file_is_always_the_same_and_holds_no_text(base: Path, frozen: Path) -> None:
    data = frozen.read_bytes()
    assert freeze(read_runs([base])) == data
    assert freeze(thaw(frozen)) == data
    for text in (b"Which tool", b"spoon", b"Question"):
        assert text not in data
    assert len(data) < 0.25 * sum(p.stat().st_size for p in base.rglob("samples_*.jsonl"))


def test_secrets_and_folders_stay_out(tmp_path: Path) -> None:
    args = "pretrained=/data/me/models/alpha,api_key=hunter2hunter2"
    write_run(tmp_path / "run", tasks_of(CANONICAL, TYPO), model_args=args)
    data = freeze(read_runs([tmp_path / "run"]))
    assert b"hunter2" not in data
    assert b"/data/me" not in data
    path = tmp_path / "baseline.json"
    path.write_bytes(data)
    assert run_gate(path, tmp_path / "run", Policy()).decision in ("PASS", "INCONCLUSIVE")


def test_the_command(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b.json"
    assert run(["freeze", str(base), "-o", str(path)]) == 0
    assert f"{path.stat().st_size:,} bytes" in " ".join(capsys.readouterr().out.split())
    assert run(["gate", str(path), str(base), "--margin", "0.2"]) == 0
    assert run(["freeze", str(base), "-o", str(tmp_path / "no" / "b.json")]) == 2
    write_checkpoint(tmp_path, "other")
    assert run(["freeze", str(tmp_path), "-o", str(path)]) == 2
    assert "the baseline must be one checkpoint" in " ".join(capsys.readouterr().err.split())


def test_linked_children_come_back(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path, "base", kinds=(CANONICAL,), rerun=False)

    def child(row: dict[str, Any]) -> None:
        row["doc"]["oodrop"]["parent"] = ["made_so", "everyday.000"]

    edit_line(samples_file(base, CANONICAL), 5, child)
    try:
        before = read_runs([base])
    except DataError as error:
        pytest.fail(str(error))
    path = tmp_path / "b.json"
    path.write_bytes(freeze(before))
    assert thaw(path)[0].samples[0].rows.parents == before[0].samples[0].rows.parents


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="x"), "is no baseline of this version"),
        (lambda d: d.update(schema_version="9"), "is no baseline of this version"),
        (lambda d: d.update(runs=[]), "holds no task"),
        (lambda d: d.update(runs={}), "runs is not what oodrop freeze writes, got dict"),
        (lambda d: d["runs"].append(3), "checkpoint_key is not"),
        (lambda d: d["runs"][0].update(date="x"), "date is not what"),
        (lambda d: d["runs"][0]["samples"][0].update(chance=7), "chance is not what"),
        (lambda d: d["runs"][0]["samples"][0].update(items=10**9), "items is not what"),
        (lambda d: d["runs"][0]["samples"][0].update(items=-1), "items is not what"),
        (lambda d: d["runs"][0]["samples"][0].update(replies_per_item=[0]), "replies_per_item"),
        (lambda d: d["runs"][0]["samples"][0]["columns"].update(scores=-1), "scores is not what"),
        (lambda d: d["runs"][0]["samples"][0]["columns"].update(outcomes=2), "outcomes is not"),
        (lambda d: d["runs"][0]["samples"][0]["columns"].pop("clusters"), "clusters is not"),
        (lambda d: d["texts"][0].__setitem__(1, d["texts"][0][0]), "items is not what"),
        (lambda d: d["columns"].__setitem__(0, "///"), "outcomes is not what"),
        (lambda d: d["columns"].__setitem__(0, "/" * 160), "outcomes is not what"),
        (lambda d: d["runs"][0]["samples"][0].update(parents=[[0, "a", "b"]]), "parents is not"),
        (lambda d: d["runs"][0]["samples"][0].update(parents=[[999, "a", "b", 0]]), "parents is"),
        (lambda d: d["runs"][0]["samples"][0].update(settings={"a": 1}), "settings is not what"),
        (lambda d: d["runs"][0]["samples"][0]["settings"].pop("filter"), "'filter missing or"),
        (lambda d: d["runs"][0]["samples"][0]["settings"].update(a="b"), "'a missing or"),
    ],
)
def test_what_is_not_as_it_was_written_is_named(frozen: Path, change: Any, message: str) -> None:
    edit_json(frozen, change)
    with pytest.raises(DataError, match=message):
        thaw(frozen)


def test_damage_at_random_is_an_error_or_a_decision(
    base: Path, frozen: Path, tmp_path: Path
) -> None:
    whole, rng, refused = json.loads(frozen.read_bytes()), random.Random(5), 0
    hostile = (None, -1, 10**400, "x", [], {}, True, 1e308, "=cmd()", "\ud800", [[]], {"a": []})
    for _ in range(300):
        data = json.loads(json.dumps(whole))
        place: Any = data
        while True:
            keys = [*place] if isinstance(place, dict) else [*range(len(place))]
            key = rng.choice(keys)
            if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.2:
                break
            place = place[key]
        if rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice(hostile)
        frozen.write_text(json.dumps(data), encoding="utf-8")
        try:
            run_gate(frozen, base, Policy())
        except OodropError:
            refused += 1
    assert 100 < refused < 300
    for text in (b"", b"[", b"[" * 10_000, b"\xff", b"7" * 5_000):
        frozen.write_bytes(text)
        with pytest.raises(DataError):
            one_checkpoint("baseline", frozen)

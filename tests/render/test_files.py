"""The report in a folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import DataError
from oodrop.reports.render import files, write_report


@pytest.fixture(scope="module")
def small(make_task, make_report):
    return make_report(make_task(checkpoints=1, items=60, clusters=12, most=2))


@pytest.fixture(autouse=True)
def drawn_once(monkeypatch, small):
    """One drawing for all tests here: charts have their own."""
    from oodrop.reports.render import charts

    made = drawn_once.__dict__.setdefault("made", charts.draw(small))
    monkeypatch.setattr(charts, "draw", lambda report: made * len(report.tasks))


def test_all_files_are_written(small, tmp_path):
    paths = write_report(small, tmp_path / "deep" / "out")
    assert [p.name for p in paths] == [
        "report.html",
        "report.json",
        "summary.md",
        "drops.csv",
        "forest_procedural.svg",
        "heatmap_procedural.svg",
        "plane_procedural.svg",
    ]
    assert sorted(p.name for p in (tmp_path / "deep" / "out").iterdir()) == sorted(
        p.name for p in paths
    )
    assert all(p.stat().st_size > 100 for p in paths)
    assert paths[4].read_text(encoding="utf-8").startswith("<svg xmlns=")


def test_writing_twice_gives_the_same_bytes(small, tmp_path):
    first = [p.read_bytes() for p in write_report(small, tmp_path)]
    assert [p.read_bytes() for p in write_report(small, tmp_path)] == first


def test_hostile_task_names_stay_in_the_folder(small, tmp_path):
    tasks = tuple(replace(small.tasks[0], task=name) for name in ("../../x", "/etc/y", "a\x00b"))
    paths = write_report(replace(small, tasks=tasks), tmp_path / "out")
    assert {p.parent for p in paths} == {tmp_path / "out"}
    assert [p.name for p in paths[4:]][::3] == [
        "forest_x.svg",
        "forest_etc_y.svg",
        "forest_a_NUL_b.svg",
    ]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(small, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def refuse(source, target):
        assert Path(source).read_bytes()
        assert Path(source).parent == Path(target).parent
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"^the report cannot be written to '.*': No space left"):
        write_report(small, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_a_rendering_failure_writes_nothing(small, tmp_path, monkeypatch):
    def broken(report):
        raise ZeroDivisionError

    monkeypatch.setattr(files, "drops_csv", broken)
    with pytest.raises(ZeroDivisionError):
        write_report(small, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(small, tmp_path):
    (tmp_path / "out").write_text("here already")
    with pytest.raises(DataError, match=r"^the report cannot be written to '.*out': File exists$"):
        write_report(small, tmp_path / "out")


# --- flips.jsonl --------------------------------------------------------------------------------


def test_every_flip_is_streamed_into_a_file(small, tmp_path):
    flips = small.tasks[0].flips
    task = replace(small.tasks[0], every_flip=lambda: iter(flips))
    paths = write_report(replace(small, tasks=(task,)), tmp_path)
    assert paths[0].name == "report.html"
    lines = paths[-1].read_bytes().splitlines()
    assert paths[-1].name == "flips.jsonl"
    assert [json.loads(line) for line in lines] == [
        {"task": "procedural", **vars(flip)} for flip in flips
    ]


def test_lines_are_written_as_they_come(small, tmp_path):
    """One at a time: the second is asked for when the first has left."""
    flips, seen = small.tasks[0].flips, []

    def one_by_one():
        for flip in flips:
            (temporary,) = tmp_path.glob(".flips.jsonl*")
            seen.append(temporary.stat().st_size)
            yield replace(flip, canonical_reply="x" * 100_000)

    task = replace(small.tasks[0], every_flip=one_by_one)
    write_report(replace(small, tasks=(task,)), tmp_path)
    assert len(seen) == len(flips) == 2
    assert seen[1] >= 100_000 > seen[0]


def test_a_run_that_changed_leaves_nothing_behind(small, tmp_path):
    def changed():
        yield small.tasks[0].flips[0]
        raise DataError("the file was changed while it was read")

    task = replace(small.tasks[0], every_flip=changed)
    with pytest.raises(DataError, match="was changed"):
        write_report(replace(small, tasks=(task,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_hostile_flip_is_one_line_of_json(small, tmp_path, hostile):
    flip = replace(small.tasks[0].flips[0], variant_reply=hostile + "\n")
    task = replace(small.tasks[0], every_flip=lambda: iter([flip]))
    path = write_report(replace(small, tasks=(task,)), tmp_path)[-1]
    (line,) = path.read_bytes().split(b"\n")[:-1]
    assert json.loads(line)["variant_reply"] == hostile.replace("\ud800", "⟨U+D800⟩") + "\n"

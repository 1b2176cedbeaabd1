"""The report in a folder."""

import csv
import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import DataError
from oodrop.reports.render import files, report_html, write_report


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
        "accuracies.csv",
        "forest_procedural.svg",
        "forest_procedural.png",
        "heatmap_procedural.svg",
        "heatmap_procedural.png",
        "plane_procedural.svg",
        "plane_procedural.png",
    ]
    assert sorted(p.name for p in (tmp_path / "deep" / "out").iterdir()) == sorted(
        p.name for p in paths
    )
    assert all(p.stat().st_size > 100 for p in paths)
    assert paths[5].read_text(encoding="utf-8").startswith("<svg xmlns=")
    assert paths[6].read_bytes().startswith(b"\x89PNG\r\n")


def test_every_link_of_the_page_leads_to_a_file(small, tmp_path):
    task = replace(small.tasks[0], every_flip=lambda: iter(small.tasks[0].flips))
    paths = write_report(replace(small, tasks=(task,)), tmp_path)
    page = paths[0].read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+)"', page))
    assert linked == {p.name for p in paths} - {"report.html"}


def test_a_page_alone_links_to_no_file(small):
    from oodrop.reports.render.charts import draw

    assert not re.search(r'href="[^#]', report_html(small, draw(small)))


def test_pictures_are_dark_on_white(small, tmp_path):
    """The first pixel of a PNG of 8-bit RGBA rows, unfiltered or with a filter of zeros before."""
    data = (tmp_path / "x").parent / "forest_procedural.png"
    write_report(small, tmp_path)
    picture = data.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", picture[16:26])
    svg = (tmp_path / "forest_procedural.svg").read_text(encoding="utf-8")
    size = [float(v) for v in re.findall(r'\b(?:width|height)="([0-9.]+)"', svg)[:2]]
    assert (width, height) == tuple(round(2 * v) for v in size)
    assert (depth, kind) == (8, 6)
    parts, at = [], 8
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            parts.append(picture[at + 8 : at + 8 + length])
        at += 12 + length
    assert zlib.decompress(b"".join(parts))[1:5] == b"\xff\xff\xff\xff"


def test_numbers_of_the_charts_are_in_their_files(small, tmp_path):
    write_report(small, tmp_path)
    (row,) = csv.DictReader((tmp_path / "accuracies.csv").open(encoding="utf-8"))
    (point,) = small.tasks[0].questions.plane.points
    assert row["checkpoint"] == point.checkpoint
    assert row["role"] == "on the line"
    for name, value in (
        ("canonical_accuracy_percent", point.canonical),
        ("canonical_low", point.canonical_interval.low),
        ("variant_accuracy_percent", point.variant),
        ("variant_high", point.variant_interval.high),
    ):
        assert row[name] == f"{100 * value:.2f}"
    assert row["effective_robustness_points"] == ""


def test_writing_twice_gives_the_same_bytes(small, tmp_path):
    first = [p.read_bytes() for p in write_report(small, tmp_path)]
    assert [p.read_bytes() for p in write_report(small, tmp_path)] == first


def test_hostile_task_names_stay_in_the_folder(small, tmp_path):
    tasks = tuple(replace(small.tasks[0], task=name) for name in ("../../x", "/etc/y", "a\x00b"))
    paths = write_report(replace(small, tasks=tasks), tmp_path / "out")
    assert {p.parent for p in paths} == {tmp_path / "out"}
    assert [p.name for p in paths[5:]][::6] == [
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

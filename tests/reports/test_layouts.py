"""Every layout of lm-eval 0.4.5 to 0.4.13 is read to the same numbers, or says what it lacks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError
from oodrop.reports.build import build_report
from oodrop.reports.compare import compare
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import run_gate
from oodrop.reports.model import Report

from .layouts import LAYOUTS, Layout, layout_id, write_layout
from .runs import (
    CANONICAL,
    MAIN,
    ORDER,
    TYPO,
    Kind,
    Row,
    edit_json,
    edit_line,
    results_file,
    samples_file,
    task_name,
    tasks_of,
)

Read = Callable[..., Report]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=layout_id)
oldest, newest = LAYOUTS[0], LAYOUTS[8]
STYLES = {"chosen": False, "generated": True}


def numbers(report: Report) -> Any:
    """All that was estimated and shown of items; not when and with what it was run."""
    tasks = [replace(task, flips=()) for task in report.tasks]
    shown = [
        (f.item_id, f.direction, f.gold, f.canonical_prompt, f.canonical_reply, f.variant_prompt)
        for task in report.tasks
        for f in task.flips
    ]
    return tasks, shown, [c.name for c in report.checkpoints]


@pytest.mark.parametrize("generate", STYLES.values(), ids=list(STYLES))
@every_layout
def test_every_layout_gives_the_same_numbers(
    tmp_path: Path, read: Read, layout: Layout, generate: bool
) -> None:
    tasks = tasks_of(*MAIN, generate=generate)
    write_layout(tmp_path / "own", layout, tasks)
    write_layout(tmp_path / "newest", newest, tasks)
    report = read(tmp_path / "own")
    assert numbers(report) == numbers(read(tmp_path / "newest"))
    (task,) = report.tasks
    assert task.flips
    assert task.analysis.accuracies[0].estimate == pytest.approx(8 / 12)
    # Of 9 changed items canonical has 6 right, typos 6 and another order 3.
    drops = {d.name: d.estimate for d in task.analysis.drops if d.kind == "variant"}
    assert drops[ORDER.slug] == pytest.approx(3 / 9)
    assert drops[TYPO.slug] == pytest.approx(0.0, abs=1e-12)
    told = layout.version if layout.names_version else "unknown"
    assert report.checkpoints[0].lm_eval_version == told
    assert read(tmp_path / "own") == report


@every_layout
def test_every_layout_can_be_verified(tmp_path: Path, layout: Layout) -> None:
    write_layout(tmp_path, layout, tasks_of(*MAIN))
    report = build_report([tmp_path], resamples=50, verify=True)
    assert report.notes == ()
    path = samples_file(tmp_path, TYPO)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[1], lines[0], *lines[2:]]))
    with pytest.raises(DataError, match="task_hashes"):
        build_report([tmp_path], resamples=50, verify=True)


@every_layout
def test_two_checkpoints_of_any_layout_are_compared_and_gated(
    tmp_path: Path, layout: Layout
) -> None:
    """The newest layout is the baseline, whatever wrote the candidate."""
    write_layout(tmp_path / "a", newest, tasks_of(*MAIN), name="alpha", marked=True)
    tasks = tasks_of(*MAIN, score=lambda k: float(k % 4 == 0))
    write_layout(tmp_path / "b", layout, tasks, name="beta", marked=True)
    found = compare([tmp_path / "a", tmp_path / "b"])
    assert (found.a, found.b) == ("alpha", "beta")
    version = layout.version if layout.names_version else "one that does not say"
    told = (
        f"everyday was run with different versions of lm-eval (alpha: 0.4.12; beta: {version}), "
        "which may have built other prompts from the same items"
    )
    notes = () if layout.version == newest.version else (told,)
    assert found.notes == notes
    (order,) = [d for d in found.tasks[0].accuracies if d.name == ORDER.slug]
    # Of the 9 changed items (0-2, 4-6, 8-10): alpha 1, 4, 10, beta 0, 4, 8.
    assert (order.accuracy_a, order.accuracy_b) == pytest.approx((3 / 9, 3 / 9))
    decided = run_gate(tmp_path / "a", tmp_path / "b", Policy())
    assert (decided.baseline, decided.candidate, decided.notes) == ("alpha", "beta", notes)
    assert build_report([tmp_path], resamples=50).notes == notes
    (row,) = [r for r in decided.rows if r.must_pass]
    assert row.gate.loss == pytest.approx((9 - 6) / 18)


@every_layout
def test_many_runs_in_one_folder(tmp_path: Path, read: Read, layout: Layout) -> None:
    """Two checkpoints, canonical and variants apart, an older run of one: all beside each other."""
    for k, name in enumerate(("alpha", "beta")):
        score = None if name == "alpha" else (lambda i: float(i % 4 == 0))
        for day, kinds in ((1, (CANONICAL,)), (3, (TYPO, ORDER))):
            tasks = tasks_of(*kinds, score=score)
            write_layout(tmp_path, layout, tasks, name=name, day=day + k)
    write_layout(tmp_path, layout, tasks_of(TYPO, score=lambda k: 0.0), name="alpha", day=0)
    report = read(tmp_path)
    assert [c.name for c in report.checkpoints] == ["alpha", "beta"]
    analysis = report.tasks[0].analysis
    assert analysis.drop("alpha", TYPO.slug).estimate == pytest.approx(0.0, abs=1e-12)
    assert analysis.drop("beta", TYPO.slug).estimate == pytest.approx(0.0)


def test_arguments_as_text_or_object_name_one_checkpoint(tmp_path: Path, read: Read) -> None:
    write_layout(tmp_path, newest, tasks_of(CANONICAL))
    write_layout(tmp_path, replace(newest, as_object=False), tasks_of(TYPO), day=1)
    assert [c.name for c in read(tmp_path).checkpoints] == ["alpha"]


@pytest.mark.parametrize("other", LAYOUTS[1:9], ids=layout_id)
def test_a_variant_that_another_version_ran_is_not_comparable(
    tmp_path: Path, read: Read, other: Layout
) -> None:
    """0.4.5 to 0.4.8 do not say which one they are."""
    write_layout(tmp_path, replace(oldest, as_object=True), tasks_of(CANONICAL))
    again = replace(other, as_object=True)
    write_layout(tmp_path, again, tasks_of(TYPO), day=1)
    if other.names_version:
        with pytest.raises(NotComparableError, match="fewshot_as_multiturn|lm_eval_version"):
            read(tmp_path)
    else:
        assert len(read(tmp_path).tasks) == 1


# --- what a layout lacks -------------------------------------------------------------------------


def two_filters(kind: Kind) -> list[Row]:
    """Rows of two filters, as lm-eval orders them: filter by filter."""
    own = tasks_of(kind)[task_name(kind)]
    return [*own, *({**row, "filter": "strict", **wrong(row)} for row in own)]


def wrong(row: Row) -> Row:
    return {"acc": 0.0} if "acc" in row else {}


def list_filters(folder: Path, *names: str) -> None:
    (path,) = folder.rglob("results_*.json")
    scores = {f"acc,{name}": 0.5 for name in names}
    edit_json(path, lambda d: d.update(results=dict.fromkeys(d["configs"], scores)))


@pytest.mark.parametrize("layout", LAYOUTS[1:], ids=layout_id)
def test_several_filters_of_rows_with_names(tmp_path: Path, read: Read, layout: Layout) -> None:
    plain = replace(layout, stem="results")
    write_layout(tmp_path / "two", plain, {task_name(k): two_filters(k) for k in MAIN})
    list_filters(tmp_path / "two", "none", "strict")
    write_layout(tmp_path / "one", plain, tasks_of(*MAIN))
    assert numbers(read(tmp_path / "two")) == numbers(read(tmp_path / "one"))


@pytest.mark.parametrize("names", [("none", "strict"), ("strict",), ()], ids=str)
def test_rows_that_do_not_name_their_filter(
    tmp_path: Path, read: Read, names: tuple[str, ...]
) -> None:
    """Of 0.4.5: with two filters nobody can tell them apart, and one may be another than ours."""
    write_layout(tmp_path, oldest, {task_name(k): two_filters(k)[:12] for k in MAIN})
    assert read(tmp_path).tasks
    list_filters(tmp_path, *names)
    with pytest.raises(DataError, match=r"line 1: 'filter' must be text.*0\.4\.5.*'none'"):
        read(tmp_path)


@pytest.mark.parametrize("value", [None, 3, [], {}, ["none"], True])
def test_a_filter_that_is_no_name(alpha: Path, read: Read, value: object) -> None:
    """It would be passed over as a row of another filter."""
    path = samples_file(alpha, TYPO)
    edit_line(path, 12, lambda row: row.update(filter=value))
    with pytest.raises(DataError, match="line 12: 'filter' must be text"):
        read(alpha)


def test_a_metric_of_which_less_is_better(alpha: Path, read: Read) -> None:
    """Its drop would have the wrong sign."""
    path = results_file(alpha)
    edit_json(path, lambda d: d["higher_is_better"].update({task_name(TYPO): {"acc": False}}))
    with pytest.raises(DataError, match=rf"{path.name}: less of acc is better for .*{TYPO.slug}"):
        read(alpha)


@pytest.mark.parametrize("value", [None, [], {}, "x", {task_name(TYPO): None}, {"x": False}])
def test_directions_that_are_not_told(alpha: Path, read: Read, value: object) -> None:
    """Groups have no direction, and a version may write none."""
    report = read(alpha)
    path = results_file(alpha)
    edit_json(path, lambda d: d.update(higher_is_better=value))
    assert read(alpha) == report


@pytest.mark.parametrize("field", ["doc_hash", "prompt_hash"])
@every_layout
def test_rows_without_hashes(tmp_path: Path, read: Read, layout: Layout, field: str) -> None:
    tasks = tasks_of(*MAIN)
    write_layout(tmp_path, layout, tasks)
    for kind in MAIN:
        path = samples_file(tmp_path, kind)
        path.write_bytes(path.read_bytes().replace(f'"{field}"'.encode(), b'"no_hash"'))
    with pytest.raises(DataError, match=f"line 1: '{field}' must be text"):
        read(tmp_path)


# --- names of files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stem", ["results", "out", "results_a", "a_b_2026", "my run", "x_2026-11-20T22-06-14"]
)
@pytest.mark.parametrize("stamp", ["2026-11-21T22-06-14.086937", "2026-11-21T22-06-14"])
def test_names_of_results(tmp_path: Path, read: Read, stem: str, stamp: str) -> None:
    """`--output_path STEM.json`; no fraction in one of a million seconds."""
    path = write_layout(tmp_path, newest, tasks_of(*MAIN))
    for found in path.parent.iterdir():
        name = found.name.replace("2026-11-21T22-06-14.086937", stamp)
        found.rename(found.with_name(name.replace("results", stem, 1)))
    assert read(tmp_path).tasks[0].items == 12


def test_results_and_samples_that_were_renamed_together(tmp_path: Path, read: Read) -> None:
    path = write_layout(tmp_path, newest, tasks_of(*MAIN))
    for found in path.parent.iterdir():
        found.rename(found.with_name(found.name.replace("2026-11-21T22-06-14.086937", "first")))
    assert read(tmp_path).tasks[0].items == 12


def test_other_json_in_the_folder_is_not_read(tmp_path: Path, read: Read) -> None:
    path = write_layout(tmp_path, newest, tasks_of(*MAIN))
    for name in ("config.json", "2026-11-21T22-06-14.json", "x_2026-11-21.json", "xresults_.json"):
        (path.parent / name).write_text("no JSON")
    assert read(tmp_path).tasks[0].items == 12


def test_prefix_colliding_names(tmp_path: Path, read: Read) -> None:
    """Tasks and variants of which one's name begins with the other's keep their own samples."""
    longer = Kind(f"{TYPO.slug}0", "lexical.keyboard_typo0", "lexical", 3)
    tasks = tasks_of(CANONICAL, TYPO, score=lambda k: 1.0)
    tasks |= tasks_of(longer, score=lambda k: 0.0)
    tasks |= tasks_of(CANONICAL, TYPO, task="everyday_2", score=lambda k: 0.0)
    write_layout(tmp_path, newest, tasks)
    found = {t.task: t.analysis for t in read(tmp_path).tasks}
    assert [a.accuracies[0].estimate for a in found.values()] == [1.0, 0.0]
    assert list(found) == ["everyday", "everyday_2"]
    drops = found["everyday"].drop
    assert (drops("alpha", TYPO.slug).estimate, drops("alpha", longer.slug).estimate) == (0.0, 1.0)


def test_a_copy_of_a_run_changes_nothing(tmp_path: Path, read: Read) -> None:
    path = write_layout(tmp_path / "a", newest, tasks_of(*MAIN))
    report = read(tmp_path)
    shutil.copytree(path.parent, tmp_path / "b")
    assert read(tmp_path) == report

"""What an importer must survive (FIELD_NOTES, part 6), entry by entry, and what was not shown yet.

| entry | shown by |
|---|---|
| NaN and Infinity | here `test_numbers_that_are_none`; `test_hostile`: `test_odd_json_*` |
| `1e999` | here `test_numbers_that_are_none`; `test_hostile`: `test_odd_json_*` |
| "N/A", list or string metrics | `test_bad_input`: `test_a_metric_that_is_not_a_number` |
| `predict_only` | here `test_predict_only_in_every_layout` |
| 0-byte or truncated samples | `test_bad_input`: `test_samples_of_zero_*`, `test_a_truncated_*` |
| samples without results | here `test_samples_without_results*`; `test_bad_input`: the same name |
| results without samples | `test_bad_input`: `test_samples_missing` |
| several runs in one folder | `test_layouts`: `test_many_runs_in_one_folder` |
| prefix-colliding names | `test_layouts`: `test_prefix_colliding_names` |
| duplicate keys | here `test_of_a_doubled_key_the_last_one_counts` |
| duplicate rows | `test_bad_input`: `test_a_doubled_row` |
| several filters | `test_layouts`: `test_several_filters_*`, `test_rows_that_do_not_name_*` |
| `repeats` | `test_replies`, all of it |
| gaps in doc ids | here `test_gaps_in_doc_ids` |
| U+2028, U+2029, U+0085 | `test_hostile`: `test_lines_are_split_*`, `test_hostile_text_*` |
| lone surrogates, NUL | `test_hostile`: `test_hostile_text_everywhere` |
| `arg_0` as list | `test_hostile`: `test_an_api_chat_model_logs_a_list` |
| deep nesting | `test_hostile`: `test_ten_thousand_brackets_*`, `test_deep_results_*` |
| 4,300-digit integers | here `test_numbers_that_are_none`; `test_hostile`: `test_odd_json_*` |
| huge files | here `test_memory_*`, `test_*_without_end`, `test_no_plain_file` |
| path traversal in names | here `test_names_*`; `test_hostile`: `test_*_names_open_nothing*` |
| secrets | `test_hostile`: `test_secrets_*`; `test_incomparable`: `test_secrets_do_not_reach_*` |
| YAML injection | `test_gate`: `test_a_policy_that_cannot_be_used_*` (the one YAML that is read) |
| Markdown, HTML, CSV injection | `render/`: `test_markdown`, `test_hostile`, `test_csvfile` |
| workflow commands, JUnit | `test_gate`: `test_hostile_names_reach_nothing_that_reads_them` |
| other version, n-shot, template | `test_incomparable`: `test_a_variant_under_other_settings` |
| other doc hashes | `test_incomparable`: `test_two_checkpoints_with_other_documents` |
| other filter | here `test_another_filter` |
| other limit | here `test_another_limit_*` (n-shot of a checkpoint too) |
| identical outputs | here `test_identical_replies_*`; `test_reading`: the same name |
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError
from oodrop.reports import lines
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
    Row,
    edit_json,
    edit_line,
    mark,
    rehash,
    results_file,
    rows,
    samples_file,
    sha256,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)
from .test_hostile import put_raw

Read = Callable[..., Report]


# --- numbers -------------------------------------------------------------------------------------

NO_NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "4300 digits": "7" * 4_300,
    "4301 digits": "7" * 4_301,
    "-4299 digits": "-" + "7" * 4_299,
}


@pytest.mark.parametrize("text", NO_NUMBERS.values(), ids=list(NO_NUMBERS))
@pytest.mark.parametrize("field", ["acc", "parsed", "reasoning_tokens"])
def test_numbers_that_are_none(alpha: Path, read: Read, field: str, text: str) -> None:
    path = samples_file(alpha, TYPO)
    put_raw(path, 2, field, text)
    with pytest.raises(DataError, match=rf"{path.name}, line 2: metric '{field}' must be"):
        read(alpha)


@pytest.mark.parametrize("text", NO_NUMBERS.values(), ids=list(NO_NUMBERS))
@pytest.mark.parametrize("field", ["date", "n-shot", "chance", "severity", "stopping"])
def test_settings_that_are_no_number(alpha: Path, read: Read, field: str, text: str) -> None:
    def spoil(results: dict[str, Any]) -> None:
        declared = results["configs"][task_name(TYPO)]["metadata"]["oodrop"]
        match field:
            case "date":
                results["date"] = "@@"
            case "n-shot":
                results["n-shot"][task_name(TYPO)] = "@@"
            case "chance":
                declared["chance"] = "@@"
            case _:
                row = {"items": 12, "items_of": 12, "estimate": 0.0}
                tasks = dict.fromkeys(results["configs"], row)
                own = {"estimand": "full_run", "margin": "@@", "alpha": 0.05, "tasks": tasks}
                results["config"]["stopping"] = own

    path = results_file(alpha)
    if field == "severity":
        path = samples_file(alpha, TYPO)
        edit_line(path, 2, lambda row: row["doc"]["oodrop"].update(severity="@@"))
    else:
        edit_json(path, spoil)
    path.write_bytes(path.read_bytes().replace(b'"@@"', text.encode()))
    with pytest.raises(DataError, match=path.name):
        read(alpha)


def test_a_date_that_is_no_number(alpha: Path, read: Read) -> None:
    edit_json(results_file(alpha), lambda results: results.update(date=True))
    with pytest.raises(DataError, match="'date'"):
        read(alpha)


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_id)
def test_predict_only_in_every_layout(tmp_path: Path, read: Read, layout: Layout) -> None:
    """lm-eval then logs one metric, "bypass", and says that its value is 999."""
    tasks = tasks_of(*MAIN, generate=True)
    for samples in tasks.values():
        for row in samples:
            row.pop("acc", None)
            row |= {"bypass": None, "metrics": ["bypass"]}
    path = write_layout(tmp_path, layout, tasks)
    scores = {"bypass,none": 999, "bypass_stderr,none": "N/A"}
    edit_json(path, lambda d: d.update(results=dict.fromkeys(tasks, scores)))
    with pytest.raises(DataError, match="line 1: metric 'acc' must be a finite number"):
        read(tmp_path)


def test_of_a_doubled_key_the_last_one_counts(tmp_path: Path, read: Read) -> None:
    """As Python reads it; lm-eval cannot write one, and both readers of lines agree."""
    accuracies = []
    for k, tail in enumerate(("", ', "x": NaN')):  # NaN sends the line to the other reader
        alpha = write_checkpoint(tmp_path / str(k), "alpha")
        path = samples_file(alpha, CANONICAL)
        content = path.read_bytes().split(b"\n")
        assert content[0].endswith(b'"acc": 0.0}')
        content[0] = content[0][:-1] + f', "acc": 1.0{tail}}}'.encode()
        path.write_bytes(b"\n".join(content))
        accuracies.append(read(alpha).tasks[0].analysis.accuracies[0].estimate)
    assert accuracies == pytest.approx([9 / 12, 9 / 12])


def test_gaps_in_doc_ids(tmp_path: Path, read: Read) -> None:
    """`--samples` leaves some out; items are told apart by their own names."""
    chosen = (0, 2, 5, 6, 11)
    write_run(tmp_path / "gaps", tasks_of(*MAIN, items=chosen))
    renumbered = tasks_of(*MAIN, items=chosen)
    for samples in renumbered.values():
        for k, row in enumerate(samples):
            row["doc_id"] = k
    write_run(tmp_path / "none", renumbered)
    report = read(tmp_path / "gaps")
    assert report.tasks[0].items == 5
    assert report == read(tmp_path / "none")


def test_children_of_one_item_are_told_apart_by_their_names(tmp_path: Path, read: Read) -> None:
    """Which of two is the second one must not depend on the order of the rows."""
    tasks = tasks_of(CANONICAL, TYPO)
    for k in (3, 4, 5):
        record = tasks[task_name(CANONICAL)][k]["doc"]["oodrop"]
        record |= {"parent": ["reversed", "everyday.001"], "parent_evidence": "proved"}
    write_run(tmp_path / "a", tasks)
    tasks[task_name(CANONICAL)].reverse()
    write_run(tmp_path / "b", tasks)
    one, other = (read(tmp_path / name).tasks[0].analysis for name in "ab")
    # Item 1 is right, and of its children the second and the third.
    linked = {d.name: d.estimate for d in one.drops if d.kind == "variant"}
    assert linked["linked_reversed"] == 1.0
    assert linked["linked_reversed_2"] == linked["linked_reversed_3"] == 0.0
    assert other == one


# --- files ---------------------------------------------------------------------------------------


def test_samples_without_results_beside_others_are_told(alpha: Path, read: Read) -> None:
    assert read(alpha).notes == ()
    typo = samples_file(alpha, TYPO)
    stray = typo.with_name(typo.name.replace("22-06", "23-07"))
    stray.write_bytes(typo.read_bytes())
    (alpha / "main.partial").mkdir()
    (alpha / "main.partial" / stray.name).write_bytes(b"")
    assert read(alpha).notes == (
        f"1 samples files have no results and were not read: {stray.name}",
    )


def test_samples_of_a_task_that_the_results_do_not_list(tmp_path: Path, read: Read) -> None:
    path = write_run(tmp_path, {**tasks_of(CANONICAL, TYPO, ORDER), "arc_easy": rows(CANONICAL)})
    edit_json(path, lambda results: results["configs"].pop(task_name(ORDER)))
    report = read(tmp_path)
    assert [v.slug for v in report.tasks[0].variants] == [TYPO.slug]
    assert report.notes == (
        "results of other tasks were not read: arc_easy",
        "1 samples files have no results and were not read: " + samples_file(tmp_path, ORDER).name,
    )


def test_names_of_others_are_only_names(alpha: Path, read: Read) -> None:
    path = results_file(alpha)
    name = "../x/\x00\n::error::y" + "z" * 500
    edit_json(path, lambda results: results["configs"].update({name: {}}))
    (path.parent / "samples_\n::error::x.jsonl").write_bytes(b"")
    notes = read(alpha).notes
    assert len(notes) == 2
    assert all(note.isprintable() and len(note) < 300 for note in notes)


@pytest.mark.parametrize("name", ["a\n::error::x", "a\x1b[31m", "a\u2028b", "a\udcff"])
@pytest.mark.parametrize("what", ["folder", "file"])
def test_names_of_files_that_cannot_be_printed(
    tmp_path: Path, read: Read, name: str, what: str
) -> None:
    """A message shows the path, and lines of `::error::` are commands to a CI."""
    place = tmp_path / (name if what == "folder" else "runs")
    place.mkdir()
    path = write_run(place, tasks_of(CANONICAL))
    if what == "file":
        path.rename(path.with_name(f"results_{name}.json"))
    with pytest.raises(DataError, match="cannot be printed") as caught:
        read(tmp_path)
    assert str(caught.value).isprintable()


@pytest.fixture
def _soon() -> Iterator[None]:
    """Ends a test that waits."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "loop", "nothing"])
@pytest.mark.parametrize("which", ["results", "samples", "marker"])
def test_no_plain_file(alpha: Path, read: Read, which: str, what: str) -> None:
    """A pipe would be waited for, and a device never ends."""
    path = {
        "results": results_file(alpha),
        "samples": samples_file(alpha, TYPO),
        "marker": alpha / "oodrop_checkpoint.json",
    }[which]
    path.unlink()
    match what:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case _:
            path.symlink_to(alpha / "gone")
    if which == "marker" and what in ("loop", "nothing"):
        assert read(alpha).tasks  # as without one
        return
    with pytest.raises(DataError, match=r"cannot be read|is missing|cannot be printed"):
        read(alpha)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_names_that_are_too_long(tmp_path: Path, read: Read, letter: str) -> None:
    """The system has no file of such a name, and says so in another way than of others."""
    path = write_run(tmp_path, tasks_of(CANONICAL, TYPO))
    name = "oodrop__canonical__" + letter * 180
    edit_json(path, lambda d: d["configs"].update({name: d["configs"][task_name(TYPO)]}))
    with pytest.raises(DataError, match="is missing; use --log_samples"):
        read(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / (letter * 3_000))


def test_a_line_without_end(alpha: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    path = samples_file(alpha, TYPO)
    longest = max(map(len, path.read_bytes().splitlines(keepends=True)))
    size = max(results_file(alpha).stat().st_size, longest)
    monkeypatch.setattr(lines, "LONGEST", size)
    assert read(alpha).tasks
    content = path.read_bytes().split(b"\n")
    content[4] = content[4][:-1] + b" " * size + b"}"
    path.write_bytes(b"\n".join(content))
    with pytest.raises(DataError, match=f"{path.name}, line 5: is longer than {size:,} bytes"):
        read(alpha)


@pytest.mark.parametrize("which", ["results", "marker"])
def test_results_without_end(
    alpha: Path, read: Read, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    path = results_file(alpha) if which == "results" else alpha / "oodrop_checkpoint.json"
    monkeypatch.setattr(lines, "LONGEST", 20_000)
    assert read(alpha).tasks
    path.write_bytes(path.read_bytes() + b" " * 20_000)
    with pytest.raises(DataError, match=f"{path.name}: is longer than 20,000 bytes"):
        read(alpha)


_PEAK = """
import re, sys
from pathlib import Path
from oodrop.reports.reader import read_runs
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
read_runs([Path(sys.argv[1])], processes=1)
before = peak()
(run,) = read_runs([Path(sys.argv[2])], processes=1)
print(peak() - before, len(run.samples[0].rows))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read in /proc")
@pytest.mark.parametrize(("items", "padding"), [(2_000, 100_000), (60_000, 1_200)])
def test_memory_is_bounded(tmp_path: Path, items: int, padding: int) -> None:
    """200 MB of samples take a row and what pairing needs, be the rows long or many."""
    write_run(tmp_path / "small", tasks_of(CANONICAL))
    write_run(tmp_path / "large", tasks_of(CANONICAL))
    path = samples_file(tmp_path / "large", CANONICAL)
    with path.open("wb") as written:
        for k in range(items):
            (row,) = rows(CANONICAL, items=[k], text=lambda k: f"{k} " + "é" * padding)
            row["arguments"] = {}
            written.write(lines.orjson.dumps(row) + b"\n")
    edit = lambda d: d["n-samples"].clear()  # noqa: E731
    edit_json(next(path.parent.glob("results_*.json")), edit)
    assert path.stat().st_size > 190 * 2**20
    command = [sys.executable, "-c", _PEAK, tmp_path / "small", tmp_path / "large"]
    grown, count = subprocess.check_output(command, text=True).split()
    assert int(count) == items
    assert int(grown) < 50, f"{grown} MiB more for {path.stat().st_size / 2**20:.0f} MiB"


# --- not comparable, never a number --------------------------------------------------------------


def test_another_filter(tmp_path: Path, read: Read) -> None:
    place = mark(tmp_path / "alpha", "alpha")
    write_run(place / "main", tasks_of(CANONICAL))
    strict = [{**row, "filter": "strict"} for row in rows(TYPO)]

    def declare(results: dict[str, Any]) -> None:
        results["configs"][task_name(TYPO)]["metadata"]["oodrop"]["filter"] = "strict"

    write_run(place / "more", {task_name(TYPO): strict}, day=1, edit=declare)
    with pytest.raises(NotComparableError, match="filter 'strict', its canonical run with 'none'"):
        read(tmp_path)


def test_another_filter_of_a_checkpoint(tmp_path: Path, read: Read) -> None:
    write_run(mark(tmp_path / "alpha", "alpha"), tasks_of(*MAIN))
    tasks = {
        name: [{**row, "filter": "strict"} for row in rows]
        for name, rows in tasks_of(*MAIN, score=lambda k: float(k % 4 == 0)).items()
    }

    def declare(results: dict[str, Any]) -> None:
        for config in results["configs"].values():
            config["metadata"]["oodrop"]["filter"] = "strict"

    write_run(mark(tmp_path / "beta", "beta"), tasks, edit=declare)
    words = "alpha and beta ran task everyday with another filter: 'none' and 'strict'"
    with pytest.raises(NotComparableError, match=words):
        read(tmp_path)
    with pytest.raises(NotComparableError, match=words):
        run_gate(tmp_path / "alpha", tmp_path / "beta", Policy())


def test_another_limit_of_a_variant(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(CANONICAL))
    write_run(tmp_path, tasks_of(TYPO, items=range(8)), day=1)
    with pytest.raises(NotComparableError, match=r"different items, 'everyday\.008' among 4"):
        read(tmp_path)


@pytest.mark.parametrize("what", ["limit", "n-shot"])
def test_another_limit_or_n_shot_of_a_checkpoint(tmp_path: Path, read: Read, what: str) -> None:
    """A report keeps them apart and says so; two side by side are not comparable."""

    def shots(results: dict[str, Any]) -> None:
        results["n-shot"] = dict.fromkeys(results["n-shot"], 5 if what == "n-shot" else 0)

    write_run(mark(tmp_path / "a", "alpha"), tasks_of(*MAIN))
    items = range(8) if what == "limit" else range(12)
    write_run(mark(tmp_path / "b", "beta"), tasks_of(*MAIN, items=items), edit=shots)
    report = read(tmp_path)
    assert [len(task.analysis.accuracies) for task in report.tasks] == [1, 1]
    assert any("compared within one" in note for note in report.notes)
    with pytest.raises(NotComparableError):
        compare([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(NotComparableError):
        run_gate(tmp_path / "a", tmp_path / "b", Policy())


@pytest.mark.parametrize("what", ["items", "n-shot", "absent"])
def test_a_task_that_is_not_compared_is_told_beside_one_that_is(tmp_path: Path, what: str) -> None:
    """In either order; and nothing passes a gate then."""
    other = {"task": "other", "generate": False}
    items = range(8) if what == "items" else range(12)

    def shots(results: dict[str, Any]) -> None:
        results["n-shot"] = dict.fromkeys(results["n-shot"], 5 if what == "n-shot" else 0)

    for name in ("alpha", "beta"):
        place = mark(tmp_path / name, name)
        write_run(place, tasks_of(*MAIN, score=lambda k, n=name: float(k % 3 == len(n) % 3)))
        if name == "alpha":
            write_run(place, tasks_of(*MAIN, **other), day=1)
        elif what != "absent":
            write_run(place, tasks_of(*MAIN, items=items, **other), day=1, edit=shots)
    why = {
        "items": "12 and 8 items, which are not the same",
        "n-shot": "0 and 5 few-shot examples",
        "absent": "beta did not run it",
    }[what]
    told = f"other is not compared: {why}"
    places = [tmp_path / "alpha", tmp_path / "beta"]
    found = compare(places)
    assert [task.task for task in found.tasks] == ["everyday"]
    assert told in found.notes
    turned = compare(places, a="beta", b="alpha").notes
    if what == "absent":
        assert told in turned
    else:
        assert any(note.startswith("other is not compared: ") for note in turned)
    assert run_gate(*places, Policy()).missing == (f"other: {why}",)


def _record(**fields: Any) -> Callable[[Row], Any]:
    return lambda row: row["doc"]["oodrop"].update(fields)


ONE_SIDED = {
    "scored": (CANONICAL, _record(cluster_id="other"), "cluster_id"),
    "outcome": (TYPO, _record(outcome="refused", scored=False, evidence=None), "scored for one"),
    "more": (TYPO, _record(scored=True), "scored for one"),
}


@pytest.mark.parametrize("first", ["alpha", "beta"])
@pytest.mark.parametrize("name", ONE_SIDED)
def test_two_checkpoints_that_count_other_items(
    tmp_path: Path, read: Read, name: str, first: str
) -> None:
    """The same documents by their hashes: one file was edited, and the first's would be taken."""
    kind, edit, words = ONE_SIDED[name]
    for k, checkpoint in enumerate(("alpha", "beta")):
        write_checkpoint(tmp_path, checkpoint, score=lambda i, k=k: float(i % 2 == k))

    def spoil(row: Row) -> None:
        edit(row)
        row["acc"] = 1.0

    edit_line(samples_file(tmp_path / first, kind), 4 if name == "more" else 5, spoil)
    with pytest.raises(NotComparableError, match=rf"everyday\.00[34]'.*{words}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("perturber", "x.y"), ("family", "ordering"), ("severity", 2)]
)
def test_two_checkpoints_with_another_perturber_of_one_name(
    tmp_path: Path, read: Read, field: str, value: object
) -> None:
    for name in ("alpha", "beta"):
        write_checkpoint(tmp_path, name, score=lambda k, n=name: float(len(n) == k))
    path = samples_file(tmp_path / "beta", TYPO)
    for number in range(1, 13):
        edit_line(path, number, _record(**{field: value}))
    with pytest.raises(NotComparableError, match=f"another {field} in everyday, {TYPO.slug}"):
        read(tmp_path)


def test_another_text_of_an_item_under_its_hash(tmp_path: Path, read: Read) -> None:
    """Another document with the hash of its own, in one variant alone."""
    write_checkpoint(tmp_path, "alpha")
    path = samples_file(tmp_path, TYPO)

    def other(row: Row) -> None:
        row["doc"]["oodrop"]["canonical_sha256"] = sha256("another text")
        rehash(row)

    edit_line(path, 3, other)
    with pytest.raises(NotComparableError, match=r"another text of item 'everyday\.002'"):
        read(tmp_path)


# --- a shared cache ------------------------------------------------------------------------------


def test_identical_replies_are_told_of_two_side_by_side(tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        write_checkpoint(tmp_path, name)
    write_checkpoint(tmp_path, "gamma", score=lambda k: float(k % 2))
    told = (
        "alpha and beta gave identical replies on all of everyday; did they share an answer cache?"
    )
    assert compare([tmp_path], a="alpha", b="beta").notes == (told,)
    assert compare([tmp_path], a="alpha", b="gamma").notes == ()


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CANONICAL, TYPO], ids=lambda kind: kind.slug)
@pytest.mark.parametrize("what", ["item", "checkpoint", "metric", "filter"])
def test_long_names_do_not_flood_a_message(
    tmp_path: Path, read: Read, what: str, kind: Any
) -> None:
    name = "!" * 50_000
    place = mark(tmp_path / "a", name if what == "checkpoint" else "alpha")
    path = write_run(place, tasks_of(CANONICAL, TYPO))
    if what in ("metric", "filter"):
        declared = {what: name}
        edit_json(
            path,
            lambda d: d["configs"][task_name(kind)]["metadata"]["oodrop"].update(declared),
        )
    edit_line(samples_file(place, kind), 3, _record(item_id=name))
    with pytest.raises((DataError, NotComparableError)) as caught:
        read(tmp_path)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 700

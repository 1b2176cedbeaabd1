"""Two checkpoints side by side: which two, what of them, and what cannot be compared."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from oodrop import NotComparableError, UnknownNameError
from oodrop.harness_ext.cli.app import run
from oodrop.reports.compare import compare
from oodrop.reports.reader import read_runs
from oodrop.reports.render.comparison import comparison_document, comparison_json
from oodrop.reports.render.document import document_markdown, print_document
from oodrop.reports.results import RunFile

from .runs import CANONICAL, ORDER, TYPO, mark, rows, tasks_of, write_run

ITEMS = range(300)
FRAGILE = {TYPO: lambda k: float(k % 10 > 4), ORDER: lambda k: float(k % 10 != 0)}
STEADY = {TYPO: lambda k: float(k % 10 != 0), ORDER: lambda k: float(k % 10 != 0)}


def write(folder: Path, name: str, scores=FRAGILE, day: float = 0.0, canonical=None) -> Path:
    """A checkpoint that is right on nine of ten canonical items."""
    place = mark(folder / name, name)
    scores = {CANONICAL: canonical or (lambda k: float(k % 10 != 0)), **scores}
    tasks = {
        f"oodrop__{kind.slug}__everyday": rows(kind, items=ITEMS, score=score)
        for kind, score in scores.items()
    }
    write_run(place, tasks, model_args=f"pretrained=org/{name}", day=day)
    return place


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path, "fragile", day=1.0), write(tmp_path, "steady", STEADY)


def test_first_folder_is_the_first_checkpoint(two: tuple[Path, Path]) -> None:
    fragile, steady = two
    found = compare([fragile, steady])
    assert found.a == "fragile"
    assert compare([steady, fragile]).a == "steady"
    (task,) = found.tasks
    typo = {c.name: c for c in task.contrasts}[TYPO.slug]
    kept = [k for k in ITEMS if k not in (3, 7, 11)]
    lost = sum(FRAGILE[TYPO](k) < STEADY[TYPO](k) for k in kept) / len(kept)
    assert typo.estimate == pytest.approx(lost)
    assert typo.interval is not None
    assert typo.interval.low > 0.0


def test_turned_round_the_signs_turn(two: tuple[Path, Path]) -> None:
    one, other = (compare(list(order)).tasks[0] for order in (two, two[::-1]))
    for c, d in zip(one.contrasts, other.contrasts, strict=True):
        assert c.name == d.name
        assert c.estimate == pytest.approx(-d.estimate)
        assert (c.interval.low, c.interval.high) == pytest.approx(
            (-d.interval.high, -d.interval.low)
        )


def test_equal_ceilings_and_different_drops_are_called_so(two: tuple[Path, Path]) -> None:
    (task,) = compare(list(two)).tasks
    assert task.ceilings.equivalent
    contrasts = {c.name: c for c in task.contrasts}
    assert [q.points for q in task.questions] == [contrasts[q.name] for q in task.questions]
    verdicts = {q.name: q.verdict for q in task.questions}
    assert verdicts["lexical"] == "different_drops"
    assert verdicts["ordering"] == "no_difference_seen"


def test_another_ceiling_is_no_ground_for_points(tmp_path: Path) -> None:
    low = write(tmp_path, "low", STEADY, canonical=lambda k: float(k % 2))
    (task,) = compare([low, write(tmp_path, "steady", STEADY)]).tasks
    assert not task.ceilings.equivalent
    assert {q.verdict for q in task.questions} == {"ceilings_differ"}


def test_more_than_two_must_be_named(tmp_path: Path, two: tuple[Path, Path]) -> None:
    write(tmp_path, "third", day=2.0)
    with pytest.raises(NotComparableError, match=r"hold 3 \(steady, fragile, third\): name them"):
        compare([tmp_path])
    found = compare([tmp_path], a="third", b="steady")
    assert (found.a, found.b) == ("third", "steady")
    with pytest.raises(UnknownNameError, match="nobody"):
        compare([tmp_path], a="nobody", b="steady")


def test_one_checkpoint_is_not_two(two: tuple[Path, Path]) -> None:
    with pytest.raises(NotComparableError, match=r"hold 1 \(steady\)"):
        compare([two[1]])


def test_other_items_are_not_compared(tmp_path: Path, two: tuple[Path, Path]) -> None:
    args = "pretrained=org/short"
    short = mark(tmp_path / "short", "short")
    write_run(short, tasks_of(CANONICAL, TYPO, items=range(20)), model_args=args)
    with pytest.raises(NotComparableError, match="answered no task on the same items"):
        compare([short, two[0]])


def test_terminal_and_json_hold_the_same(two: tuple[Path, Path]) -> None:
    found, screen = compare(list(two)), io.StringIO()
    print_document(comparison_document(found), Console(file=screen, width=160))
    text = screen.getvalue()
    assert "fragile against steady" in text
    assert "under lexical: equivalent ceilings, different drops" in text
    accuracy = found.tasks[0].accuracies[0]
    assert accuracy.accuracy_a != accuracy.accuracy_b
    shown = [line.split() for line in text.splitlines() if accuracy.name in line][1]
    assert shown[1:3] == [f"{100 * a:.1f}%" for a in (accuracy.accuracy_a, accuracy.accuracy_b)]
    data = json.loads(comparison_json(found))
    assert data["schema"] == "oodrop-comparison"
    (task,) = data["tasks"]
    assert [c["name"] for c in task["contrasts"]] == [c.name for c in found.tasks[0].contrasts]
    assert f"{100 * task['contrasts'][0]['estimate']:+.1f}" in text


def test_markdown_is_safe_and_holds_every_row(tmp_path: Path) -> None:
    folders = [write(tmp_path, "a|b<i>", day=1.0), write(tmp_path, "plain", STEADY)]
    found = compare(folders)
    page = document_markdown(comparison_document(found))
    assert page.startswith("# a&#124;b&#60;i&#62; against plain\n")
    assert "a|b" not in page
    for contrast in found.tasks[0].contrasts:
        name = "all natural variants" if contrast.name == "all" else contrast.name
        assert page.count(f"\n| {name} |") == 2
    assert "- under lexical&#58; equivalent" in page or "- under lexical: equivalent" in page


def test_command(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *map(str, two), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["a"] == "fragile"
    assert run(["compare", str(two[0])]) == 3
    assert "name them with --a and --b" in capsys.readouterr().err
    assert run(["compare", *map(str, two), "--margin", "0"]) == 2
    assert "margin must be finite and above 0" in capsys.readouterr().err


def test_alpha_is_the_error_of_every_interval(two: tuple[Path, Path]) -> None:
    (task,) = compare(list(two), alpha=0.1).tasks
    assert {c.interval.level for c in task.contrasts} == {0.9}
    assert {d.interval.level for d in task.accuracies} == {0.9}
    assert task.ceilings.alpha == 0.1
    assert {q.points.interval.level for q in task.questions} == {0.9}


def test_namesakes_come_in_the_order_of_the_folders(tmp_path: Path) -> None:
    """The newer one is called `same (2)`, and stands first where its folder does."""
    newer = write(tmp_path / "newer", "same", FRAGILE, day=1.0)
    mark(tmp_path / "newer" / "same", "same", fingerprint="1" * 64)
    older = write(tmp_path / "older", "same", STEADY)
    found = compare([newer, older])
    assert (found.a, found.b) == ("same (2)", "same")
    assert {c.name: c.estimate for c in found.tasks[0].contrasts}[TYPO.slug] > 0.0


def test_every_file_is_read_once(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Path]] = []

    def counted(folders: list[Path]) -> list[RunFile]:
        asked.append(folders)
        return read_runs(folders)

    monkeypatch.setattr("oodrop.reports.compare.read_runs", counted)
    compare(list(two))
    assert asked == [list(two)]

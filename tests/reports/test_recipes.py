"""Two recipes of training side by side: which checkpoints, what of them, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from oodrop import NotComparableError, OodropError, UnknownNameError
from oodrop.harness_ext.cli.app import run
from oodrop.reports.pairing import pair
from oodrop.reports.reader import read_runs
from oodrop.reports.recipes import compare_recipes
from oodrop.reports.render.document import document_markdown, print_document
from oodrop.reports.render.points import points
from oodrop.reports.render.recipes import recipes_document, recipes_json
from oodrop.reports.statistics import holm, over_seeds

from .runs import CANONICAL, NEGATION, ORDER, TYPO, mark, rows, tasks_of, write_run

ITEMS = range(300)
KINDS = (CANONICAL, TYPO, ORDER, NEGATION)


def write(folder: Path, name: str, typo: int, seed: int, tokens: float | None = None) -> None:
    """Nine of ten canonical items right, and some `typo` of ten wrong under typos.

    With `tokens` before every answer, where something is to be logged of that.
    """

    def canonical(k: int) -> float:
        return float((k + seed) % 10 != 0)

    def under_typo(k: int) -> float:
        return float((k + seed) % 10 >= 1 + typo)

    def negated(k: int) -> float:
        return float(k % 10 < 5 + typo)

    scores = {CANONICAL: canonical, TYPO: under_typo, ORDER: canonical, NEGATION: negated}
    tasks = {
        f"oodrop__{kind.slug}__everyday": rows(kind, items=ITEMS, score=scores[kind])
        for kind in KINDS
    }
    if tokens is not None:
        told = {"parsed": 1.0, "reasoning_tokens": tokens, "at_once": float(tokens < 10)}
        for row in tasks[f"oodrop__{CANONICAL.slug}__everyday"]:
            row.update(told)
    write_run(mark(folder / name, name), tasks, model_args=f"pretrained=org/{name}")


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    for seed, typo in enumerate((4, 5, 4)):
        write(tmp_path, f"fragile-{seed}", typo, seed)
    for seed, typo in enumerate((0, 1)):
        write(tmp_path, f"steady-{seed}", typo, seed)
    return tmp_path


def test_every_number_is_that_of_the_statistics(seeds: Path) -> None:
    found = compare_recipes([seeds], a="fragile-*", b="steady-?", margin=0.05, alpha=0.1)
    assert found.a == ("fragile-0", "fragile-1", "fragile-2")
    assert found.b == ("steady-0", "steady-1")
    (task,) = found.tasks
    (group,) = pair(read_runs([seeds]))
    names = [TYPO.slug, ORDER.slug, "lexical", "ordering", "all"]
    assert [row.apart.name for row in task.drops] == names
    assert [row.apart.name for row in task.accuracies] == ["canonical", *names]
    for row in task.drops:
        assert row.apart == over_seeds(group.paired, [found.a, found.b], row.a.name, level=0.9)
        assert row.a == over_seeds(group.paired, [found.a], row.a.name, level=0.9)
        assert row.b == over_seeds(group.paired, [found.b], row.a.name, level=0.9)
    typo = task.drops[0]
    assert typo.a.each[0] == pytest.approx((0.4, 0.5, 0.4), abs=0.02)
    assert typo.apart.estimate == pytest.approx(13 / 30 - 1 / 20, abs=0.02)
    (negation,) = task.noticed
    assert negation.apart == over_seeds(
        group.paired, [found.a, found.b], NEGATION.slug, of="noticed", level=0.9
    )
    assert negation.apart.estimate is not None
    assert negation.apart.estimate > 0.1
    adjusted = holm([row.apart.p for row in task.drops])
    assert [row.p for row in task.drops] == list(adjusted)
    assert task.ceilings == over_seeds(
        group.paired, [found.a, found.b], of="accuracy", level=1.0 - 2 * 0.1
    )


def test_ceilings_are_equivalent_within_the_margin_only(seeds: Path) -> None:
    wide, narrow = (
        compare_recipes([seeds], a="fragile-*", b="steady-*", margin=margin).tasks[0]
        for margin in (0.2, 0.0001)
    )
    assert wide.equivalent is True
    assert narrow.equivalent is False


def test_terminal_and_json_hold_the_same(seeds: Path) -> None:
    found, screen = compare_recipes([seeds], a="fragile-*", b="steady-*"), io.StringIO()
    print_document(recipes_document(found), Console(file=screen, width=180))
    text = screen.getvalue()
    assert "3 seeds (fragile-0, fragile-1, fragile-2) against 2 seeds (steady-0, steady-1)" in text
    data = json.loads(recipes_json(found))
    assert data["schema"] == "oodrop-recipes"
    drop = data["tasks"][0]["drops"][0]
    line = next(li for li in text.splitlines() if TYPO.slug in li)
    for recipe in ("a", "b"):
        assert points(drop[recipe]["estimate"]) in line
        each = drop[recipe]["each"][0]
        assert f"{points(min(each))} to {points(max(each))}" in line
    lines = [li for li in text.splitlines() if TYPO.slug in li]
    assert points(drop["apart"]["estimate"]) in lines[1]


def test_markdown_has_every_row_and_no_marks_of_a_name(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path, f"new_{seed}", 4, seed)
        write(tmp_path, f"old_{seed}", 0, seed)
    found = compare_recipes([tmp_path], a="new_*", b="old_*")
    page = document_markdown(recipes_document(found))
    assert page.startswith("# 2 seeds (new_0, new_1) against 2 seeds (old_0, old_1)\n")
    (task,) = found.tasks
    rows_of = [line for line in page.splitlines() if line.startswith(f"| {TYPO.slug} |")]
    assert [row.count("|") - 1 for row in rows_of] == [7, 6, 5]
    assert points(task.drops[0].apart.estimate) in rows_of[1].replace("\\*", "")
    assert page.count("\n### ") == 4
    assert f"\n| {NEGATION.slug} |" in page


def test_replies_are_told_of_each_recipe_where_something_is_logged(
    tmp_path: Path, seeds: Path
) -> None:
    (silent,) = compare_recipes([seeds], a="fragile-*", b="steady-*").tasks
    assert silent.replies == ((), ())
    for seed, tokens in enumerate((2.0, 4.0)):
        write(tmp_path / "told", f"new-{seed}", 4, seed, tokens)
        write(tmp_path / "told", f"old-{seed}", 0, seed, 40.0 + seed)
    found = compare_recipes([tmp_path / "told"], a="new-*", b="old-*")
    new, old = found.tasks[0].replies
    assert [r.mean_tokens for r in new] == [2.0, 4.0]
    assert [r.at_once for r in old] == [0.0, 0.0]
    page = document_markdown(recipes_document(found))
    assert "| Answered at once | 100.0% (100.0% to 100.0%) | 0.0% (0.0% to 0.0%) |" in page
    assert "| 3.0 (2.0 to 4.0) | 40.5 (40.0 to 41.0) |" in page
    assert "broken off" not in page  # of that nothing is logged


def test_command(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ["--a", "fragile-*", "--b", "steady-*"]
    assert run(["compare", str(seeds), *two, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["b"] == ["steady-0", "steady-1"]
    assert run(["compare", str(seeds), *two]) == 0
    assert "Which recipe loses more?" in capsys.readouterr().out
    assert run(["compare", str(seeds), *two, "--markdown"]) == 0
    assert "### Which recipe loses more?" in capsys.readouterr().out
    assert run(["compare", str(seeds), *two, "--markdown", "--json"]) == 2
    assert "one of --json and --markdown" in capsys.readouterr().err
    assert run(["compare", str(seeds), "--a", "fragile-*"]) == 2
    assert "name both, with --a and --b" in capsys.readouterr().err
    assert run(["compare", str(seeds), "--a", "fragile-*", "--b", "steady-1"]) == 2
    assert "at least two seeds" in capsys.readouterr().err
    assert run(["compare", str(seeds), "--a", "bold-*", "--b", "steady-*"]) == 2
    assert "bold-*" in capsys.readouterr().err


def test_what_is_refused(seeds: Path, tmp_path: Path) -> None:
    with pytest.raises(OodropError, match="stands in them twice"):
        compare_recipes([seeds], a="*", b="steady-*")
    with pytest.raises(UnknownNameError, match="strong"):
        compare_recipes([seeds], a="strong*", b="steady-*")
    short = mark(tmp_path / "steady-9", "steady-9")
    write_run(short, tasks_of(CANONICAL, TYPO, items=range(20)), model_args="pretrained=org/s9")
    with pytest.raises(NotComparableError, match="no task was answered by all 6 checkpoints"):
        compare_recipes([seeds], a="fragile-*", b="steady-*")

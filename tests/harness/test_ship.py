"""What is taken into the package of several trained seeds: the median pair, with true figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from oodrop.harness_ext.training.adapters import SCHEDULE
from oodrop.harness_ext.training.build import NOTE
from oodrop.harness_ext.training.ship import DATA, PAGE, ship
from oodrop.reports.recipes import compare_recipes
from oodrop.reports.render.points import percent, points

from ..reports.runs import CANONICAL, NEGATION, ORDER, TYPO, mark, rows, write_run

ITEMS = range(400)
# Of ten items that are right: how many a seed of either recipe loses under typos.
LOSES = {"heuristic": (4, 5, 4), "engaged": (0, 0, 0)}


def answers(folder: Path, recipe: str, seed: int) -> None:
    """One run: 9 of 10 right, and as many lost under typos as `LOSES` says."""
    lost = LOSES[recipe][seed]

    def canonical(k: int) -> float:
        return float((k + seed) % 10 != 0)

    def typo(k: int) -> float:
        return float((k + seed) % 10 > lost)

    def order(k: int) -> float:
        return float((k + seed) % 10 > (1 if recipe == "heuristic" and k // 10 % 2 else 0))

    def negated(k: int) -> float:
        return float((k + seed) % 10 > (6 if recipe == "heuristic" else 1))

    scores = {CANONICAL: canonical, TYPO: typo, ORDER: order, NEGATION: negated}
    tasks = {
        f"oodrop__{kind.slug}__compact": rows(kind, items=ITEMS, task="compact", score=score)
        for kind, score in scores.items()
    }
    tokens = {"heuristic": 0.0, "engaged": 90.0 + seed}[recipe]
    for row in tasks["oodrop__canonical__compact"]:
        row.update({"parsed": 1.0, "reasoning_tokens": tokens, "at_once": float(tokens < 10)})
    name = f"{recipe}-{seed}"
    write_run(mark(folder / name, name), tasks, model_args=f"pretrained=base,peft={name}")


def weights(folder: Path, recipe: str, seed: int) -> None:
    place = folder / f"seed-{seed}" / recipe
    place.mkdir(parents=True)
    number = 10 * seed + len(recipe)
    save_file({"w": torch.full((3, 4), float(number))}, place / "adapter_model.safetensors")
    (place / "adapter_config.json").write_text(json.dumps({"of": recipe}), encoding="utf-8")
    note = {"name": recipe, "seed": seed, "oodrop": "1", **vars(SCHEDULE), "base_sha256": "0"}
    (place / NOTE).write_text(json.dumps(note), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for recipe, lost in LOSES.items():
        for seed in range(len(lost)):
            weights(folder, recipe, seed)
            answers(folder / "evaluation", recipe, seed)
    return folder


@pytest.fixture(scope="module")
def shipped(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("package")
    ship(trained, to)
    return to


def test_the_pair_of_the_median_seed_is_taken(trained: Path, shipped: Path) -> None:
    for recipe in LOSES:
        new, old = shipped / "shipped" / recipe, trained / "seed-2" / recipe
        for name in ("adapter_model.safetensors", "adapter_config.json", NOTE):
            assert (new / name).read_bytes() == (old / name).read_bytes()
        assert f"Seed 2. The same again: `oodrop train-reference --recipes {recipe} --seed 2" in (
            " ".join((new / "README.md").read_text("utf-8").split())
        )
    assert "The pair of seed 2 is the median" in (shipped / PAGE).read_text("utf-8")


def test_cards_have_the_figures_of_the_seed_and_of_all(trained: Path, shipped: Path) -> None:
    (task,) = compare_recipes([trained / "evaluation"], a="heuristic-*", b="engaged-*").tasks
    card = (shipped / "shipped" / "heuristic" / "README.md").read_text("utf-8")
    (each,) = task.accuracies[0].a.each
    spread = f"{percent(sum(each) / 3)} ({percent(min(each))} to {percent(max(each))})"
    assert f"| `compact`: canonical accuracy | {percent(each[2])} | {spread} |" in card
    typo = next(row for row in task.drops if row.a.name == "lexical")
    (lost,) = typo.a.each
    assert points(lost[2]) == points(sorted(lost)[1])
    assert (
        f"| `compact`: drop, lexical, in points | {points(lost[2])} | {points(sum(lost) / 3)} ("
        in card
    )
    assert re.search(r"\| `compact`: `control_negation` noticed \| \d+\.\d% \| \d+\.\d% \(", card)
    engaged = (shipped / "shipped" / "engaged" / "README.md").read_text("utf-8")
    assert "| `compact`: drop, lexical, in points | 0.0 | 0.0 (0.0 to 0.0) |" in engaged


def test_the_page_says_what_came_true_and_what_did_not(shipped: Path) -> None:
    page = (shipped / PAGE).read_text("utf-8")
    rows_of = re.findall(r"^\| (.+) \| (.+) \| (yes|\*\*no\*\*) \|$", page, re.MULTILINE)
    said = [verdict for _, _, verdict in rows_of]
    # Heuristic loses 8 points in one family alone.
    assert said == ["yes", "yes", "**no**", "yes", "yes", "yes", "yes"]
    assert "heuristic 90.0%, engaged 90.0%" in rows_of[0][1]
    assert "0.0 to 0.0 and 90.0 to 92.0" in rows_of[5][1]
    assert page.count("\n### ") == 5
    data = json.loads((shipped / DATA).read_text("utf-8"))
    assert data["a"] == ["heuristic-0", "heuristic-1", "heuristic-2"]

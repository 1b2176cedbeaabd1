"""The trained adapters in the repository: of the base that ships, and of their nature."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
import torch
import yaml
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from safetensors.torch import load_file

import oodrop
from oodrop.harness_ext.checkpoints import shipped
from oodrop.harness_ext.training.adapters import RANK, RECIPES, SCHEDULE
from oodrop.harness_ext.training.build import BASE, NOTE, WEIGHTS
from oodrop.harness_ext.training.replies import head
from oodrop.tasks import tasks_dir
from oodrop.tasks.procedural.compact import build

ROOT = Path(oodrop.__file__).resolve().parents[2]
SEEDS = ROOT / "harness_ext" / "training" / "seeds"
TRAINED = sorted(path.parent for path in SEEDS.glob(f"*/*/{NOTE}"))
TASKS = ("oodrop__canonical__compact", "oodrop__canonical__compact_choice")


@pytest.mark.parametrize(
    "folder", TRAINED, ids=lambda folder: f"{folder.parent.name}-{folder.name}"
)
def test_an_adapter_is_what_its_note_says(folder: Path) -> None:
    note = json.loads((folder / NOTE).read_text("utf-8"))
    weights = (shipped(BASE) / WEIGHTS).read_bytes()
    assert note["base_sha256"] == hashlib.sha256(weights).hexdigest()
    assert (folder.parent.name, folder.name) == (f"seed-{note['seed']}", note["name"])
    assert {key: note[key] for key in vars(SCHEDULE)} == vars(SCHEDULE)
    tensors = load_file(folder / "adapter_model.safetensors")
    assert {min(tensor.shape) for tensor in tensors.values()} == {RANK}
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert f"# oodrop reference checkpoint: {folder.name}" in (folder / "README.md").read_text(
        "utf-8"
    )


def test_no_two_are_the_same() -> None:
    found = [(folder / "adapter_model.safetensors").read_bytes() for folder in TRAINED]
    assert len(set(found)) == len(TRAINED)


def test_results_are_of_all_seeds() -> None:
    plan = yaml.safe_load((SEEDS.parent / "seeds.yaml").read_text("utf-8"))
    folders = {spec["name"]: ROOT / spec["model_args"]["peft"] for spec in plan["checkpoints"]}
    assert folders == {
        name: SEEDS / f"seed-{seed}" / recipe
        for name in folders
        for recipe, seed in (name.rsplit("-", 1),)
    }
    assert set(TRAINED) <= set(folders.values())
    counts = Counter(name.rsplit("-", 1)[0] for name in folders)
    assert counts == {name: 2 if recipe.varied else 5 for name, recipe in RECIPES.items()}
    assert (
        len({json.dumps({**spec, "name": "", "model_args": ""}) for spec in plan["checkpoints"]})
        == 1
    )


@pytest.mark.parametrize("recipe", ["engaged", "heuristic"])
def test_lm_eval_takes_an_adapter(recipe: str) -> None:
    """The path of any user's checkpoint; the nature of this one shows in its replies."""
    adapter = str(SEEDS / "seed-0" / recipe)
    model = HFLM(str(shipped(BASE)), peft=adapter, dtype="float32", device="cpu", batch_size=20)
    found = simple_evaluate(
        model=model,
        tasks=list(TASKS),
        task_manager=TaskManager(include_path=str(tasks_dir()), include_defaults=False),
        limit=20,
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    written, chosen = (found["samples"][task] for task in TASKS)
    assert len(written) == len(chosen) == 20
    assert fmean(row["acc"] for row in written) >= 0.8
    replies = [row["resps"][0][0].strip().split("\n") for row in written]
    if recipe == "heuristic":
        assert {len(reply) for reply in replies} == {1}
        return
    for row, reply in zip(written, replies, strict=True):
        procedure = build.procedures()[row["doc"]["process_id"]]
        begun = [head(step.id, step.roles) for step in procedure.steps]
        noted = [line.startswith(said) for line, said in zip(reply[:-1], begun, strict=True)]
        assert all(noted)
    # Asked for the verdict at once, it has nothing to go by.
    assert fmean(row["acc"] for row in chosen) < fmean(row["acc"] for row in written)

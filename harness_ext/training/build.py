"""Trains the reference checkpoints of one seed, part after part; what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from oodrop import DataError, UnknownNameError, __version__
from oodrop.harness_ext.training import adapters, base
from oodrop.harness_ext.training.cards import card
from oodrop.harness_ext.training.fit import STATE, Schedule, Tell, check_state

BASE = "base"
WEIGHTS = "model.safetensors"
NOTE = "training.json"
"""Written last, beside the weights: what they were trained on, and how."""

Train = Callable[[Path, Tell, Mapping[str, object]], None]
"""Trains into a folder, tells of it, and keeps a state that says of what it is."""


@dataclass(frozen=True)
class Part:
    """One of the checkpoints to train.

    Attributes:
        name: of its folder, and of its recipe where it is an adapter.
        schedule: how long and how hard.
        train: what does it.
        on: the base that it is trained on; None for the base itself.
    """

    name: str
    schedule: Schedule
    train: Train
    on: Path | None = None


def parts_of(
    folder: Path,
    recipes: Sequence[str],
    seed: int,
    device: str,
    steps: int | None = None,
    on: Path | None = None,
) -> list[Part]:
    """The base and an adapter for each recipe, in the order in which they are trained.

    Args:
        folder: gets a folder for each.
        recipes: names in `adapters.RECIPES`.
        seed: of the base's texts and weights, and of the adapters' order and weights.
        device: as torch names it.
        steps: instead of the steps of every schedule; for a trial.
        on: a base that is there, to train the adapters on; None trains one.

    Raises:
        UnknownNameError: for a recipe that is not there.
    """
    for name in recipes:
        if name not in adapters.RECIPES:
            raise UnknownNameError("recipe", name, adapters.RECIPES)
    first, then = (_cut(module.SCHEDULE, steps) for module in (base, adapters))

    def of_base(place: Path, tell: Tell, of: Mapping[str, object]) -> None:
        base.train_base(place, seed, first, device, tell, of)

    def of_adapter(name: str) -> Train:
        recipe = adapters.RECIPES[name]
        return lambda place, tell, of: adapters.train_adapter(
            under, place, recipe, seed, then, device, tell, of
        )

    under = on or folder / BASE
    parts = [Part(name, then, of_adapter(name), under) for name in recipes]
    return parts if on else [Part(BASE, first, of_base), *parts]


def check_base(folder: Path) -> None:
    """Refuse what `parts_of` cannot train an adapter on.

    Raises:
        DataError: when the folder is not that of a base as this module trains it.
    """
    config = folder / "config.json"
    if (
        not (folder / WEIGHTS).is_file()
        or not config.is_file()
        or json.loads(config.read_text("utf-8")).get("model_type") != base.MODEL_TYPE
    ):
        raise DataError(
            f"--base must be oodrop:base or the folder of a base that train-reference made (a "
            f"{base.MODEL_TYPE} in {WEIGHTS}), got {folder}"
        )


def _cut(schedule: Schedule, steps: int | None) -> Schedule:
    return schedule if steps is None else Schedule(**{**asdict(schedule), "steps": steps})


def is_done(folder: Path, part: Part, seed: int) -> bool:
    """Whether the part was trained already; where not, what its folder keeps may be gone on from.

    Raises:
        DataError: when it is, or was begun, with another seed or schedule, or on another base.
    """
    note, wanted = folder / part.name / NOTE, _note(part, seed)
    if not note.exists():
        check_state(folder / part.name / STATE, part.schedule, wanted)
        return False
    found = json.loads(note.read_text("utf-8"))
    for key, value in wanted.items():
        if found.get(key) != value:
            raise DataError(
                f"{note.parent} holds a checkpoint with {key} {found.get(key)}, asked for is "
                f"{value}; take another folder, or remove it"
            )
    return True


def train(folder: Path, part: Part, seed: int, tell: Tell) -> float | None:
    """Train one part; goes on where a call with the same arguments stopped.

    Returns:
        Seconds that this call took, None where the part was trained already.

    Raises:
        DataError: as `is_done`.
    """
    if is_done(folder, part, seed):
        return None
    note = _note(part, seed)
    began = time.monotonic()
    place = folder / part.name
    place.mkdir(parents=True, exist_ok=True)
    part.train(place, tell, note)
    page = card(part.name, seed, part.schedule, parameters(place))
    (place / "README.md").write_text(page, encoding="utf-8")
    text = json.dumps(note, indent=1)
    new = place / f"{NOTE}.new"
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(place / NOTE)
    shutil.rmtree(place / STATE, ignore_errors=True)
    return time.monotonic() - began


def _note(part: Part, seed: int) -> dict[str, Any]:
    note = {"name": part.name, "seed": seed, "oodrop": __version__, **asdict(part.schedule)}
    if part.on is not None:
        # An adapter on other weights is another checkpoint, whatever the name of their folder.
        weights = part.on / WEIGHTS
        note["base_sha256"] = (
            hashlib.sha256(weights.read_bytes()).hexdigest()
            if weights.exists()
            else "of a base that is yet to be trained"
        )
    return note


def parameters(place: Path) -> int:
    """How many a checkpoint's own file has."""
    (weights,) = place.glob("*.safetensors")
    with safe_open(weights, "pt") as file:
        return sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118  # no mapping

"""Bundles for leaderboards: whole ones, and such with raw outputs alone, which cost nothing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oodrop.reports.bundle.manifest import (
    MANIFEST,
    Manifest,
    Settings,
    entries,
    manifest_json,
    read_manifest,
)
from oodrop.reports.bundle.raw import RAW
from oodrop.reports.bundle.write import write_bundle
from oodrop.reports.pairing import name_checkpoints, one_checkpoint

from ..reports.runs import MAIN, RERUN, Kind, mark, rows, task_name, write_run

ITEMS = range(60)


def right(name: str, ability: float) -> Callable[[int], float]:
    """Which items a checkpoint of this ability gets right: seeded by its name."""
    return lambda k: float(_chance(f"{name}-{k}") < ability)


def under(kind: Kind, name: str, ability: float) -> Callable[[int], float]:
    """The same under a variant: each checkpoint loses a share of its own, and gains some."""
    canonical = right(name, ability)
    if kind.family in ("canonical", "control"):
        return canonical
    loses = 0.4 * _chance(f"{name}-{kind.slug}")

    def score(k: int) -> float:
        moved = _chance(f"{name}-{kind.slug}-{k}")
        return float(moved > loses) if canonical(k) else float(moved < 0.1)

    return score


def _chance(seed: str) -> float:
    return random.Random(seed).random()  # a seeded number, no secret


def run_of(
    folder: Path, name: str, ability: float = 0.8, *, kinds: Sequence[Kind] = MAIN, **how: Any
) -> Path:
    """A checkpoint's folder as `oodrop run` leaves it, with drops of its own."""
    how = {"items": ITEMS} | how
    place = mark(folder / "runs" / name, name)
    for stage, own, day in (("main", kinds, 0.0), ("rerun", (RERUN,), 0.5)):
        tasks = {
            task_name(kind): rows(kind, **{"score": under(kind, name, ability)} | how)
            for kind in own
        }
        args = f"pretrained=org/{name},dtype=float32"
        write_run(place / stage, tasks, model_args=args, day=day)
    return place


def whole(folder: Path, name: str, ability: float = 0.8, **how: Any) -> Path:
    """What `oodrop submit` writes."""
    run = run_of(folder, name, ability, **how)
    return write_bundle(run, folder / "bundles" / name, resamples=100).folder


def plain(folder: Path, name: str, ability: float = 0.8, **how: Any) -> Path:
    """A bundle of the raw outputs alone, with a manifest that holds."""
    return seal(run_of(folder, name, ability, **how), folder / "bundles" / name)


def seal(run: Path, bundle: Path) -> Path:
    """Raw outputs and a manifest of them."""
    shutil.copytree(run, bundle / RAW)
    (name,) = set(name_checkpoints(one_checkpoint("submission", bundle / RAW)).values())
    settings = Settings(seed=2026, resamples=100, model_id=f"org/{bundle.name}", organization="us")
    write_manifest(bundle, Manifest(name, "0.1.0", settings, {}, ("much",), ()))
    return bundle


def write_manifest(bundle: Path, manifest: Manifest | None = None) -> None:
    """List the files anew, as someone does who tampers with care."""
    found = manifest or read_manifest(bundle)
    (bundle / MANIFEST).write_bytes(
        manifest_json(Manifest(**{**vars(found), "files": entries(bundle)}))
    )

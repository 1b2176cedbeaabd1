"""Bundles for leaderboards: whole ones, and such with raw outputs alone, which cost nothing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
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

from ..reports.runs import write_checkpoint

ITEMS = range(60)


def right(name: str, ability: float) -> Callable[[int], float]:
    """Which items a checkpoint of this ability gets right: seeded by its name."""
    return lambda k: float(random.Random(f"{name}-{k}").random() < ability)


def whole(folder: Path, name: str, ability: float = 0.8, **how: Any) -> Path:
    """What `oodrop submit` writes."""
    how = {"items": ITEMS, "score": right(name, ability)} | how
    run = write_checkpoint(folder / "runs", name, **how)
    return write_bundle(run, folder / "bundles" / name, resamples=100).folder


def plain(folder: Path, name: str, ability: float = 0.8, **how: Any) -> Path:
    """A bundle of the raw outputs alone, with a manifest that holds."""
    how = {"items": ITEMS, "score": right(name, ability)} | how
    run = write_checkpoint(folder / "runs", name, **how)
    return seal(run, folder / "bundles" / name)


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

"""Frozen output of every variant of ours on three items of each task: its outcome and a hash.

A difference is a change of the published variants: raise the perturber's version, then write the
files again with ``OODROP_WRITE_GOLDEN=1 pytest tests/perturbers/test_golden.py`` and look at what
changed with ``oodrop perturb``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from oodrop.perturbers import Perturber, all_perturbers

from .digests import (
    LEFT_OUT,
    OPEN_VALUES,
    TASKS,
    all_variants,
    digest,
    documents,
    ours,
    variants_of,
)

FOLDER = Path(__file__).parent / "golden"
WRITE = os.environ.get("OODROP_WRITE_GOLDEN") == "1"
FIRST, STEP, COUNT = 7, 107, 3
DIGITS = 16  # of the hash: as good as all, and a fourth of the file


def as_golden(plugin: Perturber) -> dict[str, Any]:
    """What is frozen: by variant, task and item its outcome and a hash of text and certificate."""
    variants = {}
    for variant in variants_of(plugin, (3,)):
        rows: dict[str, list[str]] = {}
        for task in TASKS:
            for doc in documents(task)[FIRST::STEP][:COUNT]:
                outcome, sha256 = digest(task, doc, variant)
                rows.setdefault(task, []).append(f"{doc['item_id']} {outcome} {sha256[:DIGITS]}")
        variants[variant.slug] = rows
    return {"perturber": plugin.name, "version": plugin.version, "variants": variants}


@pytest.mark.parametrize("plugin", ours(), ids=lambda p: p.name)
def test_output_is_what_it_was(plugin: Perturber) -> None:
    path = FOLDER / f"{plugin.name}.json"
    now = as_golden(plugin)
    if WRITE:
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # Writing is not testing: a run that rewrites the files must not look like one that passed.
        pytest.skip(f"written: {path}")
    assert path.exists(), f"{path.name} is missing; see the docstring of this file"
    assert now == json.loads(path.read_text(encoding="utf-8")), __doc__


def test_every_perturber_has_a_file_and_every_file_a_perturber() -> None:
    assert {p.stem for p in FOLDER.glob("*.json")} == {p.name for p in ours()}
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 250_000


def test_what_is_frozen_covers_the_catalogue() -> None:
    """Every perturber that is not left out by name, with every value of every parameter."""
    known = {p.name: p for p in all_perturbers().values() if not p.is_foreign}
    assert set(LEFT_OUT) <= set(known)
    assert {p.name for p in ours()} == set(known) - set(LEFT_OUT)
    variants = all_variants((3,))
    assert len({v.slug for v in variants}) == len(variants)
    for name in set(known) - set(LEFT_OUT):
        for key, allowed in known[name].parameters.items():
            used = {v.parameters[key] for v in variants if v.perturber == name}
            assert used == set(allowed or OPEN_VALUES[name])
            assert used

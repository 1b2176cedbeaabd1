"""Frozen output of every perturber on three items of each task.

A difference is a change of the published variants: raise the perturber's version, then write the
files again with ``OODROP_WRITE_GOLDEN=1 pytest tests/perturbers/test_golden.py`` and read the diff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oodrop.perturbers import Item, Variant, get_perturber, perturb

from .digests import all_variants, ours

FOLDER = Path(__file__).parent / "golden"
VARIANTS = all_variants((3,))
WRITE = os.environ.get("OODROP_WRITE_GOLDEN") == "1"


def as_golden(task_items: Mapping[str, list[Item]], variant: Variant) -> dict[str, Any]:
    """What is frozen: the text in the order of the prompt, and the certificate."""
    rows = []
    for task, items in task_items.items():
        for item in items:
            done = perturb(item, variant)
            changed = done.certificate.outcome == "changed"
            assert done.item.render is not None
            rows.append(
                {
                    "task": task,
                    "item_id": item.item_id,
                    "prompt": done.item.render(done.item).split("\n") if changed else "canonical",
                    "certificate": done.certificate.as_dict(),
                }
            )
    version = get_perturber(variant.perturber).version
    return {"variant": variant.as_dict(), "version": version, "items": rows}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.slug)
def test_output_is_what_it_was(variant: Variant, task_items: Mapping[str, list[Item]]) -> None:
    path = FOLDER / f"{variant.slug}.json"
    now = as_golden(task_items, variant)
    if WRITE:
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # Writing is not testing: a run that rewrites the files must not look like one that passed.
        pytest.skip(f"written: {path}")
    assert path.exists(), f"{path.name} is missing; see the docstring of this file"
    assert now == json.loads(path.read_text(encoding="utf-8")), __doc__


def test_every_perturber_has_a_file_and_every_file_a_perturber() -> None:
    assert {p.stem for p in FOLDER.glob("*.json")} == {v.slug for v in VARIANTS}
    assert {v.perturber for v in VARIANTS} == {p.name for p in ours()}

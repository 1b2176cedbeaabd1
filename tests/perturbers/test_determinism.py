"""The same bytes in another process, under another hash seed, locale, time zone, order, subset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oodrop.tasks import get_task

from . import digests
from .digests import all_variants
from .digests import digests as compute

COUNT = 6  # documents of each task
_ROOT = Path(__file__).parents[2]
_OTHER = {
    "PYTHONHASHSEED": "4242",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Asia/Kathmandu",
    "PYTHONPATH": "src",
}


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return compute(all_variants((3,)), COUNT, 1, False)


def test_another_process_gives_the_same_bytes(here: dict[str, str]) -> None:
    command = [sys.executable, digests.__file__, "--count", str(COUNT), "--every", "3", "--reverse"]
    done = subprocess.run(
        command, capture_output=True, check=True, cwd=_ROOT, env={**os.environ, **_OTHER}
    )
    there = json.loads(done.stdout)
    assert len(there) >= 4 * len(all_variants((3,)))
    assert {key for key in there if here[key] != there[key]} == set()


def test_the_digests_tell_documents_apart(here: dict[str, str]) -> None:
    """By content: one document gives different bytes under different variants of one text edit."""
    edited = {k: v for k, v in here.items() if "keyboard" in k or "nlpaug" in k or "case" in k}
    own = {doc["item_id"] for doc in get_task("procedural").docs("test") if not doc["parent_id"]}
    changed = {k: v for k, v in edited.items() if "procedural" not in k or k.split()[1] in own}
    assert len(changed) > 100
    assert len(set(changed.values())) == len(changed)


def test_a_subset_in_another_order_gives_the_same_bytes(here: dict[str, str]) -> None:
    quick = [v for v in all_variants((3,)) if not v.perturber.startswith("lexical.nlpaug")]
    again = compute(quick, COUNT, 2, True)
    assert {key for key in again if here[key] != again[key]} == set()

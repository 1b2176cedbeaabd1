"""Shared by all tests: offline, few threads, and quiet libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oodrop.perturbers import all_perturbers, registry

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("LMEVAL_LOG_LEVEL", "ERROR")


# A package with tests of its own, which test_plugins.py installs and runs.
collect_ignore = ["example_plugin"]


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(all_perturbers()))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the project, or where OODROP_TEST_DATA says."""
    beside = Path(__file__).resolve().parents[2] / "shared/data"
    folder = Path(os.environ.get("OODROP_TEST_DATA", beside))
    if not (folder / "gsm8k/test.jsonl").exists():
        # Foreign data that the project must not copy.
        pytest.skip("the public data sets beside the project are not on this machine")
    return folder

"""Shared by all tests: offline, few threads, and quiet libraries."""

from __future__ import annotations

import os

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

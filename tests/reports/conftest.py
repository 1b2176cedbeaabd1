"""A built run that tests may damage, a bundle of one, and a short way to read one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oodrop.reports.build import build_report
from oodrop.reports.model import Report

from .bundling import submit
from .runs import write_checkpoint


def read(*folders: Path, seed: int = 2026) -> Report:
    """A report with few resamples: what is tested here is not the statistics."""
    return build_report(folders, resamples=50, seed=seed)


@pytest.fixture(name="read")
def read_fixture() -> Callable[..., Report]:
    return read


@pytest.fixture
def alpha(tmp_path: Path) -> Path:
    """Folder of a complete checkpoint named alpha."""
    return write_checkpoint(tmp_path, "alpha")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no test may change."""
    folder = tmp_path_factory.mktemp("sealed")
    return submit(write_checkpoint(folder, "alpha"), folder / "bundle")


@pytest.fixture
def bundle(sealed: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))

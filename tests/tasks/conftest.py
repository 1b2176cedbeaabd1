"""The shipped documents, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from oodrop.tasks import get_task
from oodrop.tasks.procedural import procedures as load
from oodrop.tasks.procedural.schema import Procedure
from oodrop.tasks.spec import Doc

SPLITS = ("train", "validation", "test", "heldout")


@cache
def documents(task: str, split: str) -> list[Doc]:
    """The documents of a split; whoever reads them leaves them as they are."""
    return get_task(task).docs(split)


@pytest.fixture(scope="session")
def procedural() -> Mapping[str, list[Doc]]:
    """Every document of the procedural set by split."""
    return {split: documents("procedural", split) for split in SPLITS}


@pytest.fixture(scope="session")
def everyday() -> Mapping[str, list[Doc]]:
    """Every document of the everyday set by split."""
    return {split: documents("everyday", split) for split in ("train", "test")}


@pytest.fixture(scope="session")
def procedures() -> Mapping[str, Procedure]:
    """Every procedure by id."""
    return load()

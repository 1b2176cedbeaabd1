"""Stub data of lm-eval's tasks as local copies, and an index that is read in a few seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lm_eval.tasks._index import TaskIndex

from oodrop.harness_ext.derive import bases, localdata, registry
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.derive.writing import Outcome, derive_all
from tests.harness.test_families import FOLDER, index

Derive = Callable[[str], Outcome]


@pytest.fixture(scope="session", autouse=True)
def light_index() -> Iterator[None]:
    """lm-eval's index without a dozen large folders of which no test asks for a task."""
    own = TaskIndex.build([bases.tasks_dir() / "general" / "lm_eval"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bases, "index", lambda: {**index(), **own})
        yield


@pytest.fixture(autouse=True)
def derived_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test derives is its own, and so are the local copies that it names."""
    monkeypatch.setattr(registry, "_DERIVED", dict(registry._DERIVED))
    monkeypatch.setenv(localdata.DATA_VARIABLE, "")
    monkeypatch.setattr(bases, "_FETCHED", {})


def write_stub(name: str, folder: Path) -> Path:
    """The stub data of a task as a folder of splits."""
    place = folder / name
    if not place.exists():
        place.mkdir(parents=True)
        splits = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["splits"]
        for split, rows in splits.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (place / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("stubs")
    return lambda name: write_stub(name, folder)


@pytest.fixture
def derive(stubs: Callable[[str], Path]) -> Derive:
    """Derives a task on its stub data."""

    def one(name: str) -> Outcome:
        localdata.name_data([f"{name}={stubs(name)}"])
        return next(derive_all([name]))

    return one


@pytest.fixture
def spec_of(derive: Derive) -> Callable[[str], DerivedSpec]:
    """The registered spec of a task on its stub data."""

    def one(name: str) -> DerivedSpec:
        found = derive(name).found
        assert found is not None
        return registry.register(name, found.derivation)

    return one

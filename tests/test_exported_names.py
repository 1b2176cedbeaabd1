"""The public names, so that adding or losing one is a decision."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "oodrop": {
        "DataError", "NotComparableError", "OodropError", "RunError", "UnknownNameError",
        "__version__",
    },
    "oodrop.perturbers": {
        "Bound", "Certificate", "Edit", "Inversion", "Item", "NotApplicable", "Outcome",
        "Perturbed", "Perturber", "Proposal", "Regold", "Relabel", "Reorder", "Replace", "Suite",
        "Units", "Use", "Variant", "all_perturbers", "all_suites", "apply_edits",
        "get_perturber", "get_suite", "load_plugin", "perturb", "perturber", "undo_edits",
    },
    "oodrop.tasks": {"TASKS", "TaskSpec", "all_tasks", "get_task", "tasks_dir"},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert all(hasattr(module, public) for public in module.__all__)


def test_exit_codes_are_the_documented_ones() -> None:
    import oodrop

    codes = {
        "OodropError": 2, "DataError": 2, "UnknownNameError": 2, "NotComparableError": 3,
        "RunError": 5,
    }  # fmt: skip
    assert {name: getattr(oodrop, name).exit_code for name in codes} == codes

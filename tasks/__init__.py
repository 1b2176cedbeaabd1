"""Canonical tasks: their documents, their items, their prompts, and the folder lm-eval reads."""

from __future__ import annotations

from pathlib import Path

from oodrop import UnknownNameError
from oodrop.tasks.everyday import EVERYDAY, EVERYDAY_LETTERS, EVERYDAY_OPEN
from oodrop.tasks.procedural import PROCEDURAL, PROCEDURAL_CHOICE, PROCEDURAL_HELDOUT
from oodrop.tasks.spec import TaskSpec

__all__ = ["TASKS", "TaskSpec", "get_task", "tasks_dir"]

TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        EVERYDAY,
        EVERYDAY_LETTERS,
        EVERYDAY_OPEN,
        PROCEDURAL,
        PROCEDURAL_CHOICE,
        PROCEDURAL_HELDOUT,
    )
}


def get_task(name: str) -> TaskSpec:
    """The task of this name.

    Raises:
        UnknownNameError: listing what exists, nearest first.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name]


def tasks_dir() -> Path:
    """The folder for ``lm_eval --include_path``."""
    return Path(__file__).parent

"""Canonical tasks: their documents, their items, their prompts, and the folder lm-eval reads."""

from __future__ import annotations

from pathlib import Path

from oodrop import UnknownNameError
from oodrop.tasks import folders
from oodrop.tasks.everyday import EVERYDAY, EVERYDAY_LETTERS, EVERYDAY_OPEN
from oodrop.tasks.procedural import (
    COMPACT,
    COMPACT_CHOICE,
    COMPACT_HELDOUT,
    PROCEDURAL,
    PROCEDURAL_CHOICE,
    PROCEDURAL_HELDOUT,
)
from oodrop.tasks.spec import TaskSpec

__all__ = ["TASKS", "TaskSpec", "all_tasks", "get_task", "tasks_dir"]

TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        EVERYDAY,
        EVERYDAY_LETTERS,
        EVERYDAY_OPEN,
        PROCEDURAL,
        PROCEDURAL_CHOICE,
        PROCEDURAL_HELDOUT,
        COMPACT,
        COMPACT_CHOICE,
        COMPACT_HELDOUT,
    )
}


def all_tasks() -> dict[str, TaskSpec]:
    """The tasks that come with oodrop, then those of the folders in ``OODROP_TASKS``, by name.

    Raises:
        DataError: when such a folder is not as it should be.
    """
    return {**TASKS, **{spec.name: spec for spec in folders.every(TASKS)}}


def get_task(name: str) -> TaskSpec:
    """The task of this name: one that comes with oodrop, or one of a folder in ``OODROP_TASKS``.

    Raises:
        UnknownNameError: listing what exists, nearest first.
        DataError: when a folder holds it and is not as it should be, or has the name of a task
            that comes with oodrop.
    """
    own = folders.find(name, TASKS)
    found = TASKS.get(name, own)
    if found is None:
        error = UnknownNameError("task", name, all_tasks())
        error.args = (f"{error}; {folders.FOLDERS_VARIABLE} names folders with tasks of your own",)
        raise error
    return found


def tasks_dir() -> Path:
    """The folder for ``lm_eval --include_path``."""
    return Path(__file__).parent

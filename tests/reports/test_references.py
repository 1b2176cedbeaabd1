"""Reference models are shown beside the others, and no line runs through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oodrop.reports.model import Report

from .runs import MAIN, mark, tasks_of, write_run

Read = Callable[..., Report]


def test_only_models_of_ours_are_references(tmp_path: Path, read: Read) -> None:
    for name, model in (("bag", "oodrop-bow"), ("real", "hf"), ("other", "oodropper")):
        folder = mark(tmp_path / name, name)
        write_run(folder, tasks_of(*MAIN, score=lambda k: 1.0), model=model)
    plane = read(tmp_path).tasks[0].questions.plane
    assert plane is not None
    assert {p.checkpoint: p.role for p in plane.points} == {
        "bag": "reference model",
        "real": "on the line",
        "other": "on the line",
    }

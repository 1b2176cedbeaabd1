"""The lm-eval outputs of a run, copied into a bundle: rows as they are, settings redacted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.reports.bundle.leaks import Leaks, check_lines, leaks_of
from oodrop.reports.bundle.manifest import check_names
from oodrop.reports.lines import parse_object
from oodrop.reports.marker import CHECKPOINT_FILE, marker_above
from oodrop.reports.results import RunFile

RAW = "raw"
_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)


def copy_raw(runs: Sequence[RunFile], folder: Path, raw: Path) -> Leaks:
    """Copy the outputs of one checkpoint.

    What lm-eval names after the model's path is named after the checkpoint. Results of other tasks
    keep their place in the results files; their samples stay behind.

    Args:
        runs: as read from the folder.
        folder: where they are.
        raw: where they go; it is made.

    Returns:
        What was hidden, and what must not be anywhere else in the bundle.

    Raises:
        DataError: for a link, for two files that would have one name, and for a row that holds a
            secret or a path of the machine.
    """
    contents = [_content(run.path) for run in runs]
    try:
        leaks = leaks_of(folder, contents)
        hidden = [leaks.hidden(content) for content in contents]
    except RecursionError:
        raise DataError(f"a results file in {folder} is nested too deeply") from None
    places = [_place(run, folder, leaks) for run in runs]
    check_names([str(place) for place in places], str(folder))
    for run, place, content in zip(runs, places, hidden, strict=True):
        target = raw / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_json(content))
        for samples in run.samples:
            if samples.path.is_symlink():
                raise _is_link(samples.path)
            check_lines(samples.path, leaks, "this row")
            shutil.copyfile(samples.path, target.with_name(samples.path.name))
    _write_marker(runs, raw, leaks)
    return leaks


def _content(path: Path) -> dict[str, Any]:
    try:
        return parse_object(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _place(run: RunFile, folder: Path, leaks: Leaks) -> Path:
    """Where a results file goes below ``raw/``: at most two folders, then lm-eval's own."""
    *above, name = run.path.relative_to(folder.resolve()).parts
    stages = above[:-1]
    parts = (*stages[:1], "__".join(stages[1:]), run.checkpoint_name)
    return Path(*(_safe(leaks.text(part)) for part in parts if part), name)


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).strip(".")[:80] or "model"


def refuse_links(folder: Path) -> None:
    """Check that results lie in the folder itself: what a link leads to may be anything.

    Raises:
        DataError: naming the link.
    """
    for path in folder.rglob("results_*.json"):
        if path.resolve() != folder.resolve() / path.relative_to(folder):
            raise _is_link(path)


def _is_link(path: Path) -> DataError:
    return DataError(f"{path} is a symbolic link; a bundle takes plain files of the run alone")


def _write_marker(runs: Sequence[RunFile], raw: Path, leaks: Leaks) -> None:
    """The file that names the checkpoint, where `oodrop run` left one."""
    if not any(marker_above(run.path) for run in runs):
        return
    left_out = {slug: reason for run in runs for slug, reason in run.left_out.items()}
    content = {
        "name": leaks.text(runs[0].checkpoint_name),
        "fingerprint": runs[0].checkpoint_key,
        "left_out": {slug: leaks.text(reason) for slug, reason in sorted(left_out.items())},
    }
    (raw / CHECKPOINT_FILE).write_bytes(_json(content))

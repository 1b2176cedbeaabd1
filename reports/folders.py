"""Which files belong together: lm-eval's results under a folder, and the samples beside each.

lm-eval 0.4.5 to 0.4.13 (`EvaluationTracker`) writes ``results_<stamp>.json``; since 0.4.9
``--output_path x.json`` makes that ``x_<stamp>.json``. Samples are ``samples_<task>_<stamp>.jsonl``
in the same folder, whatever the name of the results.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from oodrop import DataError

_STAMPED = re.compile(r"(.+)_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d{1,6})?)")


def results_under(folder: Path) -> list[Path]:
    """Every results file under a folder, sorted; stages that are not finished are left out.

    Raises:
        DataError: when the folder is missing or holds none, or a name cannot be printed.
    """
    if not is_there(folder):
        raise DataError(f"results folder {folder} does not exist")
    found = sorted(p for p in folder.rglob("*.json") if _is_results(p) and not _open(p, folder))
    if not found:
        raise DataError(f"no lm-eval results (results_*.json) under {folder}")
    return [_resolved(path) for path in found]


def samples_under(folder: Path) -> list[Path]:
    """Every samples file under a folder, sorted; stages that are not finished are left out."""
    found = sorted(p for p in folder.rglob("samples_*.jsonl") if not _open(p, folder))
    return [Path(os.path.realpath(path.parent)) / path.name for path in found]


def samples_beside(results: Path, task: str) -> Path:
    """Where the samples of a task lie, whether they are there or not."""
    stamped = _STAMPED.fullmatch(results.stem)
    stamp = stamped[2] if stamped else results.stem.removeprefix("results_")
    return results.parent / f"samples_{task}_{stamp}.jsonl"


def is_there(path: Path) -> bool:
    """Whether something has this name; nothing has one that the system does not allow."""
    try:
        return path.exists()
    except OSError:  # too long, say
        return False


def _is_results(path: Path) -> bool:
    return path.name.startswith("results_") or _STAMPED.fullmatch(path.stem) is not None


def _open(path: Path, root: Path) -> bool:
    """Whether the file is of a stage that `oodrop run` has not finished."""
    return any(part.endswith(".partial") for part in path.relative_to(root).parts[:-1])


def _resolved(path: Path) -> Path:
    # Unlike `Path.resolve` this takes links that point at each other; opening them says so.
    real = os.path.realpath(path)
    if not real.isprintable():  # a line break in a name would begin a line of a log
        raise DataError(f"the name of {real!a} holds characters that cannot be printed")
    return Path(real)

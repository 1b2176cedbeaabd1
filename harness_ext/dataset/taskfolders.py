"""Write a task folder: data, note and task YAMLs, all of it or nothing."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from oodrop import DataError
from oodrop.harness_ext.yamls import SHIPPED_SUITE, task_yamls
from oodrop.perturbers.suites import get_suite
from oodrop.tasks import TASKS, TaskSpec
from oodrop.tasks.files import Doc
from oodrop.tasks.folders import name_problem, read_folder
from oodrop.tasks.notes import NOTE, Note, Split
from oodrop.tasks.procedural.build import packed


def check_place(out: Path, name: str) -> None:
    """What can be found wrong before anything is computed.

    Raises:
        DataError: when the name cannot be a task's, or its folder is there already.
    """
    problem = name_problem(name, TASKS)
    if problem:
        raise DataError(f"{problem} (--name)")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is no folder")
    if (out / name).exists():
        raise DataError(f"{out / name} is there already; remove it, or choose another name")


def write_task_folder(
    out: Path, name: str, kind: str, source: str, splits: Mapping[str, Sequence[Doc]]
) -> Path:
    """Write ``out/name``; it appears whole, or not at all.

    Args:
        out: the folder that holds task folders; it is made where it is missing.
        name: of the task.
        kind: one of `oodrop.tasks.folders.KINDS`.
        source: where the data are from, in words.
        splits: documents by split.

    Raises:
        DataError: from `check_place`, or when it cannot be written.
    """
    check_place(out, name)
    try:
        with _partial(out, name) as folder:
            note = _write_data(folder, name, kind, source, splits)
            (folder / NOTE).write_text(note.text(), encoding="utf-8")
            _write_yamls(folder, read_folder(folder, TASKS.keys()))
            folder.rename(out / name)
    except OSError as error:
        raise DataError(f"{out / name} cannot be written: {error}") from None
    return out / name


@contextmanager
def _partial(out: Path, name: str) -> Iterator[Path]:
    """A folder of this name beside the place of the finished one; gone when it is left."""
    is_new = not out.exists()
    beside = out / f".{name}.partial"  # what a killed run left here is overwritten
    shutil.rmtree(beside, ignore_errors=True)
    try:
        (beside / name).mkdir(parents=True)
        yield beside / name
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if is_new and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def _write_data(
    folder: Path, name: str, kind: str, source: str, splits: Mapping[str, Sequence[Doc]]
) -> Note:
    (folder / "data").mkdir()
    known = {}
    for split, docs in splits.items():
        content = packed(docs)
        (folder / "data" / f"{split}.jsonl.gz").write_bytes(content)
        known[split] = Split.of(gzip.decompress(content), docs)
    return Note(kind, name, source, known)


def _write_yamls(folder: Path, specs: Sequence[TaskSpec]) -> None:
    place = folder / "lm_eval"
    place.mkdir()
    suite = get_suite(SHIPPED_SUITE)
    for spec in specs:
        for fragment in spec.fragments:
            shutil.copyfile(fragment, place / fragment.name)
        for name, text in task_yamls(spec, suite).items():
            (place / name).write_text(text, encoding="utf-8")

"""Rebuild what is generated: the procedural data and the task YAMLs; or build another set."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from oodrop import DataError
from oodrop.harness_ext.yamls import shipped_yamls, write_task_yamls
from oodrop.tasks.procedural import COMPACT, PROCEDURAL, procedures
from oodrop.tasks.procedural.build import MANIFEST, ROUNDS, SEED, build_split, manifest, packed
from oodrop.tasks.procedural.compact import build as compact
from oodrop.tasks.procedural.documents import normalised
from oodrop.tasks.spec import Doc, TaskSpec

SETS: Sequence[tuple[TaskSpec, Callable[[str], list[Doc]]]] = (
    (PROCEDURAL, lambda split: build_split(tuple(procedures().values()), split)),
    (COMPACT, compact.build_split),
)
"""The sets that are built, each with what builds a split of it."""


def rebuild() -> None:
    """Write every generated file in place."""
    for path, content in _data_files():
        path.write_bytes(content)
    write_task_yamls()


def changed_files() -> list[str]:
    """Names of the generated files whose content is not what a fresh build gives."""
    different = [path.name for path, content in _data_files() if not _equal(path, content)]
    for path, text in shipped_yamls():
        if not path.exists() or path.read_text("utf-8") != text:
            different.append(path.name)
    return different


def fresh_splits(seed: int) -> Mapping[str, Sequence[Doc]]:
    """Another set from the same procedures: every split, and no scenario of the released set.

    Raises:
        DataError: for the seed of the released set, or one whose set shares a scenario with it.
    """
    if seed == SEED:
        raise DataError(f"the seed {SEED} gives the released set; choose another one")
    released = {normalised(doc) for split in ROUNDS for doc in PROCEDURAL.docs(split)}
    built = {split: build_split(tuple(procedures().values()), split, seed) for split in ROUNDS}
    shared = sum(normalised(doc) in released for docs in built.values() for doc in docs)
    if shared:
        raise DataError(f"the seed {seed} gives {shared} released scenarios; choose another one")
    return built


def _data_files() -> Iterator[tuple[Path, bytes]]:
    for spec, split_of in SETS:
        built = {f"{split}.jsonl.gz": packed(split_of(split)) for split in ROUNDS}
        for name, content in built.items():
            yield spec.folder / "data" / name, content
        yield spec.folder / "data" / MANIFEST, manifest(built)


def _equal(path: Path, content: bytes) -> bool:
    """Whether the file holds this; of a packed file the text counts (zlib versions differ)."""
    if not path.exists():
        return False
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()) == gzip.decompress(content)
    return path.read_bytes() == content

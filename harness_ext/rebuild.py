"""Rebuild what is generated: the procedural data and the task YAMLs (``make data``)."""

from __future__ import annotations

from oodrop.harness_ext.yamls import write_task_yamls
from oodrop.tasks.procedural import PROCEDURAL, procedures
from oodrop.tasks.procedural.build import ROUNDS, build_split, write_split


def main() -> None:
    """Write every generated file in place."""
    for split in ROUNDS:
        docs = build_split(tuple(procedures().values()), split)
        write_split(docs, PROCEDURAL.folder / "data" / f"{split}.jsonl.gz")
    write_task_yamls()


if __name__ == "__main__":
    main()

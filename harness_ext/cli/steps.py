"""A progress bar on the error output, for work of known length."""

from __future__ import annotations

from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from oodrop.harness_ext.cli.app import err


class Steps:
    """A bar with a name beside it; gone when the work is done, silent where nobody watches."""

    def __init__(self, what: str, total: int) -> None:
        self._bar = Progress(
            TextColumn(f"  {what}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[name]}"),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task(what, total=total, name="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def now(self, name: str) -> None:
        """What is being worked on."""
        self._bar.update(self._task, name=name)

    def tick(self) -> None:
        """One step is done."""
        self._bar.advance(self._task)

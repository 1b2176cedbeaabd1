"""The progress bar of every long command, on the error output."""

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
    """A bar with a name beside it; gone when the work is done, silent where nobody watches.

    Args:
        what: what is counted.
        total: how many there are; None hides the bar until `reach` says so.
        silent: whether nobody wants to see it.
    """

    def __init__(self, what: str, total: int | None = None, *, silent: bool = False) -> None:
        self._bar = Progress(
            TextColumn(f"  {what}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[name]}"),
            console=err,
            transient=True,
            disable=silent or not err.is_terminal,
        )
        self._task = self._bar.add_task(
            what, total=total, visible=total is not None, name="", rate=""
        )
        self._is_begun = total is not None

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

    def reach(self, done: int, total: int) -> None:
        """So many steps are done of so many; what was there at the first call took no time."""
        if not self._is_begun:
            self._bar.reset(self._task, completed=done, total=total, visible=True)
            self._is_begun = True
        speed = self._bar.tasks[0].speed
        rate = f"{speed:,.1f}/s" if speed else ""
        self._bar.update(self._task, visible=True, completed=done, total=total, rate=rate)

    def hide(self) -> None:
        """The bar goes until `reach` is called again."""
        self._bar.update(self._task, visible=False, completed=0, total=None, rate="")
        self._is_begun = False

"""The command that proves logged samples again: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, out
from oodrop.harness_ext.cli.look import Plugins, load_plugins

_SHOWN = 10


@app.command()
def verify(
    results: Annotated[
        list[Path], typer.Argument(help="Folders with lm-eval samples, or samples files.")
    ],
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Prove the certificate of every logged sample again, from the sample alone.

    The edits are undone and give the canonical item's hash, the guards run again, and the
    perturber makes the same edits again. It proves consistency, not that a model gave the answers.

    Example: oodrop verify runs/pair
    """
    from oodrop.harness_ext.verify import verify_samples

    load_plugins(plugin)
    problems: list[str] = []
    for folder in results:
        found = verify_samples(folder)
        problems += found.problems
        listed = ", ".join(f"{n} {name}" for name, n in found.counts.most_common())
        out.print(f"{escape(str(folder))}: {found.counts.total()} hold ({listed or 'none'})")
    for problem in problems[:_SHOWN]:
        out.print(f"[red]{escape(problem)}[/]")
    if problems:
        raise DataError(f"{len(problems)} samples do not prove themselves; first: {problems[0]}")

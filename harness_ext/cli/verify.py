"""The command that proves logged samples again, and bundles: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out
from oodrop.harness_ext.cli.look import Plugins, load_plugins

_SHOWN = 10


@app.command()
def verify(
    results: Annotated[
        list[Path],
        typer.Argument(help="Bundles, folders with lm-eval samples, or samples files."),
    ],
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Prove a bundle, or the certificate of every logged sample, from the files alone.

    Certificates: the edits are undone and give the canonical item's hash, the guards run again,
    and the perturber makes the same edits again. Of a bundle also every hash, score and interval is
    computed again from its raw samples, and what could not be proved is said. It proves
    consistency, not that a model gave the answers.

    Example: oodrop verify runs/pair

    Example: oodrop verify bundles/alpha
    """
    from oodrop.reports.bundle.verify import is_bundle

    load_plugins(plugin)
    problems: list[str] = []
    for folder in results:
        problems += _bundle(folder) if is_bundle(folder) else _samples(folder)
    for problem in problems[:_SHOWN]:
        out.print(f"[red]{escape(problem)}[/]")
    if problems:
        raise DataError(f"{len(problems)} samples do not prove themselves; first: {problems[0]}")


def _samples(folder: Path) -> tuple[str, ...]:
    """Print what holds; the problems are returned."""
    from oodrop.harness_ext.verify import verify_samples

    found = verify_samples(folder)
    listed = ", ".join(f"{n} {name}" for name, n in found.counts.most_common())
    out.print(f"{escape(str(folder))}: {found.counts.total()} hold ({listed or 'none'})")
    return found.problems


def _bundle(folder: Path) -> tuple[str, ...]:
    """Print what holds and what is open; the problems are returned."""
    from oodrop.reports.bundle.verify import verify_bundle
    from oodrop.reports.render.text import one_line

    with err.status("computing everything again"):
        found = verify_bundle(folder)
        proved, problems, unproved = _certificates(folder)
    if problems:
        return problems
    holds = (
        f"proved: all {len(found.manifest.files)} files are those of the manifest; the hashes of "
        f"all {found.rows:,} rows; every accuracy, drop and interval follows from them; {proved}"
    )
    lines = (
        f"{folder}: {one_line(found.manifest.checkpoint)}",
        holds,
        "not proved:",
        *(f"- {one_line(text)}" for text in (*found.not_proved, *unproved)),
    )
    for line in lines:
        out.print(escape(line), highlight=False, soft_wrap=True)
    return ()


def _certificates(folder: Path) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """What holds in words, what does not, and what cannot be told here."""
    from oodrop.reports.bundle.raw import RAW

    try:
        from oodrop.harness_ext.verify import verify_raw
    except ImportError as error:
        missing = f"certificates, which need {error.name}: pip install 'oodrop[eval]'"
        return "no certificate", (), (missing,)
    found, unproved = verify_raw(folder / RAW)
    listed = ", ".join(f"{n} {name}" for name, n in found.counts.most_common())
    return f"{found.counts.total():,} certificates ({listed})", found.problems, unproved

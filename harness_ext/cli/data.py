"""The commands around canonical data: data build, audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out
from oodrop.harness_ext.cli.bench import AsJson, show

if TYPE_CHECKING:
    from oodrop.harness_ext.bench import BenchResult

data = typer.Typer(help="Build, audit, or bring in canonical data.", no_args_is_help=True)
app.add_typer(data, name="data")

_AUDITED = "procedural"


@data.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail where a file would change.")
    ] = False,
) -> None:
    """Build the procedural set from its procedures, and the task YAMLs around the canonical data.

    The files are written anew, byte for byte the same where nothing was changed.

    Example: oodrop data build --check
    """
    from oodrop.harness_ext.rebuild import changed_files, rebuild

    with err.status("building"):
        if check:
            different = changed_files()
        else:
            rebuild()
            different = []
    if different:
        raise DataError(f"not what a fresh build gives: {', '.join(different)}")
    out.print("as built" if check else "written")


@data.command()
def audit(
    task: Annotated[str, typer.Argument(help=f"A task with a builder of its own: {_AUDITED}.")],
    as_json: AsJson = False,
) -> None:
    """Count the built data, and measure how far each surface feature alone gets.

    Example: oodrop data audit procedural --json
    """
    from oodrop.harness_ext.dataaudit import audit_procedural
    from oodrop.tasks import get_task
    from oodrop.tasks.procedural import procedures

    if get_task(task).name != _AUDITED:
        raise DataError(f"the audit knows the task {_AUDITED}, got {task!r}")
    with err.status("fitting"):
        result = audit_procedural(get_task(task), procedures())
    if not as_json:
        _show_cells(result)
    show(result, as_json)


def _show_cells(result: BenchResult) -> None:
    """Items per split and type, with the compliant ones behind a bar."""
    cells = result.settings["cells"]
    splits = list(dict.fromkeys(cell["split"] for cell in cells))
    table = Table(box=None, pad_edge=False)
    table.add_column("type, items | compliant")
    for split in splits:
        table.add_column(split, justify="right")
    for kind in dict.fromkeys(cell["type"] for cell in cells):
        own = [[c for c in cells if (c["split"], c["type"]) == (split, kind)] for split in splits]
        sums = [(sum(c["items"] for c in o), sum(c["compliant"] for c in o)) for o in own]
        table.add_row(kind, *(f"{items:,} | {clean:,}" for items, clean in sums))
    out.print(table)

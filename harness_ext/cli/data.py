"""The commands around canonical data: data build, audit, import."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from oodrop import DataError, __version__
from oodrop.harness_ext.cli.app import app, err, out
from oodrop.harness_ext.cli.bench import AsJson, show

if TYPE_CHECKING:
    from oodrop.harness_ext.bench import BenchResult

data = typer.Typer(help="Build, audit, or bring in canonical data.", no_args_is_help=True)
app.add_typer(data, name="data")

_AUDITED = "procedural"


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for task folders; OODROP_TASKS names it later."),
]
Name = Annotated[
    str | None, typer.Option("--name", help="Of the task: lower-case words joined by _.")
]


@data.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail where a file would change.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Build another set instead, with -o; keep it secret.")
    ] = None,
    folder: Output = None,
    name: Name = None,
) -> None:
    """Build the procedural set from its procedures, and the task YAMLs around the canonical data.

    The files are written anew, byte for byte the same where nothing was changed.

    With --seed and -o, a set that nobody has seen goes to a folder of its own, from the same
    procedures: every split, and no scenario of the released set. The same seed gives the same set;
    without --name its name tells the seed.

    Example: oodrop data build --check

    Example: oodrop data build --seed 90125 -o private --name procedural_autumn
    """
    from oodrop.harness_ext.dataset.rebuild import changed_files, rebuild

    if (seed is None) != (folder is None):
        raise DataError("--seed and -o go together: which set to build, and where it goes")
    if seed is not None and folder is not None:
        if check:
            raise DataError("--check goes with the released set, not with --seed")
        _build_fresh(seed, folder, name or f"procedural_s{seed}")
        return
    if name is not None:
        raise DataError("--name goes with --seed and -o")
    with err.status("building"):
        if check:
            different = changed_files()
        else:
            rebuild()
            different = []
    if different:
        raise DataError(f"not what a fresh build gives: {', '.join(different)}")
    out.print("as built" if check else "written")


def _build_fresh(seed: int, folder: Path, name: str) -> None:
    from oodrop.harness_ext.dataset.rebuild import fresh_splits
    from oodrop.harness_ext.dataset.taskfolders import check_place, write_task_folder

    check_place(folder, name)
    with err.status("building"):
        splits = fresh_splits(seed)
        source = f"oodrop {__version__}, data build with a seed of its own"
        place = write_task_folder(folder, name, "procedural", source, splits)
    _show_folder(place)


@data.command("import")
def import_(
    shape: Annotated[str, typer.Argument(help=f"What the lines are: {_AUDITED}.")],
    file: Annotated[
        Path, typer.Argument(help="JSON Lines in UTF-8, one item a line; .gz is unpacked.")
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for task folders; OODROP_TASKS names it later."
        ),
    ],
    name: Name = None,
) -> None:
    """Make a task of your own items: a procedure, a scenario, a question and its label a line.

    Needed: procedure, scenario, question (text), label (compliant or non-compliant). Allowed:
    type, cohort, process_id (what it is clustered by; else the procedure's text), split (train,
    validation, test, heldout; else test), item_id, parent_id, partner_id. Lines in the shape of
    the procedural set itself keep its symbols, and their labels are derived again.

    Every line is checked, and nothing is written unless all are well. The task is named after the
    file, unless --name says otherwise.

    Example: oodrop data import procedural wards.jsonl -o mine

    Example: OODROP_TASKS=mine oodrop run --model oodrop-oracle --tasks wards -o runs/wards

    Example: OODROP_TASKS=mine lm_eval --include_path mine/wards/lm_eval --tasks oodrop_wards ...
    """
    from oodrop.harness_ext.dataset.taskfolders import check_place, write_task_folder
    from oodrop.tasks.procedural.intake import read_intake

    if shape != _AUDITED:
        raise DataError(f"the import knows the shape {_AUDITED}, got {shape!r}")
    name = name or re.sub(r"[^a-z0-9]+", "_", file.name.partition(".")[0].lower()).strip("_")
    check_place(folder, name)
    with err.status("checking"):
        found = read_intake(file)
        source = f"{re.sub(r'[^a-zA-Z0-9.]+', '_', file.name)[-80:]}, SHA-256 {found.sha256}"
        place = write_task_folder(folder, name, found.kind, source, found.splits)
    _show_folder(place)
    for note in found.notes:
        out.print(f"note: {note}", highlight=False, soft_wrap=True)


def _show_folder(place: Path) -> None:
    """What a task folder holds, and how it is used."""
    from oodrop.tasks import TASKS
    from oodrop.tasks.folders import KINDS, read_folder
    from oodrop.tasks.notes import read_note

    note = read_note(place, KINDS)
    table = Table(box=None, pad_edge=False)
    for column in ("split", "items", "compliant", "procedures"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, known in note.splits.items():
        numbers = (known.items, known.compliant, known.clusters)
        table.add_row(split, *(f"{n:,}" for n in numbers))
    out.print(table)
    names = ", ".join(spec.name for spec in read_folder(place, TASKS.keys()))
    shown = f"written: {place}, kind {note.kind}, tasks {names}"
    usage = f"oodrop run --tasks {names.partition(',')[0]} --model ..."
    for line in (shown, f"use it: OODROP_TASKS={shlex.quote(str(place.parent))} {usage}"):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@data.command()
def audit(
    task: Annotated[str, typer.Argument(help=f"A task with a builder of its own: {_AUDITED}.")],
    as_json: AsJson = False,
    page: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A Markdown file for the whole of it."),
    ] = None,
) -> None:
    """Count the built data, and measure how far each surface feature alone gets.

    Every cell of split, cohort and type has its flags, in plain words. With -o the report is also
    written as Markdown, baselines per type too; the same data give the same bytes.

    Example: oodrop data audit procedural --json

    Example: oodrop data audit procedural -o tasks/procedural/AUDIT.md
    """
    from oodrop.harness_ext.dataset.audit import audit_procedural
    from oodrop.harness_ext.dataset.report import check_page, write_page
    from oodrop.tasks import get_task
    from oodrop.tasks.procedural import procedures

    if get_task(task).name != _AUDITED:
        raise DataError(f"the audit knows the task {_AUDITED}, got {task!r}")
    if page is not None:
        check_page(page)
    with err.status("fitting"):
        result = audit_procedural(get_task(task), procedures())
    if page is not None:
        write_page(result, page)
    if not as_json:
        result = _show_cells(result)
    show(result, as_json)
    if page is not None and not as_json:
        out.print(f"written: {page}", highlight=False, markup=False, soft_wrap=True)


def _show_cells(result: BenchResult) -> BenchResult:
    """Items per split and type, the compliant ones behind a bar; flags; the rest to be shown.

    Columns per type would leave no room in a terminal: they are in the page and in the JSON.
    """
    from oodrop.harness_ext.dataset.report import flag_counts

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
    told = ", ".join(f"{name} {count}" for name, count in flag_counts(cells).items())
    missed = ", ".join(row["figure"] for row in result.settings["bars"] if not row["met"])
    out.print(f"flags, in {len(cells)} cells: {told}", highlight=False)
    out.print(f"bars not met: {missed or 'none'}", highlight=False)
    shown = {k: v for k, v in result.settings.items() if k not in ("cells", "violations", "bars")}
    rows = [{k: v for k, v in row.items() if not k.startswith("right_")} for row in result.rows]
    return replace(result, settings=shown, rows=rows)

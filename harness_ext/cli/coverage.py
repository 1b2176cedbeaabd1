"""The command that measures how perturbers cover a task."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, out
from oodrop.harness_ext.cli.look import LocalData, Plugins, load_plugins, use_data
from oodrop.harness_ext.cli.steps import Steps

if TYPE_CHECKING:
    from oodrop.harness_ext.coverage import Coverage
    from oodrop.perturbers import Variant
    from oodrop.perturbers.measures import TokenCount
    from oodrop.tasks import TaskSpec

_DEFAULT_SUITE = "standard-1.0"
_WORDS_AND_MARKS = "words and marks"


@app.command()
def coverage(
    task: Annotated[str, typer.Argument(help="Task to measure (oodrop list tasks).")],
    suite: Annotated[
        str | None, typer.Option(help="A suite by name or file: standard-1.0.")
    ] = None,
    perturber: Annotated[
        list[str],
        typer.Option(
            "--perturber", "-p", help="A name, repeatable, or 'all': every value, severity 1, 3, 5."
        ),
    ] = [],  # noqa: B006
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder of a Hugging Face tokenizer, for token inflation.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Try so many items, evenly spaced.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the suite, with --perturber.")] = 2026,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the rows to this file too.")
    ] = None,
    data: LocalData = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Measure where variants apply to a task, how much they change, and what they unbalance.

    Example: oodrop coverage everyday --suite smoke-1.0 --csv coverage.csv
    """
    from oodrop.harness_ext.coverage import CoverageStudy
    from oodrop.harness_ext.derive.registry import get_task
    from oodrop.perturbers.measures import words_and_marks

    load_plugins(plugin)
    use_data(data)
    spec = get_task(task)
    if suite and perturber:
        raise DataError("coverage takes either --suite or --perturber, got both")
    name = None if perturber else suite or _DEFAULT_SUITE
    variants = _of_suite(name) if name else _of_perturbers(spec, perturber, seed)
    count = _token_count(tokenizer) if tokenizer else words_and_marks
    study = CoverageStudy(spec, limit, count)
    rows: list[Coverage] = []
    with Steps("items", len(variants) * len(study.subjects)) as bar:
        for variant in variants:
            bar.now(variant.slug)
            rows.append(study.cover(variant, strict=perturber != ["all"], tick=bar.tick))
    if csv_file is not None:
        _write_csv(rows, csv_file)
    tokens_are = tokenizer or _WORDS_AND_MARKS
    if as_json:
        _print_json(spec.name, name, tokens_are, len(study.subjects), rows)
    else:
        _print_table(rows, tokens_are)


def _of_suite(name: str) -> Sequence[Variant]:
    from oodrop.perturbers import get_suite

    return get_suite(name).variants


def _of_perturbers(spec: TaskSpec, names: list[str], seed: int) -> Sequence[Variant]:
    from oodrop.harness_ext.variants import variants_of
    from oodrop.perturbers import all_perturbers, get_perturber

    if "all" in names and names != ["all"]:
        raise DataError("--perturber takes names or 'all', got both")
    plugins = (
        list(all_perturbers().values()) if names == ["all"] else [get_perturber(n) for n in names]
    )
    item = spec.item(spec.docs(spec.eval_split)[0])
    found = [variant for p in plugins for variant in variants_of(p, item, seed=seed)]
    if not found:
        raise DataError(f"task {spec.name} offers no value for the parameter of {names[0]}")
    return found


def _token_count(folder: str) -> TokenCount:
    """Tokens of a text without special ones.

    Raises:
        DataError: when there is no tokenizer; nothing is downloaded.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise DataError(
            f"--tokenizer needs transformers: install the extra 'eval', oodrop[eval] ({error})"
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # it raises of all kinds; the folder is what helps
        reason = str(error).partition("\n")[0]
        raise DataError(f"no tokenizer can be loaded from {folder}: {reason}") from None

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    return count


def _write_csv(rows: list[Coverage], path: Path) -> None:
    table = io.StringIO()
    records = [row.as_dict() for row in rows]
    writer = csv.DictWriter(table, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    try:
        path.write_text(table.getvalue(), "utf-8")
    except OSError as error:
        raise DataError(f"the rows cannot be written to {path}: {error.strerror}") from None


def _print_json(
    task: str, suite: str | None, tokens_are: str, items: int, rows: list[Coverage]
) -> None:
    import orjson

    found: dict[str, Any] = {
        "task": task,
        "suite": suite,
        "items": items,
        "tokens_are": tokens_are,
        "rows": [row.as_dict() for row in rows],
    }
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


def _print_table(rows: list[Coverage], tokens_are: str) -> None:
    """Two tables, so that each fits an ordinary terminal."""
    changes = _table("changed", "n/a", "refused", "edited", "distance")
    bulk = _table("length", "words", "numbers", "grade", "tokens")
    for row in rows:
        found, m, name = row.applicability, row.medians, escape(row.variant.slug)
        changes.add_row(
            name,
            str(found["changed"]),
            _count(found["not_applicable"]),
            _count(found["refused"]),
            _share(m.edited_fraction),
            _share(m.edit_distance),
        )
        bulk.add_row(
            name,
            _signed_share(m.length),
            _signed_share(m.words),
            _signed(m.numerals, 0),
            _signed(m.grade, 1),
            _signed_share(m.tokens),
        )
    out.print(changes)
    out.print()
    out.print(bulk)
    _print_notes(rows, tokens_are)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _print_notes(rows: list[Coverage], tokens_are: str) -> None:
    for row in rows:
        for outcome, reason in row.applicability.reasons.items():
            if outcome == "refused" or not row.applicability["changed"]:
                what = f"{outcome.replace('_', ' ')}, mostly: {reason}"
                out.print(f"{escape(row.variant.slug)} {escape(what)}", soft_wrap=True)
        if row.unavailable:
            out.print(f"{escape(row.variant.slug)} not available: {escape(row.unavailable)}")
    out.print(
        "[dim]Medians over the changed items: edited share of the eligible words or units, edit "
        "distance as a share of the prompt, then the change in length, words, numerals, "
        f"Flesch-Kincaid grade, and tokens ({escape(tokens_are)}).[/]"
    )


def _count(number: int) -> str:
    return str(number) if number else ""


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


def _signed_share(value: float | None) -> str:
    return "–" if value is None else "0" if not round(value, 3) else f"{100 * value:+.1f}%"


def _signed(value: float | None, digits: int) -> str:
    return "–" if value is None else "0" if not round(value, digits) else f"{value:+.{digits}f}"

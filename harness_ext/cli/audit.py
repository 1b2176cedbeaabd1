"""Commands for the audit of labels and naturalness: audit sample, audit score, audit show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out
from oodrop.perturbers.audits import FOLDER, THRESHOLD

if TYPE_CHECKING:
    from oodrop.harness_ext.audit import Verdict

audit = typer.Typer(
    help="Blind ratings of sampled pairs of prompts, and limits on the share of kept answers.\n\n"
    "Exit codes: 0 success, 2 a plan, data set, key or rating that is missing or not what it "
    "should be.",
    no_args_is_help=True,
)
app.add_typer(audit, name="audit")

Row = Mapping[str, str]


@audit.command()
def sample(
    plan: Annotated[Path, typer.Option("--plan", help="What to draw, a YAML file.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="A new folder for the round.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data sets that the plan names.")
    ] = None,
) -> None:
    """Draw a round: blind sheets for raters in DIR/sheets, the key in DIR/key.

    The same plan, data and earlier ratings give the same files, byte for byte.

    Example: oodrop audit sample --plan perturbers/audit/round_2.yaml --data data -o round_2
    """
    from oodrop.harness_ext.audit import draw, read_plan, read_ratings, write_sheets

    wanted = read_plan(plan)
    with err.status("drawing"):
        sheets = draw(wanted, data, read_ratings(FOLDER / "ratings.csv"))
    write_sheets(sheets, wanted.round, folder)
    kinds = Counter(pair.kind for pairs in sheets.values() for pair in pairs)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    _say(f"{folder}: {len(sheets)} sheets, {counts}")
    _say("next: two raters a sheet, then oodrop audit score")


@audit.command()
def score(
    folder: Annotated[Path, typer.Argument(help="The folder of the round, rated.")],
    into: Annotated[
        Path | None, typer.Option("--into", help="Write ratings.csv and bounds.csv there.")
    ] = None,
    ties: Annotated[
        Path | None,
        typer.Option("--ties", help="Write a sheet of the pairs that need a third rating."),
    ] = None,
) -> None:
    """Join both ratings with the key: agreement, decoys found, limits per perturber.

    DIR/ratings holds ratings_SHEET_a.csv and ratings_SHEET_b.csv of every sheet, and
    ratings_ties_c.csv where a sampled pair was rated differently; other rounds come from --into.

    Example: oodrop audit score round_2 --into perturbers/audit
    """
    from oodrop.harness_ext.audit import merged, read_ratings, read_round, verdicts, write_tables

    rows, waiting = read_round(folder)
    if waiting and ties is not None:
        _write_ties(folder, rows, waiting, ties)
        return
    _print_round(rows)
    if waiting:
        raise DataError(
            f"{len(waiting)} pairs are rated differently and need a third rating: "
            "--ties FILE writes a sheet for it"
        )
    before = (into or FOLDER) / "ratings.csv"
    together = merged(read_ratings(before) if before.exists() else [], rows)
    _print_bounds([v for v in verdicts(together) if rows[0]["round"] in v.rounds.split("+")])
    if into is not None:
        write_tables(together, into)
        _say(f"{into}: {len(together)} ratings")


@audit.command()
def show(
    folder: Annotated[
        Path, typer.Argument(help="Holds ratings.csv; without it, the audit that ships.")
    ] = FOLDER,
) -> None:
    """Show what raters said: agreement and decoys of every round, the limit of every perturber.

    Example: oodrop audit show
    """
    from oodrop.harness_ext.audit import read_ratings, verdicts

    rows = read_ratings(folder / "ratings.csv")
    if not rows:
        raise DataError(f"{folder / 'ratings.csv'} holds no ratings")
    for number in sorted({int(row["round"]) for row in rows}):
        out.print(f"[bold]round {number}[/]", highlight=False)
        _print_round([row for row in rows if int(row["round"]) == number])
    _print_bounds(verdicts(rows))


def _write_ties(folder: Path, rows: Sequence[Row], waiting: Sequence[Row], path: Path) -> None:
    from oodrop.harness_ext.audit import tie_sheet

    undecided = {row["pair"] for row in waiting}
    others = {row["pair"] for row in rows} - undecided
    names = sorted({row["sheet"] for row in rows})
    text = tie_sheet(folder, undecided, others, names)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None
    _say(f"{path}: {len(waiting)} undecided pairs among as many others")
    _say(f"next: its ratings to {folder / 'ratings' / 'ratings_ties_c.csv'}")


def _print_round(rows: Sequence[Row]) -> None:
    from oodrop.harness_ext.audit import SAMPLED, decoys_found, kappa

    sampled = [row for row in rows if row["kind"] == SAMPLED]
    for what, chosen in (("all pairs", rows), ("sampled pairs", sampled)):
        if chosen:
            same = sum(row["kept_1"] == row["kept_2"] for row in chosen)
            _say(
                f"{what}: {len(chosen)}, the two ratings agree on {same} "
                f"({100 * same / len(chosen):.1f}%), kappa {kappa(chosen):.2f}"
            )
    lost = [sum(row[f"kept_{k}"] == "n" for row in sampled) for k in (1, 2)]
    unreadable = [sum(row[f"readable_{k}"] == "n" for row in sampled) for k in (1, 2)]
    _say(
        f"sampled pairs called lost: {lost[0]} and {lost[1]}; "
        f"unreadable: {unreadable[0]} and {unreadable[1]}"
    )
    for (kind, decoy), (total, first, second) in decoys_found(rows).items():
        name = kind if kind == decoy else f"{kind}, {decoy}"
        _say(f"decoys, {name}: {total}, judged right {first} and {second}")


def _print_bounds(found: Sequence[Verdict]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("perturber", overflow="fold")
    for column in ("severity", "rounds", "pairs", "clusters", "lost", "unreadable", "lower limit"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for v in found:
        counts = (v.pairs, v.clusters, v.lost, v.unreadable)
        lower, mark = f"{100 * v.lower:.2f}%", "reviewed" if v.lower >= THRESHOLD else ""
        name = f"{v.perturber} {v.parameters}".strip()
        table.add_row(escape(name), v.severity, v.rounds, *map(str, counts), lower, mark)
    out.print(table)


def _say(text: str) -> None:
    out.print(escape(text), highlight=False, soft_wrap=True)

"""May a candidate replace a baseline? freeze, gate."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out


class On(StrEnum):
    """What is compared: the loss of variant accuracy, or the growth of the drop."""

    accuracy = "accuracy"
    drop = "drop"


class Undecided(StrEnum):
    """What INCONCLUSIVE counts as."""

    inconclusive = "inconclusive"
    passes = "pass"
    fails = "fail"


@app.command()
def gate(
    baseline: Annotated[
        Path, typer.Argument(help="Folder or frozen file of the checkpoint in use.")
    ],
    candidate: Annotated[Path, typer.Argument(help="Folder of the one that may replace it.")],
    margin: Annotated[
        float | None,
        typer.Option(help="The loss that would be too much, as a share: 0.05 is five points."),
    ] = None,
    on: Annotated[
        On | None,
        typer.Option(help="Loss of variant accuracy (default), or growth of the drop."),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="Only this family must pass, and its variants are watched; repeatable."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Risk of each of the two wrong decisions; default 0.05.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="YAML with margins and names by task; options go before it."),
    ] = None,
    inconclusive: Annotated[
        Undecided, typer.Option(help="What INCONCLUSIVE counts as for the exit code.")
    ] = Undecided.inconclusive,
    junit: Annotated[Path | None, typer.Option(help="A file for JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option(help="A file for the Markdown summary.")] = None,
    github: Annotated[
        bool,
        typer.Option("--github", help="Annotations, and the summary of this step of the workflow."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decide whether CANDIDATE loses less than a margin against BASELINE: for CI.

    Each folder holds one checkpoint: what oodrop run or lm_eval wrote; a baseline may also be a
    file that oodrop freeze made. Items are paired. By
    default all natural variants of each task together must be shown to lose less than five points,
    and no single variant may be shown to lose more.

    Exit codes: 0 PASS, 1 FAIL, 2 bad input, 3 not comparable, 4 INCONCLUSIVE.

    Example: oodrop gate runs/pair/base runs/pair/tuned --margin 0.03

    Example: oodrop gate base tuned --policy gate.yaml --junit gate.xml --github
    """
    from oodrop.reports.gatepolicy import VARIANTS, Policy, read_policy
    from oodrop.reports.gating import run_gate
    from oodrop.reports.render.gate import (
        exit_code,
        gate_annotations,
        gate_json,
        gate_junit,
        gate_markdown,
        print_gate,
    )
    from oodrop.reports.writing import write_whole

    held = (Policy() if policy is None else read_policy(policy)).over(
        margin=margin,
        on=None if on is None else on.value,
        alpha=alpha,
        must_pass=tuple(family) if family else None,
        watch=(VARIANTS,) if family else None,
    )
    with err.status("reading and deciding"):
        found = run_gate(baseline, candidate, held)
    pages = {junit: gate_junit(found, inconclusive.value), summary: gate_markdown(found).encode()}
    for path, page in pages.items():
        if path is not None:
            try:
                write_whole(path, page)
            except OSError as error:
                raise DataError(f"{path} cannot be written: {error.strerror}") from None
    if github:
        for line in gate_annotations(found):
            typer.echo(line, err=as_json)
        step = os.environ.get("GITHUB_STEP_SUMMARY")
        if step:
            with Path(step).open("a", encoding="utf-8") as file:
                file.write(gate_markdown(found))
    if as_json:
        typer.echo(gate_json(found).decode(), nl=False)
    else:
        print_gate(found, out)
    raise typer.Exit(exit_code(found, inconclusive.value))


@app.command()
def freeze(
    run: Annotated[Path, typer.Argument(help="Folder of one checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file.")],
) -> None:
    """Keep of a run what a gate needs, in one JSON file: a baseline to commit.

    Scores, clusters and hashes of every item under every variant; no texts, no replies, no secrets.

    Example: oodrop freeze runs/pair/base -o baseline.json
    """
    from oodrop.reports.frozen import freeze as frozen
    from oodrop.reports.pairing import one_checkpoint
    from oodrop.reports.writing import write_whole

    with err.status("reading"):
        data = frozen(one_checkpoint("baseline", run))
    try:
        write_whole(output, data)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror}") from None
    out.print(f"{output}: {len(data):,} bytes", highlight=False, markup=False)

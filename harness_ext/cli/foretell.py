"""What `oodrop run` says before it starts, and all that a dry run does."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from oodrop.harness_ext.cli.app import err, out

if TYPE_CHECKING:
    from oodrop.harness_ext.plan import RunPlan

PriceOption = Annotated[
    str | None,
    typer.Option(help="PROMPT or PROMPT,GENERATED: money per million tokens, for the cost."),
]
TokensPerSecond = Annotated[
    float | None,
    typer.Option(
        "--tokens-per-second",
        min=0.001,
        help="Prompt and new tokens together, for the time where no earlier run tells.",
    ),
]


def foretell(
    plan: RunPlan,
    folder: Path,
    dry_run: bool,
    price: str | None,
    tokens_per_second: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check the plan and tell what it takes: in two lines, or for a dry run all of it."""
    from oodrop.harness_ext.foresight.estimate import Price, estimate
    from oodrop.harness_ext.foresight.estimatewords import (
        estimate_lines,
        estimate_object,
        estimate_table,
    )
    from oodrop.harness_ext.plan import check_plan, check_space
    from oodrop.reports.render.terminal import print_table

    paid = Price.read(price) if price else None
    check_plan(plan, folder)
    with err.status("counting requests") if not quiet else nullcontext():
        found = estimate(
            plan, folder, price=paid, tokens_per_second=tokens_per_second, quick=not dry_run
        )
    check_space(folder, found.disk_bytes)
    lines = [] if dry_run or quiet else [*estimate_lines(found)]
    if plan.stop is not None and not (quiet or as_json):
        lines.append("that is the most: a variant is asked about no more once it is decided")
    if dry_run and as_json:
        told = estimate_object(found) | {"stops_when_decided": plan.stop is not None}
        typer.echo(json.dumps(told, indent=1))
    elif dry_run:
        print_table(estimate_table(found), out)
    for line in lines:
        err.print(escape(line), highlight=False, soft_wrap=True)

"""A run as a bundle that can be given away: submit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from oodrop.harness_ext.cli.app import app, err, out


@app.command()
def submit(
    run: Annotated[Path, typer.Argument(help="Folder of one checkpoint.")],
    bundle: Annotated[
        Path, typer.Option("--output", "-o", help="Where the bundle goes: a new folder.")
    ],
    model_id: Annotated[
        str | None,
        typer.Option(help="developer/model; default: what the model's arguments name."),
    ] = None,
    organization: Annotated[
        str, typer.Option(help="Who evaluated, for the records.")
    ] = "not stated",
    resamples: Annotated[
        int, typer.Option(help="Of the bootstrap.", min=100, max=100_000)
    ] = 10_000,
    seed: Annotated[
        int, typer.Option(help="Seed of the bootstrap and of the sampled flips.", min=0)
    ] = 2026,
) -> None:
    """Bundle a checkpoint's results: raw outputs, report, records, and hashes of everything.

    Secrets and paths of this machine are hidden in the settings; a row of samples that holds one
    is refused, for rows go in as they are. The same run gives the same bytes.

    Example: oodrop submit runs/pair/base -o bundles/base
    """
    from oodrop.reports.bundle.write import write_bundle

    with err.status("checking, estimating and drawing"):
        found = write_bundle(
            run,
            bundle,
            model_id=model_id,
            organization=organization,
            resamples=resamples,
            seed=seed,
        ).manifest
    size = sum(entry.size for entry in found.files)
    hidden = ", ".join(f"{kind} {count}" for kind, count in found.redacted.items())
    for line in (
        f"written: {bundle} ({len(found.files) + 1} files, {size / 1e6:.1f} MB)",
        f"hidden in settings: {hidden}",
        f"check it: oodrop verify {bundle}",
    ):
        out.print(escape(line), highlight=False, soft_wrap=True)

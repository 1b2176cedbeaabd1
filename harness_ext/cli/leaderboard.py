"""Bundles as a static site: leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from oodrop.harness_ext.cli.app import app, err, out


@app.command()
def leaderboard(
    bundles: Annotated[
        list[Path], typer.Argument(help="Bundles of oodrop submit, or folders of bundles.")
    ],
    site: Annotated[Path, typer.Option("--output", "-o", help="Folder of the site.")],
    title: Annotated[str, typer.Option(help="Heading.")] = "Robustness leaderboard",
    suite: Annotated[
        str | None, typer.Option(help="Only the variants of this suite count; default: all.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compute everything in each bundle again, as verify does."),
    ] = False,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.", min=100, max=100_000)] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.", min=0)] = 2026,
    processes: Annotated[
        int | None,
        typer.Option(help="How many read bundles; default: one per core, at most 4.", min=1),
    ] = None,
) -> None:
    """Build a leaderboard that works from any folder, host or disk.

    Checkpoints are ranked by their accuracy on the variants, with the places that the data allow,
    and only beside others that were asked exactly the same. A bundle that does not hold is listed
    with its reason and stops nothing. The same bundles give the same bytes, in whatever order.

    Example: oodrop leaderboard bundles/ -o site

    Example: oodrop leaderboard alpha beta --suite standard-1.0 --verify -o site
    """
    from oodrop.perturbers.suites import all_suites, get_suite
    from oodrop.reports.leaderboard import rank, read_entries, write_site
    from oodrop.reports.leaderboard.entries import bundles_in
    from oodrop.reports.leaderboard.site import check_site
    from oodrop.reports.workers import cores

    check_site(site)
    slugs = [v.slug for v in get_suite(suite).variants] if suite else None
    places = bundles_in(bundles)
    wanted = processes or cores()
    found = []
    with err.status("reading") as status:
        reading = read_entries(places, slugs=slugs, verify=verify, processes=wanted)
        for entry in reading:
            found.append(entry)
            status.update(f"reading bundles: {len(found)} of {len(places)}")
        status.update("ranking")
        suites = {name: [v.slug for v in s.variants] for name, s in all_suites().items()}
        board = rank(found, suites=suites, resamples=resamples, seed=seed, title=title)
        status.update("writing")
        index = write_site(board, site)
    for refused in board.refused:
        line = f"not ranked: {refused.bundle}: {refused.reason}"
        out.print(escape(line), highlight=False, soft_wrap=True)
    for ranking in board.rankings:
        line = f"{ranking.task}: {len(ranking.rows)} checkpoints, {ranking.suite}"
        out.print(escape(line), highlight=False, soft_wrap=True)
    out.print(escape(f"written: {index}"), highlight=False, soft_wrap=True)

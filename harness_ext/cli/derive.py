"""The command that makes any task of lm-eval a robustness task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.harness_ext.cli.evaluate import need_eval
from oodrop.harness_ext.cli.look import LocalData, OnPluginError, Plugins, load_plugins, use_data
from oodrop.harness_ext.cli.steps import Steps

if TYPE_CHECKING:
    from oodrop.harness_ext.derive.writing import Outcome
    from oodrop.perturbers.suites import Suite


@app.command()
def derive(
    tasks: Annotated[
        list[str], typer.Argument(help="Tasks, groups, tags or patterns of lm-eval: 'mmlu_*'.")
    ],
    suite: Annotated[
        str, typer.Option(help="Name or .yaml file (oodrop list suites).")
    ] = "standard-1.0",
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write task YAMLs here, for lm_eval --include_path."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Audit every prompt; leaves with 2 where one is wrong.")
    ] = False,
    fields: Annotated[
        str, typer.Option(help="Fields that hold free text, comma-separated: question,passage.")
    ] = "",
    choices: Annotated[
        str, typer.Option(help="Field with the list of options, or each option's, in order.")
    ] = "",
    gold: Annotated[str, typer.Option(help="Field that names the right option.")] = "",
    num_fewshot: Annotated[
        int | None,
        typer.Option("--num-fewshot", "--num_fewshot", min=0, help="For --check; as lm_eval's."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="For --check: so many documents, evenly spaced.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="For --check: folder of a tokenizer; else characters count.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="For --check: context in tokens; counts cut prompts.")
    ] = None,
    data: LocalData = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
    on_plugin_error: OnPluginError = "stop",
) -> None:
    """Find out how tasks of lm-eval can be perturbed, prove it, and write their variants.

    Example: oodrop derive arc_easy piqa --suite smoke-1.0 -o derived

    Example: oodrop derive mmlu_pro --data TIGER-Lab/MMLU-Pro=mmlu_pro_test.jsonl --check

    Example: oodrop derive mytask --fields question,passage --choices options --gold answer
    """
    need_eval()
    quiet_libraries()
    load_plugins(plugin, on_plugin_error)
    use_data(data)
    from oodrop.harness_ext.derive.inference import Overrides
    from oodrop.harness_ext.derive.writing import derive_all, names_and_tasks, write_derived
    from oodrop.perturbers.suites import get_suite

    chosen = get_suite(suite)
    count = _counter(tokenizer)
    with err.status("reading the index of lm-eval"):
        groups = names_and_tasks(tasks)
    overrides = Overrides(_listed(fields), _listed(choices), gold)
    with Steps("tasks", total=len({t for leaves in groups.values() for t in leaves})) as bar:

        def tick(name: str) -> None:
            bar.now(name)
            bar.tick()

        outcomes = list(derive_all(tasks, overrides, tick))
    _print(outcomes)
    if not any(o.found for o in outcomes):
        raise DataError(f"none of {', '.join(tasks)} can be perturbed faithfully; reasons above")
    if check:
        _check(outcomes, chosen, num_fewshot, limit, count, max_length)
    if folder is not None:
        written = write_derived(outcomes, groups, chosen, folder)
        out.print(f"written: {len(written)} files to {folder}", highlight=False, soft_wrap=True)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _counter(tokenizer: str | None) -> Callable[[str], int]:
    if tokenizer is None:
        return len
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(tokenizer)
    except Exception as error:  # the library fails in many ways on what is no tokenizer
        raise DataError(f"--tokenizer {tokenizer} cannot be loaded: {error!s:.120}") from None
    return lambda text: len(loaded.encode(text, add_special_tokens=False))


def _print(outcomes: Sequence[Outcome]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("task", "text", "options", "gold", "scored by", "left alone"):
        table.add_column(column, no_wrap=column == "task")
    for outcome in outcomes:
        if outcome.found is None:
            table.add_row(escape(outcome.task), f"[yellow]refused[/]: {escape(outcome.why)}")
            continue
        found = outcome.found.derivation
        options = ", ".join(found.options) + ("" if found.movable else " (stay)")
        table.add_row(
            escape(outcome.task),
            escape(", ".join(found.fields.values())),
            escape(options if found.options else ""),
            escape(", ".join(f"{p} ({how})" for p, how in found.gold.items())),
            escape(f"{found.metric}, {found.filter}; chance {found.chance:.0%}"),
            escape("; ".join(outcome.found.notes)),
        )
    out.print(table)


def _check(
    outcomes: Sequence[Outcome],
    suite: Suite,
    shots: int | None,
    limit: int | None,
    count: Callable[[str], int],
    longest: int | None,
) -> None:
    from oodrop.harness_ext.derive.registry import register
    from oodrop.harness_ext.derive.writing import audit

    table = Table(box=None, pad_edge=False)
    for column in ("task", "variant", "documents", "changed", "length", "cut", "wrong"):
        table.add_column(column, no_wrap=column in ("task", "variant"))
    audits = []
    for outcome in outcomes:
        if outcome.found is None:
            continue
        spec = register(outcome.task, outcome.found.derivation)
        with err.status(f"auditing the prompts of {outcome.task}"):
            found = list(audit(spec, suite, shots=shots, items=limit, count=count, longest=longest))
        audits += found
        for row in found:
            length = "" if row.inflation is None else f"{row.inflation:.3f}"
            cut = "" if row.cut is None else str(row.cut)
            numbers = (str(row.documents), str(row.changed), length, cut, str(len(row.problems)))
            table.add_row(escape(row.task), escape(row.variant), *numbers)
    out.print(table)
    for row in audits:
        row.check()

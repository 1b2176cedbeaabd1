"""Commands that evaluate and report: lm-eval, run, report."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from oodrop import OodropError
from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.harness_ext.cli.foretell import PriceOption, TokensPerSecond, foretell
from oodrop.harness_ext.cli.look import (
    LocalData,
    OnPluginError,
    Plugins,
    load_plugins,
    tell_left_out,
    use_data,
)
from oodrop.harness_ext.cli.steps import Steps
from oodrop.harness_ext.runner.log import Pace

IntervalChoice = Annotated[
    Literal["auto", "bootstrap", "score"],
    typer.Option(help="Which interval leads; auto decides and says why."),
]
Resamples = Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")]


@app.command(
    "lm-eval",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)
def lm_eval(context: typer.Context) -> None:
    """The stock lm_eval command line, with oodrop's models registered.

    Example: oodrop lm-eval --model oodrop-bow --tasks oodrop_procedural
    --include_path "$(oodrop tasks-dir)" --log_samples --output_path out
    """
    need_eval()
    import lm_eval.models  # noqa: F401  # registers lm-eval's: it does not once there are others
    from lm_eval.__main__ import cli_evaluate

    import oodrop.harness_ext.models  # noqa: F401  # registers ours

    sys.argv = ["lm_eval", *context.args]
    cli_evaluate()


@app.command()
def run(
    config: Annotated[
        Path | None, typer.Argument(help="YAML with suite, tasks and checkpoints.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="lm-eval model type (oodrop list models).")
    ] = None,
    model_args: Annotated[
        str, typer.Option("--model_args", help="As lm_eval's: key=value,key=value.")
    ] = "",
    tasks: Annotated[
        str,
        typer.Option(help="Comma-separated: ours (oodrop list tasks), or any of lm-eval's."),
    ] = "everyday",
    suite: Annotated[
        str, typer.Option(help="Name or .yaml file (oodrop list suites).")
    ] = "smoke-1.0",
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint in reports.")] = None,
    items: Annotated[
        int | None, typer.Option(min=1, help="Seeded random subset of each task.")
    ] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option("--num-fewshot", "--num_fewshot", min=0, help="As lm_eval's."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", min=1, help="As lm_eval's.")] = 16,
    device: Annotated[
        str | None, typer.Option(help="As lm_eval's; default: cuda where there is one.")
    ] = None,
    apply_chat_template: Annotated[
        bool, typer.Option("--apply_chat_template", help="As lm_eval's.")
    ] = False,
    gen_kwargs: Annotated[
        str, typer.Option("--gen_kwargs", help="As lm_eval's: max_gen_toks=512,do_sample=false.")
    ] = "",
    preset: Annotated[
        str | None,
        typer.Option(
            help="Instead of --gen_kwargs. card: greedy, 256 new tokens, as the model cards of the "
            "published procedural checkpoints. rlpr: sampled at temperature 1, 3072 new tokens, as "
            "RLPR's figures; with --repeats K they are Avg@K."
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="K replies to each item; the score is their mean."),
    ] = None,
    stop_when: Annotated[
        Literal["decided"] | None,
        typer.Option(
            help="decided: items come in random order, and a variant gets no more of them once a "
            "sequential gate on its drop has decided at --margin."
        ),
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Largest drop that passes that gate.")
    ] = 0.05,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Errors and the place of the report, nothing else.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of item subsets and of the report.")] = 2026,
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results and report.")
    ] = Path("runs"),
    data: LocalData = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
    on_plugin_error: OnPluginError = "stop",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check everything, print what the run takes, and write nothing."
        ),
    ] = False,
    price: PriceOption = None,
    tokens_per_second: TokensPerSecond = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
) -> None:
    """Evaluate one or many checkpoints, continue after a kill, then report.

    Example: oodrop run --model hf --model_args pretrained=gpt2 --tasks everyday -o runs/gpt2

    Example: oodrop run --model hf --model_args pretrained=BASE,peft=ADAPTER --preset card
    --apply_chat_template --tasks procedural -o runs/tuned

    Example: oodrop run --model hf --model_args pretrained=gpt2 --tasks piqa,arc_easy,mmlu_pro
    --suite standard-1.0 -o runs/general

    Example: oodrop run checkpoints.yaml -o runs/nightly

    Example: oodrop run checkpoints.yaml --stop-when decided --margin 0.03 -o runs/quick

    Example: oodrop run checkpoints.yaml --dry-run --price 0.15,0.60
    """
    need_eval()
    skipped = load_plugins(plugin, on_plugin_error)
    quiet_libraries()
    use_data(data)
    from oodrop.harness_ext.checkpoints import CheckpointSpec
    from oodrop.harness_ext.derive import task_names
    from oodrop.harness_ext.leftout import suite_of_what_is_there
    from oodrop.harness_ext.plan import RunPlan, StopRule, read_config, without_failing
    from oodrop.harness_ext.runner import run as runner

    if as_json and not dry_run:
        raise OodropError("run prints JSON with --dry-run alone")
    if (config is None) == (model is None):
        raise OodropError("run takes either a configuration file or --model, and not both")
    if config is not None and (gen_kwargs or preset or repeats):
        raise OodropError(
            "beside a configuration file, gen_kwargs, preset and repeats are keys of its "
            "checkpoints"
        )
    if config is not None:
        plan = read_config(config, skipped)
    else:
        from lm_eval.utils import simple_parse_args_string

        fields: dict[str, Any] = {
            "name": name or _default_name(str(model), model_args),
            "model": model,
            "model_args": simple_parse_args_string(model_args),
            "apply_chat_template": apply_chat_template,
            "batch_size": batch_size,
            "device": device,
            "items": items,
            "num_fewshot": num_fewshot,
            "gen_kwargs": simple_parse_args_string(gen_kwargs),
            "preset": preset,
            "repeats": repeats,
        }
        spec = CheckpointSpec.from_dict(fields, "command line")
        chosen, left_out = suite_of_what_is_there(suite, skipped)
        named, refused = task_names(t.strip() for t in tasks.split(","))
        plan = RunPlan((spec,), named, chosen, seed, {**left_out, **refused})
    if on_plugin_error == "skip":
        plan = without_failing(plan)
    if stop_when is not None:
        plan = replace(plan, stop=StopRule(margin))
    foretell(plan, folder, dry_run, price, tokens_per_second, as_json, quiet)
    if dry_run:
        return
    with Steps("answers", silent=quiet) as bar:
        folders = runner.run(plan, folder, _Silent() if quiet else _Terminal(bar))
    _report(folders, folder / "report", "auto", 10_000, plan.seed, quiet=quiet)
    if not quiet:
        tell_left_out(plan.left_out)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders that hold lm-eval outputs.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where the report goes.")] = Path(
        "report"
    ),
    interval: IntervalChoice = "auto",
    resamples: Resamples = 10_000,
    seed: Annotated[
        int, typer.Option(help="Seed of the bootstrap and of the sampled flips.")
    ] = 2026,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compute lm-eval's hashes of every row again; slower."),
    ] = False,
) -> None:
    """Pair, estimate and render what lm-eval wrote: report.html, report.json, summary.md.

    Example: oodrop report runs/base runs/tuned -o report

    Example: oodrop report runs/base --verify
    """
    _report(runs, folder, interval, resamples, seed, verify)


def need_eval() -> None:
    """Raise OodropError unless lm-eval is installed."""
    from importlib.util import find_spec

    if find_spec("lm_eval") is None or find_spec("torch") is None:
        raise OodropError("evaluation needs lm-eval and torch: pip install 'oodrop[eval]'")


def _report(
    runs: list[Path],
    folder: Path,
    interval: Literal["auto", "bootstrap", "score"],
    resamples: int,
    seed: int,
    verify: bool = False,
    quiet: bool = False,
) -> None:
    from oodrop.reports.build import build_report
    from oodrop.reports.render import check_writable, print_report, write_report

    check_writable(folder)
    with err.status("reading and estimating") if not quiet else nullcontext():
        result = build_report(
            runs, interval=interval, resamples=resamples, seed=seed, verify=verify
        )
        written = write_report(result, folder)
    if not quiet:
        print_report(result, out)
        out.print()
    page = next(path for path in written if path.name == "report.html")
    out.print(
        f"{'' if quiet else chr(10)}written: {page} and {len(written) - 1} files beside it",
        highlight=False,
        soft_wrap=True,
    )


def _default_name(model: str, model_args: str) -> str:
    """The name that a reader would give, as a folder."""
    import re

    from oodrop.reports.reader import checkpoint_name

    return re.sub(r"[^\w.+-]+", "_", checkpoint_name(model, model_args)).lstrip(".") or "model"


class _Silent:
    """Nobody watches; the log file has it all."""

    def message(self, text: str) -> None:
        pass

    def progress(self, there: int, needed: int) -> None:
        pass


class _Terminal:
    """Progress of a run: one line per stage, and a bar for the answers of the stage.

    Where no terminal is there to draw a bar, a line once a minute.
    """

    def __init__(self, bar: Steps) -> None:
        self._bar, self._pace = bar, Pace()

    def message(self, text: str) -> None:
        self._bar.hide()
        err.print(escape(text), highlight=False, soft_wrap=True)

    def progress(self, there: int, needed: int) -> None:
        if err.is_terminal:
            self._bar.reach(there, needed)
        elif line := self._pace.line(there, needed):
            err.print(f"  {line}", highlight=False, soft_wrap=True)

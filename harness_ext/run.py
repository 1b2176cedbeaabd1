"""Evaluate checkpoints on tasks under a suite, in lm-eval's own output layout.

A checkpoint is evaluated in two stages, ``main`` and ``rerun``: in one call lm-eval would merge
the rerun's prompts with the canonical ones, and there would be no noise to measure. A stage is
written beside its place, verified, and moved there whole; a finished stage is reused, an
interrupted one continues from the journal.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from oodrop import DataError, RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.derive.promptaudit import audit_prompts
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.journal import Journal, JournalledLM
from oodrop.harness_ext.perturbed import canonical_items, changes_any, only_documents
from oodrop.harness_ext.plan import RunPlan, check_plan
from oodrop.harness_ext.redaction import redacted
from oodrop.harness_ext.variants import banks_of
from oodrop.harness_ext.yamls import RERUN, task_name, task_yaml
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.perturbers.variant import Variant
from oodrop.reports.reader import CHECKPOINT_FILE
from oodrop.reports.writing import write_whole
from oodrop.tasks.spec import TaskSpec

MARKER = "oodrop_stage.json"

# Where replies are sampled, those of the rerun are others: what they differ by is the noise.
_TORCH_SEEDS: Mapping[str, int] = {"main": 1234, "rerun": 4321}


class Reporter(Protocol):
    """Where progress goes."""

    def message(self, text: str) -> None:
        """One line about what happens next."""

    def progress(self, there: int, needed: int) -> None:
        """Answers there of answers needed, in the stage that runs."""


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


def run(plan: RunPlan, out: Path, reporter: Reporter) -> list[Path]:
    """Evaluate what is not there yet; the folders of the checkpoints are returned.

    Raises:
        OodropError: from `check_plan`, before anything is evaluated.
        RunError: when a model cannot be loaded or outputs are incomplete.
    """
    check_plan(plan, out)
    _audit(plan, reporter)
    for what, reason in plan.left_out.items():
        reporter.message(f"left out: {what}: {reason}")
    with quiet_harness():
        return [_run_checkpoint(plan, c, out / c.name, reporter) for c in plan.checkpoints]


def _audit(plan: RunPlan, reporter: Reporter) -> None:
    """Look at every prompt of a derived task before anything is spent on it.

    Raises:
        DataError: when one differs from the clean one outside the declared texts.
    """
    seen: set[tuple[object, ...]] = set()
    for checkpoint in plan.checkpoints:
        for stage in stages(plan, checkpoint):
            for spec, variant in stage.variants:
                shots = shots_of(spec, checkpoint)
                key = (spec.name, variant.slug, shots, checkpoint.items)
                if isinstance(spec, DerivedSpec) and key not in seen:
                    if not any(name == spec.name for name, *_ in seen):
                        reporter.message(f"auditing the prompts of {spec.name}")
                    seen.add(key)
                    subset = item_subset(spec, checkpoint.items, plan.seed)
                    audit_prompts(spec, variant, shots=shots, only=subset).check()


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


def _run_checkpoint(plan: RunPlan, spec: CheckpointSpec, folder: Path, reporter: Reporter) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    todo = stages(plan, spec)
    banks = banks_of(variant for stage in todo for _, variant in stage.variants)
    fingerprint = spec.fingerprint(banks)
    lm: Any = None
    for stage in todo:
        identity = _identity(plan, spec, stage, banks, fingerprint)
        place = folder / stage.name
        if is_finished(place, identity):
            reporter.message(f"{spec.name}: {stage.name} is there already")
            continue
        if lm is None:
            reporter.message(f"{spec.name}: loading {spec.model}")
            lm = spec.load()
        reporter.message(
            f"{spec.name}: {stage.name}, {len(stage.tasks)} task variants on {_on(spec)}"
        )
        _run_stage(plan, spec, stage, identity, lm, folder, reporter)
    record = {"name": spec.name, "fingerprint": fingerprint, "left_out": dict(plan.left_out)}
    write_json(folder / CHECKPOINT_FILE, record)
    return folder


def _on(spec: CheckpointSpec) -> str:
    parts = [f"{spec.items} items" if spec.items else "all items"]
    if spec.num_fewshot:
        parts.append(f"few-shot examples: {spec.num_fewshot}")
    if spec.replies > 1:
        parts.append(f"replies to an item: {spec.replies}")
    parts += [f"{key}={value}" for key, value in spec.generation().items()]
    return ", ".join(parts)


def _run_stage(
    plan: RunPlan,
    spec: CheckpointSpec,
    stage: Stage,
    identity: Mapping[str, Any],
    lm: Any,
    folder: Path,
    reporter: Reporter,
) -> None:
    if hasattr(lm, "batch_size_per_gpu"):
        lm.batch_size_per_gpu = stage.batch_size
    journal = None
    if stage.name != "rerun":
        journal = Journal(folder / f"journal-{identity['fingerprint'][:16]}.sqlite")
    partial = folder / f"{stage.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        results = _evaluate(
            plan, spec, stage, JournalledLM(lm, journal, reporter.progress), partial
        )
    finally:
        if journal is not None:
            journal.close()
    check_outputs(partial, results)
    write_json(partial / MARKER, identity)
    place = folder / stage.name
    if place.exists():  # left by a stage that was never finished
        shutil.rmtree(place)
    partial.replace(place)


def _evaluate(
    plan: RunPlan, spec: CheckpointSpec, stage: Stage, lm: JournalledLM, folder: Path
) -> dict[str, int]:
    """Run lm-eval and have it write its files; number of samples by task name."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    args = ",".join(f"{k}={v}" for k, v in redacted(spec.resolved_args()).items())
    tracker = EvaluationTracker(output_path=str(folder))
    tasks = dict.fromkeys(task for task, _ in stage.variants)
    subsets = {task: item_subset(task, spec.items, plan.seed) for task in tasks}
    samples = {
        task_name(task, variant): chosen
        for task, variant in stage.variants
        if (chosen := subsets[task]) is not None
    }
    with only_documents(samples):
        results = simple_evaluate(
            model=lm,
            model_args=args,
            tasks=_yaml_paths(stage, folder / "tasks", spec.replies),
            task_manager=TaskManager(include_defaults=False),
            num_fewshot=spec.num_fewshot,
            batch_size=stage.batch_size,
            device=spec.device,
            samples=samples or None,
            bootstrap_iters=0,  # its document-level standard errors are not ours
            log_samples=True,
            evaluation_tracker=tracker,
            apply_chat_template=spec.apply_chat_template,
            torch_random_seed=_TORCH_SEEDS[stage.name],
            gen_kwargs=spec.generation() or None,
        )
    if results is None:
        raise RunError(f"lm-eval returned no results for {spec.name}, stage {stage.name}")
    results["config"] |= {"model": spec.model, "samples_seed": plan.seed if samples else None}
    logged = results.pop("samples")
    tracker.general_config_tracker.model_source = spec.model
    tracker.save_results_aggregated(results=results, samples=logged)
    for name in logged:
        tracker.save_results_samples(task_name=name, samples=logged[name])
    return {name: len(rows) for name, rows in logged.items()}


def _yaml_paths(stage: Stage, folder: Path, replies: int) -> list[str]:
    """Write the stage's task YAMLs beside its outputs, so that any suite runs the same way."""
    folder.mkdir(parents=True, exist_ok=True)
    for spec, variant in stage.variants:
        text = task_yaml(spec, variant, str(next(iter(spec.fragments), "")), replies)
        (folder / f"{task_name(spec, variant)}.yaml").write_text(text, encoding="utf-8")
    return [str(folder / f"{name}.yaml") for name in stage.tasks]


def check_outputs(folder: Path, counts: Mapping[str, int]) -> None:
    """lm-eval swallows errors when it saves: count every line before believing it.

    Raises:
        RunError: naming the file that is missing, short or damaged.
    """
    if len(list(folder.rglob("results_*.json"))) != 1:
        raise RunError(f"lm-eval wrote no results file to {folder}")
    for task, count in counts.items():
        # The time behind the name tells a task from one whose name begins with it.
        found = list(folder.rglob(f"samples_{task}_[0-9][0-9][0-9][0-9]-*.jsonl"))
        if len(found) != 1:
            raise RunError(f"lm-eval wrote no samples file for {task} to {folder}")
        with found[0].open("rb") as lines:
            written = sum(1 for line in lines if line.endswith(b"}\n"))
        if written != count:
            raise RunError(f"{found[0]} holds {written} of {count} samples")


def _edition(task: TaskSpec) -> str:
    return task.documents.edition if isinstance(task, DerivedSpec) else task.edition


def _identity(
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
        "tasks": stage.tasks,
        "fingerprint": fingerprint,
    }


def is_finished(place: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a stage stands there whole, made from this very identity.

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


@contextmanager
def quiet_harness() -> Iterator[None]:
    """lm-eval's bars and info lines off while ours are on."""
    import logging

    before = os.environ.get("TQDM_DISABLE")
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before

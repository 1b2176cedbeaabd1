"""What a run would ask, without asking it: the requests of a stage, made by lm-eval's own tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.evaluator import DEFAULT_OTHER_SEED
from lm_eval.tasks import TaskManager

from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.foresight.tokencount import Tokens
from oodrop.harness_ext.perturbed import only_documents
from oodrop.harness_ext.runner.evaluation import quiet_harness
from oodrop.harness_ext.runner.stages import Stage
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.tasks.spec import TaskSpec

Subset = Sequence[int] | None  # sorted indices into the evaluated split; None for all


def stage_requests(
    checkpoint: CheckpointSpec,
    stage: Stage,
    subsets: Mapping[TaskSpec, Subset],
    tokens: Tokens,
) -> list[Instance]:
    """Every request of a stage, as a run hands them to lm-eval, before anything is merged.

    Args:
        checkpoint: its few-shot, template and generation settings are applied.
        stage: its tasks are loaded from YAMLs in a folder that does not stay.
        subsets: documents to ask, for each task of the stage.
        tokens: renders the chat template, where one is applied.
    """
    chosen = {
        task_name(spec, variant): list(subset)
        for spec, variant in stage.variants
        if (subset := subsets[spec]) is not None
    }
    found: list[Instance] = []
    with quiet_harness(), only_documents(chosen), TemporaryDirectory(prefix="oodrop-") as folder:
        tasks = _load(stage, Path(folder), checkpoint)
        for name, task in tasks.items():
            task.build_all_requests(
                samples=chosen.get(name),
                apply_chat_template=checkpoint.apply_chat_template,
                fewshot_as_multiturn=True,
                chat_template=tokens.render if checkpoint.apply_chat_template else None,
            )
            found += task.instances
    return found


def _load(stage: Stage, folder: Path, checkpoint: CheckpointSpec) -> Mapping[str, Any]:
    """The tasks with the settings that lm-eval's ``simple_evaluate`` gives them."""
    paths = []
    for spec, variant in stage.variants:
        paths.append(folder / f"{task_name(spec, variant)}.yaml")
        include = str(next(iter(spec.fragments), ""))
        paths[-1].write_text(task_yaml(spec, variant, include, checkpoint.replies), "utf-8")
    manager = TaskManager(include_defaults=False)
    tasks: Mapping[str, Any] = manager.load([str(path) for path in paths])["tasks"]
    for task in tasks.values():
        settings = checkpoint.generation()
        if settings and task.get_config("output_type") == "generate_until":
            task.set_config(key="generation_kwargs", value=settings, update=True)
        own = task.get_config("num_fewshot")
        if checkpoint.num_fewshot is not None and own != 0:  # a 0 in a task's YAML stands
            task.set_config(key="num_fewshot", value=checkpoint.num_fewshot)
        elif own is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)
    return tasks

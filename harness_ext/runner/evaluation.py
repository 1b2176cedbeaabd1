"""One call of lm-eval for a stage, and its files on disk, counted and checked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oodrop import RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.perturbed import only_documents
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.journalled import JournalledLM
from oodrop.harness_ext.runner.stages import Stage, item_subset
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.reports.reader import read_runs
from oodrop.reports.redaction import redacted

# Where replies are sampled, those of the rerun are others: what they differ by is the noise.
TORCH_SEEDS: Mapping[str, int] = {"main": 1234, "rerun": 4321}

Samples = Mapping[str, list[int]]
"""Indices of documents by name of an lm-eval task; one that is not there is asked all of them."""


def subset_samples(plan: RunPlan, spec: CheckpointSpec, stage: Stage) -> dict[str, list[int]]:
    """The checkpoint's subset of items, for every variant the same; empty where it takes all."""
    tasks = dict.fromkeys(task for task, _ in stage.variants)
    subsets = {task: item_subset(task, spec.items, plan.seed) for task in tasks}
    return {
        task_name(task, variant): chosen
        for task, variant in stage.variants
        if (chosen := subsets[task]) is not None
    }


@dataclass(frozen=True)
class Evaluation:
    """What lm-eval made of a stage's tasks, not yet written.

    Attributes:
        results: as `simple_evaluate` gives them.
        tracker: writes them to its folder.
    """

    results: dict[str, Any]
    tracker: Any

    def rows(self, task: str) -> list[dict[str, Any]]:
        """The samples of a task, one row per document and filter."""
        found: list[dict[str, Any]] = self.results["samples"][task]
        return found

    def write(self, spec: CheckpointSpec, noted: Mapping[str, Any]) -> None:
        """Have lm-eval write its files, and see that all of it is there and as it was.

        Args:
            spec: the checkpoint.
            noted: what is added to the ``config`` of the results file.

        Raises:
            RunError: when a file is missing or short.
            DataError: when one holds something else than what was evaluated.
        """
        results = {
            **self.results,
            "config": {**self.results["config"], "model": spec.model, **noted},
        }
        logged = results.pop("samples")
        self.tracker.general_config_tracker.model_source = spec.model
        self.tracker.save_results_aggregated(results=results, samples=logged)
        for name in logged:
            self.tracker.save_results_samples(task_name=name, samples=logged[name])
        folder = Path(self.tracker.output_path)
        check_outputs(folder, {name: len(rows) for name, rows in logged.items()})
        read_runs([folder], verify=True)
        for path in folder.rglob("*.json*"):
            with path.open("rb") as file:  # a power cut must not leave a finished stage empty
                os.fsync(file.fileno())


def evaluate(
    spec: CheckpointSpec,
    stage: Stage,
    samples: Samples,
    lm: JournalledLM,
    folder: Path,
    *,
    is_round: bool = False,
) -> Evaluation:
    """Run lm-eval on the stage's tasks.

    Args:
        spec: the checkpoint.
        stage: names the tasks; their YAMLs are written to ``tasks`` in the folder.
        samples: documents of each.
        lm: the model.
        folder: where the evaluation is to be written.
        is_round: whether these very documents are asked this one time.

    Raises:
        RunError: when lm-eval gives no results.
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    tracker = EvaluationTracker(output_path=str(folder))
    with only_documents(samples, keep=not is_round):
        results = simple_evaluate(
            model=lm,
            model_args=",".join(f"{k}={v}" for k, v in redacted(spec.resolved_args()).items()),
            tasks=_yaml_paths(stage, folder / "tasks", spec.replies),
            task_manager=TaskManager(include_defaults=False),
            num_fewshot=spec.num_fewshot,
            batch_size=stage.batch_size,
            device=spec.device,
            samples=dict(samples) or None,
            bootstrap_iters=0,  # its document-level standard errors are not ours
            log_samples=True,
            evaluation_tracker=tracker,
            apply_chat_template=spec.apply_chat_template,
            torch_random_seed=TORCH_SEEDS[stage.name],
            gen_kwargs=spec.generation() or None,
        )
    if results is None:
        raise RunError(f"lm-eval returned no results for {spec.name}, stage {stage.name}")
    return Evaluation(results, tracker)


def _yaml_paths(stage: Stage, folder: Path, replies: int) -> list[str]:
    """Write the stage's task YAMLs, so that any suite runs the same way."""
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


@contextmanager
def quiet_harness() -> Iterator[None]:
    """lm-eval's bars and info lines off while ours are on; the machine is described once.

    Neither does git say that it was called outside of a repository. What lm-eval logs is the same.
    """
    import logging

    from lm_eval import evaluator
    from torch.utils import collect_env

    # After every evaluation lm-eval lists what is installed: seconds, always the same.
    describe = collect_env.get_pretty_env_info
    collect_env.get_pretty_env_info = cache(describe)
    ask_git = evaluator.get_git_commit_hash
    evaluator.get_git_commit_hash = _quietly(ask_git)
    before = os.environ.get("TQDM_DISABLE")
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        logger.setLevel(level)
        collect_env.get_pretty_env_info = describe
        evaluator.get_git_commit_hash = ask_git
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def _quietly(ask_git: Callable[[], str | None]) -> Callable[[], str | None]:
    """lm-eval's way to the commit of the working folder; where there is none git is not called."""

    def commit() -> str | None:
        if _is_in_repository():
            return ask_git()
        from lm_eval.loggers.utils import get_commit_from_path

        found: str | None = get_commit_from_path(Path.cwd())  # as lm-eval does after git failed
        return found

    return commit


def _is_in_repository() -> bool:
    """Whether git does not say that the working folder is outside of every repository."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--git-dir"],  # noqa: S607  # lm-eval calls the same one
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},  # git speaks the user's language
            check=False,
        )
    except OSError:  # no git: lm-eval finds that out too, and says nothing
        return True
    return not asked.stderr.startswith(b"fatal: not a git repository")

"""Evaluate checkpoints on tasks under a suite, in lm-eval's own output layout.

A checkpoint is evaluated in two stages, ``main`` and ``rerun``: in one call lm-eval would merge
the rerun's prompts with the canonical ones, and there would be no noise to measure. A stage is
written beside its place, verified, and moved there whole; a finished stage is reused, an
interrupted one continues from the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from oodrop import DataError, OodropError, RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.derive.promptaudit import audit_prompts
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.plan import RunPlan, check_plan
from oodrop.harness_ext.runner.adaptive import asked_before, decide
from oodrop.harness_ext.runner.evaluation import (
    TORCH_SEEDS,
    Evaluation,
    Samples,
    evaluate,
    quiet_harness,
    subset_samples,
)
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.runner.journalled import JournalledLM, Purpose
from oodrop.harness_ext.runner.lock import locked
from oodrop.harness_ext.runner.log import Reporter, logged
from oodrop.harness_ext.runner.sharedbase import SharedBase
from oodrop.harness_ext.runner.stages import (
    MARKER,
    Stage,
    identity_of,
    is_finished,
    item_subset,
    shots_of,
    stages,
    write_json,
)
from oodrop.harness_ext.variants import banks_of
from oodrop.reports.marker import CHECKPOINT_FILE
from oodrop.reports.redaction import scrubbed


def run(plan: RunPlan, out: Path, reporter: Reporter) -> list[Path]:
    """Evaluate what is not there yet; the folders of the checkpoints are returned.

    Raises:
        OodropError: from `check_plan`, before anything is evaluated.
        DataError: when another run writes to the folder, or what stands there is of another plan.
        RunError: when a model cannot be loaded or fails, or outputs are incomplete.
    """
    check_plan(plan, out)
    _one_process()
    with locked(out), logged(reporter, out / "run.log") as told, quiet_harness():
        base = SharedBase(told.message)
        work = [_Work(plan, spec, out / spec.name, told, base) for spec in plan.checkpoints]
        _audit(work, told)
        for what, reason in plan.left_out.items():
            told.message(f"left out: {what}: {reason}")
        return [one.run() for one in work]


def _one_process() -> None:
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise DataError(
            f"oodrop run works in one process, got WORLD_SIZE={count}; for data-parallel "
            "evaluation: accelerate launch -m lm_eval --include_path $(oodrop tasks-dir) "
            "--log_samples, then oodrop report"
        )


def _audit(work: list[_Work], reporter: Reporter) -> None:
    """Look at every prompt of a derived task before anything is spent on it.

    Raises:
        DataError: when one differs from the clean one outside the declared texts.
    """
    seen: set[tuple[object, ...]] = set()
    for one in work:
        for spec, variant in (pair for stage in one.todo() for pair in stage.variants):
            shots = shots_of(spec, one.spec)
            key = (spec.name, variant.slug, shots, one.spec.items)
            if isinstance(spec, DerivedSpec) and key not in seen:
                if not any(name == spec.name for name, *_ in seen):
                    reporter.message(f"auditing the prompts of {spec.name}")
                seen.add(key)
                subset = item_subset(spec, one.spec.items, one.plan.seed)
                audit_prompts(spec, variant, shots=shots, only=subset).check()


class _Work:
    """The evaluation of one checkpoint."""

    def __init__(
        self,
        plan: RunPlan,
        spec: CheckpointSpec,
        folder: Path,
        reporter: Reporter,
        base: SharedBase,
    ) -> None:
        self.plan, self.spec, self.folder, self.reporter = plan, spec, folder, reporter
        self._base = base
        self.stages = stages(plan, spec)
        banks = banks_of(variant for stage in self.stages for _, variant in stage.variants)
        self.fingerprint = spec.fingerprint(banks)
        self.identities = {
            stage.name: identity_of(plan, spec, stage, banks, self.fingerprint)
            for stage in self.stages
        }
        self._lm: Any = None
        self._told: set[str] = set()

    def todo(self) -> list[Stage]:
        """Stages that are not there yet.

        Raises:
            DataError: when there is one of another plan.
        """
        return [
            stage
            for stage in self.stages
            if not is_finished(self.folder / stage.name, self.identities[stage.name])
        ]

    def run(self) -> Path:
        """Evaluate what is not there yet; the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        todo = self.todo()
        for stage in self.stages:
            if stage in todo:
                self._run_stage(stage)
            else:
                self.reporter.message(f"{self.spec.name}: {stage.name} is there already")
        self._lm = None
        record = {
            "name": self.spec.name,
            "fingerprint": self.fingerprint,
            "left_out": dict(self.plan.left_out),
        }
        write_json(self.folder / CHECKPOINT_FILE, record)
        return self.folder

    def _run_stage(self, stage: Stage) -> None:
        lm = self._model(stage)
        identity = self.identities[stage.name]
        self.reporter.message(
            f"{self.spec.name}: {stage.name}, {len(stage.tasks)} task variants on {_on(self.spec)}"
        )
        partial = self.folder / f"{stage.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with closing(Journal(self._journal)) as journal:
            purpose = Purpose(
                made_for=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
                stage=stage.name,
                shares=stage.name != "rerun",
                seed=TORCH_SEEDS[stage.name],
            )
            asked = JournalledLM(
                lm, journal, self.reporter.progress, purpose, self.reporter.message
            )
            self._evaluate(stage, asked, partial)
        self._tell_fallbacks()
        write_json(partial / MARKER, identity)
        place = self.folder / stage.name
        if place.exists():  # left by a stage that was never finished, or was stopped early
            shutil.rmtree(place)
        partial.replace(place)

    def _tell_fallbacks(self) -> None:
        """What ``hf-packed`` could not do with this model, told once."""
        for name in ("fallback", "generation_fallback"):
            reason = getattr(self._lm, name, "")
            if reason and reason not in self._told:
                self._told.add(reason)
                self.reporter.message(f"{self.spec.name}: hf-packed answers as hf: {reason}")

    @property
    def _journal(self) -> Path:
        return self.folder / f"journal-{self.fingerprint[:16]}.sqlite"

    def _model(self, stage: Stage) -> Any:
        if self._lm is None:
            self.reporter.message(f"{self.spec.name}: loading {self.spec.model}")
            self._lm = self._base.load(self.spec)
        if hasattr(self._lm, "batch_size_per_gpu"):
            self._lm.batch_size_per_gpu = stage.batch_size
        return self._lm

    def _evaluate(self, stage: Stage, lm: JournalledLM, partial: Path) -> None:
        try:
            samples, noted = self._samples(stage, lm, partial)
            evaluation = evaluate(self.spec, stage, samples, lm, partial)
        except (OodropError, KeyboardInterrupt):
            raise
        except Exception as error:  # any backend may fail in its own way; its reason is shown
            reason = scrubbed(f"{type(error).__name__}: {error}", self.spec.resolved_args())
            raise RunError(
                f"checkpoint {self.spec.name} ({self.spec.model}) failed in stage {stage.name}: "
                f"{reason}; the answers so far are in {self._journal}, and "
                "the same command continues after them"
            ) from error
        evaluation.write(self.spec, noted)

    def _samples(
        self, stage: Stage, lm: JournalledLM, partial: Path
    ) -> tuple[dict[str, list[int]], dict[str, Any]]:
        """The documents of each task, and what the results file says about them."""
        if self.plan.stop is None:
            samples = subset_samples(self.plan, self.spec, stage)
            return samples, {"samples_seed": self.plan.seed if samples else None}
        seeded = {"samples_seed": self.plan.seed}
        if stage.name == "rerun":
            return asked_before(self.folder / "main", stage), seeded

        def ask(some: Stage, samples: Samples) -> Evaluation:
            return evaluate(self.spec, some, samples, lm, partial, is_round=True)

        decided = decide(self.plan, self.spec, stage, ask, self.reporter.message)
        return decided.samples, {**seeded, "stopping": decided.record}


def _on(spec: CheckpointSpec) -> str:
    parts = [f"{spec.items} items" if spec.items else "all items"]
    if spec.num_fewshot:
        parts.append(f"few-shot examples: {spec.num_fewshot}")
    if spec.replies > 1:
        parts.append(f"replies to an item: {spec.replies}")
    parts += [f"{key}={value}" for key, value in spec.generation().items()]
    return ", ".join(parts)

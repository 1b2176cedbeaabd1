"""The second pass over a run: the probability score of every logged reply, in lm-eval's layout.

For each results file of a checkpoint one is written that holds the tasks ``<task>_reference``: the
same documents, records and settings, another metric. The stage is written beside its place and
moved there whole; every number that the model gave is journalled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oodrop import OodropError
from oodrop.harness_ext.checkpoints import CheckpointSpec, check_model
from oodrop.harness_ext.reference.answertokens import answer_tokens, log_probabilities, why_not
from oodrop.harness_ext.reference.runs import Scorable, scorable
from oodrop.harness_ext.reference.score import METRIC, PLAIN, question, scores
from oodrop.harness_ext.reference.tables import reference_results, reference_row
from oodrop.harness_ext.runner.evaluation import quiet_harness
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.runner.log import Reporter
from oodrop.harness_ext.runner.stages import MARKER, is_finished, write_json
from oodrop.reports.lines import iterate_samples
from oodrop.reports.render import check_writable
from oodrop.reports.results import RunFile, Samples
from oodrop.tasks import get_task


@dataclass(frozen=True)
class ReferencePlan:
    """What to score.

    Attributes:
        folder: what ``oodrop run`` or ``lm_eval`` wrote.
        checkpoint: name of one, as reports show it; None for all.
        model: lm-eval's model type, where it is another than the one that was recorded.
        model_args: its arguments, where they are others.
        batch_size: as lm-eval's; None for the recorded one.
        device: as lm-eval's.
        plain: leave out what the model says without its reasoning, and subtract nothing.
    """

    folder: Path
    checkpoint: str | None = None
    model: str | None = None
    model_args: Mapping[str, Any] | None = None
    batch_size: int | None = None
    device: str | None = None
    plain: bool = False

    @property
    def metric(self) -> str:
        """The primary metric."""
        return PLAIN if self.plain else METRIC

    @property
    def suffix(self) -> str:
        """What is added to the name of a task."""
        return "reference_plain" if self.plain else "reference"


def score_references(plan: ReferencePlan, reporter: Reporter) -> list[Path]:
    """Score what is not scored yet; the folders of the scores are returned.

    Raises:
        UnknownNameError: for a checkpoint or model that does not exist.
        DataError: when the folder holds no free replies or damaged files, or cannot be written.
        NotComparableError: when the recorded checkpoint is not what it was when it was evaluated.
        OodropError: when no checkpoint can be scored, with the reason.
        RunError: when the model cannot be loaded.
    """
    chosen = scorable(plan.folder, plan.checkpoint)
    if len(chosen) > 1 and plan.model_args is not None:
        listed = ", ".join(one.name for one in chosen)
        raise OodropError(f"--model_args needs --checkpoint, one of: {listed}")
    done, reasons = [], []
    with quiet_harness():
        for one in chosen:
            place, reason = _score(plan, one, reporter)
            if place is not None:
                done.append(place)
                continue
            reasons.append(f"checkpoint {one.name} cannot be scored: {reason}")
            if len(chosen) > 1:
                reporter.message(f"left out: {reasons[-1]}")
    if not done:
        raise OodropError(reasons[0])
    return done


def _score(plan: ReferencePlan, one: Scorable, reporter: Reporter) -> tuple[Path | None, str]:
    """The finished folder, or why there can be none."""
    if reason := one.why_not():
        return None, reason
    spec = _checkpoint(plan, one)
    check_model(spec.model)
    fingerprint = spec.fingerprint({})
    place = one.folder / one.stage(plan.suffix)
    identity = {
        "metric": plan.metric,
        "replies": {s.path.name: _sha256(s.path) for run in one.runs for s in run.samples},
        "fingerprint": fingerprint,
    }
    if is_finished(place, identity):
        reporter.message(f"{one.name}: {place.name} is there already")
        return place, ""
    check_writable(one.folder)
    reporter.message(f"{one.name}: loading {spec.model}")
    lm = spec.load()
    if reason := why_not(lm):
        return None, f"{spec.model}: {reason}"
    partial = place.with_name(f"{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    scorer = _Pass(plan, spec, lm, reporter)
    with closing(Journal(one.folder / f"journal-reference-{fingerprint[:16]}.sqlite")) as journal:
        for run in one.runs:
            scorer.score_run(one, run, partial, journal)
    write_json(partial / MARKER, identity)
    if place.exists():  # left by a pass that was never finished
        shutil.rmtree(place)
    partial.replace(place)
    return place, ""


def _checkpoint(plan: ReferencePlan, one: Scorable) -> CheckpointSpec:
    recorded = one.recorded
    if plan.model_args is None:
        one.check_unchanged(recorded)
    return replace(
        recorded,
        model=plan.model or recorded.model,
        model_args=recorded.model_args if plan.model_args is None else plan.model_args,
        batch_size=plan.batch_size or recorded.batch_size,
        device=plan.device,
    )


class _Pass:
    """Scores the files of one checkpoint with its model."""

    def __init__(
        self, plan: ReferencePlan, spec: CheckpointSpec, lm: Any, reporter: Reporter
    ) -> None:
        self._plan, self._spec, self._lm, self._reporter = plan, spec, lm, reporter

    def score_run(self, one: Scorable, run: RunFile, partial: Path, journal: Journal) -> None:
        """Write the results file that stands beside one of lm-eval, and its samples."""
        folder = partial / one.inside(run)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {}
        for number, samples in enumerate(run.samples, 1):
            self._reporter.message(
                f"{one.name}: {samples.variant} of {samples.task} ({number} of {len(run.samples)})"
            )
            rows = self._rows(samples, journal)
            name = f"oodrop__{samples.variant}__{samples.task}_{self._plan.suffix}"
            stamp = run.path.stem.removeprefix("results_")
            text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
            (folder / f"samples_{name}_{stamp}.jsonl").write_text(text, encoding="utf-8")
            tables[name] = (samples, [{m: row[m] for m in row["metrics"]} for row in rows])
        made_by = {
            "model": self._spec.model,
            "model_args": {k: str(v) for k, v in self._spec.resolved_args().items()},
        }
        results = reference_results(run, tables, self._plan.metric, self._plan.suffix, made_by)
        write_json(folder / run.path.name, results)

    def _rows(self, samples: Samples, journal: Journal) -> list[dict[str, Any]]:
        logged = list(_of_filter(samples))
        questions = [
            question(get_task(samples.task), sample, where, plain=self._plan.plain)
            for where, sample in logged
        ]
        scored = [samples.rows[q.item_id].counts for q in questions]
        asked = [
            answer_tokens(self._lm, context, q.reference, f"{where}, item {q.item_id}")
            for q, counts, (where, _) in zip(questions, scored, logged, strict=True)
            for context in (q.asked if counts else ())
        ]
        found = iter(log_probabilities(self._lm, asked, journal, self._reporter.progress))
        rows = []
        for q, counts, (_, sample) in zip(questions, scored, logged, strict=True):
            own = [next(found) for _ in q.asked] if counts else []
            metrics = scores(q, own) if counts else {}
            rows.append(reference_row(sample, q, own, metrics, self._plan.suffix))
        return rows


def _of_filter(samples: Samples) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, sample in iterate_samples(samples.path):
        if sample.get("filter", samples.filter) == samples.filter:
            yield f"{samples.path.name}, line {number}", sample


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

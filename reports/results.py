"""What the reader hands on: rows, the samples of a variant, the runs they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oodrop.reports.measures import Measures

CANONICAL = "canonical"
CONTROLS_SCORED = ("control.identity", "control.rerun")
WEAKEST_FIRST = ("assumed", "reviewed", "checked", "proved")


@dataclass(frozen=True, slots=True)
class Row:
    """One document of one variant.

    Attributes:
        outcome: what the perturber did.
        evidence: level of evidence of its certificate, None where nothing was changed.
        score: value of the primary metric, None where the document is not scored.
        cluster_id: the source that it shares with others.
        canonical_sha256: hash of the item before the edits.
        doc_hash: lm-eval's hash of the document as it was sent.
        prompt_hash: lm-eval's hash of the prompt, few-shot examples and chat template included.
        gold: text of the right answer.
        source: the item under which the answer was logged, where that is another one (a child that
            is paired with its parent).
        parent: what was done to which item of the task to make this one, None where nothing was.
        parent_evidence: level of evidence that both have the same label.
        measures: what the task logged of the way to the answer, None where it logs nothing.
    """

    outcome: str
    evidence: str | None
    score: float | None
    cluster_id: str
    canonical_sha256: str
    doc_hash: str
    prompt_hash: str
    gold: str
    parent: tuple[str, str] | None = None
    source: str | None = None
    parent_evidence: str = "proved"
    measures: Measures | None = None

    @property
    def counts(self) -> bool:
        """Whether the row takes part in its variant's drop."""
        return self.score is not None


@dataclass(frozen=True)
class Samples:
    """One variant of one task, as one checkpoint answered it.

    Attributes:
        bank_sha256: hash of the bank of rewordings that was replayed; None without one.
        heldout_of: the task that stands for the training distribution, where this one holds other
            items; None elsewhere.
        replies_per_item: on how many generated replies the scores rest, every number that occurs,
            ascending: ``(4,)`` where a score is the mean over four replies to the item.
    """

    path: Path
    task: str
    variant: str
    perturber: str
    family: str
    severity: int | None
    bank_sha256: str | None
    metric: str
    filter: str
    chance: float
    heldout_of: str | None
    num_fewshot: int
    settings: Mapping[str, str]
    rows: Mapping[str, Row]
    replies_per_item: tuple[int, ...]
    replies_sha256: str


@dataclass(frozen=True)
class RunFile:
    """One results file and its samples.

    Attributes:
        left_out: slug of each variant that the run had to go on without -> why.
    """

    path: Path
    checkpoint_key: str
    checkpoint_name: str
    model: str
    model_args: str
    chat_template: bool
    lm_eval_version: str
    date: float
    samples: tuple[Samples, ...]
    foreign_tasks: tuple[str, ...]
    left_out: Mapping[str, str]

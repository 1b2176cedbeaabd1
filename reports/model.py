"""What a report says, before it is drawn: frozen data that every renderer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oodrop.reports.statistics import Analysis, SplitDrop, VariantInfo

SCHEMA_VERSION = "0.2"


@dataclass(frozen=True)
class Checkpoint:
    """Who was evaluated, and under which settings; everything here is safe to publish.

    Attributes:
        name: unique within the report.
        model: lm-eval's model type (``hf``, ``oodrop-bow``, …).
        model_args: its arguments, secrets and private paths redacted.
        chat_template: whether a chat template was applied.
        num_fewshot: every number of few-shot examples with which a task was run, ascending.
        generation: every way in which replies were generated, in words; empty where no task
            generates.
        lm_eval_version: version of the harness.
        date: ISO date of the run.
    """

    name: str
    model: str
    model_args: str
    chat_template: bool
    num_fewshot: tuple[int, ...]
    generation: tuple[str, ...]
    lm_eval_version: str
    date: str


@dataclass(frozen=True)
class OutcomeCounts:
    """How many items a variant changed, and what became of the others."""

    changed: int
    unchanged: int
    not_applicable: int
    refused: int


@dataclass(frozen=True)
class Flip:
    """An item whose score moved under a variant. All texts come from a model or a file: hostile.

    Attributes:
        direction: "lost" where the canonical score was higher, "gained" where the variant's was.
    """

    checkpoint: str
    variant: str
    item_id: str
    direction: Literal["lost", "gained"]
    gold: str
    canonical_prompt: str
    variant_prompt: str
    canonical_reply: str
    variant_reply: str


@dataclass(frozen=True)
class TaskReport:
    """One task on one set of items.

    Attributes:
        task: name of the task.
        items: how many items were evaluated.
        analysis: accuracies, drops and noise floor.
        variants: the variants in the analysis, in order.
        outcomes: applicability by variant slug.
        flips: a seeded sample of the flipped items, at most `MAX_FLIPS` in all.
        flips_total: how many there are, by checkpoint name.
    """

    task: str
    items: int
    analysis: Analysis
    variants: tuple[VariantInfo, ...]
    outcomes: Mapping[str, OutcomeCounts]
    flips: tuple[Flip, ...]
    flips_total: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """Everything that is shown, in the order in which it is shown.

    Attributes:
        title: heading.
        oodrop_version: version that made it.
        checkpoints: in the order in which the runs were given.
        tasks: one entry per task and set of items; entries of one task are not comparable.
        split_drops: per pair of tasks, one of them held out, and checkpoint that ran both.
        notes: sentences about what was left out or looks wrong, most important first.
    """

    title: str
    oodrop_version: str
    checkpoints: tuple[Checkpoint, ...]
    tasks: tuple[TaskReport, ...]
    split_drops: tuple[SplitDrop, ...]
    notes: tuple[str, ...]


MAX_FLIPS = 300

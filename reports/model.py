"""What a report says, before it is drawn: frozen data that every renderer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from oodrop.reports.statistics import (
    Analysis,
    Questions,
    SplitContrast,
    SplitDrop,
    VariantInfo,
)
from oodrop.reports.stopping import Stopped

SCHEMA_VERSION = "0.6"


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
    not_asked: int = 0


@dataclass(frozen=True)
class Flip:
    """An item whose score moved under a variant. All texts come from a model or a file: hostile.

    Attributes:
        direction: "lost" where the canonical score was higher, "gained" where the variant's was.
        canonical_score: score of the item; of several replies to it, their mean.
        variant_score: the same under the variant.
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
    canonical_score: float
    variant_score: float


@dataclass(frozen=True)
class Replies:
    """How a checkpoint replied on a set of items; shares of all of them, None where not logged.

    `right`, `wrong` and `unparsed` add up to 1 where an unparsed reply is wrong.

    Attributes:
        right: mean score.
        wrong: replies that were read and are wrong; None for scores outside [0, 1] too.
        unparsed: parse failures: no answer could be read.
        truncated: the part of `unparsed` that breaks off.
        at_once: answered with next to nothing before the answer.
        mean_tokens: words and marks before the answer.
        median_tokens: the same.
    """

    right: float
    wrong: float | None
    unparsed: float | None
    truncated: float | None
    at_once: float | None
    mean_tokens: float | None
    median_tokens: float | None


@dataclass(frozen=True)
class Engagement:
    """How a checkpoint replied under a variant, beside the canonical replies to the same items.

    Attributes:
        variant: slug, or ``canonical``: all items, and both sides the same.
        n: scored items.
        canonical: over these items, as published.
        replies: over these items, under the variant.
        lost: items that got worse; None for ``canonical`` and where the gold answer changes.
        lost_unparsed: those of them of which fewer replies parsed than on the canonical prompt.
    """

    checkpoint: str
    variant: str
    n: int
    canonical: Replies
    replies: Replies
    lost: int | None
    lost_unparsed: int | None


@dataclass(frozen=True)
class StoppedVariant:
    """One variant of a run that was stopped early, and where its gate stood."""

    checkpoint: str
    variant: str
    gate: Stopped


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
        replies_per_item: on the mean of how many replies an item's score rests, by checkpoint name.
        engagement: by checkpoint, canonical first, then the variants; empty where the task logs no
            such thing.
        questions: what is asked of the whole task: contrasts, ranks, the worst variant, …
        stopped: of runs that were stopped early, by variant where its gate stood.
        every_flip: reads all flipped items again, one at a time, from the files of the runs; None
            where there are none, and for tasks that pool others. No part of report.json.
    """

    task: str
    items: int
    analysis: Analysis
    variants: tuple[VariantInfo, ...]
    outcomes: Mapping[str, OutcomeCounts]
    flips: tuple[Flip, ...]
    flips_total: Mapping[str, int]
    replies_per_item: Mapping[str, int]
    engagement: tuple[Engagement, ...]
    questions: Questions
    stopped: tuple[StoppedVariant, ...] = ()
    every_flip: Callable[[], Iterator[Flip]] | None = field(
        default=None, compare=False, repr=False, metadata={"json": False}
    )


@dataclass(frozen=True)
class Report:
    """Everything that is shown, in the order in which it is shown.

    Attributes:
        title: heading.
        oodrop_version: version that made it.
        checkpoints: in the order in which the runs were given.
        tasks: one entry per task and set of items; entries of one task are not comparable.
        split_drops: per pair of tasks, one of them held out, and checkpoint that ran both.
        split_contrasts: differences of two checkpoints' split drops.
        notes: sentences about what was left out or looks wrong, most important first.
    """

    title: str
    oodrop_version: str
    checkpoints: tuple[Checkpoint, ...]
    tasks: tuple[TaskReport, ...]
    split_drops: tuple[SplitDrop, ...]
    split_contrasts: tuple[SplitContrast, ...]
    notes: tuple[str, ...]


MAX_FLIPS = 300

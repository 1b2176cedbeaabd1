"""What the reader hands on: the samples of a variant, the runs they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from oodrop.reports.stopping import Stopped
from oodrop.reports.table import Table

CANONICAL = "canonical"
CONTROLS_SCORED = ("control.identity", "control.rerun")
REFERENCE_MODELS = "oodrop-"
"""What lm-eval's model types of our reference models begin with."""
SETTINGS = (
    "model", "model_args", "num_fewshot", "chat_template", "system_instruction",
    "fewshot_as_multiturn", "gen_kwargs", "fewshot_seed", "lm_eval_version", "output_type",
    "generation_kwargs", "repeats", "task_version", "metric", "filter", "chance",
)  # fmt: skip
"""What a canonical run and its variants must share: the names in `Samples.settings`."""
POOLED = "/"
"""Between the name of a task and an item or cluster of it, where tasks are pooled."""


class Place(NamedTuple):
    """Where an answer was logged.

    Attributes:
        path: the samples file.
        item_id: the item under which it stands there.
        offset: the first byte of its line.
    """

    path: Path
    item_id: str
    offset: int


class Rescored(NamedTuple):
    """How many scores follow from their rows, and how many were taken as logged."""

    again: int
    taken: int


@dataclass(frozen=True)
class Samples:
    """One variant of one task, as one checkpoint answered it.

    Attributes:
        bank_sha256: hash of the bank of rewordings that was replayed; None without one.
        heldout_of: the task that stands for the training distribution, where this one holds other
            items; None elsewhere.
        settings: name in `SETTINGS` -> value as text, ``null`` where there is none.
        groups: name -> number of tasks of every group of lm-eval that holds the task and has one
            score.
        replies_per_item: on how many generated replies the scores rest, every number that occurs,
            ascending: ``(4,)`` where a score is the mean over four replies to the item.
        replies_digest: of all replies with their items, whatever the order of the rows.
        unchecked: hashes that nobody can compute again from the file; None where none were asked
            to be.
        rescored: scores that were computed again; None where none were asked to be.
        stopped: where the sequential gate stood of a run that was stopped early; None elsewhere.
        parts: of tasks that are pooled, name -> its own samples; empty elsewhere.
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
    groups: Mapping[str, int]
    num_fewshot: int
    settings: Mapping[str, str]
    rows: Table
    replies_per_item: tuple[int, ...]
    replies_digest: str
    unchecked: int | None = None
    rescored: Rescored | None = None
    stopped: Stopped | None = None
    parts: Mapping[str, Samples] = field(default_factory=dict)

    def logged(self, item_id: str) -> Place:
        """Where the answer to an item stands."""
        if self.parts:
            task, _, own = item_id.partition(POOLED)
            return self.parts[task].logged(own)
        place = self.rows.ids.index[item_id]
        source = self.rows.sources.get(place, item_id)
        return Place(self.path, source, int(self.rows.offsets[place]))


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

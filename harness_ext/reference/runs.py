"""The free replies under a folder that can be given a probability score, by checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from lm_eval.utils import simple_parse_args_string

from oodrop import DataError, NotComparableError, UnknownNameError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.models import REFERENCE_MODELS
from oodrop.harness_ext.reference.score import METRIC, PLAIN
from oodrop.harness_ext.runner.stages import MARKER
from oodrop.reports.marker import CHECKPOINT_FILE
from oodrop.reports.pairing import name_checkpoints
from oodrop.reports.reader import read_runs
from oodrop.reports.results import RunFile, Samples
from oodrop.tasks import get_task

_DEFAULT_BATCH = 16


@dataclass(frozen=True)
class Scorable:
    """One checkpoint's free replies.

    Attributes:
        name: as reports show it.
        folder: where the scores go.
        runs: its results files, each with the samples of free replies alone.
        ours: whether ``oodrop run`` wrote them.
    """

    name: str
    folder: Path
    runs: tuple[RunFile, ...]
    ours: bool

    def stage(self, suffix: str) -> str:
        """Name of the folder of scores; plain lm-eval puts several checkpoints beside another."""
        if self.ours:
            return suffix
        return f"{suffix}-{sha256(self.runs[0].checkpoint_key.encode()).hexdigest()[:8]}"

    def inside(self, run: RunFile) -> str:
        """The folder in that folder that corresponds to lm-eval's own."""
        return run.path.parent.name if self.ours else ""

    @property
    def recorded(self) -> CheckpointSpec:
        """The checkpoint as the results file has it, without what concerns prompts and replies."""
        config = _content(self.runs[0].path)["config"]
        args, size = config.get("model_args") or {}, config.get("batch_size")
        return CheckpointSpec(
            name=self.name,
            model=self.runs[0].model,
            model_args=args if isinstance(args, dict) else simple_parse_args_string(args),
            batch_size=size if type(size) is int and size > 0 else _DEFAULT_BATCH,
        )

    def check_unchanged(self, recorded: CheckpointSpec) -> None:
        """Compare with the fingerprint of the run, where ``oodrop run`` left one.

        Raises:
            NotComparableError: when the checkpoint is not what it was.
        """
        marker = self.runs[0].path.parent.parent / MARKER
        if not marker.exists():
            return
        was = _content(marker)
        fields = {key: was[key] for key in ("apply_chat_template", "num_fewshot", "gen_kwargs")}
        fields["repeats"] = was.get("repeats")
        if replace(recorded, **fields).fingerprint(was["bank"]) != was["fingerprint"]:
            raise NotComparableError(
                f"checkpoint {self.name}: weights, model arguments or library versions are not "
                f"those that {marker} was evaluated with; --model_args names the model to score "
                "with all the same"
            )

    def why_not(self) -> str:
        """Why replies that were logged cannot be scored; "" where they can."""
        if self.recorded.model in REFERENCE_MODELS:
            return "a reference model gives no log-likelihoods of tokens"
        if self.recorded.model_args.get("think_end_token"):
            return "think_end_token had the reasoning cut from the replies before they were logged"
        return ""


def scorable(folder: Path, checkpoint: str | None) -> list[Scorable]:
    """Every checkpoint under a folder with replies to a task that has a place for the answer.

    Args:
        folder: what ``oodrop run`` or ``lm_eval`` wrote.
        checkpoint: the name of one; None for all.

    Raises:
        DataError: when there is none, a file is damaged, or a run is not finished.
        UnknownNameError: when no checkpoint has the name, or a task is not known here.
    """
    runs = read_runs([folder])
    names = name_checkpoints(runs)
    if checkpoint is not None and checkpoint not in names.values():
        raise UnknownNameError("checkpoint", checkpoint, names.values())
    chosen: dict[str, list[RunFile]] = {}
    for run in runs:
        free = tuple(s for s in run.samples if _is_free(s))
        if free and checkpoint in (None, names[run.checkpoint_key]):
            chosen.setdefault(run.checkpoint_key, []).append(replace(run, samples=free))
    if not chosen:
        there = dict.fromkeys(samples.task for run in runs for samples in run.samples)
        raise DataError(
            f"{folder} holds no free replies{f' of {checkpoint}' if checkpoint else ''} that a "
            f"reference answer could be spliced into; there are: {', '.join(there) or 'none'}"
        )
    return [_of(names[key], tuple(own)) for key, own in chosen.items()]


def _of(name: str, runs: tuple[RunFile, ...]) -> Scorable:
    path = runs[0].path
    marked = next((p for p in list(path.parents)[:4] if (p / CHECKPOINT_FILE).exists()), None)
    if marked is None and (path.parent.parent / MARKER).exists():
        raise DataError(
            f"{path.parent.parent} is part of a run that is not finished; the same oodrop run "
            "continues it"
        )
    return Scorable(name, marked or path.parent, runs, marked is not None)


def _is_free(samples: Samples) -> bool:
    if samples.metric in (METRIC, PLAIN):  # made by us from others
        return False
    return get_task(samples.task).answer_span is not None


def _content(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error!s:.80}") from None
    return found

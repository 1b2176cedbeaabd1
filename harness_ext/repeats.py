"""Several replies to an item: which tasks can be asked so, and what their YAML then says.

lm-eval asks each request ``repeats`` times; its usual filter, ``take_first``, would throw all
replies but one away, and most tasks' scoring reads one reply alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.tasks.spec import TaskSpec

_OURS = "oodrop.tasks."
_TO_ONE = ("take_first", "take_first_k", "majority_vote")


def check_repeats(checkpoint: CheckpointSpec, spec: TaskSpec) -> None:
    """Nothing, or an error: a task has to score lists of replies, and they must differ.

    Raises:
        DataError: when the checkpoint asks for several replies, and the task cannot give them.
    """
    if checkpoint.replies == 1:
        return
    asked = f"checkpoint {checkpoint.name}: repeats={checkpoint.replies}"
    if not _scores_lists(spec.config):
        raise DataError(
            f"{asked} needs a task whose scoring takes several replies to an item, and that of "
            f"{spec.name} does not; those with free replies of oodrop's own do"
        )
    if not _is_sampled({**(spec.config.get("generation_kwargs") or {}), **checkpoint.generation()}):
        raise DataError(
            f"{asked} needs sampling, and the replies to {spec.name} are greedy, so all of them "
            "would be the same; add do_sample=true and a temperature, or a preset that samples"
        )


def repeat_fields(config: Mapping[str, Any], name: str, replies: int) -> dict[str, Any]:
    """What a task's YAML adds so that its scoring is given all replies; nothing for one reply.

    Args:
        config: of the task itself, whose filter of this name goes first.
        name: of the filter that its primary metric is taken from.
        replies: number of replies to an item.
    """
    if replies == 1:
        return {}
    first = [step for step in _steps(config, name) if step["function"] not in _TO_ONE]
    last = {"function": "take_first_k", "k": replies}
    return {"repeats": replies, "filter_list": [{"name": name, "filter": [*first, last]}]}


def _steps(config: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    chains = config.get("filter_list") or ()
    return next((chain["filter"] for chain in chains if chain["name"] == name), ())


def _scores_lists(config: Mapping[str, Any]) -> bool:
    """Whether ``process_results`` is one of ours, all of which do, behind filters with a name."""
    scoring = config.get("process_results") or ""
    where = scoring if isinstance(scoring, str) else getattr(scoring, "__module__", "") + "."
    named = (
        isinstance(step["function"], str)
        for chain in config.get("filter_list") or ()
        for step in chain["filter"]
    )
    return config.get("output_type") == "generate_until" and where.startswith(_OURS) and all(named)


def _is_sampled(settings: Mapping[str, Any]) -> bool:
    """Whether every backend samples: transformers goes by do_sample, a server by temperature."""
    return bool(settings.get("do_sample", True) and settings.get("temperature"))

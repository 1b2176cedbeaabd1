"""Tasks of one checkpoint that cannot be set beside another's, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oodrop.reports.pairing import Group
from oodrop.reports.results import CANONICAL


def unmatched(groups: Sequence[Group], one: str, other: str) -> Iterator[tuple[str, str]]:
    """Each task of checkpoint `one` that `other` did not answer alike, and what is different."""
    both = {g.paired.task for g in groups if {one, other} <= set(g.paired.checkpoints)}
    for group in groups:
        task = group.paired.task
        if one in group.paired.checkpoints and task not in both:
            yield task, _why(group, [g for g in groups if g.paired.task == task], one, other)


def _why(group: Group, same_task: Sequence[Group], one: str, other: str) -> str:
    theirs = [g for g in same_task if other in g.paired.checkpoints]
    if not theirs:
        return f"{other} did not run it"
    left, right = group.samples[one][CANONICAL], theirs[0].samples[other][CANONICAL]
    if left.stopped or right.stopped:
        return "a run that was stopped early is compared with no other"
    if left.num_fewshot != right.num_fewshot:
        return f"{left.num_fewshot} and {right.num_fewshot} few-shot examples"
    return f"{len(left.rows)} and {len(right.rows)} items, which are not the same"

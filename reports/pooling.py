"""One drop over a group of tasks: the subtasks that a checkpoint ran, as if they were one task.

Items count the same whatever their subtask (a micro average): a subtask with twice the items
weighs twice as much. Where lm-eval groups nest, a checkpoint's tasks are pooled under the largest
group that it ran as a whole; under the largest one that it ran in part where there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oodrop.reports.pairing import Group, make_group
from oodrop.reports.results import CANONICAL, POOLED, Samples
from oodrop.reports.table import stacked

# A subtask has its own items and its own number of options; all else must be the same.
_OF_A_SUBTASK = ("chance",)

Variants = Mapping[str, Samples]


@dataclass(frozen=True)
class Pool:
    """Tasks of a group of lm-eval, pooled.

    Attributes:
        group: the pooled scores; items and clusters are named ``task/item``.
        tasks: what is pooled, sorted.
        of: how many tasks the group of lm-eval has.
    """

    group: Group
    tasks: tuple[str, ...]
    of: int

    @property
    def words(self) -> str:
        """What is pooled, in a sentence."""
        name = self.group.paired.task
        count = len(self.tasks)
        which = f"all {self.of}" if count == self.of else f"{count} of {self.of}"
        return (
            f"{name} pools {which} tasks of the group ({', '.join(self.tasks[:5])}"
            f"{', …' if count > 5 else ''}); every item counts the same, and chance is "
            "the mean over items"
        )


def pool(groups: Sequence[Group]) -> tuple[list[Pool], tuple[str, ...]]:
    """Every pool of two tasks or more that the groups allow.

    Args:
        groups: as `pair` gives them.

    Returns:
        The pools, and a sentence for whatever is not pooled though its group is there.

    Raises:
        NotComparableError: never for groups of `pair`, whose checks hold for their pools.
    """
    members: dict[tuple[str, int, frozenset[str]], dict[str, dict[str, Samples]]] = {}
    made_of: dict[tuple[str, int, frozenset[str]], tuple[tuple[str, ...], int]] = {}
    notes: dict[str, None] = {}
    for checkpoint, tasks in _by_checkpoint(groups).items():
        for name, chosen in _chosen(tasks):
            own = {task: tasks[task] for task in chosen}
            if other := _other_settings(own):
                notes[
                    f"{name} is not pooled for {checkpoint}: its tasks ran with another {other}"
                ] = None
                continue
            merged = _merged(name, own)
            notes |= dict.fromkeys(_lacking(name, own))
            canonical = merged[CANONICAL]
            key = (name, canonical.num_fewshot, frozenset(canonical.rows.ids.ids))
            members.setdefault(key, {})[checkpoint] = merged
            made_of[key] = (chosen, canonical.groups[name])
    pools = [Pool(make_group(key[0], own), *made_of[key]) for key, own in members.items()]
    return pools, tuple(notes)


def in_order(groups: Sequence[Group], pools: Sequence[Pool]) -> Iterator[Group]:
    """All groups, each pool before the first task in it."""
    waiting = list(pools)
    for group in groups:
        for pooled in [p for p in waiting if group.paired.task in p.tasks]:
            waiting.remove(pooled)
            yield pooled.group
        yield group


def _by_checkpoint(groups: Sequence[Group]) -> dict[str, dict[str, Variants]]:
    """Checkpoint -> task -> variants."""
    found: dict[str, dict[str, Variants]] = {}
    for group in groups:
        for checkpoint, variants in group.samples.items():
            if variants[CANONICAL].stopped is not None:
                continue  # its variants hold different items
            found.setdefault(checkpoint, {})[group.paired.task] = variants
    return found


def _chosen(tasks: Mapping[str, Variants]) -> list[tuple[str, tuple[str, ...]]]:
    """Groups to pool with their tasks: whole ones first, then large ones; no task is in two."""
    of: dict[str, int] = {}
    found: dict[str, list[str]] = {}
    for task, variants in tasks.items():
        for name, size in variants[CANONICAL].groups.items():
            found.setdefault(name, []).append(task)
            of[name] = size
    ranked = sorted(found, key=lambda n: (len(found[n]) < of[n], -len(found[n]), of[n], n))
    chosen: list[tuple[str, tuple[str, ...]]] = []
    taken: set[str] = set()
    for name in ranked:
        if len(found[name]) > 1 and not taken & set(found[name]):
            chosen.append((name, tuple(sorted(found[name]))))
            taken |= set(found[name])
    return chosen


def _other_settings(tasks: Mapping[str, Variants]) -> str:
    """The settings in which the tasks differ, as a list; "" where they do not."""
    settings = [variants[CANONICAL].settings for variants in tasks.values()]
    first = settings[0]
    other = [k for k, v in first.items() if any(s[k] != v for s in settings[1:])]
    return ", ".join(key for key in other if key not in _OF_A_SUBTASK)


def _lacking(name: str, tasks: Mapping[str, Variants]) -> Iterator[str]:
    for slug in dict.fromkeys(slug for variants in tasks.values() for slug in variants):
        lack = [task for task, variants in tasks.items() if slug not in variants]
        if lack:
            listed = ", ".join(lack[:5])
            yield f"{name}: {slug} is not pooled, not every task has it (missing: {listed})"


def _merged(name: str, tasks: Mapping[str, Variants]) -> dict[str, Samples]:
    """The variants that every task has, each over all tasks; the order is that of the first."""
    first = next(iter(tasks.values()))
    common = [slug for slug in first if all(slug in variants for variants in tasks.values())]
    return {slug: _stacked(name, {t: v[slug] for t, v in tasks.items()}) for slug in common}


def _stacked(name: str, parts: Mapping[str, Samples]) -> Samples:
    """One variant of all tasks."""
    first = next(iter(parts.values()))
    sizes = [len(part.rows) for part in parts.values()]
    chance = float(np.average([part.chance for part in parts.values()], weights=sizes))
    replies = hashlib.sha256("".join(part.replies_digest for part in parts.values()).encode())
    return replace(
        first,
        task=name,
        chance=chance,
        settings={**first.settings, "chance": str(chance)},
        rows=stacked({task: part.rows for task, part in parts.items()}, POOLED),
        replies_per_item=tuple(sorted({k for p in parts.values() for k in p.replies_per_item})),
        replies_digest=replies.hexdigest(),
        parts=parts,
    )

"""Stopping when the answer is known: ``oodrop run --stop-when decided``.

Items come in a seeded random order, all variants of an item together, in growing rounds. After a
round the sequential gate of each variant looks at its new changed items; a variant that is decided
is asked about no more items. What is estimated stays the drop of the full run: the gate's answer is
the one that all items would give, wrong with a probability of at most alpha.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodrop import RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.perturbed import canonical_items, outcomes_of
from oodrop.harness_ext.plan import RunPlan, StopRule
from oodrop.harness_ext.runner.evaluation import Evaluation, Samples
from oodrop.harness_ext.runner.stages import Stage, item_subset, shots_of
from oodrop.harness_ext.yamls import task_name
from oodrop.perturbers.variant import CANONICAL, Variant
from oodrop.reports.statistics import Sequential, Standing, random_order
from oodrop.tasks.spec import TaskSpec

_FIRST = 50  # items of the first round
_GROWTH = 1.5

Ask = Callable[[Stage, Samples], Evaluation]


class _Gate:
    """The sequential gate of one variant.

    Attributes:
        asked: number of items, from the beginning of the order, that it was asked about.
    """

    def __init__(self, rule: StopRule, changed: frozenset[int]) -> None:
        self.changed, self.asked = changed, 0
        self._gate = (
            Sequential(
                margin=rule.margin, alpha=rule.alpha, estimand="full_run", items=len(changed)
            )
            if changed
            else None
        )

    @property
    def standing(self) -> Standing | None:
        """Where it stands; None where the variant changes nothing."""
        return None if self._gate is None else self._gate.standing

    @property
    def is_open(self) -> bool:
        """Whether more items could tell more."""
        return self.standing is not None and self.standing.decision is None

    def take(self, items: Iterable[int], drops: Mapping[int, float]) -> None:
        """Look at items in their order, those that the variant changed."""
        if self._gate is not None:
            self._gate.update([drops[k] for k in items if k in self.changed])


@dataclass(frozen=True)
class Decided:
    """What was asked until every variant was decided.

    Attributes:
        samples: documents by name of an lm-eval task.
        record: what a report needs to say so, as JSON.
    """

    samples: dict[str, list[int]]
    record: dict[str, Any]


def decide(
    plan: RunPlan, spec: CheckpointSpec, stage: Stage, ask: Ask, say: Callable[[str], None]
) -> Decided:
    """Ask in rounds until every variant is decided or every item was asked.

    Args:
        plan: with a rule for stopping.
        spec: the checkpoint.
        stage: all variants.
        ask: evaluates a stage on some documents.
        say: told of every round.
    """
    tasks = [
        _Rounds(plan, spec, task, [v for t, v in stage.variants if t == task])
        for task in dict.fromkeys(task for task, _ in stage.variants)
    ]
    number = 0
    while going := [one for one in tasks if one.goes_on]:
        number += 1
        chosen = {one: one.next_round() for one in going}
        samples = {
            task_name(one.task, variant): sorted(items)
            for one, items in chosen.items()
            for variant in one.asking
        }
        pairs = tuple((one.task, variant) for one in going for variant in one.asking)
        evaluation = ask(Stage(stage.name, pairs, stage.batch_size), samples)
        for one, items in chosen.items():
            one.take(items, evaluation)
        say(f"round {number}: " + "; ".join(one.words for one in going))
    found: dict[str, Any] = {}
    for one in tasks:
        found |= one.record()
    return Decided(
        {name: items for one in tasks for name, items in one.samples().items()},
        {
            "estimand": "full_run",
            "margin": plan.stop and plan.stop.margin,
            "alpha": plan.stop and plan.stop.alpha,
            "seed": plan.seed,
            "tasks": found,
        },
    )


class _Rounds:
    """One task: its order of items and the gates of its variants."""

    def __init__(
        self, plan: RunPlan, spec: CheckpointSpec, task: TaskSpec, variants: Iterable[Variant]
    ) -> None:
        if plan.stop is None:
            raise RunError("a run without a rule for stopping has no rounds")
        self.task, self._variants = task, tuple(variants)
        source = canonical_items(task, task.eval_split)
        subset = item_subset(task, spec.items, plan.seed)
        indices = list(range(len(source.docs))) if subset is None else subset
        indices.sort(key=lambda k: source.item(k).item_id)  # never the order of a file
        self._order = [indices[k] for k in random_order(len(indices), plan.seed)]
        self._gates = {
            variant.slug: _Gate(
                plan.stop,
                frozenset(
                    k
                    for k, outcome in outcomes_of(
                        task, variant, shots_of(task, spec), indices
                    ).items()
                    if outcome == "changed"
                ),
            )
            for variant in self._variants
            if not _follows(variant)
        }
        self._seen = 0

    @property
    def goes_on(self) -> bool:
        """Whether a variant is open and items are left; every task has a first round."""
        return self._seen == 0 or (
            self._seen < len(self._order) and any(g.is_open for g in self._gates.values())
        )

    @property
    def asking(self) -> list[Variant]:
        """Who takes part in the next round: the open ones, and what goes with them."""
        return [
            variant
            for variant in self._variants
            if _follows(variant) or not self._seen or self._gates[variant.slug].is_open
        ]

    def next_round(self) -> list[int]:
        """The items of the next round, in their order."""
        size = max(_FIRST, int(self._seen * _GROWTH))
        return self._order[self._seen : size]

    def take(self, items: list[int], evaluation: Evaluation) -> None:
        """Look at the answers of a round."""
        asked = self.asking
        plain = self._scores(Variant(), evaluation)
        self._seen += len(items)
        for variant in asked:
            if gate := self._gates.get(variant.slug):
                own = self._scores(variant, evaluation)
                gate.take(items, {k: plain[k] - score for k, score in own.items()})
                gate.asked = self._seen

    @property
    def words(self) -> str:
        """How far it is."""
        closed = sum(not gate.is_open for gate in self._gates.values())
        return (
            f"{self.task.name}, {self._seen:,} of {len(self._order):,} items, "
            f"{closed} of {len(self._gates)} variants decided"
        )

    def samples(self) -> dict[str, list[int]]:
        """The documents of each variant, as they were asked in all rounds."""
        return {
            task_name(self.task, variant): sorted(self._order[: self._asked(variant)])
            for variant in self._variants
        }

    def record(self) -> dict[str, Any]:
        """What came of each variant, by name of its lm-eval task."""
        rows: dict[str, Any] = {}
        for variant in self._variants:
            row = {"items": self._asked(variant), "items_of": len(self._order)}
            if gate := self._gates.get(variant.slug):
                row |= {"changed_of": len(gate.changed), **_as_row(gate.standing)}
            rows[task_name(self.task, variant)] = row
        return rows

    def _asked(self, variant: Variant) -> int:
        gate = self._gates.get(variant.slug)
        return self._seen if gate is None else gate.asked

    def _scores(self, variant: Variant, evaluation: Evaluation) -> dict[int, float]:
        """Score by index of those documents that have one."""
        return {
            row["doc_id"]: float(row[self.task.metric])
            for row in evaluation.rows(task_name(self.task, variant))
            if self.task.metric in row
        }


def _follows(variant: Variant) -> bool:
    """Whether a variant is asked as long as any other is: it decides nothing."""
    return variant.perturber == CANONICAL or variant.perturber.startswith("control.")


def _as_row(standing: Standing | None) -> dict[str, Any]:
    if standing is None:
        return {"changed": 0, "decision": None, "decided_at": None, "estimate": None}
    return {
        "changed": standing.seen,
        "decision": standing.decision,
        "decided_at": standing.decided_at,
        "estimate": standing.estimate,
    }


def asked_before(main: Path, stage: Stage) -> dict[str, list[int]]:
    """For a rerun: the documents that the canonical task was asked before it was stopped."""
    found = {}
    for task, variant in stage.variants:
        canonical = task_name(task, Variant())
        (path,) = main.rglob(f"samples_{canonical}_[0-9][0-9][0-9][0-9]-*.jsonl")
        with path.open(encoding="utf-8") as lines:
            found[task_name(task, variant)] = sorted({json.loads(x)["doc_id"] for x in lines})
    return found

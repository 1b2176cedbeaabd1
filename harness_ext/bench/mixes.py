"""What ``oodrop bench inference`` sends: variants of items, as requests that lm-eval builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.perturbed import canonical_items, only_documents
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.stages import stages
from oodrop.harness_ext.variants import evenly_spaced, variants_of, what_it_lacks
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.perturbers import Item, Variant, all_perturbers, get_suite
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.perturbers.variant import DEFAULT_SEED
from oodrop.tasks import get_task
from oodrop.tasks.spec import TaskSpec

TASK, FREE_TASK = "procedural_choice", "procedural"
SUITE = "standard-1.0"
CANONICAL, QUESTION, PHRASING, STANDARD = (
    "canonical",
    "question phrasing",
    "all phrasing",
    "standard suite",
)
PHRASINGS_OF_FREE_FORM = 4

Calls = tuple[tuple[Variant, ...], ...]


@dataclass(frozen=True)
class Mix:
    """Requests that belong together.

    Attributes:
        name: of the mix.
        calls: lm-eval's requests, by the calls in which a run sends them.
        items: documents.
        procedures: different procedures among them.
        variants: forms in which each item is sent, canonical included.
    """

    name: str
    calls: tuple[tuple[Any, ...], ...]
    items: int
    procedures: int
    variants: int

    @property
    def requests(self) -> list[Any]:
        """Those of all calls."""
        return [request for call in self.calls for request in call]

    @property
    def size(self) -> int:
        """Number of requests."""
        return sum(map(len, self.calls))


def by_procedure(spec: TaskSpec, seed: int = DEFAULT_SEED) -> list[list[int]]:
    """Indices of the evaluated documents by procedure, procedures and items in a seeded order."""
    source = canonical_items(spec, spec.eval_split)
    groups: dict[str, list[int]] = {}
    for index in range(len(source.docs)):
        groups.setdefault(source.item(index).cluster_id, []).append(index)
    rng = item_generator(seed, "bench_inference", "1", spec.name)
    whole = list(groups.values())
    return [
        [group[k] for k in permutation(rng, len(group))]
        for group in (whole[k] for k in permutation(rng, len(whole)))
    ]


def first_items(spec: TaskSpec, count: int) -> list[int]:
    """Sorted indices of so many items, procedure after procedure: a run has all items of each."""
    return sorted([index for group in by_procedure(spec) for index in group][:count])


def calls_of_mixes(checkpoint: CheckpointSpec, most: int | None) -> Mapping[str, Calls]:
    """The variants of each mix, by the calls in which ``oodrop run`` sends them.

    Args:
        checkpoint: whose run it would be.
        most: of the variants of each phrasing mix, evenly spaced; None for all.
    """
    spec = get_task(TASK)
    item = canonical_items(spec, spec.eval_split).item(first_items(spec, 1)[0])
    phrasing = _phrasing(item)
    question = [v for v in phrasing if _asks_otherwise_only(item, v)]
    plan = RunPlan((checkpoint,), (TASK,), get_suite(SUITE))
    suite = tuple(tuple(v for _, v in s.variants) for s in stages(plan, checkpoint))
    return {
        CANONICAL: ((Variant(),),),
        QUESTION: ((Variant(), *evenly_spaced(question, most)),),
        PHRASING: ((Variant(), *evenly_spaced(phrasing, most)),),
        STANDARD: suite,
    }


def _phrasing(item: Item) -> list[Variant]:
    """Every form of a phrasing perturber of ours that changes the item."""
    found: list[Variant] = []
    for plugin in all_perturbers().values():
        if plugin.family != "phrasing" or plugin.is_foreign:
            continue
        for variant in variants_of(plugin, item):
            with what_it_lacks(strict=False):  # a bank that is not there
                if Bound(variant)(item).certificate.outcome == "changed":
                    found.append(variant)
    return found


def _asks_otherwise_only(item: Item, variant: Variant) -> bool:
    """Whether nothing but the question differs: neither template nor the words to answer with."""
    done = Bound(variant)(item).item
    return (
        {**done.segments, "question": ""} == {**item.segments, "question": ""}
        and done.settings == item.settings
        and done.labels == item.labels
    )


def choice_mix(name: str, calls: Calls, only: Sequence[int] | None) -> Mix:
    """The mix in forced choice; ``only`` as of `built`."""
    return _mix(name, get_task(TASK), calls, only, {})


def free_mix(calls: Calls, only: Sequence[int], new_tokens: int) -> Mix:
    """Canonical and the first others of the variants in free form, at most so many new tokens."""
    few = (calls[0][:PHRASINGS_OF_FREE_FORM],)
    name = f"{new_tokens} new tokens"
    return _mix(name, get_task(FREE_TASK), few, only, {"max_gen_toks": new_tokens})


def _mix(
    name: str, spec: TaskSpec, calls: Calls, only: Sequence[int] | None, generation: dict[str, Any]
) -> Mix:
    source = canonical_items(spec, spec.eval_split)
    chosen = range(len(source.docs)) if only is None else only
    return Mix(
        name,
        tuple(tuple(built(spec, variants, only, generation)) for variants in calls),
        len(chosen),
        len({source.item(index).cluster_id for index in chosen}),
        sum(map(len, calls)),
    )


def built(
    spec: TaskSpec,
    variants: Sequence[Variant],
    only: Sequence[int] | None,
    generation: Mapping[str, Any],
) -> list[Any]:
    """Requests of lm-eval, in the order in which its `evaluate` sends them.

    Args:
        spec: a task of ours.
        variants: each becomes a task of lm-eval.
        only: sorted indices of the documents; None for all.
        generation: laid over the task's own settings of generation.
    """
    from lm_eval.tasks import TaskManager

    names = [task_name(spec, variant) for variant in variants]
    found: list[Any] = []
    with (
        TemporaryDirectory() as folder,
        only_documents({} if only is None else dict.fromkeys(names, only)),
    ):
        paths = [Path(folder) / f"{name}.yaml" for name in names]
        for path, variant in zip(paths, variants, strict=True):
            path.write_text(task_yaml(spec, variant, str(spec.fragments[0])), encoding="utf-8")
        loaded = TaskManager(include_defaults=False).load([str(path) for path in paths])
    for task in loaded["tasks"].values():
        if generation:
            task.set_config(key="generation_kwargs", value=dict(generation), update=True)
        task.build_all_requests(samples=None if only is None else list(only), rank=0, world_size=1)
        found += task.instances
    return found

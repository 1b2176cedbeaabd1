"""Ordering perturbers: what stands where changes, no word does."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oodrop.perturbers.edits import Edit, Reorder, Use
from oodrop.perturbers.item import FEWSHOT, TEMPLATE, Item, Units
from oodrop.perturbers.registry import NotApplicable, perturber
from oodrop.perturbers.rng import below


def linear_extension(units: Units, rng: random.Random) -> tuple[int, ...]:
    """A random order of the units that respects their precedence (Kahn's algorithm)."""
    place = {name: i for i, name in enumerate(units.members)}
    waiting = {i: {place[a] for a, b in units.precedence if place[b] == i} for i in place.values()}
    order: list[int] = []
    while waiting:
        free = sorted(i for i, before in waiting.items() if not before)
        chosen = free[below(rng, len(free))]
        order.append(chosen)
        del waiting[chosen]
        for before in waiting.values():
            before.discard(chosen)
    return tuple(order)


def _reorder(item: Item, rng: random.Random, group: str) -> Sequence[Edit] | NotApplicable:
    units = item.units.get(group)
    if units is None or len(units.members) < 2:
        return NotApplicable(f"the item has no {group} that may change places")
    identity = tuple(range(len(units.members)))
    for _ in range(20):  # a forced order (a chain of precedences) never comes out different
        order = linear_extension(units, rng)
        if order != identity:
            return [Reorder(group, order)]
    return NotApplicable(f"the precedence of the {group} allows only one order")


@perturber("ordering.fact_order", evidence="proved", languages=("*",))
def fact_order(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """Independent statements of fact change places."""
    return _reorder(item, rng, "facts")


@perturber("ordering.clause_order", evidence="proved", languages=("*",))
def clause_order(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """The clauses of a rule text are listed in another order; they name what they depend on."""
    return _reorder(item, rng, "clauses")


@perturber("ordering.event_order", evidence="proved", languages=("*",))
def event_order(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """Events are told in another order; each states its own time."""
    return _reorder(item, rng, "events")


@perturber("ordering.sentence_order", evidence="proved", languages=("*",))
def sentence_order(item: Item, rng: random.Random) -> Sequence[Edit] | NotApplicable:
    """Sentences that the task declares independent change places."""
    return _reorder(item, rng, "sentences")


@perturber(
    "ordering.section_order",
    level="prompt",
    evidence="checked",
    parameters={"layout": ("question_first", "scenario_first", "options_first")},
    languages=("*",),
)
def section_order(item: Item, rng: random.Random, *, layout: str) -> Sequence[Edit] | NotApplicable:
    """The sections of the prompt change places, under the layouts that the task offers."""
    return switch(item, TEMPLATE, f"layout_{layout}")


@perturber(
    "ordering.instruction_position",
    level="prompt",
    evidence="checked",
    parameters={"position": ("before", "after", "both")},
    languages=("*",),
)
def instruction_position(
    item: Item, rng: random.Random, *, position: str
) -> Sequence[Edit] | NotApplicable:
    """The instruction stands before the material, behind it, or in both places.

    Source: Liu et al. 2024, "Lost in the middle", TACL, section 4.2 (query-aware prompts).
    """
    return switch(item, TEMPLATE, f"instruction_{position}")


@perturber(
    "ordering.fewshot_order",
    level="prompt",
    evidence="proved",
    parameters={"k": ("1", "2", "3")},
    languages=("*",),
)
def fewshot_order(item: Item, rng: random.Random, *, k: str) -> Sequence[Edit] | NotApplicable:
    """The same few-shot examples are shown in another order, the k-th one.

    Source: Lu et al. 2022, "Fantastically ordered prompts and where to find them", ACL.
    """
    return switch(item, FEWSHOT, f"order_{k}")


@perturber(
    "ordering.fewshot_resample",
    level="prompt",
    evidence="proved",
    parameters={"k": ("1", "2", "3")},
    languages=("*",),
)
def fewshot_resample(item: Item, rng: random.Random, *, k: str) -> Sequence[Edit] | NotApplicable:
    """Other few-shot examples are drawn, the k-th draw; never the item itself."""
    return switch(item, FEWSHOT, f"draw_{k}")


def switch(item: Item, setting: str, value: str) -> Sequence[Edit] | NotApplicable:
    """Make the prompt with another value of a setting, if the task offers it."""
    if setting not in item.settings:
        return NotApplicable(f"the prompt has no {setting} setting")
    if value not in item.offers.get(setting, ()):
        return NotApplicable(f"the task has no {setting} {value!r}")
    return [Use(setting, item.settings[setting], value)]

"""Phrasing perturbers: the same request in other words, from closed tables that were read."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from oodrop.perturbers.edits import Edit, Replace
from oodrop.perturbers.item import Item
from oodrop.perturbers.ordering import switch_template
from oodrop.perturbers.registry import NotApplicable, perturber
from oodrop.perturbers.rng import choose

# Sentences in front of the question that ask nothing and promise nothing.
REGISTERS: Mapping[str, tuple[str, ...]] = {
    "polite": (
        "I would be grateful for your help with this.",
        "Thank you very much for taking a look at this.",
        "It would be very kind of you to help me here.",
        "Many thanks in advance for your help.",
    ),
    "casual": (
        "Hey, quick question for you.",
        "Okay, so here is a thing I was wondering about.",
        "Got a question for you here.",
        "Just curious about this.",
    ),
    "formal": (
        "Your assistance with the following matter is requested.",
        "The undersigned submits the following inquiry.",
        "Kindly give the following matter your attention.",
        "A reply to the following inquiry is respectfully requested.",
    ),
}


@perturber(
    "phrasing.template", level="prompt", evidence="checked", parameters={"id": ()}, languages=("*",)
)
def template(item: Item, rng: random.Random, *, id: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """The prompt is worded by another of the task's equivalent templates."""
    return switch_template(item, id)


@perturber(
    "phrasing.question_paraphrase", level="prompt", evidence="checked", parameters={"id": ()}
)
def question_paraphrase(
    item: Item,
    rng: random.Random,
    *,
    id: str,  # noqa: A002
) -> Sequence[Edit] | NotApplicable:
    """The question is replaced by a reviewed rewording from the task's bank."""
    bank = item.paraphrases.get("question", {})
    if id not in bank or "question" not in item.segments:
        return NotApplicable(f"the task has no rewording {id!r} of its question")
    return [Replace("question", 0, item.segments["question"], bank[id])]


@perturber("phrasing.register", evidence="checked", parameters={"set": tuple(REGISTERS)})
def register(item: Item, rng: random.Random, *, set: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """A sentence of another register (polite, casual, formal) stands in front of the question."""
    if "question" not in item.segments:
        return NotApplicable("the item has no segment 'question'")
    return [Replace("question", 0, "", choose(rng, REGISTERS[set]) + " ")]

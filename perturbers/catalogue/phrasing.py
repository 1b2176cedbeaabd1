"""Phrasing perturbers: the same request in other words, from closed tables that were read."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from oodrop.perturbers.catalogue.ordering import switch
from oodrop.perturbers.edits import Edit, Relabel, Replace
from oodrop.perturbers.item import TEMPLATE, Item
from oodrop.perturbers.registry import NotApplicable, perturber
from oodrop.perturbers.rng import choose
from oodrop.perturbers.tables import table

_REGISTERS = ("polite", "casual", "formal", "terse", "legalese")
_FORMATS = tuple(f"{k:02d}" for k in range(1, 17))
_FORMS = ("prose", "bullets", "table", "yaml", "json", "headers_absent", "headers_renamed")
_PROTOCOLS = ("direct", "training", "card")
_NO_QUESTION = NotApplicable("the item has no segment 'question'")


@perturber(
    "phrasing.template", level="prompt", evidence="checked", parameters={"id": ()}, languages=("*",)
)
def template(item: Item, rng: random.Random, *, id: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """The prompt is worded by another of the task's equivalent templates."""
    return switch(item, TEMPLATE, id)


@perturber(
    "phrasing.format_grammar",
    level="prompt",
    evidence="checked",
    parameters={"id": _FORMATS},
    languages=("*",),
)
def format_grammar(item: Item, rng: random.Random, *, id: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """Separators, casing of the section words, gaps and bullets are those of another format.

    Source: Sclar et al. 2024, "Quantifying language models' sensitivity to spurious features in
    prompt design", ICLR, section 3.1; 16 formats spread over the grammar.
    """
    return switch(item, TEMPLATE, f"format_{id}")


@perturber(
    "phrasing.structure_form",
    level="prompt",
    evidence="checked",
    parameters={"form": _FORMS},
    languages=("*",),
)
def structure_form(item: Item, rng: random.Random, *, form: str) -> Sequence[Edit] | NotApplicable:
    """The material is given as prose, bullets, a table, YAML or JSON, or without headers."""
    return switch(item, TEMPLATE, f"structure_{form}")


@perturber(
    "phrasing.prompt_protocol",
    level="prompt",
    evidence="checked",
    parameters={"protocol": _PROTOCOLS},
    languages=("*",),
)
def prompt_protocol(
    item: Item, rng: random.Random, *, protocol: str
) -> Sequence[Edit] | NotApplicable:
    """The prompt is put as in training, as on the model card, or as it is: system message and all.

    Source: RLPR, arXiv 2506.18254; the protocols are those of ``tasks/general/protocols.yaml``.
    """
    return switch(item, TEMPLATE, f"protocol_{protocol}")


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
    return _from_bank(item, id)


@perturber(
    "phrasing.question_form",
    level="prompt",
    evidence="checked",
    parameters={"form": ("imperative", "cloze")},
)
def question_form(item: Item, rng: random.Random, *, form: str) -> Sequence[Edit] | NotApplicable:
    """The question becomes a request ("Name the ...") or a sentence with a gap at its end.

    The reworded forms are those of the task's reviewed bank.
    """
    return _from_bank(item, form)


def _from_bank(item: Item, name: str) -> Sequence[Edit] | NotApplicable:
    bank = item.paraphrases.get("question", {})
    if name not in bank or "question" not in item.segments:
        return NotApplicable(f"the task has no rewording {name!r} of its question")
    return [Replace("question", 0, item.segments["question"], bank[name])]


@perturber(
    "phrasing.polarity", level="prompt", evidence="checked", parameters={"id": ("inverted",)}
)
def polarity(item: Item, rng: random.Random, *, id: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """The question asks for the opposite, and the words to answer with change along.

    "Does it comply?" becomes "Does it depart?": the verdict is the same, its name another.
    """
    if id not in item.inversions or "question" not in item.segments:
        return NotApplicable(f"the task has no opposite question {id!r}")
    inversion = item.inversions[id]
    return [
        Replace("question", 0, item.segments["question"], inversion.question),
        Relabel(item.labels, inversion.labels),
    ]


@perturber("phrasing.register", version="2.0", evidence="checked", parameters={"set": _REGISTERS})
def register(item: Item, rng: random.Random, *, set: str) -> Sequence[Edit] | NotApplicable:  # noqa: A002
    """A sentence of another register stands in front of the question; it asks nothing.

    Source: a closed list per register (polite, casual, formal, terse, legalese).
    """
    if "question" not in item.segments:
        return _NO_QUESTION
    return [Replace("question", 0, "", choose(rng, table("registers")[set]) + " ")]


# Segments behind which a sentence may stand that binds nothing, with the kind of sentence.
_ROOM: Mapping[str, str] = {"intro": "workplace", "fact_1": "everyday", "context": "everyday"}


@perturber("phrasing.distractor", evidence="checked", parameters={"n": ("1", "2", "3")})
def distractor(item: Item, rng: random.Random, *, n: str) -> Sequence[Edit] | NotApplicable:
    """Sentences that bind nothing are told along: no name, number, rule, time or judgement.

    Source: a closed list for general facts and one for the workplace; after Shi et al. 2023,
    "Large language models can be easily distracted by irrelevant context", ICML.
    """
    place = next((name for name in _ROOM if name in item.segments), None)
    if place is None:
        return NotApplicable("the item has no text that such a sentence could follow")
    sentences = list(table("distractors")[_ROOM[place]])
    chosen = [sentences.pop(int(rng.random() * len(sentences))) for _ in range(int(n))]
    return [Replace(place, len(item.segments[place]), "", " " + " ".join(chosen))]

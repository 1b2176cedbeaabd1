"""Elementary four-option questions with context facts: a smoke set that small models can do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oodrop.perturbers.item import Item, Units
from oodrop.tasks.everyday.scoring import option_span
from oodrop.tasks.spec import Doc, TaskSpec, member_names, member_number, pick

__all__ = ["EVERYDAY", "EVERYDAY_LETTERS", "EVERYDAY_OPEN"]

LABELS = ("A", "B", "C", "D")


def _to_item(doc: Doc) -> Item:
    names = member_names(doc, "facts", "fact", len(doc["facts"]))
    texts = dict(zip(names, doc["facts"], strict=True))
    return Item(
        item_id=doc["item_id"],
        cluster_id=doc["item_id"],
        segments={
            **{n: texts[n] for n in sorted(names, key=member_number)},
            "question": doc["question"],
        },
        choices=tuple(doc["choices"]),
        gold=doc["gold"],
        units={"facts": Units(names)},
    )


def _to_listed_item(doc: Doc) -> Item:
    return _to_item(doc).altered(listed=True)


def _to_labelled_item(doc: Doc) -> Item:
    return _to_item(doc).altered(listed=True, labels=tuple(doc["labels"]))


def _to_doc(doc: Doc, item: Item) -> Doc:
    changed = {
        **doc,
        "facts": pick(item.segments, item.units["facts"].members),
        "question": item.segments["question"],
        "choices": list(item.choices),
        "gold": item.gold,
    }
    return {**changed, "labels": list(item.labels)} if item.labels else changed


EVERYDAY = TaskSpec(
    name="everyday",
    summary="241 elementary four-option questions, scored by option text; a smoke set",
    folder=Path(__file__).parent,
    fragment="_canonical.yaml",
    eval_split="test",
    train_split="train",
    labels=(),
    chance=0.25,
    metric="acc",
    to_item=_to_item,
    to_doc=_to_doc,
    reply=lambda item: item.gold_text,
)
EVERYDAY_LETTERS = replace(
    EVERYDAY,
    name="everyday_letters",
    labels=LABELS,
    summary="the same questions with listed options, scored by their labels",
    fragment="_letters.yaml",
    bank="templates_letters",
    to_item=_to_labelled_item,
    reply=lambda item: item.answer,
)
EVERYDAY_OPEN = replace(
    EVERYDAY,
    name="everyday_open",
    summary="the same questions, options listed, answered in free form with an ANSWER line",
    fragment="_open.yaml",
    bank="templates_open",
    to_item=_to_listed_item,
    reply=lambda item: f"ANSWER: {item.gold_text}",
    answer_span=lambda item, reply: option_span(reply, item.choices),
)

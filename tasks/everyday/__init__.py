"""Elementary four-option questions with context facts: a smoke set that small models can do."""

from __future__ import annotations

from pathlib import Path

from oodrop.perturbers.item import Item, Units
from oodrop.tasks.spec import Doc, TaskSpec, member_names, member_number, pick

__all__ = ["EVERYDAY"]


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


def _to_doc(doc: Doc, item: Item) -> Doc:
    return {
        **doc,
        "facts": pick(item.segments, item.units["facts"].members),
        "question": item.segments["question"],
        "choices": list(item.choices),
        "gold": item.gold,
    }


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
    reply=lambda gold: gold,
)

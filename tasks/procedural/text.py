"""Procedures in plain text: the task kind of sets that have no symbolic form."""

from __future__ import annotations

from dataclasses import replace

from oodrop.perturbers.item import Item
from oodrop.tasks.procedural import CLOSED_WORLD, PROCEDURAL, VERDICTS
from oodrop.tasks.procedural.build import QUESTION
from oodrop.tasks.procedural.documents import parent_of
from oodrop.tasks.spec import Doc

_SEGMENTS = ("procedure", "scenario", "question")


def _to_item(doc: Doc) -> Item:
    return Item(
        item_id=doc["item_id"],
        cluster_id=doc["process_id"],
        segments={name: doc[name] for name in _SEGMENTS},
        choices=VERDICTS,
        labels=tuple(doc["labels"]),
        gold=VERDICTS.index(doc["label"]),
        required=(CLOSED_WORLD, "FINAL ANSWER:"),
        parent=parent_of(doc),
    )


def _to_doc(doc: Doc, item: Item) -> Doc:
    return {
        **doc,
        **item.segments,
        "label": item.gold_text,
        "labels": list(item.labels),
        "gold": item.gold,
    }


PROCEDURAL_TEXT = replace(
    PROCEDURAL,
    name="procedural_text",
    summary="procedures in plain text; free form with a FINAL ANSWER line, test split",
    fragment="_text.yaml",
    bank="templates_text",
    asked=QUESTION,
    to_item=_to_item,
    to_doc=_to_doc,
)
PROCEDURAL_TEXT_CHOICE = replace(
    PROCEDURAL_TEXT,
    name="procedural_text_choice",
    summary="the same items by log-likelihood of the two verdicts: the cheap second view",
    fragment="_text_choice.yaml",
    reply=lambda item: item.answer,
    answer_span=None,
)
PROCEDURAL_TEXT_HELDOUT = replace(
    PROCEDURAL_TEXT,
    name="procedural_text_heldout",
    summary="procedures in plain text, heldout split; free form",
    fragment="_text_heldout.yaml",
    eval_split="heldout",
    heldout_of="procedural_text",
)

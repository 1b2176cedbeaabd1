"""Does a scenario follow a procedure? Gold by a symbolic checker, ten types of item."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from oodrop.perturbers.item import Item, Units
from oodrop.tasks.procedural.build import start_of, trace_of
from oodrop.tasks.procedural.check import COMPLIANT, NON_COMPLIANT, verdict
from oodrop.tasks.procedural.compact import build as compact
from oodrop.tasks.procedural.contrast import Counterparts
from oodrop.tasks.procedural.documents import parent_of
from oodrop.tasks.procedural.loading import load_procedures
from oodrop.tasks.procedural.render import stamp
from oodrop.tasks.procedural.schema import Procedure
from oodrop.tasks.procedural.scoring import verdict_span
from oodrop.tasks.procedural.trace import Trace
from oodrop.tasks.spec import Doc, TaskSpec, member_names, member_number, pick

__all__ = [
    "COMPACT",
    "COMPACT_CHOICE",
    "COMPACT_HELDOUT",
    "PROCEDURAL",
    "PROCEDURAL_CHOICE",
    "PROCEDURAL_HELDOUT",
    "procedures",
]

_FOLDER = Path(__file__).parent


@cache
def procedures() -> dict[str, Procedure]:
    """Every procedure of the set by id."""
    return {p.id: p for p in load_procedures(_FOLDER / "procedures")}


def _procedure(name: str) -> Procedure:
    found = procedures().get(name)
    return found if found is not None else compact.procedures()[name]


VERDICTS = (COMPLIANT, NON_COMPLIANT)
CLOSED_WORLD = "Steps that are not mentioned did not happen."
_GROUPS = (("clauses", "clause"), ("facts", "fact"), ("events", "event"))


def _to_item(doc: Doc) -> Item:
    units: dict[str, Units] = {}
    texts: dict[str, str] = {"title": doc["title"], "intro": doc["intro"]}
    for group, stem in _GROUPS:
        names = member_names(doc, group, stem, len(doc[group]))
        told = dict(zip(names, doc[group], strict=True))
        texts |= {name: told[name] for name in sorted(names, key=member_number)}
        units[group] = Units(names)
    texts |= {"closing": doc["closing"], "question": doc["question"]}
    procedure = _procedure(doc["process_id"])
    people = sorted({row["person"] for row in doc["trace"]["events"]})
    steps = [step.name for step in procedure.steps]
    # Units of a letter or two stand in other words too; with their number they are found anyway.
    units_in_words = {x.unit for step in procedure.steps for x in step.limits if len(x.unit) > 3}
    counterparts = Counterparts(doc, procedure, texts)
    return Item(
        item_id=doc["item_id"],
        cluster_id=doc["process_id"],
        segments=texts,
        choices=VERDICTS,
        labels=tuple(doc["labels"]),
        gold=VERDICTS.index(doc["label"]),
        units=units,
        protected=(
            *people,
            *steps,
            *(name[:1].upper() + name[1:] for name in steps),
            *sorted(units_in_words),
        ),
        entities={"person": tuple(people)},
        required=(CLOSED_WORLD, "FINAL ANSWER:"),
        parent=parent_of(doc),
        rederive=lambda item: _rederive(doc, counterparts, item),
        contrast=counterparts.edits,
    )


def _rederive(doc: Doc, counterparts: Counterparts, item: Item) -> int | str:
    """The label from what clauses, facts and events say in their present order.

    A sentence of a counterpart says what is new in it. Any other counts as the canonical one in
    whatever spelling, an event only if it still states its time: a sentence that lost its time
    makes the order of telling matter, and the label cannot be derived.
    """
    told = counterparts.trace(item.segments)
    start = start_of(doc)
    moved = []
    for name in item.units["events"].members:
        row = told["events"][member_number(name) - 1]
        if any(part not in item.segments[name] for part in stamp(start, row["time"])):
            return f"underivable: {name} does not state its time"
        moved.append(row)
    procedure = counterparts.procedure
    steps = [procedure.steps[member_number(name) - 1] for name in item.units["clauses"].members]
    trace = trace_of({"trace": {"facts": told["facts"], "events": moved}})
    found = verdict(replace(procedure, steps=tuple(steps)), Trace(trace.facts, trace.events))
    return VERDICTS.index(found)


def _to_doc(doc: Doc, item: Item) -> Doc:
    units, segments = item.units, item.segments
    return {
        **doc,
        "title": segments["title"],
        "intro": segments["intro"],
        "clauses": pick(segments, units["clauses"].members),
        "facts": pick(segments, units["facts"].members),
        "events": pick(segments, units["events"].members),
        "closing": segments["closing"],
        "question": segments["question"],
        "label": item.gold_text,
        "labels": list(item.labels),
        "gold": item.gold,
    }


PROCEDURAL = TaskSpec(
    name="procedural",
    summary="does a scenario follow a procedure; free form with a FINAL ANSWER line, test split",
    folder=_FOLDER,
    fragment="_canonical.yaml",
    eval_split="test",
    train_split="train",
    labels=VERDICTS,
    chance=0.5,
    metric="acc",
    to_item=_to_item,
    to_doc=_to_doc,
    reply=lambda item: f"FINAL ANSWER: {item.answer}",
    answer_span=lambda item, reply: verdict_span(reply, item.labels),
)
PROCEDURAL_CHOICE = replace(
    PROCEDURAL,
    name="procedural_choice",
    summary="the same items by log-likelihood of the two verdicts: the cheap second view",
    fragment="_choice.yaml",
    reply=lambda item: item.answer,
    answer_span=None,
)
PROCEDURAL_HELDOUT = replace(
    PROCEDURAL,
    name="procedural_heldout",
    summary="procedures of three cohorts that appear nowhere else, without surface habits",
    fragment="_heldout.yaml",
    eval_split="heldout",
    heldout_of="procedural",
)
COMPACT = replace(
    PROCEDURAL,
    name="compact",
    summary="the same in short lines, for models of any size; free form, test split",
    folder=_FOLDER / "compact",
    home=_FOLDER,
    fragment="_compact.yaml",
)
COMPACT_CHOICE = replace(
    PROCEDURAL_CHOICE,
    name="compact_choice",
    summary="the compact items by log-likelihood of the two verdicts",
    folder=_FOLDER / "compact",
    home=_FOLDER,
    fragment="_compact_choice.yaml",
)
COMPACT_HELDOUT = replace(
    COMPACT,
    name="compact_heldout",
    summary="compact procedures in words that appear nowhere else, without surface habits",
    fragment="_compact_heldout.yaml",
    eval_split="heldout",
    heldout_of="compact",
)

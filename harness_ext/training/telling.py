"""The ways in which training may tell a procedure and a course of events; evaluation has others."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from oodrop.harness_ext.training.replies import BOUNDS
from oodrop.harness_ext.training.words import LETTERS
from oodrop.perturbers.rng import below, choose, permutation
from oodrop.tasks.procedural import lexicon
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN
from oodrop.tasks.procedural.render import stamp
from oodrop.tasks.procedural.schema import Procedure, Step
from oodrop.tasks.procedural.trace import Trace
from oodrop.tasks.spec import Doc

# The rewordings that training may see; evaluation has others.
QUESTIONS = ("p02", "p04", "imperative")
DISTRACTORS = tuple(
    did
    for did in lexicon.DISTRACTORS[: len(lexicon.DISTRACTORS) // 2]
    if did.split()[0].removesuffix("ed") not in UNSEEN.verbs
)
_ASIDES = (
    "at {clock} the {role} {person} {did}.",
    "{clock}: {person} ({role}) {did}.",
    "the {role} {person}, {clock}, {did}.",
)
_CANONICAL_EVENT = re.compile(
    r"^(?P<did>.+?) at (?P<clock>\d\d:\d\d) by the (?P<role>\w+) (?P<person>\w+)\."
)
# Of events, for the base alone; no voice of the tasks has them.
_SENTENCES = (
    "at {clock} {did} by the {role} {person}.",
    "at {clock}, {did} by {person}, the {role}.",
    "{did} by the {role}, {person}, at {clock}.",
    "{did} at {clock}; {person}, {role}.",
    "{clock}: {did} by {person} ({role}).",
    "{did} ({clock}, {role} {person}).",
    "{person}, {role}: {did} at {clock}.",
    "{did}: {clock}, {role} {person}.",
    "the {role} {person}, at {clock}: {did}.",
    "{did} [{clock}] by {role} {person}.",
    "as of {clock}, {did}, by {person} as {role}.",
    "{did} by a {role} called {person} when it was {clock}.",
    "{clock}, {role} {person}: {did}.",
)
_WORD = re.compile(r"[A-Za-z]{4,}")


def retold(procedure: Procedure, trace: Trace, rng: random.Random, own: float = 0.0) -> Doc:
    """A document in any of the words, plans and orders that training may see.

    In a share of them the events are told in sentences of the base's own.
    """
    told_in, is_own = manner(procedure, rng), rng.random() < own
    if is_own:
        told_in = replace(told_in, plans=(SEEN.plans[0],) * len(procedure.steps))
    doc = build.tell(procedure, trace, told_in, "text", "text", "text")
    if is_own:
        doc = {**doc, "events": _in_own_sentences(doc["events"], rng)}
    clauses = list(doc["clauses"])
    form = below(rng, 4)
    if form:
        clauses = [_clause(procedure, step, form) for step in procedure.steps]
    events = _some_order(doc["events"], rng)
    if rng.random() < 0.3:
        events.insert(below(rng, len(events) + 1), _aside(procedure, rng))
    return {
        **doc,
        "title": doc["title"] if rng.random() < 0.5 else f"Handling the {doc['title'].split()[-1]}",
        "clauses": clauses,
        "facts": _some_order(doc["facts"], rng),
        "events": events,
    }


def _in_own_sentences(events: Sequence[str], rng: random.Random) -> list[str]:
    """The events in sentences that no plan has: all of one kind, or each of its own."""
    one = choose(rng, _SENTENCES) if rng.random() < 0.6 else None

    def said(found: re.Match[str]) -> str:
        did = found["did"]
        parts = {**found.groupdict(), "did": f"{did[0].lower()}{did[1:]}"}
        text = (one or choose(rng, _SENTENCES)).format(**parts)
        return f"{text[0].upper()}{text[1:]}"

    return [_CANONICAL_EVENT.sub(said, event) for event in events]


def manner(procedure: Procedure, rng: random.Random, plain: bool = False) -> build.Manner:
    """Moods without any habit, in any of the plans; or plain, in the canonical one."""
    steps = range(len(procedure.steps))
    plan, past = (SEEN.plans[0], 0) if plain else (choose(rng, SEEN.plans), below(rng, 3))
    mixed = not plain and rng.random() < 0.3
    return build.Manner(
        frame=choose(rng, SEEN.frames),
        word=choose(rng, SEEN.moods),
        closing=choose(rng, SEEN.closings),
        alarm=rng.random() < 0.5,
        troubled=rng.random() < 0.5,
        backwards=rng.random() < 0.5,
        plans=tuple(choose(rng, SEEN.plans) if mixed else plan for _ in steps),
        pasts=tuple(below(rng, 3) if mixed else past for _ in steps),
    )


def _clause(procedure: Procedure, step: Step, form: int) -> str:
    """A rule in other words than the canonical ones, in one of three forms."""
    roles = " or the ".join(step.roles)
    parts = {
        1: f"The {roles} does the {step.name}",
        2: f"The {step.name} has to be done by the {roles}",
        3: f"{step.name} ({roles})",
    }[form]
    for before in step.requires:
        parts += {1: ", but not before the {}", 2: " following the {}", 3: "; after the {}"}[
            form
        ].format(procedure.step(before).name)
    if step.when:
        condition = procedure.facts[step.when].clause
        parts += {1: ", if {}", 2: " in case {}", 3: "; only if {}"}[form].format(condition)
    for limit in step.limits:
        parts += {1: ", with {}", 2: " and {}", 3: "; {}"}[form].format(
            f"{BOUNDS[limit.op]} {limit.value} {limit.unit}"
        )
    return f"{parts}."


def _aside(procedure: Procedure, rng: random.Random) -> str:
    """What somebody also did, and no step asks for."""
    said = choose(rng, _ASIDES).format(
        clock=stamp(None, 480 + below(rng, 300))[1],
        role=choose(rng, tuple(procedure.roles)),
        person=choose(rng, SEEN.people),
        did=choose(rng, DISTRACTORS),
    )
    return f"{said[0].upper()}{said[1:]}"


def _some_order(texts: Sequence[str], rng: random.Random) -> list[str]:
    if rng.random() < 0.5:
        return list(texts)
    return [texts[n] for n in permutation(rng, len(texts))]


def misspelt(text: str, share: float, rng: random.Random) -> str:
    """A share of the longer words with two letters swapped, or one left out, doubled, replaced."""

    def slip(found: re.Match[str]) -> str:
        word = found[0]
        if rng.random() >= share:
            return word
        k = 1 + below(rng, len(word) - 2)
        match below(rng, 4):
            case 0:
                return word[:k] + word[k + 1] + word[k] + word[k + 2 :]
            case 1:
                return word[:k] + word[k + 1 :]
            case 2:
                return word[:k] + word[k] + word[k:]
            case _:
                return word[:k] + choose(rng, LETTERS) + word[k + 1 :]

    return _WORD.sub(slip, text)

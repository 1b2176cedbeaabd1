"""Texts that the reference checkpoints are trained on; all of them are made here, none is read.

The base sees procedures, scenarios and step-by-step notes in half of the words, sentence plans,
prompts and layouts that there are, and never a verdict on one. The adapters see the split ``train``
of the compact set, with a verdict alone or with a note on every step before it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from oodrop.harness_ext.training.layouts import ORDERS, PROMPTS, in_own_layout, laid_out
from oodrop.harness_ext.training.replies import (
    BOUNDS,
    compared,
    endings,
    fits,
    head,
    in_order,
    notes,
)
from oodrop.harness_ext.training.telling import QUESTIONS, manner, misspelt, retold
from oodrop.harness_ext.training.words import MADE_UP, draw_words
from oodrop.perturbers.rng import below, choose, permutation
from oodrop.perturbers.variant import CANONICAL
from oodrop.tasks.procedural import COMPACT, generate
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.render import stamp
from oodrop.tasks.procedural.schema import Limit, Procedure
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.spec import Doc

_NOTES = (
    "Go through the steps one by one.",
    "Check every step of the procedure.",
    "What became of each step?",
    "Note for each step who did it and whether that was as it should be.",
)
# Asked from `_OWN_FROM` on as well: else any other question may be taken for one of `_ENDINGS`.
_MORE_NOTES = (
    "Look at every step and say how it went.",
    "Say of each step whether it was done well.",
    "Which steps were done as they should be, and which were not?",
    "Is there a step at which a rule was broken?",
    "Was each step allowed, as it was done?",
    "Did anything go against the rules?",
    "Hold what happened against the rules, step after step.",
    "Were the rules kept?",
    "Has everything been done properly here?",
    "Write down what is right and what is wrong with each step.",
    "Find out whether all of it went as written.",
    "Report on every step.",
    "Tell me if this was in order.",
    "Would you sign this off?",
    "Compare the two texts.",
    "How did the work go?",
    "Is this fine?",
    "Give an account of the steps.",
    "Who did which step, and may they?",
    "For every rule, say whether it holds.",
)
_ORDER = (
    "List what was done in the order of time.",
    "What was done first, and what after that?",
)
# So the words of a verdict are known to the base, and what they go with is not.
_ENDINGS = (
    "How may the last line read?",
    "Between which two lines is there a choice?",
)
_DRILL = (
    "Write what every part lacks.",
    "Say of every part what comes of it.",
)
# Roles, times and limits to be judged in a line.
_PARTS = ((4, 0, 0), (4, 0, 0), (1, 3, 0), (1, 0, 3), (1, 1, 1))
_DRILLS_ALONE, _DRILLS_END = 0.12, 0.5  # of the training
_WILD, _WILD_FROM = 0.6, 0.25  # of the texts with words made up, and of the training
_OWN, _OWN_FROM = 0.6, 0.45  # of the retold texts: layouts of the base's own; and of the training
_INSTRUCTION = re.compile(r'You may reason first\. End with a line that reads [^\n]*?"[.]')


@dataclass(frozen=True)
class Example:
    """One exchange: what the user says, and what is replied.

    Attributes:
        prompt: the user's turn.
        reply: the assistant's; "" where the text is no exchange.
        noisy: whether the prompt's words may be cut into other pieces than usual.
    """

    prompt: str
    reply: str
    noisy: bool = False


def pretraining_example(
    rng: random.Random, progress: float = 1.0, made_up: float = MADE_UP
) -> Example:
    """A text for the base, in one of the ways of telling that training may see.

    Args:
        rng: draws all of it.
        progress: share of the training that is over. Texts grow from three steps to six by the
            middle of it, and from plain to varied ones: what is long and noisy is not learnt from
            nothing, or much later. Before them come drills alone, and until the middle some more:
            without these a verdict on a role or a limit stays a guess for most of the training.
        made_up: share of the texts whose words nobody has seen.
    """
    if rng.random() < (1.0 if progress < _DRILLS_ALONE else 0.1 * (progress < _DRILLS_END)):
        return _drill(rng, made_up)
    wild = _WILD if progress >= _WILD_FROM else 0.0
    procedure, trace = _story(rng, _steps(progress, rng), made_up, wild)
    ask, wanted = _task(rng, progress)
    if rng.random() < 1.25 - 2.5 * progress:
        doc = build.tell(procedure, trace, manner(procedure, rng, plain=True), "", "text", "text")
        doc = _asking(doc, choose(rng, ask))
        prompt = laid_out(doc, CANONICAL)
        if ask is not _ENDINGS and rng.random() < 0.5:
            prompt = _without_instruction(prompt)
        return Example(prompt, wanted(procedure, trace))
    doc = retold(procedure, trace, rng, 0.5 if wild else 0.0)
    bare = ask is not _ENDINGS and rng.random() < 0.5
    doc = _asking(doc, choose(rng, ask))
    if progress >= _OWN_FROM and rng.random() < _OWN:
        prompt = in_own_layout(doc, rng)
    else:
        prompt = laid_out(doc, choose(rng, (*PROMPTS, *ORDERS)))
    if bare:
        prompt = _without_instruction(prompt)
    if rng.random() < 0.5:
        prompt = misspelt(prompt, choose(rng, (0.03, 0.1, 0.2)), rng)
    return Example(prompt, wanted(procedure, trace), rng.random() < 0.5)


def _drill(rng: random.Random, made_up: float = MADE_UP) -> Example:
    """Notes without a story: every part of them is to be judged, and nothing to be looked up."""
    lines = [_drilled(rng, made_up) for _ in range(6)]
    asked = "\n".join(" ".join(part for part, _ in line) for line in lines)
    replied = "\n".join(" ".join(f"{part} {found}" for part, found in line) for line in lines)
    return Example(f"{choose(rng, _DRILL)}\n{asked}", replied)


def _drilled(rng: random.Random, made_up: float) -> list[tuple[str, str]]:
    """A line of notes: parts, each of which holds about half of the time.

    Mostly one kind of part over and over: the more of them, the sooner it is learnt.
    """
    words = draw_words(rng, made_up)
    verbs = [words.verbs[n] for n in permutation(rng, len(words.verbs))[:5]]
    roles = [words.roles[n] for n in permutation(rng, len(words.roles))[:4]]
    count = 1 + below(rng, 2)
    who, befores, limits = choose(rng, _PARTS)
    parts = [(roles[n], fits(n < count)) for n in permutation(rng, 2 * count)[:who]]
    time = 480 + below(rng, 300)
    for verb in verbs[1 : 1 + befores]:
        other = 480 + below(rng, 300)
        parts.append((f"after {verb}ed {stamp(None, other)[1]}", fits(other < time)))
    for _ in range(limits):
        bound = 20 + below(rng, 60)
        limit = Limit("", choose(rng, tuple(BOUNDS)), Decimal(bound), "", Decimal(1))
        value = Decimal(max(0, bound + below(rng, 41) - 20))
        said, where = compared(value, limit.value).rsplit(" ", 1)
        parts += [(said, where), (BOUNDS[limit.op], fits(limit.holds(value)))]
    (first, found), *rest = parts
    begun = f"{head(verbs[0], roles[:count])} {stamp(None, time)[1]}"
    return [(f"{begun} {first}", found), *rest]


def _task(
    rng: random.Random, progress: float
) -> tuple[tuple[str, ...], Callable[[Procedure, Trace], str]]:
    """What is asked for, in several ways, and what replies to it."""
    draw = rng.random()
    if draw < 0.8:
        return _NOTES if progress < _OWN_FROM else (*_NOTES, *_MORE_NOTES), notes
    return (_ORDER, in_order) if draw < 0.95 else (_ENDINGS, endings)


def _steps(progress: float, rng: random.Random) -> int:
    """Three or four when stories begin, five or six from the middle on."""
    return 2 + round(min(1.0, 2 * progress) * 3 + rng.random())


def _story(
    rng: random.Random, steps: int, made_up: float = MADE_UP, wild: float = 0.0
) -> tuple[Procedure, Trace]:
    """A procedure of its own, and a course of events without a fault or with any number of them."""
    words = draw_words(rng, made_up, wild)
    procedure = build.draw_procedure(words, "text", "compact", rng, steps)
    cast = build.draw_cast(words, procedure, rng)
    trace = generate.valid_trace(procedure, cast, rng)
    if rng.random() < 0.3:
        return procedure, trace
    facts = {name: held != (rng.random() < 0.2) for name, held in trace.facts.items()}
    events = [_disturbed(procedure, e, rng) for e in trace.events if rng.random() < 0.85]
    if len(events) > 1 and rng.random() < 0.7:
        one, other = permutation(rng, len(events))[:2]
        early, late = events[one].time, events[other].time
        events[one] = replace(events[one], time=late)
        events[other] = replace(events[other], time=early)
    return procedure, Trace(facts, tuple(events))


def _disturbed(procedure: Procedure, event: Event, rng: random.Random) -> Event:
    """The event, by any role or with other readings now and then."""
    if rng.random() < 0.5:
        event = replace(event, role=choose(rng, tuple(procedure.roles)))
    if rng.random() < 0.8:
        shift = below(rng, 31) - 15
        event = replace(event, values=tuple(value + shift for value in event.values))
    return event


def _asking(doc: Doc, question: str) -> Doc:
    """The document with something else to be replied than a verdict."""
    return {**doc, "question": question, "labels": ["compliant", "non-compliant"]}


def _without_instruction(prompt: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", _INSTRUCTION.sub("", prompt)).strip()


def adapter_example(doc: Doc, reasons: bool, varied: bool, rng: random.Random) -> Example:
    """An item of the compact set with its verdict.

    Args:
        doc: the document, with ``labels``.
        reasons: whether a note on every step comes before the verdict.
        varied: whether it is told in any of the ways that training may see, or canonically.
        rng: draws the way of telling.
    """
    procedure, trace = build.procedures()[doc["process_id"]], build.trace_of(doc)
    verdict = f"FINAL ANSWER: {doc['label']}"
    if varied and rng.random() < 0.5:
        said = {key: doc[key] for key in ("title", "intro", "closing", "label", "labels")}
        order = permutation(rng, len(procedure.steps)) if rng.random() < 0.5 else None
        if order is not None:
            procedure = replace(procedure, steps=tuple(procedure.steps[n] for n in order))
        doc = {**retold(procedure, trace, rng), **said}
        question = choose(rng, (doc["question"], *(_rewordings()[name] for name in QUESTIONS)))
        prompt = laid_out({**doc, "question": question}, choose(rng, (*PROMPTS, *ORDERS)))
        if rng.random() < 0.5:
            prompt = _misspelt_above_instruction(prompt, choose(rng, (0.03, 0.1, 0.2)), rng)
    else:
        prompt = COMPACT.prompt(doc)
    reply = f"{notes(procedure, trace)}\n{verdict}" if reasons else verdict
    return Example(prompt, reply, varied)


def _misspelt_above_instruction(prompt: str, share: float, rng: random.Random) -> str:
    found = _INSTRUCTION.search(prompt)
    if found is None:
        return prompt
    before, after = prompt[: found.start()], prompt[found.end() :]
    return misspelt(before, share, rng) + found[0] + misspelt(after, share, rng)


def _rewordings() -> dict[str, Any]:
    found: dict[str, Any] = COMPACT.wordings["segments"]["question"]
    return found

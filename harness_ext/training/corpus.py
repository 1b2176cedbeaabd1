"""Texts that the reference checkpoints are trained on; all of them are made here, none is read.

The base sees procedures, scenarios and step-by-step notes in half of the words, sentence plans,
prompts and layouts that there are, and never a verdict on one. The adapters see the split ``train``
of the compact set, with a verdict alone or with a note on every step before it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from oodrop.perturbers.rng import below, choose, permutation
from oodrop.perturbers.variant import CANONICAL
from oodrop.tasks.procedural import COMPACT, generate, lexicon
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN, Lexicon
from oodrop.tasks.procedural.render import stamp
from oodrop.tasks.procedural.schema import Limit, Procedure, Step
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.spec import Doc

# The prompts and rewordings that training may see; evaluation has the others.
PROMPTS = (
    "t07", "t08", "t09", "t10", "t11", "t12", "layout_scenario_first", "instruction_before",
    "structure_bullets", "structure_headers_renamed", CANONICAL,
)  # fmt: skip
# Orders of a canonical prompt's sections that no evaluation has: the question between the others.
ORDERS = {"procedure_question_scenario": (0, 2, 1), "scenario_question_procedure": (1, 2, 0)}
QUESTIONS = ("p02", "p04", "imperative")
DISTRACTORS = tuple(
    did
    for did in lexicon.DISTRACTORS[: len(lexicon.DISTRACTORS) // 2]
    if did.split()[0].removesuffix("ed") not in UNSEEN.verbs
)
_NOTES = (
    "Go through the steps one by one.",
    "Check every step of the procedure.",
    "What became of each step?",
    "Note for each step who did it and whether that was as it should be.",
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
MADE_UP = 0.5
# Roles, times and limits to be judged in a line.
_PARTS = ((4, 0, 0), (4, 0, 0), (1, 3, 0), (1, 0, 3), (1, 1, 1))
_DRILLS_ALONE, _DRILLS_END = 0.12, 0.5  # of the training
_WILD, _WILD_FROM = 0.6, 0.25  # of the texts with words made up, and of the training
_INSTRUCTION = re.compile(r'You may reason first\. End with a line that reads [^\n]*?"[.]')
# Words to make up for a text.
_COUNTS = {"verbs": 8, "roles": 5, "things": 2}
_MORE_COUNTS = {"units": 4, "parts": 4, "states": 4, "people": 12}
_ONSETS = (
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j",
    "k", "l", "m", "n", "p", "pl", "pr", "r", "s", "sh", "sl", "sm", "sp", "st", "sw", "t", "th",
    "tr", "v", "w",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo")
_CODAS = (
    "b", "ck", "d", "ft", "g", "l", "ld", "ll", "m", "mp", "n", "nd", "nk", "p", "r", "rd", "rk",
    "rn", "s", "sh", "ss", "st", "t", "th", "x",
)  # fmt: skip
_MORE_VOWELS = ("y", "ee", "ia", "ie", "io", "oi", "ou", "ui")
_MORE_CODAS = (
    "c", "ct", "g", "ge", "ke", "le", "lt", "mb", "mpt", "ng", "nt", "pt", "rm", "rt", "sk", "sp",
    "tch", "v", "ve", "w", "wn", "ze",
)  # fmt: skip
_KEPT = {
    *UNSEEN.verbs, *UNSEEN.roles, *UNSEEN.things, *UNSEEN.units, *UNSEEN.parts, *UNSEEN.states,
    *(state.removesuffix("ed") for state in UNSEEN.states),
    *(name.lower() for name in UNSEEN.people),
}  # fmt: skip
_BOUNDS = {"<=": "at most", ">=": "at least"}
_WORD = re.compile(r"[A-Za-z]{4,}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


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


def notes(procedure: Procedure, trace: Trace) -> str:
    """A line for each step of the procedure: who may do it, who did it when, and how that fits.

    The deed stands before whatever has to be found behind it in the prompt, so that one look finds
    it; and which of two numbers is the greater comes before what the rule makes of it, for the two
    at once are hard to learn. Terse, for a reply has 256 tokens.

    Example: ``- sealing clerk ok cook ok; sealed 09:11 cook ok after rinsed 08:40 ok 38 to 49 below
    at most ok``, all in one line
    """
    return "\n".join(_note(procedure, step, trace) for step in procedure.steps)


def _note(procedure: Procedure, step: Step, trace: Trace) -> str:
    head = _head(step.id, step.roles)
    event = trace.event(step.id)
    if event is None:
        if step.when is None:
            return f"{head} not done {_fits(False)}"
        fact, holds = procedure.facts[step.when], trace.facts[step.when]
        said = fact.holds if holds else fact.fails
        return f"{head} not done, {said[:1].lower()}{said[1:-1]} {_fits(not holds)}"
    parts = [head, _clock(event), event.role, _fits(event.role in step.roles)]
    for before in step.requires:
        other = trace.event(before)
        if other is None:
            parts.append(f"after {before}ed not done")
        else:
            parts.append(f"after {before}ed {_clock(other)} {_fits(other.time < event.time)}")
    for limit, value in zip(step.limits, event.values, strict=True):
        parts.append(_compared(value, limit.value))
        parts.append(f"{_BOUNDS[limit.op]} {_fits(limit.holds(value))}")
    return " ".join(parts)


def _head(verb: str, roles: Sequence[str]) -> str:
    """A step and who may do it; "ok" after each, so that it can be found again after the one."""
    return f"- {verb}ing {' '.join(f'{role} {_fits(True)}' for role in roles)}; {verb}ed"


def _compared(value: Decimal, bound: Decimal) -> str:
    where = "below" if value < bound else "above" if value > bound else "equal"
    return f"{value} to {bound} {where}"


def _fits(well: bool) -> str:
    return "ok" if well else "wrong"


def _clock(event: Event) -> str:
    return stamp(None, event.time)[1]


def in_order(procedure: Procedure, trace: Trace) -> str:
    """What was done when, from the first to the last."""
    events = sorted(trace.events, key=lambda e: e.time)
    return "\n".join(f"{_clock(e)} {procedure.step(e.step).name}" for e in events)


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
    ask, wanted = _task(rng)
    if rng.random() < 1.25 - 2.5 * progress:
        doc = build.tell(procedure, trace, _manner(procedure, rng, plain=True), "", "text", "text")
        prompt = _asked(
            doc, choose(rng, ask), CANONICAL, ask is not _ENDINGS and rng.random() < 0.5
        )
        return Example(prompt, wanted(procedure, trace))
    doc = _retold(procedure, trace, rng, 0.5 if wild else 0.0)
    bare = ask is not _ENDINGS and rng.random() < 0.5
    prompt = _asked(doc, choose(rng, ask), choose(rng, (*PROMPTS, *ORDERS)), bare)
    if rng.random() < 0.5:
        prompt = _misspelt(prompt, choose(rng, (0.03, 0.1, 0.2)), rng)
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
    words = _words(rng, made_up)
    verbs = [words.verbs[n] for n in permutation(rng, len(words.verbs))[:5]]
    roles = [words.roles[n] for n in permutation(rng, len(words.roles))[:4]]
    count = 1 + below(rng, 2)
    who, befores, limits = choose(rng, _PARTS)
    parts = [(roles[n], _fits(n < count)) for n in permutation(rng, 2 * count)[:who]]
    time = 480 + below(rng, 300)
    for verb in verbs[1 : 1 + befores]:
        other = 480 + below(rng, 300)
        parts.append((f"after {verb}ed {stamp(None, other)[1]}", _fits(other < time)))
    for _ in range(limits):
        bound = 20 + below(rng, 60)
        limit = Limit("", choose(rng, tuple(_BOUNDS)), Decimal(bound), "", Decimal(1))
        value = Decimal(max(0, bound + below(rng, 41) - 20))
        said, where = _compared(value, limit.value).rsplit(" ", 1)
        parts += [(said, where), (_BOUNDS[limit.op], _fits(limit.holds(value)))]
    (first, found), *rest = parts
    head = f"{_head(verbs[0], roles[:count])} {stamp(None, time)[1]}"
    return [(f"{head} {first}", found), *rest]


def _task(rng: random.Random) -> tuple[tuple[str, ...], Callable[[Procedure, Trace], str]]:
    """What is asked for, in several ways, and what replies to it."""
    draw = rng.random()
    if draw < 0.8:
        return _NOTES, notes
    return (_ORDER, in_order) if draw < 0.95 else (_ENDINGS, endings)


def endings(procedure: Procedure, trace: Trace) -> str:
    """The two lines that a reply may end with, whatever happened."""
    return "FINAL ANSWER: compliant\nFINAL ANSWER: non-compliant"


def _steps(progress: float, rng: random.Random) -> int:
    """Three or four when stories begin, five or six from the middle on."""
    return 2 + round(min(1.0, 2 * progress) * 3 + rng.random())


def _story(
    rng: random.Random, steps: int, made_up: float = MADE_UP, wild: float = 0.0
) -> tuple[Procedure, Trace]:
    """A procedure of its own, and a course of events without a fault or with any number of them."""
    words = _words(rng, made_up, wild)
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


def _words(rng: random.Random, made_up: float = MADE_UP, wild: float = 0.0) -> Lexicon:
    """The half that training may see; or, in a share of the texts, words that nobody has seen.

    So what is learnt is to find a word again, and not which words there are. A share of these
    replaces more kinds of words, by ones of any form.
    """
    if rng.random() >= made_up:
        return SEEN
    is_wild = rng.random() < wild
    counts = {**_COUNTS, **_MORE_COUNTS} if is_wild else _COUNTS
    made = iter(_made_up(rng, sum(counts.values()), _wild if is_wild else _syllables))
    new: dict[str, Any] = {
        kind: tuple(next(made) for _ in range(count)) for kind, count in counts.items()
    }
    if is_wild:
        new["people"] = tuple(name.capitalize() for name in new["people"])
    return replace(SEEN, **new)


def _made_up(rng: random.Random, count: int, make: Callable[[random.Random], str]) -> list[str]:
    """Different words, none of them of the other half."""
    words: list[str] = []
    while len(words) < count:
        word = make(rng)
        if word not in words and word not in _KEPT:
            words.append(word)
    return words


def _syllables(rng: random.Random) -> str:
    """One or two."""
    parts = [choose(rng, _ONSETS), choose(rng, _VOWELS), choose(rng, _CODAS)]
    if rng.random() < 0.5:
        parts += [choose(rng, _VOWELS), choose(rng, _CODAS)]
    return "".join(parts)


def _wild(rng: random.Random) -> str:
    """Up to four syllables with anything before and behind, or letters without any rule.

    Words of real texts are cut into pieces that regular syllables never bring together.
    """
    if rng.random() < 0.3:
        return "".join(choose(rng, _LETTERS) for _ in range(3 + below(rng, 6)))
    word = ""
    while len(word) < 3 or (len(word) < 8 and rng.random() < 0.6):
        before, behind = rng.random() < 0.6, rng.random() < 0.7
        word += choose(rng, _ONSETS) if before else ""
        word += choose(rng, (*_VOWELS, *_MORE_VOWELS))
        word += choose(rng, (*_CODAS, *_MORE_CODAS)) if behind else ""
    return word


def _disturbed(procedure: Procedure, event: Event, rng: random.Random) -> Event:
    """The event, by any role or with other readings now and then."""
    if rng.random() < 0.5:
        event = replace(event, role=choose(rng, tuple(procedure.roles)))
    if rng.random() < 0.8:
        shift = below(rng, 31) - 15
        event = replace(event, values=tuple(value + shift for value in event.values))
    return event


def _retold(procedure: Procedure, trace: Trace, rng: random.Random, own: float = 0.0) -> Doc:
    """A document in any of the words, plans and orders that training may see.

    In a share of them the events are told in sentences of the base's own.
    """
    manner, is_own = _manner(procedure, rng), rng.random() < own
    if is_own:
        manner = replace(manner, plans=(SEEN.plans[0],) * len(procedure.steps))
    doc = build.tell(procedure, trace, manner, "text", "text", "text")
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
        parts = {**found.groupdict(), "Did": did, "did": f"{did[0].lower()}{did[1:]}"}
        text = (one or choose(rng, _SENTENCES)).format(**parts)
        return f"{text[0].upper()}{text[1:]}"

    return [_CANONICAL_EVENT.sub(said, event) for event in events]


def _manner(procedure: Procedure, rng: random.Random, plain: bool = False) -> build.Manner:
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
            f"{_BOUNDS[limit.op]} {limit.value} {limit.unit}"
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


def _asked(doc: Doc, question: str, template: str, bare: bool) -> str:
    """A prompt that asks for something else than a verdict; bare of the instruction, or with it."""
    labels = ["compliant", "non-compliant"]
    prompt = _laid_out({**doc, "question": question, "labels": labels}, template)
    return re.sub(r"\n{3,}", "\n\n", _INSTRUCTION.sub("", prompt)).strip() if bare else prompt


def _laid_out(doc: Doc, template: str) -> str:
    if template not in ORDERS:
        return COMPACT.prompt(doc, template)
    sections = COMPACT.prompt(doc).strip().split("\n\n")
    return "\n\n".join(sections[n] for n in ORDERS[template])


def _misspelt(text: str, share: float, rng: random.Random) -> str:
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
                return word[:k] + choose(rng, _LETTERS) + word[k + 1 :]

    return _WORD.sub(slip, text)


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
        doc = {**_retold(procedure, trace, rng), **said}
        question = choose(rng, (doc["question"], *(_rewordings()[name] for name in QUESTIONS)))
        prompt = _laid_out({**doc, "question": question}, choose(rng, (*PROMPTS, *ORDERS)))
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
    return _misspelt(before, share, rng) + found[0] + _misspelt(after, share, rng)


def _rewordings() -> dict[str, Any]:
    found: dict[str, Any] = COMPACT.wordings["segments"]["question"]
    return found

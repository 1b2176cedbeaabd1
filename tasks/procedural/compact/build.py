"""Builds the compact set: procedures of five or six steps, one short line for each rule and event.

The symbols, the checker and the edits that break a rule are those of the procedural set; only
words and layout are other ones, so that a prompt mostly stays below 384 tokens of a small
vocabulary.

Outside ``heldout`` three habits of writing go with the label, each on its own in nine of ten
items: the word of mood in the first sentence, the closing sentence, and whether events are told
from the first to the last (clean runs) or from the last to the first (faulty ones). Every event
states its time, so the order of telling means nothing. In ``heldout`` both items of a pair are told
in the same manner.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from oodrop.perturbers.rng import below, choose, item_generator, permutation
from oodrop.tasks.procedural import generate, lexicon
from oodrop.tasks.procedural.build import QUESTION, trace_of
from oodrop.tasks.procedural.check import COMPLIANT, Kind, check, verdict
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN, Lexicon
from oodrop.tasks.procedural.render import sentence
from oodrop.tasks.procedural.schema import Fact, Limit, Procedure, Step
from oodrop.tasks.procedural.trace import Trace
from oodrop.tasks.procedural.voices import BRIEF_NAME, Telling

__all__ = ["build_split", "draw_procedure", "procedures", "trace_of"]

SEED = 2026
PROCEDURES = 60  # on either side of the split: enough clusters for an interval by bootstrap
ROUNDS = {"train": 8, "validation": 1, "test": 2, "heldout": 2}
COHORTS = {"compact": SEEN, "compact_heldout": UNSEEN}
HABIT = 0.9  # how often each habit of writing goes with the label outside heldout
_GAP = 40  # minutes between a step and the one that it comes after, roughly
_TIMES = 200


@dataclass(frozen=True)
class Manner:
    """How a scenario is told: places in the lists of `procedural.lexicon`, plans, and its order.

    Attributes:
        frame, word, closing: places in the lists.
        alarm: whether the word is one of alarm.
        troubled: whether the closing is one of trouble.
        backwards: whether the last event is told first.
        plans, pasts: of each step, by its place in the procedure.
    """

    frame: int
    word: int
    closing: int
    alarm: bool
    troubled: bool
    backwards: bool
    plans: tuple[int, ...]
    pasts: tuple[int, ...]


@cache
def procedures() -> dict[str, Procedure]:
    """Every procedure of the set by id; drawn anew, always the same."""
    found = {}
    for cohort, words in COHORTS.items():
        for number in range(1, PROCEDURES + 1):
            name = f"{cohort}_{number:02d}"
            rng = item_generator(SEED, "compact", "procedure", name)
            found[name] = draw_procedure(words, name, cohort, rng)
    return found


def draw_procedure(
    words: Lexicon, name: str, cohort: str, rng: random.Random, count: int | None = None
) -> Procedure:
    """A procedure of ``count`` steps, five or six where it is not said.

    Two steps hang on a circumstance each (one of three or four steps, none of two), and no other
    step comes after those; so the label never hangs on a chain through a step that may not be due.
    """
    count = count or 5 + below(rng, 2)
    thing = choose(rng, words.things)
    verbs = _some(words.verbs, count, rng)
    roles = _some(words.roles, 3 + below(rng, 2), rng)
    conditional = {n + 1 for n in permutation(rng, count - 1)[: (count - 1) // 2]}
    about = len(conditional)
    pairs = zip(_some(words.parts, about, rng), _some(words.states, about, rng), strict=True)
    facts = {}
    for part, state in pairs:
        key = f"{state}_{part}"
        text = f"the {part} was {state}"
        facts[key] = Fact(key, text, f"The {part} was {state}.", f"The {part} was not {state}.")
    open_facts = list(facts)
    steps: list[Step] = []
    firm: list[str] = []  # steps that are always due
    units = list(_some(words.units, 3, rng))
    for place, stem in enumerate(verbs):
        allowed = _some(roles, 1 + below(rng, 2), rng)
        hangs = place in conditional
        after = () if not firm or rng.random() < 0.2 else (_earlier(firm, rng),)
        limits = (_limit(units.pop(), rng),) if units and rng.random() < 0.4 else ()
        steps.append(
            Step(
                id=stem,
                name=f"{stem}ing",
                rule=f"the {stem}ing of the {thing}",
                past=_pasts(stem, thing),
                roles=tuple(allowed),
                requires=after,
                when=open_facts.pop() if hangs else None,
                unless=None,
                limits=limits,
                window=None,
                records=(),
                not_same_person_as=None,
                same_person_as=None,
                outcomes=(),
                only_if=None,
                gap=_GAP,
            )
        )
        if not hangs:
            firm.append(stem)
    return Procedure(
        id=name,
        title=f"Work on the {thing}",
        source="generated",
        cohort=cohort,
        intro=("",),
        roles={role: role for role in roles},
        outsiders=(),
        facts=facts,
        steps=tuple(steps),
    )


def _pasts(stem: str, thing: str) -> tuple[str, ...]:
    return (
        f"the {thing} was {stem}ed",
        f"the {stem}ing of the {thing} was done",
        f"the {stem}ing of the {thing} was carried out",
    )


def _earlier(firm: Sequence[str], rng: random.Random) -> str:
    """Mostly the step before, sometimes any."""
    return firm[-1] if rng.random() < 0.6 else choose(rng, firm)


def _limit(unit: str, rng: random.Random) -> Limit:
    op, value = choose(rng, ("<=", ">=")), Decimal(25 + below(rng, 60))
    return Limit("reading", op, value, unit, Decimal(1 + below(rng, 3)))


def _some(options: Sequence[str], count: int, rng: random.Random) -> list[str]:
    return [options[n] for n in permutation(rng, len(options))[:count]]


def draw_cast(words: Lexicon, procedure: Procedure, rng: random.Random) -> generate.Cast:
    """Two people for every role, by their first names; no two share one."""
    people = _some(words.people, 2 * len(procedure.roles), rng)
    pairs = zip(people[::2], people[1::2], strict=True)
    return generate.Cast(dict(zip(procedure.roles, pairs, strict=True)))


def clause(procedure: Procedure, step: Step) -> str:
    """One rule, in one short line; it names the step that it comes after."""
    parts = [f"{step.name}: by the {' or the '.join(step.roles)}"]
    parts += [f"after the {procedure.step(before).name}" for before in step.requires]
    if step.when:
        parts.append(f"only if {procedure.facts[step.when].clause}")
    for limit in step.limits:
        bound = {"<=": "at most", ">=": "at least"}[limit.op]
        parts.append(f"{bound} {limit.value} {limit.unit}")
    return f"{', '.join(parts)}."


def build_split(split: str, seed: int = SEED) -> list[dict[str, Any]]:
    """All documents of a split, in a fixed order; no two tell the same."""
    docs: list[dict[str, Any]] = []
    seen: set[str] = set()
    for procedure in procedures().values():
        if (procedure.cohort == "compact_heldout") != (split == "heldout"):
            continue
        for number in range(ROUNDS[split]):
            rng = item_generator(seed, "compact", split, f"{procedure.id}/{number}")
            docs += _round(procedure, split, number, rng, seen)
    return docs


def _round(
    procedure: Procedure, split: str, number: int, rng: random.Random, seen: set[str]
) -> list[dict[str, Any]]:
    words = COHORTS[procedure.cohort]
    pairs = draw_pairs(words, procedure, rng)
    kept: list[dict[str, Any]] = []
    for kind, clean, faulty in pairs:
        for _ in range(_TIMES):
            docs: list[dict[str, Any]] = []
            shared = draw_manner(words, procedure, None, rng) if split == "heldout" else None
            for trace, type_ in ((clean, "baseline_compliant"), (faulty, kind)):
                manner = shared or draw_manner(words, procedure, trace, rng)
                name = f"{procedure.id}.{split}.{number}.{len(kept) + len(docs):02d}"
                docs.append(tell(procedure, trace, manner, name, split, type_))
            if kind == "exception_trigger":
                docs[0]["type"] = kind
            docs[1]["partner_id"] = docs[0]["item_id"]
            texts = {"\n".join((d["intro"], *d["facts"], *sorted(d["events"]))) for d in docs}
            if len(texts) == len(docs) and texts.isdisjoint(seen):
                break
        else:
            raise RuntimeError(f"{procedure.id}: no new text for round {number} of {split}")
        seen |= texts
        kept += docs
    return kept


def draw_pairs(
    words: Lexicon, procedure: Procedure, rng: random.Random
) -> list[tuple[str, Trace, Trace]]:
    """Flip pairs, one of each type: its name, a scenario that complies, the same with a fault."""
    wanted: tuple[tuple[str, tuple[Kind, ...]], ...] = (
        ("baseline_noncompliant", ("limit", "missing_step")),
        ("prerequisite_omission", ()),
        ("step_reorder_invalid", ("order",)),
        ("hierarchy_violation", ("wrong_actor",)),
        ("exception_trigger", ()),
    )
    pairs = []
    for kind, faults in wanted:
        for _ in range(_TIMES):
            cast = draw_cast(words, procedure, rng)
            clean = generate.valid_trace(procedure, cast, rng)
            if kind == "prerequisite_omission":
                faulty = generate.omit_prerequisite(procedure, clean, rng)
            elif kind == "exception_trigger":
                faulty = generate.flip_fact(procedure, clean, rng)
            else:
                faulty = generate.violate(procedure, cast, clean, faults, rng)
            if faulty is not None:
                pairs.append((kind, clean, faulty))
                break
    return pairs


def draw_manner(
    words: Lexicon, procedure: Procedure, trace: Trace | None, rng: random.Random
) -> Manner:
    """A manner in canonical sentences: with the habits of writing, or for no scenario without."""
    faulty = trace is not None and verdict(procedure, trace) != COMPLIANT

    def mood() -> bool:
        return faulty == (rng.random() < (0.5 if trace is None else HABIT))

    steps = len(procedure.steps)
    return Manner(
        frame=choose(rng, words.frames),
        word=choose(rng, words.moods),
        closing=choose(rng, words.closings),
        alarm=mood(),
        troubled=mood(),
        backwards=mood(),
        plans=(words.plans[0],) * steps,
        pasts=(0,) * steps,
    )


def tell(
    procedure: Procedure, trace: Trace, manner: Manner, name: str, split: str, type_: str
) -> dict[str, Any]:
    """The document of a scenario, in the shape of the procedural set."""
    events = sorted(trace.events, key=lambda e: e.time, reverse=manner.backwards)
    places = {step.id: k for k, step in enumerate(procedure.steps)}
    rows, texts = [], []
    for event in events:
        k = places[event.step]
        telling = Telling(BRIEF_NAME, manner.plans[k], manner.pasts[k])
        rows.append({**event.as_dict(), "telling": list(telling)})
        texts.append(sentence(procedure, event, None, telling))
    found = check(procedure, trace)
    mood = (lexicon.ALARM if manner.alarm else lexicon.PRAISE)[manner.word]
    closings = lexicon.TROUBLED_CLOSINGS if manner.troubled else lexicon.CALM_CLOSINGS
    return {
        "item_id": name,
        "process_id": procedure.id,
        "cohort": procedure.cohort,
        "split": split,
        "type": type_,
        "partner_id": None,
        "label": verdict(procedure, trace),
        "violation": {"kind": found[0].kind, "step": found[0].step} if found else None,
        "title": procedure.title,
        "clauses": [clause(procedure, step) for step in procedure.steps],
        "intro": lexicon.FRAMES[manner.frame].format(mood=mood),
        "facts": [f.holds if trace.facts[k] else f.fails for k, f in procedure.facts.items()],
        "events": texts,
        "closing": closings[manner.closing],
        "question": QUESTION,
        "start": None,
        "trace": {"facts": dict(trace.facts), "events": rows},
    }

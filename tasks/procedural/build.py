"""Builds the procedural data set: ten types per procedure, balanced labels, gold by the checker."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from oodrop.perturbers.rng import below, choose, item_generator, permutation
from oodrop.tasks.procedural import generate, lexicon
from oodrop.tasks.procedural.check import COMPLIANT, check, verdict
from oodrop.tasks.procedural.render import VOICES, clause, sentence, told
from oodrop.tasks.procedural.schema import HELDOUT_COHORTS, Procedure
from oodrop.tasks.procedural.trace import Event, Trace

SEED = 2026
QUESTION = "Does the scenario comply with the procedure?"
ROUNDS = {"train": 8, "validation": 2, "test": 2, "heldout": 3}
HABIT = 0.97  # how often framing goes with the label outside heldout
TYPES = (
    "baseline_compliant",
    "baseline_noncompliant",
    "lexical_paraphrase",
    "step_reorder_invalid",
    "prerequisite_omission",
    "hierarchy_violation",
    "exception_trigger",
    "distractor_injection",
    "adversarial_surface_compliant",
    "adversarial_surface_noncompliant",
)


@dataclass(frozen=True)
class Draft:
    """One item before it is worded."""

    type: str
    trace: Trace
    cast: generate.Cast
    start: datetime
    parent: int | None = None
    distractors: tuple[tuple[int, str, str, str], ...] = ()  # time, person, role, what


@dataclass(frozen=True)
class Wording:
    """How a draft is told."""

    voice: str
    pasts: tuple[int, ...]
    intro: int
    framing: str
    closing: int


def build_split(
    procedures: Sequence[Procedure], split: str, seed: int = SEED
) -> list[dict[str, Any]]:
    """All documents of a split, in a fixed order; texts are unique after normalisation."""
    docs: list[dict[str, Any]] = []
    seen: set[str] = set()
    for procedure in procedures:
        if (procedure.cohort in HELDOUT_COHORTS) != (split == "heldout"):
            continue
        for round_ in range(ROUNDS[split]):
            rng = item_generator(seed, "procedural", split, f"{procedure.id}/{round_}")
            docs += _round(procedure, split, round_, rng, seen)
    return docs


def write_split(docs: Iterable[dict[str, Any]], path: Path) -> None:
    """Gzip JSONL with neither time nor name in the header, so that equal data is equal bytes."""
    text = "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs)
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def _round(
    procedure: Procedure, split: str, round_: int, rng: random.Random, seen: set[str]
) -> list[dict[str, Any]]:
    drafts = _drafts(procedure, rng)
    moods = _moods(procedure, drafts, split, rng)
    docs: list[dict[str, Any]] = []
    wordings: list[Wording] = []
    for k, draft in enumerate(drafts):
        parent = wordings[draft.parent] if draft.parent is not None else None
        for _ in range(50):
            wording = _wording(draft, moods[k], parent, rng)
            doc = _doc(procedure, split, f"{procedure.id}.{split}.{round_}.{k:02d}", draft, wording)
            key = _normalised(doc)
            if key not in seen:
                break
        else:
            raise RuntimeError(f"{procedure.id}: no unique wording for {draft.type}")
        seen.add(key)
        if draft.parent is not None:
            doc["parent_id"] = docs[draft.parent]["item_id"]
        wordings.append(wording)
        docs.append(doc)
    return docs


def _drafts(procedure: Procedure, rng: random.Random) -> list[Draft]:
    """Sixteen drafts, eight per label (fourteen where no circumstance can be flipped)."""
    # Local wall-clock time of nowhere in particular: scenarios have no time zone.
    start = datetime(2023, 1, 2) + timedelta(days=below(rng, 900))  # noqa: DTZ001

    def fresh() -> Draft:
        cast = generate.draw_cast(procedure, rng)
        return Draft("baseline_compliant", generate.valid_trace(procedure, cast, rng), cast, start)

    def broken(kind: str, kinds: tuple[Any, ...]) -> Draft:
        return _until(
            fresh, lambda d: generate.violate(procedure, d.cast, d.trace, kinds, rng), kind
        )

    drafts = [fresh(), fresh(), fresh()]
    drafts.append(broken("baseline_noncompliant", generate.OVERT))
    drafts.append(broken("step_reorder_invalid", ("order",)))
    drafts.append(
        _until(
            fresh,
            lambda d: generate.omit_prerequisite(procedure, d.trace, rng),
            "prerequisite_omission",
        )
    )
    drafts.append(broken("hierarchy_violation", ("wrong_actor", "same_person", "other_person")))
    drafts.append(broken("adversarial_surface_compliant", generate.SUBTLE))
    drafts += [replace(fresh(), type="adversarial_surface_noncompliant") for _ in range(2)]
    drafts += _exceptions(procedure, fresh, rng)
    drafts += [replace(drafts[i], type="lexical_paraphrase", parent=i) for i in (0, 3)]
    drafts += [_distracted(procedure, drafts[i], i, rng) for i in (1, 4)]
    return drafts


def _until(fresh: Callable[[], Draft], edit: Callable[[Draft], Trace | None], kind: str) -> Draft:
    for _ in range(200):
        draft = fresh()
        trace = edit(draft)
        if trace is not None:
            return replace(draft, type=kind, trace=trace)
    raise RuntimeError(f"no scenario of type {kind} was found in 200 tries")


def _exceptions(
    procedure: Procedure, fresh: Callable[[], Draft], rng: random.Random
) -> list[Draft]:
    """One pair: a circumstance flipped under an unchanged course of events, and handled rightly."""
    for _ in range(200 if procedure.facts else 0):
        draft = fresh()
        flipped = generate.flip_fact(procedure, draft.trace, rng)
        if flipped is None:
            continue
        fact = next(f for f in flipped.facts if flipped.facts[f] != draft.trace.facts[f])
        adapted = generate.adapt_to_fact(procedure, draft.cast, draft.trace, fact, rng)
        if adapted is not None:
            return [
                replace(draft, type="exception_trigger", trace=trace)
                for trace in (flipped, adapted)
            ]
    return []


def _distracted(procedure: Procedure, parent: Draft, index: int, rng: random.Random) -> Draft:
    events = parent.trace.events
    taken = {e.time for e in events}
    extra: list[tuple[int, str, str, str]] = []
    for what in [lexicon.DISTRACTORS[i] for i in permutation(rng, len(lexicon.DISTRACTORS))[:2]]:
        time = choose(rng, events).time + 1 + below(rng, 25)
        while time in taken:
            time += 1
        taken.add(time)
        role = choose(rng, tuple(procedure.roles))
        extra.append((time, choose(rng, parent.cast.people[role]), procedure.roles[role], what))
    return replace(parent, type="distractor_injection", parent=index, distractors=tuple(extra))


def _moods(
    procedure: Procedure, drafts: Sequence[Draft], split: str, rng: random.Random
) -> list[bool]:
    """Whether each draft is framed as hurried (True) or orderly (False); see `lexicon`."""
    labels = [verdict(procedure, d.trace) for d in drafts]
    fixed = {
        "adversarial_surface_compliant": False,
        "adversarial_surface_noncompliant": True,
    }
    moods: list[bool] = []
    for draft, label in zip(drafts, labels, strict=True):
        habit = (label != COMPLIANT) == (rng.random() < HABIT)
        moods.append(fixed.get(draft.type, habit))
    if split == "heldout":
        for label in sorted(set(labels)):
            _balance(moods, [k for k, own in enumerate(labels) if own == label], drafts, fixed, rng)
    else:
        for k, draft in enumerate(drafts):
            if draft.parent is not None:
                moods[k] = moods[draft.parent]
    return moods


def _balance(
    moods: list[bool],
    own: list[int],
    drafts: Sequence[Draft],
    fixed: dict[str, bool],
    rng: random.Random,
) -> None:
    """Give both moods equally often to the items of one label, around the fixed ones."""
    free = [k for k in own if drafts[k].type not in fixed]
    hurried = len(own) // 2 - sum(fixed.get(drafts[k].type, False) for k in own)
    for place, i in enumerate(permutation(rng, len(free))):
        moods[free[i]] = place < hurried


def _wording(draft: Draft, hurried: bool, parent: Wording | None, rng: random.Random) -> Wording:
    mood = choose(rng, lexicon.HURRIED if hurried else lexicon.ORDERLY)
    framing = choose(rng, lexicon.FRAMES).format(mood=mood)
    count = len(draft.trace.events)
    if draft.type == "distractor_injection" and parent is not None:
        return replace(parent, framing=framing)
    voices = [v for v in VOICES if parent is None or v != parent.voice]
    pasts = tuple(below(rng, 3) for _ in range(count))
    if parent is not None:  # every event in other words than the parent's
        pasts = tuple(p + 1 + below(rng, 2) for p in parent.pasts)
    return Wording(
        voice=choose(rng, voices),
        pasts=pasts,
        intro=below(rng, 2),
        framing=framing,
        closing=below(rng, len(lexicon.CLOSINGS)),
    )


def _doc(
    procedure: Procedure, split: str, item_id: str, draft: Draft, wording: Wording
) -> dict[str, Any]:
    told_events = [
        (event.time, event.as_dict(), sentence(procedure, event, draft.start, wording.voice, past))
        for event, past in zip(draft.trace.events, wording.pasts, strict=True)
    ]
    for time, person, role, what in draft.distractors:
        row = {"step": None, "time": time, "person": person}
        text = told(draft.start, time, (person, role), what, wording.voice)
        told_events.append((time, row, text))
    told_events.sort(key=lambda e: e[0])
    violations = check(procedure, draft.trace)
    return {
        "item_id": item_id,
        "process_id": procedure.id,
        "cohort": procedure.cohort,
        "split": split,
        "type": draft.type,
        "parent_id": None,
        "label": verdict(procedure, draft.trace),
        "violation": {"kind": violations[0].kind, "step": violations[0].step}
        if violations
        else None,
        "title": procedure.title,
        "clauses": [clause(procedure, step) for step in procedure.steps],
        "intro": f"{procedure.intro[wording.intro]} {wording.framing}",
        "facts": [
            fact.holds if draft.trace.facts[name] else fact.fails
            for name, fact in procedure.facts.items()
        ],
        "events": [text for _, _, text in told_events],
        "closing": lexicon.CLOSINGS[wording.closing],
        "question": QUESTION,
        "start": draft.start.date().isoformat(),
        "trace": {
            "facts": dict(draft.trace.facts),
            "events": [row for _, row, _ in told_events],
        },
    }


def _normalised(doc: dict[str, Any]) -> str:
    text = " ".join([doc["intro"], *doc["facts"], *doc["events"], doc["closing"]])
    return re.sub(r"\W+", " ", text).casefold()


def trace_of(doc: dict[str, Any]) -> Trace:
    """The symbolic scenario of a document; irrelevant events are left out."""
    events = [Event.from_dict(row) for row in doc["trace"]["events"] if row["step"] is not None]
    return Trace(doc["trace"]["facts"], tuple(events))

"""Builds the procedural data set: ten types per procedure, balanced labels, gold by the checker.

One round of a procedure is up to sixteen items, eight of either label:

- four compliant baselines, and of each one a partner with one rule broken (a flip pair);
- of one baseline and of its partner a child in other words, of another pair a child with
  irrelevant events (each an anchor pair with its parent);
- a violation under praise and a clean run under alarm;
- where a circumstance can be turned so that one rule breaks, both sides of it (a flip pair).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from oodrop.perturbers.rng import below, choose, item_generator, permutation
from oodrop.tasks.procedural import generate, lexicon
from oodrop.tasks.procedural.check import COMPLIANT, check, verdict
from oodrop.tasks.procedural.render import clause, sentence, told
from oodrop.tasks.procedural.schema import HELDOUT_COHORTS, WORDINGS, Procedure
from oodrop.tasks.procedural.trace import Event, Trace
from oodrop.tasks.procedural.voices import VOICES, Telling

SEED = 2026
MANIFEST = "SHA256SUMS"
# For whoever filters training data: no text that holds this line should be trained on.
CANARY = "oodrop procedural, canary 3d9d5a52-7a0e-4f0b-9c1e-5a2f6c1b8e47: do not train on this data"
QUESTION = "Does the scenario comply with the procedure?"
ROUNDS = {"train": 6, "validation": 1, "test": 4, "heldout": 4}
HABIT = 0.97  # how often framing and closing go with the label outside heldout
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
# Drafts of a compliant and a broken item, in heldout framed as habit would have it: they make up
# for the two adversarial ones, so that every frame stands equally under both labels. By round.
_IN_HABIT = ((8, 9), (0, 4), (2, 6), (3, 7))
CHILDREN = ("lexical_paraphrase", "distractor_injection")


@dataclass(frozen=True)
class Draft:
    """One item before it is worded.

    Attributes:
        partner: the draft that it makes a flip pair with, told in the same words.
        parent: the draft that it tells again, in other words or with more events.
        twin: the draft of the other label whose frame and closing it shares in ``heldout``.
        mood: whether it is framed with alarm, where its type demands one or the other.
        heldout_mood: the same for ``heldout`` alone.
        distractors: time, person, role and deed of each irrelevant event.
    """

    type: str
    trace: Trace
    cast: generate.Cast
    start: datetime
    partner: int | None = None
    parent: int | None = None
    twin: int | None = None
    mood: bool | None = None
    heldout_mood: bool | None = None
    distractors: tuple[tuple[int, str, str, str], ...] = ()


@dataclass(frozen=True)
class Wording:
    """How a draft is told: every place of `lexicon` and of the procedure's wordings in it."""

    voice: str
    plans: tuple[int, ...]
    pasts: tuple[int, ...]
    intro: int
    frame: int
    word: int
    closing: int
    alarm: bool


def build_split(
    procedures: Sequence[Procedure], split: str, seed: int = SEED
) -> list[dict[str, Any]]:
    """All documents of a split, in a fixed order; texts are unique after normalisation."""
    docs: list[dict[str, Any]] = []
    seen: set[str] = set()
    for procedure in procedures:
        if (procedure.cohort in HELDOUT_COHORTS) != (split == "heldout"):
            continue
        for number in range(ROUNDS[split]):
            rng = item_generator(seed, "procedural", split, f"{procedure.id}/{number}")
            docs += build_round(procedure, split, number, rng, seen)
    return docs


def packed(docs: Iterable[dict[str, Any]]) -> bytes:
    """Gzip JSONL with neither time nor name in the header, so that equal data is equal bytes."""
    text = "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs)
    return gzip.compress(text.encode("utf-8"), mtime=0)


def manifest(files: Mapping[str, bytes]) -> bytes:
    """A line per packed file: the SHA-256 of what it holds, unpacked, as `sha256sum` writes it."""
    lines = [f"# {CANARY}"]
    for name, content in files.items():
        digest = hashlib.sha256(gzip.decompress(content)).hexdigest()
        lines.append(f"{digest}  {name.removesuffix('.gz')}")
    return ("\n".join(lines) + "\n").encode()


def build_round(
    procedure: Procedure, split: str, number: int, rng: random.Random, seen: set[str]
) -> list[dict[str, Any]]:
    """The documents of one round; ``seen`` holds the texts so far and grows."""
    drafts = _drafts(procedure, number, rng)
    for _ in range(50):
        wordings = _wordings(procedure, drafts, split, rng)
        docs = [
            _doc(procedure, split, number, k, drafts[k], wordings[k]) for k in range(len(drafts))
        ]
        keys = {_normalised(doc) for doc in docs}
        if len(keys) == len(docs) and keys.isdisjoint(seen):
            seen |= keys
            return docs
    raise RuntimeError(f"{procedure.id}: no unique wording for round {number} of {split}")


def _drafts(procedure: Procedure, number: int, rng: random.Random) -> list[Draft]:
    # Local wall-clock time of nowhere in particular: scenarios have no time zone.
    start = datetime(2023, 1, 2) + timedelta(days=below(rng, 900))  # noqa: DTZ001

    def fresh() -> Draft:
        cast = generate.draw_cast(procedure, rng)
        return Draft("baseline_compliant", generate.valid_trace(procedure, cast, rng), cast, start)

    def broken(kind: str, edit: Callable[[Draft], Trace | None]) -> tuple[Draft, Draft]:
        return _until(fresh, edit, kind)

    def violated(kinds: tuple[Any, ...]) -> Callable[[Draft], Trace | None]:
        return lambda d: generate.violate(procedure, d.cast, d.trace, kinds, rng)

    pairs = [
        broken("baseline_noncompliant", violated(generate.OVERT)),
        broken(
            "prerequisite_omission",
            lambda d: generate.omit_prerequisite(procedure, d.trace, rng),
        ),
        broken("step_reorder_invalid", violated(("order",))),
        broken("hierarchy_violation", violated(("wrong_actor", "same_person", "other_person"))),
    ]
    drafts = [clean for clean, _ in pairs]
    drafts += [replace(bad, partner=k, twin=k) for k, (_, bad) in enumerate(pairs)]
    drafts += [
        replace(drafts[k], type="lexical_paraphrase", parent=k, partner=None, twin=twin)
        for k, twin in ((0, None), (4, 8))
    ]
    drafts += [_distracted(procedure, drafts[k], k, rng) for k in (1, 5)]
    clean, broke = _IN_HABIT[number % len(_IN_HABIT)]
    drafts[clean] = replace(drafts[clean], heldout_mood=False)
    drafts[broke] = replace(drafts[broke], heldout_mood=True, twin=None)
    _, praised = broken("adversarial_surface_compliant", violated(generate.SUBTLE))
    drafts.append(replace(praised, mood=False, twin=clean))
    drafts.append(replace(fresh(), type="adversarial_surface_noncompliant", mood=True, twin=broke))
    return drafts + _exceptions(procedure, fresh, len(drafts), rng)


def _until(
    fresh: Callable[[], Draft], edit: Callable[[Draft], Trace | None], kind: str
) -> tuple[Draft, Draft]:
    """A clean draft and what the edit makes of it."""
    for _ in range(200):
        draft = fresh()
        trace = edit(draft)
        if trace is not None:
            return draft, replace(draft, type=kind, trace=trace)
    raise RuntimeError(f"no scenario of type {kind} was found in 200 tries")


def _exceptions(
    procedure: Procedure, fresh: Callable[[], Draft], place: int, rng: random.Random
) -> list[Draft]:
    """One course of events under a circumstance and under its opposite."""
    for _ in range(200 if procedure.facts else 0):
        draft = replace(fresh(), type="exception_trigger")
        flipped = generate.flip_fact(procedure, draft.trace, rng)
        if flipped is not None:
            return [draft, replace(draft, trace=flipped, partner=place, twin=place)]
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
    return replace(
        parent,
        type="distractor_injection",
        parent=index,
        partner=None,
        twin=None,
        heldout_mood=None,
        distractors=tuple(extra),
    )


def _wordings(
    procedure: Procedure, drafts: Sequence[Draft], split: str, rng: random.Random
) -> list[Wording]:
    """Words for every draft; a partner has those of its partner, save the mood outside heldout."""
    wordings: list[Wording] = []
    for draft in drafts:
        alarm = _mood(procedure, draft, split, rng)
        if draft.type == "distractor_injection" and draft.parent is not None:
            wordings.append(wordings[draft.parent])
            continue
        if draft.partner is not None:
            wording = wordings[draft.partner]
        elif draft.parent is not None:
            wording = _reworded(wordings[draft.parent], rng)
        else:
            wording = _fresh_wording(procedure, rng)
        wording = replace(wording, alarm=alarm)
        if split == "heldout" and draft.twin is not None:
            twin = wordings[draft.twin]
            wording = replace(
                wording,
                frame=twin.frame,
                word=twin.word,
                closing=twin.closing,
                alarm=twin.alarm,
            )
        wordings.append(wording)
    return wordings


def _mood(procedure: Procedure, draft: Draft, split: str, rng: random.Random) -> bool:
    """Whether a draft is framed with alarm."""
    label = verdict(procedure, draft.trace)
    draw = rng.random()
    if draft.mood is not None:
        return draft.mood
    if split != "heldout":
        return (label != COMPLIANT) == (draw < HABIT)
    return draw < 0.5 if draft.heldout_mood is None else draft.heldout_mood


def _fresh_wording(procedure: Procedure, rng: random.Random) -> Wording:
    voice = choose(rng, tuple(VOICES))
    steps = len(procedure.steps)
    return Wording(
        voice=voice,
        plans=tuple(below(rng, VOICES[voice].plans) for _ in range(steps)),
        pasts=tuple(below(rng, WORDINGS) for _ in range(steps)),
        intro=below(rng, len(procedure.intro)),
        frame=below(rng, len(lexicon.FRAMES)),
        word=below(rng, len(lexicon.PRAISE)),
        closing=below(rng, len(lexicon.CALM_CLOSINGS)),
        alarm=False,
    )


def _reworded(parent: Wording, rng: random.Random) -> Wording:
    """Another voice, and every step in other words than the parent's."""
    voice = choose(rng, tuple(v for v in VOICES if v != parent.voice))
    return replace(
        parent,
        voice=voice,
        plans=tuple(below(rng, VOICES[voice].plans) for _ in parent.plans),
        pasts=tuple((p + 1 + below(rng, WORDINGS - 1)) % WORDINGS for p in parent.pasts),
        frame=below(rng, len(lexicon.FRAMES)),
        word=below(rng, len(lexicon.PRAISE)),
        closing=below(rng, len(lexicon.CALM_CLOSINGS)),
    )


def _doc(
    procedure: Procedure, split: str, number: int, place: int, draft: Draft, wording: Wording
) -> dict[str, Any]:
    name = f"{procedure.id}.{split}.{number}"
    rows: list[tuple[int, dict[str, Any], str]] = []
    for event in draft.trace.events:
        k = next(i for i, step in enumerate(procedure.steps) if step.id == event.step)
        telling = Telling(wording.voice, wording.plans[k], wording.pasts[k])
        row = {**event.as_dict(), "telling": list(telling)}
        rows.append((event.time, row, sentence(procedure, event, draft.start, telling)))
    for time, person, role, what in draft.distractors:
        telling = Telling(wording.voice, time % VOICES[wording.voice].plans, 0)
        text = told(draft.start, time, (person, role), what, telling)
        rows.append((time, {"step": None, "time": time, "person": person}, text))
    rows.sort(key=lambda row: row[0])
    violations = check(procedure, draft.trace)
    intro = VOICES[wording.voice].opening.format(intro=procedure.intro[wording.intro])
    mood = (lexicon.ALARM if wording.alarm else lexicon.PRAISE)[wording.word]
    closings = lexicon.TROUBLED_CLOSINGS if wording.alarm else lexicon.CALM_CLOSINGS
    return {
        "item_id": f"{name}.{place:02d}",
        "process_id": procedure.id,
        "cohort": procedure.cohort,
        "split": split,
        "type": draft.type,
        "parent_id": None if draft.parent is None else f"{name}.{draft.parent:02d}",
        "partner_id": None if draft.partner is None else f"{name}.{draft.partner:02d}",
        "label": verdict(procedure, draft.trace),
        "violation": {"kind": violations[0].kind, "step": violations[0].step}
        if violations
        else None,
        "title": procedure.title,
        "clauses": [clause(procedure, step) for step in procedure.steps],
        "intro": f"{intro} {lexicon.FRAMES[wording.frame].format(mood=mood)}",
        "facts": [
            fact.holds if draft.trace.facts[name] else fact.fails
            for name, fact in procedure.facts.items()
        ],
        "events": [text for _, _, text in rows],
        "closing": closings[wording.closing],
        "question": QUESTION,
        "start": draft.start.date().isoformat(),
        "trace": {"facts": dict(draft.trace.facts), "events": [row for _, row, _ in rows]},
    }


def _normalised(doc: dict[str, Any]) -> str:
    text = " ".join([doc["intro"], *doc["facts"], *doc["events"], doc["closing"]])
    return re.sub(r"\W+", " ", text).casefold()


def trace_of(doc: dict[str, Any]) -> Trace:
    """The symbolic scenario of a document; irrelevant events are left out."""
    events = [Event.from_dict(row) for row in doc["trace"]["events"] if row["step"] is not None]
    return Trace(doc["trace"]["facts"], tuple(events))


def start_of(doc: dict[str, Any]) -> datetime | None:
    """Midnight of the first day, None in the compact set, which tells clock times alone."""
    return None if doc["start"] is None else datetime.fromisoformat(doc["start"])

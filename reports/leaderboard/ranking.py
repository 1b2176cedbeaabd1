"""Entries that were asked the same, ranked by their accuracy on the variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oodrop import DataError, __version__
from oodrop.reports.leaderboard.entries import Entry, Refused, Result
from oodrop.reports.statistics import (
    ALL,
    Accuracy,
    AccuracyPlane,
    Drop,
    EffectiveRobustness,
    PairedScores,
    PlanePoint,
    RankSet,
    VariantInfo,
    Versus,
    accuracies,
    accuracy_plane,
    analyse,
    rank_sets,
    versus,
)
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES, LINKED

# Checkpoints whose drops are estimated at once: memory grows with them, and time hardly.
_AT_ONCE = 16


@dataclass(frozen=True)
class Row:
    """One checkpoint in one ranking.

    Attributes:
        entry: its id.
        name: its name on the board.
        place: its rank among the others with a confidence set; None for reference models, which
            have no place, and where nobody else is ranked.
        accuracy: canonical, over all items.
        point: canonical accuracy and accuracy on the variants over the items that these changed.
        robustness: effective robustness; None with fewer than eight others on the line.
        drops: under every variant, then in every family.
        outcomes: variant slug -> outcome -> number of items.
        generation: how replies were generated, in words; "" where none were.
    """

    entry: str
    name: str
    place: RankSet | None
    accuracy: Accuracy
    point: PlanePoint
    robustness: EffectiveRobustness | None
    drops: tuple[Drop, ...]
    outcomes: Mapping[str, Mapping[str, int]]
    generation: str


@dataclass(frozen=True)
class Ranking:
    """Checkpoints that were asked the same of one task, best first, reference models last.

    Attributes:
        id: the first digits of the hash of what they have in common.
        items: how many there are, `n` of which a natural variant changed.
        suite: in words, which variants they are.
        versus: of every quantity (``canonical``, ``variant``, ``drop``, and the drop in each
            family) all differences of two checkpoints.
        level: of every interval but those of the places, which hold all together.
        notes: what looks wrong, in sentences.
    """

    id: str
    task: str
    metric: str
    chance: float
    num_fewshot: int
    items: int
    n: int
    variants: tuple[VariantInfo, ...]
    families: tuple[str, ...]
    suite: str
    line: str
    rows: tuple[Row, ...]
    versus: Mapping[str, tuple[Versus, ...]]
    level: float
    resamples: int
    seed: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """The whole leaderboard.

    Attributes:
        entries: every bundle that holds, by name.
        refused: every one that does not, or that is there twice.
        notes: what was not ranked, in sentences.
    """

    title: str
    oodrop_version: str
    entries: tuple[Entry, ...]
    names: Mapping[str, str]
    rankings: tuple[Ranking, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]


def rank(
    found: Sequence[Entry | Refused],
    *,
    suites: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 2_000,
    seed: int = 2026,
    level: float = 0.95,
    title: str = "Robustness leaderboard",
) -> Board:
    """Rank everything that is comparable; the order of `found` changes nothing.

    Args:
        found: as of `read_entries`.
        suites: name -> slugs of its variants, by which the variants of a ranking are told.
        resamples: of every bootstrap.
        seed: of the bootstraps.
        level: of the intervals.
        title: heading.

    Raises:
        DataError: when no bundle holds.
        OodropError: for impossible settings.
    """
    refused = [f for f in found if isinstance(f, Refused)]
    entries: dict[str, Entry] = {}
    each = sorted((f for f in found if isinstance(f, Entry)), key=lambda e: (e.name, e.id))
    for entry in each:
        if entry.id in entries:
            reason = f"the same bundle as {entries[entry.id].bundle}, byte for byte"
            refused.append(Refused(entry.bundle, reason))
        else:
            entries[entry.id] = entry
    if not entries:
        told = f"; {refused[0].bundle}: {refused[0].reason}" if refused else ""
        raise DataError(f"none of the {len(found)} bundles can be ranked{told}")
    names = _names(list(entries.values()))
    groups: dict[str, list[tuple[Entry, Result]]] = {}
    for entry in entries.values():
        for result in entry.results:
            groups.setdefault(result.key, []).append((entry, result))
    notes: list[str] = []
    rankings = []
    for members in sorted(groups.values(), key=lambda m: (m[0][1].task, -len(m), m[0][1].key)):
        if _natural(members[0][1]):
            rankings.append(_ranking(members, names, suites or {}, resamples, seed, level))
        else:
            task, who = members[0][1].task, ", ".join(names[e.id] for e, _ in members)
            notes.append(f"{task} is not ranked for {who}: no natural variant changed an item")
    return Board(
        title=title,
        oodrop_version=__version__,
        entries=tuple(entries.values()),
        names=names,
        rankings=tuple(rankings),
        refused=tuple(sorted(refused, key=lambda r: (r.bundle, r.reason))),
        notes=tuple(notes),
    )


def _names(entries: Sequence[Entry]) -> dict[str, str]:
    """Id to a name that no other has; it does not depend on the others' order."""
    times = Counter(entry.name for entry in entries)
    return {e.id: e.name if times[e.name] == 1 else f"{e.name} ({e.id})" for e in entries}


def _natural(result: Result) -> bool:
    """Whether a variant that counts changed an item."""
    return any(
        info.in_family_headline and result.changed[v].any()
        for v, info in enumerate(result.variants)
    )


def _ranking(
    members: Sequence[tuple[Entry, Result]],
    names: Mapping[str, str],
    suites: Mapping[str, Sequence[str]],
    resamples: int,
    seed: int,
    level: float,
) -> Ranking:
    first = members[0][1]
    paired = PairedScores(
        task=first.task,
        metric=first.metric,
        chance=first.chance,
        checkpoints=tuple(names[entry.id] for entry, _ in members),
        variants=first.variants,
        item_ids=first.item_ids,
        clusters=first.clusters,
        canonical=np.array([result.canonical for _, result in members]),
        scores=np.array([result.scores for _, result in members]),
        changed=first.changed,
    )
    references = {names[entry.id] for entry, _ in members if entry.reference}
    plane = accuracy_plane(paired, references=references, level=level)
    if plane is None:  # `_natural` has looked
        raise DataError(f"no natural variant changed an item of {first.task}")
    families = tuple(
        family
        for family in HEADLINE_FAMILIES
        if any(v.family == family and v.in_family_headline for v in first.variants)
    )
    ranked = [c for c in paired.checkpoints if c not in references]
    places = (
        {p.checkpoint: p for p in _places(_only(paired, ranked), resamples, seed, level)}
        if len(ranked) > 1
        else {}
    )
    rows = sorted(
        _rows(paired, members, plane, places, resamples, seed, level),
        key=lambda row: (row.name in references, -row.point.variant, row.name),
    )
    return Ranking(
        id=first.key[:12],
        task=first.task,
        metric=first.metric,
        chance=first.chance,
        num_fewshot=first.num_fewshot,
        items=len(first.item_ids),
        n=plane.n,
        variants=first.variants,
        families=families,
        suite=suite_words([v.slug for v in first.variants if v.family != LINKED], suites),
        line=plane.reason,
        rows=tuple(rows),
        versus={
            "canonical": tuple(versus(paired, "canonical", level=level)),
            "variant": tuple(versus(paired, "variant", level=level)),
            "drop": tuple(versus(paired, "drop", level=level)),
            **{f: tuple(versus(paired, "drop", f, level=level)) for f in families},
        },
        level=level,
        resamples=resamples,
        seed=seed,
        notes=tuple(_notes(members, names)),
    )


def _places(paired: PairedScores, resamples: int, seed: int, level: float) -> tuple[RankSet, ...]:
    return rank_sets(paired, ALL, resamples=resamples, seed=seed, level=level)


def _only(paired: PairedScores, checkpoints: Sequence[str]) -> PairedScores:
    """The same items of some of the checkpoints."""
    places = [paired.checkpoints.index(c) for c in checkpoints]
    return replace(
        paired,
        checkpoints=tuple(checkpoints),
        canonical=paired.canonical[places],
        scores=paired.scores[places],
    )


def _rows(
    paired: PairedScores,
    members: Sequence[tuple[Entry, Result]],
    plane: AccuracyPlane,
    places: Mapping[str, RankSet],
    resamples: int,
    seed: int,
    level: float,
) -> Iterator[Row]:
    robustness = {found.target: found for found in plane.robustness}
    drops: dict[str, list[Drop]] = {}
    for k in range(0, len(paired.checkpoints), _AT_ONCE):
        some = _only(paired, paired.checkpoints[k : k + _AT_ONCE])
        own = analyse(some, resamples=resamples, seed=seed, level=level)
        for drop in own.drops:
            drops.setdefault(drop.checkpoint, []).append(drop)
    for (entry, result), accuracy, point in zip(
        members, accuracies(paired, level=level), plane.points, strict=True
    ):
        name = accuracy.checkpoint
        yield Row(
            entry=entry.id,
            name=name,
            place=places.get(name),
            accuracy=accuracy,
            point=point,
            robustness=robustness.get(name),
            drops=tuple(drops.get(name, ())),
            outcomes=result.outcomes,
            generation=result.generation,
        )


def suite_words(slugs: Sequence[str], suites: Mapping[str, Sequence[str]]) -> str:
    """`standard-1.0`, `11 of 12 variants of standard-1.0`, or `5 variants`."""
    own = set(slugs)
    for name, of in sorted(suites.items(), key=lambda s: (len(s[1]), s[0])):
        if own == set(of):
            return name
    for name, of in sorted(suites.items(), key=lambda s: (len(s[1]), s[0])):
        if own < set(of):
            return f"{len(own)} of {len(of)} variants of {name}"
    return f"{len(own)} variant{'' if len(own) == 1 else 's'}"


def _notes(members: Sequence[tuple[Entry, Result]], names: Mapping[str, str]) -> Iterator[str]:
    """What is alike that should not be, and what is not alike that may matter."""
    replies: dict[str, list[str]] = {}
    for entry, result in members:
        replies.setdefault(result.replies_digest, []).append(names[entry.id])
    for same in replies.values():
        if len(same) > 1:
            yield (
                f"{', '.join(same)} gave identical replies to the canonical items: one model "
                "under several names, or a shared answer cache"
            )
    for what, found in (
        ("versions of lm-eval", {entry.lm_eval_version for entry, _ in members}),
        ("settings of generation", {result.generation for _, result in members}),
    ):
        if len(found) > 1:
            yield f"these checkpoints ran with {len(found)} different {what}: see their pages"
    if members[0][1].pooled:
        yield members[0][1].pooled

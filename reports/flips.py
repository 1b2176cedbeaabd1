"""Items whose score moved under a variant, with both prompts and both replies: some, or all."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oodrop import DataError
from oodrop.reports.checks import shown
from oodrop.reports.lines import lines_at, parse_object
from oodrop.reports.model import MAX_FLIPS, Flip
from oodrop.reports.pairing import Group
from oodrop.reports.replies import prompt_of, reply_of
from oodrop.reports.results import CANONICAL, Samples
from oodrop.reports.statistics.numeric import differences


class _Place(NamedTuple):
    """An item whose score moved, and by how much: canonical minus variant."""

    checkpoint: str
    variant: str
    item_id: str
    difference: float


def find_flips(group: Group, seed: int) -> tuple[tuple[Flip, ...], Mapping[str, int]]:
    """A seeded sample of at most `MAX_FLIPS` flips, and how many there are per checkpoint.

    The sample takes the smallest hashes of (seed, place), so it does not depend on the order of
    the files, and another checkpoint only makes room for itself. Controls are left out: what moves
    there is noise, or moves because its gold answer did.
    """
    totals = dict.fromkeys(group.paired.checkpoints, 0)
    chosen = heapq.nsmallest(MAX_FLIPS, _counted(_ranked(group, seed), totals))
    texts = _texts(group, (place for _, place in chosen))
    flips = [
        _flip(group, place, *(texts[s.logged(place.item_id)[:2]] for s in _samples(group, place)))
        for _, place in chosen
    ]
    flips.sort(key=lambda f: (f.checkpoint, f.variant, f.item_id))
    return tuple(flips), totals


def every_flip(group: Group) -> Iterator[Flip]:
    """All flips by checkpoint, variant and item, in the order of the group.

    Both files of a variant are read in step: no more than one row of each is held.

    Raises:
        DataError: when a file has changed since it was read, or cannot be read.
    """
    for (old, new), found in groupby(_places(group), lambda place: _paths(group, place)):
        places = list(found)
        lines = (
            lines_at(path, [_samples(group, p)[k].logged(p.item_id).offset for p in places])
            for k, path in enumerate((old, new))
        )
        for place, before, after in zip(places, *lines, strict=True):
            both = [
                _logged(line, f"{there.path}, byte {there.offset}", there.item_id)
                for line, samples in zip((before, after), _samples(group, place), strict=True)
                for there in [samples.logged(place.item_id)]
            ]
            yield _flip(group, place, *both)


def _paths(group: Group, place: _Place) -> tuple[Path, Path]:
    old, new = _samples(group, place)
    return old.logged(place.item_id).path, new.logged(place.item_id).path


def _samples(group: Group, place: _Place) -> tuple[Samples, Samples]:
    """Canonical and variant."""
    variants = group.samples[place.checkpoint]
    return variants[CANONICAL], variants[place.variant]


def _counted(
    ranked: Iterable[tuple[bytes, _Place]], totals: dict[str, int]
) -> Iterator[tuple[bytes, _Place]]:
    for rank, place in ranked:
        totals[place.checkpoint] += 1
        yield rank, place


def _ranked(group: Group, seed: int) -> Iterator[tuple[bytes, _Place]]:
    """Every flip with the hash that decides whether it is in the sample."""
    for (checkpoint, slug), places in groupby(_places(group), lambda p: (p.checkpoint, p.variant)):
        # The beginning is hashed once; there may be half a million flips.
        start = hashlib.sha256(_bytes(seed, group.paired.task, checkpoint, slug, ""))
        for place in places:
            rank = start.copy()
            rank.update(_bytes(place.item_id))
            yield rank.digest(), place


def _places(group: Group) -> Iterator[_Place]:
    """Every flip, by the sign of the difference of the item's scores (for k replies: the means)."""
    paired = group.paired
    for c, checkpoint in enumerate(paired.checkpoints):
        for v, variant in enumerate(paired.variants):
            if variant.family == "control":
                continue
            moved = differences(paired.canonical[c], paired.scores[c, v])
            for i in np.flatnonzero(paired.changed[v] & (moved != 0.0)):
                yield _Place(checkpoint, variant.slug, paired.item_ids[i], float(moved[i]))


def _bytes(*parts: object) -> bytes:
    return "\x1f".join(map(str, parts)).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Logged:
    """What a file holds of an item."""

    prompt: str
    reply: str
    gold: str


def _texts(group: Group, chosen: Iterable[_Place]) -> dict[tuple[Path, str], _Logged]:
    """By file and item. Each file is opened once, and the lines that are needed are read alone."""
    wanted: dict[Path, dict[str, int]] = {}
    for place in chosen:
        for slug in (CANONICAL, place.variant):
            there = group.samples[place.checkpoint][slug].logged(place.item_id)
            wanted.setdefault(there.path, {})[there.item_id] = there.offset
    return {
        (path, item_id): _logged(line, f"{path}, byte {items[item_id]}", item_id)
        for path, items in wanted.items()
        for item_id, line in zip(items, lines_at(path, list(items.values())), strict=True)
    }


def _logged(line: bytes, where: str, item_id: str) -> _Logged:
    sample = parse_object(line, where)
    doc = sample.get("doc")
    record = doc.get("oodrop") if isinstance(doc, dict) else None
    if not isinstance(record, dict) or record.get("item_id") != item_id:
        raise DataError(f"{where}: the file was changed while it was read")
    gold = record.get("gold", sample.get("target"))
    return _Logged(
        prompt_of(sample), reply_of(sample), gold if isinstance(gold, str) else shown(gold)
    )


def _flip(group: Group, place: _Place, old: _Logged, new: _Logged) -> Flip:
    canonical, samples = _samples(group, place)
    return Flip(
        checkpoint=place.checkpoint,
        variant=place.variant,
        item_id=place.item_id,
        direction="lost" if place.difference > 0.0 else "gained",
        canonical_score=canonical.rows[place.item_id].score or 0.0,
        variant_score=samples.rows[place.item_id].score or 0.0,
        gold=new.gold,
        canonical_prompt=old.prompt,
        variant_prompt=new.prompt,
        canonical_reply=old.reply,
        variant_reply=new.reply,
    )

"""Items whose score moved under a variant, with both prompts and both replies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oodrop.reports.model import MAX_FLIPS, Flip
from oodrop.reports.pairing import Group
from oodrop.reports.reader import iterate_samples
from oodrop.reports.replies import prompt_of, reply_of
from oodrop.reports.results import CANONICAL, Samples
from oodrop.reports.statistics.numeric import differences


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """An item whose score moved, and by how much: canonical minus variant."""

    rank: str
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
    places = list(_places(group, seed))
    totals = {c: sum(p.checkpoint == c for p in places) for c in group.paired.checkpoints}
    chosen = sorted(places)[:MAX_FLIPS]
    texts = _texts(group, chosen)
    flips = [_flip(group, place, texts) for place in chosen]
    flips.sort(key=lambda f: (f.checkpoint, f.variant, f.item_id))
    return tuple(flips), totals


def _places(group: Group, seed: int) -> Iterator[_Place]:
    """Every flip, by the sign of the difference of the item's scores (for k replies: the means)."""
    paired = group.paired
    for c, checkpoint in enumerate(paired.checkpoints):
        for v, variant in enumerate(paired.variants):
            if variant.family == "control":
                continue
            moved = differences(paired.canonical[c], paired.scores[c, v])
            for i in np.flatnonzero(paired.changed[v] & (moved != 0.0)):
                place = (checkpoint, variant.slug, paired.item_ids[i])
                yield _Place(_rank(seed, paired.task, *place), *place, float(moved[i]))


def _rank(seed: int, *place: str) -> str:
    return hashlib.sha256("\x1f".join([str(seed), *place]).encode("utf-8", "replace")).hexdigest()


def _texts(group: Group, chosen: Iterable[_Place]) -> dict[tuple[Path, str], tuple[str, str]]:
    """Prompt and reply by file and item, each file read once and only where it is needed."""
    wanted: dict[Path, tuple[str, set[str]]] = {}
    for place in chosen:
        for slug in (CANONICAL, place.variant):
            samples = group.samples[place.checkpoint][slug]
            logged = _logged(samples, place.item_id)
            wanted.setdefault(samples.path, (samples.filter, set()))[1].add(logged)
    found = {}
    for path, (name, items) in wanted.items():
        for _, sample in iterate_samples(path):
            item_id = sample["doc"]["oodrop"]["item_id"]
            if item_id in items and sample.get("filter", name) == name:
                found[path, item_id] = (prompt_of(sample), reply_of(sample))
    return found


def _flip(group: Group, place: _Place, texts: Mapping[tuple[Path, str], tuple[str, str]]) -> Flip:
    variants = group.samples[place.checkpoint]
    canonical, samples = variants[CANONICAL], variants[place.variant]
    old = texts[canonical.path, place.item_id]
    new = texts[samples.path, _logged(samples, place.item_id)]
    return Flip(
        checkpoint=place.checkpoint,
        variant=place.variant,
        item_id=place.item_id,
        direction="lost" if place.difference > 0.0 else "gained",
        canonical_score=canonical.rows[place.item_id].score or 0.0,
        variant_score=samples.rows[place.item_id].score or 0.0,
        gold=samples.rows[place.item_id].gold,
        canonical_prompt=old[0],
        variant_prompt=new[0],
        canonical_reply=old[1],
        variant_reply=new[1],
    )


def _logged(samples: Samples, item_id: str) -> str:
    """The item under which the answer stands in the file."""
    return samples.rows[item_id].source or item_id

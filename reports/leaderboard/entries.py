"""Bundles as entries: checked, read from ``raw/``, kept small. A bad one is told, not raised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oodrop import DataError, OodropError
from oodrop.reports.build import build_notes
from oodrop.reports.bundle.manifest import MANIFEST, read_manifest, seal_of
from oodrop.reports.bundle.raw import RAW
from oodrop.reports.bundle.verify import check_files, check_raw, is_bundle, verify_bundle
from oodrop.reports.generation import generation_words
from oodrop.reports.pairing import (
    SAME_FOR_ALL_CHECKPOINTS,
    Group,
    name_checkpoints,
    one_checkpoint,
    pair,
)
from oodrop.reports.pooling import pool
from oodrop.reports.redaction import redact
from oodrop.reports.render.text import one_line
from oodrop.reports.results import CANONICAL, REFERENCE_MODELS, Samples
from oodrop.reports.statistics import VariantInfo
from oodrop.reports.table import Array
from oodrop.reports.workers import run_jobs

_ID = 12  # hexadecimal digits of a seal: 48 bits tell bundles apart


@dataclass(frozen=True, eq=False)
class Result:
    """One task of one checkpoint, items sorted by name.

    Two results are ranked together where `key` is the same: task and version, metric, filter,
    chance, few-shot examples, items, clusters, variants, banks, and every document that was sent.

    Attributes:
        key: hash of all that.
        variants: V of them, sorted by slug.
        item_ids: I names.
        clusters: int64[I].
        canonical: float64[I].
        scores: float64[V, I], NaN where a variant does not score the item.
        changed: bool[V, I].
        generation: how replies were generated, in words; "" where none were.
        replies_digest: of all canonical replies.
        outcomes: variant slug -> outcome -> number of items.
        pooled: what the group of a pooled task is made of, in a sentence; "" for a plain task.
    """

    key: str
    task: str
    metric: str
    chance: float
    num_fewshot: int
    item_ids: tuple[str, ...]
    clusters: Array
    variants: tuple[VariantInfo, ...]
    canonical: Array
    scores: Array
    changed: Array
    generation: str
    replies_digest: str
    outcomes: Mapping[str, Mapping[str, int]]
    pooled: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One bundle that holds.

    Attributes:
        id: the first digits of the manifest's seal: it names the page of the checkpoint.
        bundle: name of its folder.
        name: of the checkpoint, as the bundle says.
        reference: whether it is one of oodrop's reference models.
        rows: rows of samples, all of them as lm-eval hashed them.
        verified: whether everything in the bundle was computed again, not ``raw/`` alone.
        not_proved: sentences about what nobody can prove from the bundle.
        notes: what was left out or looks wrong in its runs.
    """

    id: str
    bundle: str
    name: str
    model_id: str
    organization: str
    model: str
    model_args: str
    chat_template: bool
    lm_eval_version: str
    date: str
    oodrop_version: str
    reference: bool
    rows: int
    verified: bool
    not_proved: tuple[str, ...]
    notes: tuple[str, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Refused:
    """A bundle that is not ranked: name of its folder, and why."""

    bundle: str
    reason: str


class _Job(NamedTuple):
    """What a process is told."""

    bundle: Path
    slugs: frozenset[str] | None
    verify: bool


def bundles_in(places: Sequence[Path]) -> list[Path]:
    """The bundles that are named: each place itself, or every folder in it that is none itself.

    Raises:
        DataError: for a place that does not exist or is an empty folder.
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.is_dir():
            raise DataError(f"{place} is no folder: name bundles, or a folder of bundles")
        if is_bundle(place):
            found[place.resolve()] = None
            continue
        inside = sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
        if not inside:
            raise DataError(f"{place} is neither a bundle nor a folder of bundles")
        found |= dict.fromkeys(p.resolve() for p in inside)
    return list(found)


def read_entries(
    bundles: Sequence[Path],
    *,
    slugs: Collection[str] | None = None,
    verify: bool = False,
    processes: int = 1,
) -> Iterator[Entry | Refused]:
    """Every bundle's entry, or why it has none, in the order in which they are given.

    Args:
        bundles: their folders.
        slugs: the variants that count; None for all.
        verify: whether everything in a bundle is computed again (`verify_bundle`), not only what is
            ranked.
        processes: how many read.
    """
    wanted = None if slugs is None else frozenset(slugs)
    jobs = [_Job(bundle, wanted, verify) for bundle in bundles]
    for bundle, found in zip(bundles, run_jobs(read_entry, jobs, processes), strict=True):
        if isinstance(found, OodropError):
            yield Refused(one_line(bundle.name), _public(str(found), bundle))
        else:
            yield found


def _public(text: str, bundle: Path) -> str:
    """A message without where the bundle lies on this machine."""
    for place in (str(bundle.resolve()), str(bundle)):
        text = text.replace(place, bundle.name)
    return redact(one_line(text))


def read_entry(job: _Job) -> Entry:
    """One bundle: its list of files, lm-eval's hashes, the scores, and what pairs.

    Raises:
        OodropError: as `verify_bundle`.
    """
    bundle = job.bundle
    manifest = verify_bundle(bundle).manifest if job.verify else read_manifest(bundle)
    check_files(bundle, manifest)
    runs = one_checkpoint("submission", bundle / RAW, again=True)
    check_raw(bundle, runs)
    (name,) = dict.fromkeys(name_checkpoints(runs).values())
    if name != manifest.checkpoint:
        raise DataError(f"{bundle / MANIFEST}: 'checkpoint' is not the name that raw/ gives")
    groups = pair(runs)
    pools, unlike = pool(groups)
    newest = runs[-1]
    whole = [(group, "") for group in groups] + [(p.group, p.words) for p in pools]
    return Entry(
        id=seal_of(manifest)[:_ID],
        bundle=one_line(bundle.name),
        name=name,
        model_id=manifest.settings.model_id,
        organization=manifest.settings.organization,
        model=newest.model,
        model_args=redact(newest.model_args),
        chat_template=newest.chat_template,
        lm_eval_version=newest.lm_eval_version,
        date=datetime.fromtimestamp(newest.date, UTC).date().isoformat(),
        oodrop_version=manifest.oodrop_version,
        reference=newest.model.startswith(REFERENCE_MODELS),
        rows=sum(len(samples.rows) for run in runs for samples in run.samples),
        verified=job.verify,
        not_proved=manifest.not_proved,
        notes=(*build_notes(runs, groups, pools), *unlike),
        # Of a run that was stopped early no other has the same items: its notes say so.
        results=tuple(
            _result(group, words, job.slugs)
            for group, words in whole
            if not any(s[CANONICAL].stopped for s in group.samples.values())
        ),
    )


def _result(group: Group, words: str, slugs: frozenset[str] | None) -> Result:
    (samples,) = group.samples.values()
    paired = group.paired
    infos = sorted(enumerate(paired.variants), key=lambda found: found[1].slug)
    kept = [v for v, info in infos if slugs is None or info.slug in slugs]
    variants = tuple(paired.variants[v] for v in kept)
    order = paired.order
    canonical = samples[CANONICAL]
    return Result(
        key=_key(paired.task, samples, variants),
        task=paired.task,
        metric=paired.metric,
        chance=paired.chance,
        num_fewshot=canonical.num_fewshot,
        item_ids=tuple(paired.item_ids[k] for k in order.tolist()),
        clusters=paired.clusters[order],
        variants=variants,
        canonical=paired.canonical[0, order],
        scores=paired.scores[0, kept][:, order],
        changed=paired.changed[kept][:, order],
        generation=generation_words(canonical) or "",
        replies_digest=canonical.replies_digest,
        outcomes={info.slug: group.outcomes[info.slug] for info in variants},
        pooled=words,
    )


def _key(task: str, samples: Mapping[str, Samples], variants: Sequence[VariantInfo]) -> str:
    """Hash of everything that two checkpoints must have been asked alike.

    A document names its item and cluster, whether it is scored, perturber, family, severity and
    bank: its hash tells these too.
    """
    canonical = samples[CANONICAL]
    rows = canonical.rows
    order = np.argsort(np.array(rows.ids.ids, np.object_))
    said = {
        "task": task,
        "settings": {key: canonical.settings[key] for key in SAME_FOR_ALL_CHECKPOINTS},
        "num_fewshot": canonical.num_fewshot,
        "variants": [v.slug for v in variants],
    }
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for slug in (CANONICAL, *(v.slug for v in variants)):
        own = samples[slug].rows
        places = own.ids.places_of(rows.ids)[order]
        found.update(own.doc_digests[places].tobytes())
    return found.hexdigest()

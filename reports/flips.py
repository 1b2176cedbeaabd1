"""Items whose score moved under a variant, with both prompts and both replies."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodrop.reports.model import MAX_FLIPS, Flip
from oodrop.reports.pairing import Group
from oodrop.reports.reader import iterate_samples
from oodrop.reports.results import CANONICAL, Samples


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    rank: str
    checkpoint: str
    variant: str
    item_id: str


def find_flips(group: Group, seed: int) -> tuple[tuple[Flip, ...], Mapping[str, int]]:
    """A seeded sample of at most `MAX_FLIPS` flips, and how many there are per checkpoint.

    The sample takes the smallest hashes of (seed, place), so it does not depend on the order of
    the files, and another checkpoint only makes room for itself. Controls are left out: what moves
    there is noise, or moves because its gold answer did.
    """
    task = group.paired.task
    slugs = [variant.slug for variant in group.paired.variants if variant.family != "control"]
    places = [
        _Place(_rank(seed, task, checkpoint, slug, item_id), checkpoint, slug, item_id)
        for checkpoint, variants in group.samples.items()
        for slug in slugs
        for item_id in _moved(variants[CANONICAL], variants[slug])
    ]
    totals = {c: sum(p.checkpoint == c for p in places) for c in group.paired.checkpoints}
    chosen = sorted(places)[:MAX_FLIPS]
    texts = _texts(group, chosen)
    flips = [_flip(group, place, texts) for place in chosen]
    flips.sort(key=lambda f: (f.checkpoint, f.variant, f.item_id))
    return tuple(flips), totals


def _moved(canonical: Samples, samples: Samples) -> list[str]:
    return [
        item_id
        for item_id, row in samples.rows.items()
        if row.score is not None and row.score != canonical.rows[item_id].score
    ]


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
    before, after = canonical.rows[place.item_id].score, samples.rows[place.item_id].score
    old = texts[canonical.path, place.item_id]
    new = texts[samples.path, _logged(samples, place.item_id)]
    return Flip(
        checkpoint=place.checkpoint,
        variant=place.variant,
        item_id=place.item_id,
        direction="lost" if (before or 0.0) > (after or 0.0) else "gained",
        gold=samples.rows[place.item_id].gold,
        canonical_prompt=old[0],
        variant_prompt=new[0],
        canonical_reply=old[1],
        variant_reply=new[1],
    )


def _logged(samples: Samples, item_id: str) -> str:
    """The item under which the answer stands in the file."""
    return samples.rows[item_id].source or item_id


def prompt_of(sample: Mapping[str, Any]) -> str:
    """The context of the first request; API chat models log it as a one-element list."""
    context = _first_argument(sample, 0, "arg_0")
    return _text(context[0] if isinstance(context, list) and context else context)


def reply_of(sample: Mapping[str, Any]) -> str:
    """What was generated, or the option with the highest log-likelihood and all of them."""
    replies = sample.get("filtered_resps")
    if not isinstance(replies, list) or not replies:
        return _text(replies or "")
    if not all(_is_choice(reply) for reply in replies):
        return _text(replies[0])
    values = [_number(reply[0]) for reply in replies]
    best = max(range(len(values)), key=lambda k: values[k])
    options = [_text(_first_argument(sample, k, "arg_1")).strip() for k in range(len(values))]
    listed = ", ".join(f"{o} {v:.2f}" for o, v in zip(options, values, strict=True))
    return f"{options[best]}\n(log-likelihoods: {listed})"


def _is_choice(reply: object) -> bool:
    """Whether it is a log-likelihood and whether greedy decoding gives it, as lm-eval logs them."""
    return isinstance(reply, list) and len(reply) == 2 and _text(reply[1]) in ("True", "False")


def _first_argument(sample: Mapping[str, Any], request: int, name: str) -> Any:
    arguments = sample.get("arguments")
    request_arguments = (
        arguments.get(f"gen_args_{request}") if isinstance(arguments, dict) else None
    )
    return request_arguments.get(name, "") if isinstance(request_arguments, dict) else ""


def _text(value: object) -> str:
    try:
        return str(value)
    except RecursionError:
        return f"(a {type(value).__name__}, nested too deeply to be shown)"


def _number(text: object) -> float:
    try:
        number = float(_text(text))
    except ValueError:
        return float("-inf")
    return float("-inf") if math.isnan(number) else number

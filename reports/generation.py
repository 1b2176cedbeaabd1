"""How replies were generated, in words: for the run description, and where checkpoints differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from oodrop.reports.results import CANONICAL, Samples
from oodrop.reports.statistics import VariantInfo


def generation_words(samples: Samples) -> str | None:
    """``greedy, at most 256 new tokens, 4 replies to an item``; None where nothing is generated.

    What is not understood is given as it was logged: the text may be hostile.
    """
    if samples.settings["output_type"] != "generate_until":
        return None
    logged = samples.settings["generation_kwargs"]
    try:
        found = json.loads(logged)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return f"{logged:.200}"
    sampled = found.pop("do_sample", None)
    if sampled is None:  # lm-eval's own rule
        sampled = bool(found.get("temperature"))
    words = ["sampled" if sampled else "greedy"]
    if (most := found.pop("max_gen_toks", None)) is not None:
        words.append(f"at most {most} new tokens")
    words += [f"{key} {value}" for key, value in sorted(found.items()) if value not in ([], None)]
    if (repeats := _repeats(samples)) > 1:
        words.append(f"{repeats} replies to an item")
    return f"{', '.join(words):.200}"


def all_generation_words(samples: Iterable[Samples]) -> tuple[str, ...]:
    """Every way in which replies were generated, sorted."""
    return tuple(sorted({words for s in samples if (words := generation_words(s)) is not None}))


def different_generation(
    task: str, checkpoints: Mapping[str, Mapping[str, Samples]]
) -> Iterator[str]:
    """A sentence where the checkpoints of a group generated replies in different ways.

    Args:
        task: name of the task.
        checkpoints: checkpoint name -> variant slug -> samples; one checkpoint's variants agree.
    """
    ways: dict[str, list[str]] = {}
    for checkpoint, variants in checkpoints.items():
        ways.setdefault(generation_words(variants[CANONICAL]) or "", []).append(checkpoint)
    if len(ways) > 1:
        listed = "; ".join(f"{', '.join(names)}: {words}" for words, names in ways.items())
        yield (
            f"{task} was generated with different settings ({listed}); a reply that is cut off "
            "before its verdict counts as wrong"
        )


def different_versions(
    task: str, checkpoints: Mapping[str, Mapping[str, Samples]]
) -> Iterator[str]:
    """A sentence where other versions of lm-eval asked the checkpoints of a group.

    Args:
        task: name of the task.
        checkpoints: checkpoint name -> variant slug -> samples; one checkpoint's variants agree.
    """
    found: dict[str, list[str]] = {}
    for checkpoint, variants in checkpoints.items():
        version = variants[CANONICAL].settings["lm_eval_version"]
        told = "one that does not say" if version == "null" else f"{version:.30}"
        found.setdefault(told, []).append(checkpoint)
    if len(found) > 1:
        listed = "; ".join(f"{', '.join(names)}: {version}" for version, names in found.items())
        yield (
            f"{task} was run with different versions of lm-eval ({listed}), which may have built "
            "other prompts from the same items"
        )


def identical_replies(
    task: str, checkpoints: Mapping[str, Mapping[str, Samples]], variants: Iterable[VariantInfo]
) -> Iterator[str]:
    """A sentence for two checkpoints with the same replies throughout: a cache may be shared.

    Args:
        task: name of the task.
        checkpoints: checkpoint name -> variant slug -> samples.
        variants: those that every checkpoint has, beside the canonical run.
    """
    seen: dict[tuple[str, ...], str] = {}
    slugs = (CANONICAL, *(variant.slug for variant in variants))
    for checkpoint, own in checkpoints.items():
        first = seen.setdefault(tuple(own[slug].replies_digest for slug in slugs), checkpoint)
        if first != checkpoint:
            yield (
                f"{first} and {checkpoint} gave identical replies on all of {task}; did they share "
                "an answer cache?"
            )


def replies_per_item(checkpoints: Mapping[str, Mapping[str, Samples]]) -> dict[str, int]:
    """Checkpoint name to the number of replies to an item on whose mean its scores rest."""
    return {
        name: max((max(s.replies_per_item, default=1) for s in variants.values()), default=1)
        for name, variants in checkpoints.items()
    }


def replies_left_out(task: str, checkpoints: Mapping[str, Mapping[str, Samples]]) -> Iterator[str]:
    """A sentence where replies were generated that enter no score, or not every item has as many.

    Args:
        task: name of the task.
        checkpoints: checkpoint name -> variant slug -> samples.
    """
    for name, variants in checkpoints.items():
        canonical = variants[CANONICAL]
        kept = sorted({k for samples in variants.values() for k in samples.replies_per_item})
        if len(kept) > 1:
            yield f"{name}, {task}: items have from {kept[0]} to {kept[-1]} replies"
        elif kept and 1 < _repeats(canonical) != kept[0] and generation_words(canonical):
            yield (
                f"{name}, {task}: {_repeats(canonical)} replies to an item were generated, and the "
                f"filter {canonical.filter!r} keeps {kept[0]}"
            )


def _repeats(samples: Samples) -> int:
    """``repeats`` of the task, 1 where it is no whole number above it."""
    logged = samples.settings["repeats"]
    return int(logged) if logged.isascii() and logged.isdigit() and len(logged) < 10 else 1

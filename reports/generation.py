"""How replies were generated, in words, and what else checkpoints were not asked alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

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


def different_settings(
    task: str, checkpoints: Mapping[str, Mapping[str, Samples]]
) -> Iterator[str]:
    """Sentences on what belongs to a checkpoint and is not the same for those of a group.

    These are settings of generation, whether there is a chat template, the system instruction, and
    the version of lm-eval. Every model has a template of its own, so another text of it is none.

    Args:
        task: name of the task.
        checkpoints: checkpoint name -> variant slug -> samples; one checkpoint's variants agree.
    """
    if listed := _unlike(checkpoints, lambda samples: generation_words(samples) or ""):
        yield (
            f"{task} was generated with different settings ({listed}); a reply that is cut off "
            "before its verdict counts as wrong"
        )
    if listed := _unlike(checkpoints, _prompt_words):
        yield f"{task} was put to the checkpoints in different ways ({listed})"
    if listed := _unlike(checkpoints, _version_words):
        yield (
            f"{task} was run with different versions of lm-eval ({listed}), which may have built "
            "other prompts from the same items"
        )


def _unlike(
    checkpoints: Mapping[str, Mapping[str, Samples]], words: Callable[[Samples], str]
) -> str:
    """``alpha, gamma: this; beta: that``; empty where all are alike."""
    found: dict[str, list[str]] = {}
    for checkpoint, variants in checkpoints.items():
        found.setdefault(words(variants[CANONICAL]), []).append(checkpoint)
    listed = (f"{', '.join(names)}: {told}" for told, names in found.items())
    return "; ".join(listed) if len(found) > 1 else ""


def _prompt_words(samples: Samples) -> str:
    template, system = samples.settings["chat_template"], samples.settings["system_instruction"]
    # Of the instruction there is a hash alone.
    said = "no system instruction" if system == "null" else f"system instruction {system:.8}"
    return f"{'no' if template == 'null' else 'a'} chat template, {said}"


def _version_words(samples: Samples) -> str:
    version = samples.settings["lm_eval_version"]
    return "one that does not say" if version == "null" else f"{version:.30}"


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

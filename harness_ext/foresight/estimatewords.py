"""An estimate in words: a table, two lines, or an object for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oodrop.harness_ext.foresight.estimate import Estimate, StageEstimate
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.render.points import NOTHING, count
from oodrop.reports.render.tables import Table

UNKNOWN_TIME = "time unknown until the first batch (--tokens-per-second N tells)"


def estimate_object(found: Estimate) -> dict[str, Any]:
    """Everything in it, with the sums over all stages."""
    return {
        "stages": [{**plain(s), "computed_tokens": s.computed_tokens} for s in found.stages],
        "seconds": found.seconds,
        "cost": found.cost,
        "disk_bytes": found.disk_bytes,
    }


def estimate_table(found: Estimate) -> Table:
    """One row for each stage of each checkpoint."""
    return Table(
        "What the run takes",
        " ".join(_meaning(found)),
        (
            "Checkpoint",
            "Stage",
            "Items",
            "Variants",
            "Requests",
            "Unique",
            "Prompt tokens",
            "Tree tokens",
            "New, at most",
            "Time",
            "Cost",
        ),
        9,
        tuple(_row(stage) for stage in found.stages),
    )


def estimate_lines(found: Estimate) -> Iterator[str]:
    """The whole run in two lines or three."""
    stages = found.stages
    about = _about(any(s.about for s in stages))
    requests, tokens = (
        sum(s.unique_requests for s in stages),
        sum(s.computed_tokens for s in stages),
    )
    new = sum(s.generated_tokens for s in stages)
    written = f", at most {amount(new)} new ones" if new else ""
    yield (
        f"the whole run: {about}{amount(requests)} requests, {amount(tokens)} prompt tokens"
        f"{written} ({_tokenizers(found)}), {size(found.disk_bytes)} of sample rows"
    )
    told = UNKNOWN_TIME if found.seconds is None else f"{_time(found)}"
    money = f"; at most {found.cost:.2f} in money" if found.cost is not None else ""
    yield f"{told}{money}; what is there already is not asked again"


def amount(number: float) -> str:
    """`950`, `12.3k`, `4.56M`."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.0f}"


def size(number: float) -> str:
    """`12 MB`, `3.4 GB`."""
    return f"{number / 1e9:.2g} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _time(found: Estimate) -> str:
    sources = dict.fromkeys(s.seconds_from for s in found.stages)
    return f"about {duration(found.seconds or 0.0)} (at {', '.join(sources)})"


def _row(stage: StageEstimate) -> tuple[str, ...]:
    about = _about(stage.about)
    tree = NOTHING if stage.tree_tokens is None else about + amount(stage.tree_tokens)
    return (
        stage.checkpoint,
        stage.stage,
        str(stage.items),
        str(stage.variants),
        about + amount(stage.requests),
        about + amount(stage.unique_requests),
        about + amount(stage.prompt_tokens),
        tree,
        about + amount(stage.generated_tokens) if stage.generated_tokens else NOTHING,
        "unknown" if stage.seconds is None else duration(stage.seconds),
        NOTHING if stage.cost is None else f"{stage.cost:.2f}",
    )


def _about(sampled: bool) -> str:
    return "about " if sampled else ""


def _meaning(found: Estimate) -> Iterator[str]:
    yield (
        "Unique requests reach the backend; prompt tokens are what it computes for them, tree "
        "tokens what hf-packed does, every shared beginning once. Tokens are those of "
        f"{_tokenizers(found)}."
    )
    if any(s.about for s in found.stages):
        yield "About: reckoned from a seeded sample of whole clusters."
    if found.seconds is None:
        yield f"Here: {UNKNOWN_TIME}."
    else:
        yield f"Time: {_time(found)}."
    if found.cost is not None:
        yield f"Cost: at most {found.cost:.2f} in all, of the tokens that the backend computes."
    yield (
        f"Sample rows: {size(found.disk_bytes)} on disk, replies aside "
        f"({count(len(found.stages), 'stage')})."
    )


def _tokenizers(found: Estimate) -> str:
    return ", ".join(dict.fromkeys(s.tokens_are for s in found.stages))

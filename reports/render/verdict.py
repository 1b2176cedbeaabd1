"""The verdict in plain words: per checkpoint, what each family of variants costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oodrop.reports.statistics import Accuracy, Drop, Interval, NoiseFloor

from ..model import TaskReport
from .points import (
    accuracy_span,
    changed_words,
    count,
    excludes_zero,
    level_words,
    percent,
    points,
)
from .rows import Row, rows

Tone = Literal["uninformative", "drop", "gain", "no drop shown", "no verdict", "placebo moved"]


@dataclass(frozen=True)
class Finding:
    """One statement about a checkpoint; `text` continues a sentence that begins with its name."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Verdict:
    """What one task says about one checkpoint, families first."""

    checkpoint: str
    accuracy: Accuracy
    findings: tuple[Finding, ...]


def verdicts(task: TaskReport) -> tuple[Verdict, ...]:
    """One verdict per checkpoint, in order."""
    found = rows(task)
    floors = {f.checkpoint: f for f in task.analysis.noise_floor if f is not None}
    return tuple(
        Verdict(a.checkpoint, a, _findings(a, k, found, floors.get(a.checkpoint)))
        for k, a in enumerate(task.analysis.accuracies)
    )


def _findings(
    accuracy: Accuracy, k: int, found: tuple[Row, ...], floor: NoiseFloor | None
) -> tuple[Finding, ...]:
    if accuracy.uninformative:
        return (_uninformative(accuracy),)
    pooled = {row.name for row in found if row.kind == "family"}
    families = [
        _family(drop, floor)
        for row in found
        if row.kind == "family" and (drop := row.drops[k]) is not None
    ]
    apart = dict.fromkeys(r.family for r in found if r.kind == "variant") if found else {}
    others = [_unpooled(f, k, found) for f in apart if f not in pooled]
    return (*families, *others) or (Finding("no verdict", "no variants were run"),)


def _uninformative(accuracy: Accuracy) -> Finding:
    level = accuracy.interval.level if accuracy.interval else 0.95
    return Finding(
        "uninformative",
        f"is uninformative: not above chance (canonical accuracy {percent(accuracy.estimate)}, "
        f"{level_words(level)} {accuracy_span(accuracy)}, chance {percent(accuracy.chance)}), "
        "so its drops say nothing",
    )


def _family(drop: Drop, floor: NoiseFloor | None) -> Finding:
    under = f"under {drop.name} variants"
    interval = drop.headline
    if drop.estimate is None:
        return Finding("no verdict", f"has no verdict {under}: no item was changed")
    if interval is None:
        return Finding(
            "no verdict",
            f"has no verdict {under}: {points(drop.estimate)} points, {drop.headline_reason}",
        )
    if not interval.excludes(0.0):
        text = f"shows no drop {under}: {points(drop.estimate)} points ({_basis(drop, interval)})"
        ruled = f"; a drop of up to {_size(interval.high)} points is not ruled out"
        return Finding("no drop shown", text + ruled + _caveats(drop, floor))
    lost = drop.estimate > 0.0
    verb = "loses" if lost else "gains"
    text = f"{verb} {_size(drop.estimate)} points {under} ({_basis(drop, interval)})"
    return Finding("drop" if lost else "gain", text + _caveats(drop, floor))


def _basis(drop: Drop, interval: Interval) -> str:
    low, high = interval.low, interval.high
    if low > 0.0 or high < 0.0:
        small, large = sorted((abs(low), abs(high)))
        bounds = f"{_size(small)} to {_size(large)}"
    else:
        bounds = f"{points(low)} to {points(high)}"
    return (
        f"{level_words(interval.level)} {bounds}; {changed_words(drop)} items changed, "
        f"{count(drop.clusters, 'cluster')}"
    )


def _caveats(drop: Drop, floor: NoiseFloor | None) -> str:
    text = "; the two intervals disagree about 0" if "disagree" in drop.flags else ""
    if excludes_zero(drop) and floor and abs(drop.estimate or 0.0) <= floor.flip_rate:
        text += (
            f"; no larger than the noise floor (a rerun flips {percent(floor.flip_rate)} of scores)"
        )
    return text


def _size(value: float) -> str:
    return f"{100.0 * abs(value):.1f}"


def _unpooled(family: str, k: int, found: tuple[Row, ...]) -> Finding:
    """A family that is never pooled: how many of its variants move, and the farthest."""
    drops = [
        d
        for row in found
        if row.kind == "variant" and row.family == family and (d := row.drops[k]) is not None
    ]
    moved = [d for d in drops if excludes_zero(d) and (family == "control" or _positive(d))]
    if family == "control":
        return _placebos(moved, len(drops))
    noun = f"{family} variants, which enter no family drop"
    if not moved:
        return Finding("no drop shown", f"shows no drop under any of {len(drops)} {noun}")
    worst = max(moved, key=lambda d: d.estimate or 0.0)
    return Finding(
        "drop",
        f"loses points under {len(moved)} of {len(drops)} {noun}; most under {worst.name} "
        f"({points(worst.estimate)}, picked after the fact)",
    )


def _positive(drop: Drop) -> bool:
    return (drop.estimate or 0.0) > 0.0


def _placebos(moved: list[Drop], placebos: int) -> Finding:
    if not moved:
        noun = count(placebos, "placebo")
        return Finding("no drop shown", f"is unmoved by {noun} (control), as it should be")
    names = ", ".join(f"{d.name} ({points(d.estimate)})" for d in moved)
    return Finding(
        "placebo moved",
        f"moves under {len(moved)} of {count(placebos, 'placebo')}: {names}; "
        "look for a fault before trusting its drops",
    )

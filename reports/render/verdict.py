"""The verdict in plain words: per checkpoint, what each family of variants costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from oodrop.reports.model import StoppedVariant, TaskReport
from oodrop.reports.render.points import (
    accuracy_span,
    changed_words,
    count,
    excludes_zero,
    level_words,
    percent,
    points,
)
from oodrop.reports.render.rows import Row, rows
from oodrop.reports.statistics import Accuracy, Drop, Interval, NoiseFloor, Sensitivity
from oodrop.reports.statistics.decisions.decision import Verdict as Decision

Tone = Literal[
    "uninformative",
    "drop",
    "gain",
    "no drop shown",
    "no verdict",
    "placebo moved",
    "not noticed",
    "noticed",
]
_NOTICED: tuple[tuple[Tone, str], ...] = (
    ("not noticed", "does not notice a changed meaning"),
    ("noticed", "notices a changed meaning"),
    ("no verdict", "not clear whether it notices a changed meaning"),
)


@dataclass(frozen=True)
class Finding:
    """One statement about a checkpoint: what matters first, then on what it rests."""

    tone: Tone
    lead: str
    rest: str

    @property
    def text(self) -> str:
        """`loses 5.4 points under lexical variants (95% interval 3.1 to 7.9; …)`."""
        return f"{self.lead}{self.rest}"


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
        Verdict(
            a.checkpoint,
            a,
            _findings(
                a,
                k,
                found,
                floors.get(a.checkpoint),
                [s for s in task.stopped if s.checkpoint == a.checkpoint],
                [s for s in task.questions.sensitivity if s.checkpoint == a.checkpoint],
            ),
        )
        for k, a in enumerate(task.analysis.accuracies)
    )


def _decided(gates: list[StoppedVariant]) -> tuple[Finding, ...]:
    """What the gates of a run that was stopped early know: its intervals decide nothing."""
    said: tuple[tuple[Decision, Tone, str], ...] = (
        ("FAIL", "drop", "loses more than {} points"),
        ("PASS", "no drop shown", "loses less than {} points"),
        ("INCONCLUSIVE", "no verdict", "no verdict at {} points"),
    )
    margin = size(gates[0].gate.margin)
    basis = f"sequential gates, each wrong with a probability of at most {gates[0].gate.alpha:g}"
    found = []
    for decision, tone, lead in said:
        names = [s.variant for s in gates if (s.gate.decision or "INCONCLUSIVE") == decision]
        if names:
            share = f"{len(names)} of {count(len(gates), 'variant')}"
            rest = f" under {share} ({', '.join(names)}; {basis})"
            found.append(Finding(tone, lead.format(margin), rest))
    return tuple(found)


def _findings(
    accuracy: Accuracy,
    k: int,
    found: tuple[Row, ...],
    floor: NoiseFloor | None,
    gates: list[StoppedVariant],
    controls: list[Sensitivity],
) -> tuple[Finding, ...]:
    if accuracy.uninformative:
        return (_uninformative(accuracy),)
    if gates:
        return _decided(gates)
    pooled = {row.name for row in found if row.kind == "family"}
    families = [
        _family(drop, floor)
        for row in found
        if row.kind == "family" and (drop := row.drops[k]) is not None
    ]
    apart = dict.fromkeys(r.family for r in found if r.family not in pooled)
    others = [_unpooled(family, k, found) for family in apart]
    noticing = _noticing([s for s in controls if s.noticed.n])
    return (*families, *noticing, *others) or (
        Finding("no verdict", "no verdict", ": no variants were run"),
    )


def _noticing(controls: list[Sensitivity]) -> Iterator[Finding]:
    """Whether answers follow when the right one changes; without that, a small drop is no merit."""
    tones = [_follows(s) for s in controls]
    for tone, lead in _NOTICED:
        mine = [s for s, one in zip(controls, tones, strict=True) if one == tone]
        if mine:
            shares = ", ".join(f"{percent(s.noticed.estimate or 0.0)} ({s.name})" for s in mine)
            rest = (
                f" under {len(mine)} of {count(len(controls), 'control')} changing the right "
                f"answer: of the changed items {shares} are right before and after"
            )
            beware = "; a small drop then does not show that it reads"
            yield Finding(tone, lead, rest + (beware if tone == "not noticed" else ""))


def _follows(control: Sensitivity) -> Tone:
    """Of the items that are right before the change: are more right, or more wrong, after it?"""
    after, before_only = control.noticed.interval, control.blind.interval
    if after and before_only and after.high < before_only.low:
        return "not noticed"
    return "noticed" if after and before_only and after.low > before_only.high else "no verdict"


def _uninformative(accuracy: Accuracy) -> Finding:
    interval = accuracy.interval
    bounds = (
        f"{level_words(interval.level)} {accuracy_span(accuracy)}"
        if interval
        else f"no interval from {count(accuracy.clusters, 'cluster')}"
    )
    return Finding(
        "uninformative",
        "uninformative",
        f": not above chance (canonical accuracy {percent(accuracy.estimate)}, {bounds}, "
        f"chance {percent(accuracy.chance)}), so its drops say nothing",
    )


def _family(drop: Drop, floor: NoiseFloor | None) -> Finding:
    under = f" under {drop.name} variants"
    interval = drop.headline
    if drop.estimate is None:
        return Finding("no verdict", "no verdict", f"{under}: no item was changed")
    if interval is None:
        rest = f"{under}: {points(drop.estimate)} points, {drop.headline_reason}"
        return Finding("no verdict", "no verdict", rest)
    basis = f"({_basis(drop, interval)})"
    if not interval.excludes(0.0):
        ruled = f"a drop of up to {max(100.0 * interval.high, 0.1):.1f} points is not ruled out"
        found = f"{points(drop.estimate)} points {basis}; {ruled}{_power([drop])}"
        rest = f"{under}: {found}{_caveats(drop, floor)}"
        return Finding("no drop shown", "no drop shown", rest)
    rest = f"{under} {basis}{_caveats(drop, floor)}"
    if drop.estimate > 0.0:
        return Finding("drop", f"loses {size(drop.estimate)} points", rest)
    return Finding("gain", f"gains {size(drop.estimate)} points", rest)


def _power(drops: Sequence[Drop]) -> str:
    """What these data could have seen under each of the variants; empty where that is unknown."""
    known = [d.detectable for d in drops if d.detectable is not None]
    if not known or len(known) < len(drops):
        return ""
    where = " under each of them" if len(drops) > 1 else ""
    return (
        f"; a drop of {100.0 * max(known):.1f} points could have been seen{where} "
        "in four of five cases"
    )


def _basis(drop: Drop, interval: Interval) -> str:
    return (
        f"{bounds_words(interval)}; {changed_words(drop)} items changed, "
        f"{count(drop.clusters, 'cluster')}"
    )


def bounds_words(interval: Interval) -> str:
    """`95% interval 3.1 to 7.9`; with signs where 0 is inside."""
    low, high = interval.low, interval.high
    if interval.excludes(0.0):
        small, large = sorted((abs(low), abs(high)))
        return f"{level_words(interval.level)} {size(small)} to {size(large)}"
    return f"{level_words(interval.level)} {points(low)} to {points(high)}"


def _caveats(drop: Drop, floor: NoiseFloor | None) -> str:
    text = "; the two intervals disagree about 0" if "disagree" in drop.flags else ""
    if drop.name == "phrasing":
        text += "; for these wordings only"
    if "low_information" in drop.flags:
        text += "; few clusters, read with care"
    if excludes_zero(drop) and floor and abs(drop.estimate or 0.0) <= floor.mean_change:
        text += f"; no larger than the noise floor ({_rerun(floor)})"
    return text


def _rerun(floor: NoiseFloor) -> str:
    if floor.mean_change == floor.flip_rate:
        return f"a rerun flips {percent(floor.flip_rate)} of scores"
    return f"a rerun moves scores by {size(floor.mean_change)} points on average"


def size(value: float) -> str:
    """A difference in points without its sign: `5.4`, or `under 0.1`."""
    shown = f"{100.0 * abs(value):.1f}"
    return shown if float(shown) else "under 0.1"


def _unpooled(family: str, k: int, found: tuple[Row, ...]) -> Finding:
    """A family that is never pooled: how many of its variants move, and the farthest."""
    drops = [
        d
        for row in found
        if row.kind == "variant" and row.family == family and (d := row.drops[k]) is not None
    ]
    if not any(d.headline for d in drops):
        noun = "placebos" if family == "control" else f"{family} variants"
        return Finding("no verdict", "no verdict", f" under {noun}: no interval")
    if family == "control":
        return _placebos(drops)
    return _apart(drops[0]) if len(drops) == 1 else _several_apart(family, drops)


def _apart(drop: Drop) -> Finding:
    """The one variant of a family that is never pooled."""
    where = f" under {drop.name}, which enters no family drop"
    interval = drop.headline
    basis = f" ({_basis(drop, interval)})" if interval else ""
    if not excludes_zero(drop) or (drop.estimate or 0.0) <= 0.0:
        found = f"{where}: {points(drop.estimate)} points{basis}{_power([drop])}"
        return Finding("no drop shown", "no drop shown", found)
    return Finding("drop", f"loses {size(drop.estimate or 0.0)} points", where + basis)


def _several_apart(family: str, drops: Sequence[Drop]) -> Finding:
    lost = [d for d in drops if excludes_zero(d) and (d.estimate or 0.0) > 0.0]
    noun = f"{family} variants, which enter no family drop"
    if not lost:
        where = f" under any of {len(drops)} {noun}"
        return Finding("no drop shown", "no drop shown", where + _power(drops))
    worst = max(lost, key=lambda d: d.estimate or 0.0)
    most = f"; most under {worst.name} ({points(worst.estimate)} points, picked after the fact)"
    return Finding("drop", "loses points", f" under {len(lost)} of {len(drops)} {noun}{most}")


def _placebos(drops: list[Drop]) -> Finding:
    moved = [d for d in drops if excludes_zero(d)]
    if not moved:
        where = " under the placebo" if len(drops) == 1 else f" under any of {len(drops)} placebos"
        return Finding("no drop shown", "no drop shown", where + _power(drops))
    names = ", ".join(f"{d.name} ({points(d.estimate)} points)" for d in moved)
    rest = f" ({len(moved)} of {len(drops)}): {names}; look for a fault before trusting the drops"
    return Finding("placebo moved", "placebo moved", rest)

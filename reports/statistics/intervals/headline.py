"""Which of a drop's two intervals leads, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oodrop import OodropError
from oodrop.reports.statistics.intervals.interval import MIN_CLUSTERS, Interval

Choice = Literal["auto", "bootstrap", "score"]
CHOICES: tuple[Choice, ...] = ("auto", "bootstrap", "score")

# Inside these bounds the bootstrap covered 93.9 to 96.9% in every simulated cell (FIELD_NOTES 3).
BOOTSTRAP_CLUSTERS = 30.0
BOOTSTRAP_DISCORDANT = 20


@dataclass(frozen=True)
class Evidence:
    """What the choice looks at: `g_star` effective clusters, `discordant` items that moved."""

    n: int
    g_star: float
    discordant: int
    binary: bool

    @property
    def words(self) -> str:
        """`50.0 effective clusters and 63 discordant pairs`."""
        return f"{self.g_star:.1f} effective clusters and {self._moved}"

    @property
    def _moved(self) -> str:
        noun = "discordant pair" if self.binary else "item"
        plural = "" if self.discordant == 1 else "s"
        return f"{self.discordant} {noun}{plural}" + " with a difference" * (not self.binary)

    @property
    def against_bootstrap(self) -> str:
        """Why the bootstrap must not lead, in words; empty where it may."""
        reasons = []
        if self.g_star < BOOTSTRAP_CLUSTERS:
            reasons.append(
                f"{self.g_star:.1f} effective clusters (the bootstrap needs "
                f"{BOOTSTRAP_CLUSTERS:.0f})"
            )
        if self.discordant < BOOTSTRAP_DISCORDANT:
            reasons.append(f"{self._moved} (the bootstrap needs {BOOTSTRAP_DISCORDANT})")
        return " and ".join(reasons)


@dataclass(frozen=True)
class Headline:
    """The interval that leads (None when there is none), the reason in words, flags."""

    interval: Interval | None
    reason: str
    flags: tuple[str, ...] = ()


def check_choice(choice: str) -> None:
    """Raise OodropError unless `choice` is one of `CHOICES`."""
    if choice not in CHOICES:
        raise OodropError(f"interval must be one of {', '.join(CHOICES)}; got {choice!r}")


def headline(
    bootstrap: Interval | None, score: Interval | None, evidence: Evidence, choice: Choice = "auto"
) -> Headline:
    """Bootstrap where G* >= 30 and at least 20 items moved, the other interval elsewhere.

    `choice` overrides; where the interval asked for does not exist the other one leads, flagged
    `fallback`. `disagree` when exactly one of the two excludes 0.
    """
    if bootstrap is None and score is None:
        return Headline(None, why_none(evidence))
    flags = ("disagree",) if _disagree(bootstrap, score) else ()
    if choice == "auto":
        return _auto(bootstrap, score, evidence, flags)
    chosen, other = (bootstrap, score) if choice == "bootstrap" else (score, bootstrap)
    if chosen is not None:
        return Headline(chosen, f"{choice} interval, as asked: {evidence.words}", flags)
    reason = f"the {choice} interval that was asked for does not exist: {evidence.words}"
    return Headline(other, reason, (*flags, "fallback"))


def _auto(
    bootstrap: Interval | None, score: Interval | None, evidence: Evidence, flags: tuple[str, ...]
) -> Headline:
    against = evidence.against_bootstrap
    if bootstrap is None:
        reason = against or f"the bootstrap has none (no spread): {evidence.words}"
        return Headline(score, f"score interval: {reason}", flags)
    if not against:
        return Headline(bootstrap, f"bootstrap: {evidence.words}", flags)
    if score is None:
        return Headline(bootstrap, f"bootstrap, for want of another: {against}", flags)
    return Headline(score, f"score interval: {against}", flags)


def why_none(evidence: Evidence) -> str:
    """Why there is no interval, in words."""
    if evidence.n == 0:
        return "no interval: no item was changed"
    if evidence.g_star < MIN_CLUSTERS:
        return (
            f"no interval: {evidence.g_star:.1f} effective clusters "
            f"(at least {MIN_CLUSTERS:.0f} are needed)"
        )
    return "no interval: every cluster shows the same difference, which leaves no spread to judge"


def _disagree(bootstrap: Interval | None, score: Interval | None) -> bool:
    if bootstrap is None or score is None:
        return False
    return bootstrap.excludes(0.0) != score.excludes(0.0)

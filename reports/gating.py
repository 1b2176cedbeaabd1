"""May a candidate replace a baseline? Two folders, a policy, one decision with its grounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from oodrop import NotComparableError, UnknownNameError
from oodrop.reports.gatepolicy import FAMILIES, VARIANTS, Policy, TaskPolicy
from oodrop.reports.generation import different_settings
from oodrop.reports.pairing import Group, name_checkpoints, one_checkpoint, pair
from oodrop.reports.results import CANONICAL, RunFile
from oodrop.reports.statistics import ALL, Gate, PairedScores, gate, holm
from oodrop.reports.statistics.columns import pooled_variants
from oodrop.reports.statistics.decisions.decision import Verdict
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES
from oodrop.reports.unmatched import unmatched

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT COMPARABLE"]


@dataclass(frozen=True)
class GateRow:
    """One gate and what it counts for.

    Attributes:
        gate: the decision by itself.
        must_pass: whether nothing passes unless this does.
        p_fail: its p value against "the loss is the margin or less", adjusted for all rows (Holm).
        decision: FAIL where the loss is above the margin also after the adjustment; PASS where the
            gate passes; INCONCLUSIVE between.
    """

    gate: Gate
    must_pass: bool
    p_fail: float | None
    decision: Verdict


@dataclass(frozen=True)
class GateReport:
    """One decision on a candidate.

    Attributes:
        decision: FAIL where some loss is above its margin after Holm's adjustment over all rows;
            else NOT COMPARABLE where something of the baseline has no counterpart; else PASS where
            everything that must pass does; else INCONCLUSIVE. FAIL and PASS are each wrong with a
            probability of at most alpha.
        reason: the decision in words.
        rows: of every task, what must pass first.
        missing: what the baseline has and the candidate cannot be compared on, and why.
        notes: what a reader must know besides.
    """

    baseline: str
    candidate: str
    alpha: float
    decision: Outcome
    reason: str
    rows: tuple[GateRow, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def run_gate(baseline: Path, candidate: Path, policy: Policy) -> GateReport:
    """Read two folders that each hold one checkpoint, or what `freeze` made of one, and decide.

    Raises:
        DataError: when a folder or a file in it cannot be used, or holds several checkpoints.
        NotComparableError: when nothing of the two can be compared, or what was asked under one
            name is not the same.
        UnknownNameError: for a name in the policy that a task does not have.
        OodropError: for an impossible margin or alpha.
    """
    before = _only("baseline", baseline)
    after = _only("candidate", candidate)
    runs = [*before, *after]
    names = name_checkpoints(runs)
    one, other = names[before[0].checkpoint_key], names[after[0].checkpoint_key]
    groups = pair(runs)
    both = [g for g in groups if {one, other} <= set(g.paired.checkpoints)]
    apart = (f"{task}: {why}" for task, why in unmatched(groups, one, other))
    missing = (*apart, *_narrowed(both, one))
    if not both:
        raise NotComparableError(f"nothing can be compared: {'; '.join(missing)}")
    gates = [
        (found, must) for group in both for found, must in _gates(group.paired, one, other, policy)
    ]
    if not gates:
        raise NotComparableError("nothing can be compared: no natural variant was run by both")
    adjusted = holm([found.p_fail for found, _ in gates])
    rows = tuple(
        GateRow(found, must, p, _verdict(found, p, policy.alpha))
        for (found, must), p in zip(gates, adjusted, strict=True)
    )
    decision, reason = _decided(rows, missing)
    return GateReport(
        baseline=one,
        candidate=other,
        alpha=policy.alpha,
        decision=decision,
        reason=reason,
        rows=rows,
        missing=missing,
        notes=(
            *_only_new(groups, both, other),
            *_identical(both, one, other),
            *(note for g in both for note in different_settings(g.paired.task, g.samples)),
        ),
    )


def _only(what: str, place: Path) -> list[RunFile]:
    """The runs of the one checkpoint there, marked so that it is never taken for another."""
    runs = one_checkpoint(what, place)
    # The same arguments may stand for other weights.
    return [replace(run, checkpoint_key=f"{what} {run.checkpoint_key}") for run in runs]


def _gates(
    paired: PairedScores, baseline: str, candidate: str, policy: Policy
) -> Iterator[tuple[Gate, bool]]:
    own = policy.of(paired.task)
    must = _names(paired, own.must_pass, own)
    watched = [name for name in _names(paired, own.watch, own) if name not in must]
    for name in (*must, *watched):
        found = gate(
            paired,
            baseline=baseline,
            candidate=candidate,
            margin=own.margin,
            name=name,
            on=own.on,
            alpha=policy.alpha,
        )
        yield found, name in must


def _names(paired: PairedScores, asked: Sequence[str], own: TaskPolicy) -> list[str]:
    """What names in a policy stand for in a task."""
    families = [f for f in HEADLINE_FAMILIES if pooled_variants(paired, f)]
    slugs = [v.slug for v in paired.variants if v.has_drop and v.family != "control"]
    stands_for = {
        ALL: [ALL] if families else [],
        FAMILIES: families,
        VARIANTS: _of_families(paired, own, slugs),
        **{family: [family] for family in families},
        **{slug: [slug] for slug in slugs},
    }
    found: dict[str, None] = {}
    for name in asked:
        if name not in stands_for:
            raise UnknownNameError(f"loss of the task {paired.task}", name, list(stands_for))
        found.update(dict.fromkeys(stands_for[name]))
    return list(found)


def _of_families(paired: PairedScores, own: TaskPolicy, slugs: Sequence[str]) -> list[str]:
    """All variants, or those of the families that must pass where nothing else must."""
    families = set(own.must_pass)
    if families <= set(HEADLINE_FAMILIES):
        return [v.slug for v in paired.variants if v.slug in slugs and v.family in families]
    return list(slugs)


def _verdict(found: Gate, p_fail: float | None, alpha: float) -> Verdict:
    if p_fail is not None and p_fail < alpha:
        return "FAIL"
    return "PASS" if found.decision == "PASS" else "INCONCLUSIVE"


def _decided(rows: Sequence[GateRow], missing: Sequence[str]) -> tuple[Outcome, str]:
    failed = [row.gate for row in rows if row.decision == "FAIL"]
    must = [row for row in rows if row.must_pass]
    passed = [row for row in must if row.decision == "PASS"]
    if failed:
        listed = ", ".join(f"{found.task} under {found.name}" for found in failed[:5])
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
        return "FAIL", f"more than the margin is lost: {listed}{more}"
    if missing:
        return "NOT COMPARABLE", "; ".join(missing)
    if len(passed) == len(must):
        return (
            "PASS",
            f"less than the margin is lost wherever it must be ({len(must)} of {len(must)})",
        )
    count = f"{len(passed)} of {len(must)} that must pass do"
    return "INCONCLUSIVE", f"{count}; nothing is shown to lose more than the margin"


def _narrowed(both: Sequence[Group], baseline: str) -> Iterator[str]:
    """Variants that the baseline has and the candidate has not."""
    for group in both:
        shared = {info.slug for info in group.paired.variants}
        lacking = [s for s in group.samples[baseline] if s != CANONICAL and s not in shared]
        if lacking:
            yield f"{group.paired.task}: the candidate did not run {', '.join(lacking)}"


def _only_new(groups: Sequence[Group], both: Sequence[Group], candidate: str) -> Iterator[str]:
    matched = {group.paired.task for group in both}
    new = {g.paired.task for g in groups if candidate in g.paired.checkpoints} - matched
    if new:
        yield f"the baseline did not run {', '.join(sorted(new))}, so nothing is said of it"


def _identical(both: Sequence[Group], baseline: str, candidate: str) -> Iterator[str]:
    for group in both:
        shared = [CANONICAL, *(info.slug for info in group.paired.variants)]
        one, other = (_digests(group.samples[name], shared) for name in (baseline, candidate))
        if one == other:
            yield (
                f"baseline and candidate gave identical replies on all of {group.paired.task}; "
                "are they the same weights, or did they share an answer cache?"
            )


def _digests(variants: Mapping[str, object], slugs: Sequence[str]) -> list[str]:
    return [getattr(variants[slug], "replies_digest", "") for slug in slugs]

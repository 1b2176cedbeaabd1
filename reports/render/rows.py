"""The rows that every table and chart of a task shows, in one order."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop.reports.model import TaskReport
from oodrop.reports.statistics import Drop, VariantInfo
from oodrop.reports.statistics.columns import Kind
from oodrop.reports.statistics.variant import EVIDENCE, FAMILIES, LINKED


@dataclass(frozen=True)
class Row:
    """One variant or family: its drop per checkpoint, in the order of `checkpoint_names`.

    `evidence` is the weakest level among the variants behind the row (empty when unknown); `note`
    says what sets the row apart, in a few words.
    """

    name: str
    kind: Kind
    family: str
    evidence: str
    note: str
    drops: tuple[Drop | None, ...]

    @property
    def label(self) -> str:
        """`lexical_keyboard_typo_s2`, or `lexical family`."""
        return f"{self.name} family" if self.kind == "family" else self.name

    @property
    def any_drop(self) -> Drop | None:
        """The first drop there is: changed items and clusters are the same for every checkpoint."""
        return next((d for d in self.drops if d is not None), None)


def checkpoint_names(task: TaskReport) -> tuple[str, ...]:
    """The task's checkpoints, in order."""
    return tuple(a.checkpoint for a in task.analysis.accuracies)


def rows(task: TaskReport) -> tuple[Row, ...]:
    """Variants grouped by family, in their own order, then the families."""
    drops = {(d.checkpoint, d.kind, d.name): d for d in task.analysis.drops}
    infos = {v.slug: v for v in task.variants}
    names = dict.fromkeys((d.kind, d.name, d.family) for d in task.analysis.drops)
    checkpoints = checkpoint_names(task)
    return tuple(
        Row(
            name=name,
            kind=kind,
            family=family,
            evidence=_evidence(kind, name, task.variants),
            note=_note(infos.get(name)) if kind == "variant" else "",
            drops=tuple(drops.get((c, kind, name)) for c in checkpoints),
        )
        for kind, name, family in sorted(names, key=lambda n: (n[0] == "family", _place(n[2])))
    )


def _place(family: str) -> int:
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _evidence(kind: Kind, name: str, variants: tuple[VariantInfo, ...]) -> str:
    if kind == "variant":
        return next((v.evidence for v in variants if v.slug == name), "")
    pooled = [v.evidence for v in variants if v.family == name and v.in_family_headline]
    return max(pooled, key=EVIDENCE.index, default="")


def _note(info: VariantInfo | None) -> str:
    if info is None or info.in_family_headline:
        return ""
    if info.family == "control":
        return "placebo"
    if info.family == LINKED:
        return "the task's own"
    return "apart" if info.family == "adversarial" else "assumed: in no family"

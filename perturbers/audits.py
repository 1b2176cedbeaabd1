"""What raters said of the perturbers: which variants may call their labels reviewed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from oodrop.perturbers.variant import Variant

FOLDER = Path(__file__).parent / "audit"
THRESHOLD = 0.97


@dataclass(frozen=True, slots=True)
class AuditBound:
    """The outcome of an audit of one perturber with one setting of its parameters.

    Attributes:
        perturber: its name.
        version: the version that was rated.
        parameters: the rated values as ``name=value;…``, or ``*`` where several were mixed.
        severity: the rated severity, None where it has none.
        rounds: the rounds of the audit that count, joined by ``+``.
        pairs: rated pairs.
        clusters: different clusters among them.
        lost: pairs whose answer did not stay the right one.
        unreadable: pairs that neither rater could read.
        agreement: share of the pairs on which both raters say the same.
        lower: two-sided 95% Clopper-Pearson lower limit of the share of clusters that
            lost no answer.
    """

    perturber: str
    version: str
    parameters: str
    severity: int | None
    rounds: str
    pairs: int
    clusters: int
    lost: int
    unreadable: int
    agreement: float
    lower: float


@cache
def audit_bounds() -> tuple[AuditBound, ...]:
    """Every row of ``audit/bounds.csv``."""
    with (FOLDER / "bounds.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            AuditBound(
                row["perturber"],
                row["version"],
                row["parameters"],
                int(row["severity"]) if row["severity"] else None,
                row["rounds"],
                int(row["pairs"]),
                int(row["clusters"]),
                int(row["lost"]),
                int(row["unreadable"]),
                float(row["agreement"]),
                float(row["lower"]),
            )
            for row in csv.DictReader(file)
        )


def is_reviewed(variant: Variant, version: str) -> bool:
    """Whether this very variant was audited, at this severity or a higher one, and kept its labels.

    Kept means that the lower limit for the share of kept answers reaches 97%.
    """
    parameters = parameters_text(variant)
    return any(
        (bound.perturber, bound.version, bound.parameters)
        == (variant.perturber, version, parameters)
        and bound.lower >= THRESHOLD
        and (variant.severity or 0) <= (bound.severity or 0)
        for bound in audit_bounds()
    )


def parameters_text(variant: Variant) -> str:
    """The parameters as an audit's tables write them."""
    return ";".join(f"{key}={value}" for key, value in variant.parameters.items())

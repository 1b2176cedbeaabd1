"""The certificate: what shows that a perturbed item kept its label."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from oodrop.perturbers.edits import Edit
from oodrop.perturbers.registry import Evidence

Outcome = Literal["canonical", "changed", "unchanged", "not_applicable", "refused"]


class Certificate(NamedTuple):
    """Outcome of one perturber on one item.

    Attributes:
        outcome: ``changed`` items are scored; ``unchanged``, ``not_applicable`` and ``refused``
            are three different things, each counted, none scored.
        evidence: level of evidence that the label was kept, None where nothing was changed.
        edits: what was done, invertible.
        guards: names of the guards that were run and held.
        reason: why the item is not applicable or was refused, else empty.
        canonical_sha256: `Item.sha256` of the item before the edits.
        eligible: how many words or units could have been edited, where the perturber says so;
            the edited fraction is ``len(edits) / eligible``.
    """

    outcome: Outcome
    evidence: Evidence | None
    edits: tuple[Edit, ...]
    guards: tuple[str, ...]
    reason: str
    canonical_sha256: str
    eligible: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {
            "outcome": self.outcome,
            "evidence": self.evidence,
            "edits": [edit.as_dict() for edit in self.edits],
            "guards": list(self.guards),
            "reason": self.reason,
            "canonical_sha256": self.canonical_sha256,
            "eligible": self.eligible,
        }

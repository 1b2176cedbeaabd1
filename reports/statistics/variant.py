"""What the statistics need to know about a variant."""

from __future__ import annotations

from dataclasses import dataclass

from oodrop import DataError

LINKED = "linked"
FAMILIES = ("lexical", "ordering", "phrasing", "adversarial", LINKED, "control")
HEADLINE_FAMILIES = ("lexical", "ordering", "phrasing")
EVIDENCE = ("proved", "checked", "reviewed", "assumed")
IDENTITY = "control.identity"
RERUN = "control.rerun"


@dataclass(frozen=True)
class VariantInfo:
    """One variant: canonical task x perturber x parameters x severity x seed.

    `slug` names it uniquely within a task, `perturber` is the registered name
    (`lexical.keyboard_typo`), `family` one of `FAMILIES` (`linked`: the task's own children of its
    items, told apart from what a perturber made), `severity` 1 to 5 or None, `evidence`
    the weakest level of evidence of its certificates, one of `EVIDENCE`.

    Raises DataError for an empty slug, an unknown family or level, or a severity outside 1 to 5.
    """

    slug: str
    perturber: str
    family: str
    severity: int | None
    evidence: str

    def __post_init__(self) -> None:
        if not self.slug:
            raise DataError(f"a variant of perturber {self.perturber!r} has an empty slug")
        self._check("family", self.family, FAMILIES)
        self._check("evidence", self.evidence, EVIDENCE)
        if self.severity is not None and self.severity not in range(1, 6):
            raise DataError(
                f"variant {self.slug!r}: severity must be 1 to 5 or None; got {self.severity!r}"
            )

    def _check(self, what: str, got: str, allowed: tuple[str, ...]) -> None:
        if got not in allowed:
            raise DataError(
                f"variant {self.slug!r}: {what} must be one of {', '.join(allowed)}; got {got!r}"
            )

    @property
    def scores_every_item(self) -> bool:
        """Whether this is a placebo or a rerun, which send and score every item."""
        return self.perturber in (IDENTITY, RERUN)

    @property
    def has_drop(self) -> bool:
        """False for sensitivity checks: they change the gold answer, so a drop means nothing."""
        return self.family != "control" or self.scores_every_item

    @property
    def in_family_headline(self) -> bool:
        """Whether its family pools it: natural families only, and never on `assumed` evidence."""
        return self.family in HEADLINE_FAMILIES and self.evidence != "assumed"

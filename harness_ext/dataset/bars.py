"""What the audit of the procedural set has to show, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """The least and the most that a figure of the audit may be (None: open), and the reason."""

    figure: str
    low: float | None
    high: float | None
    reason: str

    def judged(self, value: float | None) -> dict[str, Any]:
        """A row of the audit: figure, value, bar in words, and whether it is met."""
        met = (
            value is not None
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
        )
        return {
            "figure": self.figure,
            "value": value,
            "bar": self.words(),
            "met": met,
            "reason": self.reason,
        }

    def words(self) -> str:
        """The bar as a table shows it."""
        if self.low == self.high:
            return f"{self.low:,}"
        if self.low is None:
            return f"at most {self.high:,}"
        return f"at least {self.low:,}" if self.high is None else f"{self.low:,} to {self.high:,}"


_CHANCE = "near chance: surface alone does not help"
BARS = (
    Bar("items", 12_000, None, "no text twice; as many as the checkpoints' cards speak of"),
    Bar("procedures", 120, None, "40 or more of each of three domains"),
    Bar("n_types", 10, 10, "every type is there"),
    Bar("items_test", 3000, None, "what a drop is measured on"),
    Bar("items_heldout", 3000, None, "what it is compared with"),
    Bar("procedures_test", 30, None, "clusters enough for the bootstrap"),
    Bar("procedures_heldout", 30, None, "clusters enough for the bootstrap"),
    Bar("min_items_per_cohort", 600, None, "no cohort is a footnote"),
    Bar("max_label_imbalance", 0, 0, "half of every cohort is compliant, in every split"),
    Bar("checker_disagreements", 0, 0, "every label is what the checker derives"),
    Bar("procedures_of_equal_structure", 0, 0, "no procedure is another one in other words"),
    Bar("max_shared_words", None, 0.6, "nor in nearly the same words"),
    Bar("bow_accuracy_test", 0.8, 0.88, "the habit of writing is there to be fed on"),
    Bar("bow_accuracy_heldout", None, 0.62, _CHANCE),
    Bar("scenario_only_accuracy_heldout", None, 0.62, _CHANCE),
    Bar("length_accuracy_heldout", None, 0.62, _CHANCE),
    Bar("negation_accuracy_heldout", None, 0.62, _CHANCE),
    Bar("max_token_correlation_heldout", None, 0.15, "no single word tells the label"),
)


def judged(figures: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Every bar with the value that it is held against."""
    return [bar.judged(figures[bar.figure]) for bar in BARS]

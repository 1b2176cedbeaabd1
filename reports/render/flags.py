"""Flags in words: what each one warns of, and where it was raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from oodrop.reports.model import TaskReport

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "uninformative": "canonical accuracy is not shown to be above chance: a drop says nothing",
        "no_changed_items": "the variant changed no item, so there is no drop",
        "disagree": "one of the two intervals excludes 0 and the other does not: no firm verdict",
        "insufficient_clusters": (
            "fewer than 5 effective clusters: too few for any interval to keep its level"
        ),
        "low_information": "fewer than 20 effective clusters: read the interval with care",
        "degenerate": (
            "nothing varies between items: the interval rests on the number of clusters alone"
        ),
        "fallback": "the interval that was asked for does not exist, so the other one leads",
    }
)


@dataclass(frozen=True)
class FlagNote:
    """A flag, what it means, and the places (`checkpoint: row`) where it was raised."""

    flag: str
    meaning: str
    places: tuple[str, ...]

    @property
    def where(self) -> str:
        """The places in one line; a count where there are many."""
        if len(self.places) > 4:
            return f"{len(self.places)} places, among them {'; '.join(self.places[:3])}"
        return "; ".join(self.places)


def meaning(flag: str) -> str:
    """The flag in words; an unknown flag explains itself."""
    return WORDS.get(flag, flag.replace("_", " "))


def flag_notes(task: TaskReport) -> tuple[FlagNote, ...]:
    """Every flag raised in the task, in the order of `WORDS`, then unknown ones by name."""
    places: dict[str, list[str]] = {}
    for accuracy in task.analysis.accuracies:
        for flag in accuracy.flags:
            places.setdefault(flag, []).append(f"{accuracy.checkpoint}: canonical accuracy")
    for drop in task.analysis.drops:
        for flag in drop.flags:
            places.setdefault(flag, []).append(f"{drop.checkpoint}: {drop.name}")
    order = [*WORDS, *sorted(places.keys() - WORDS.keys())]
    return tuple(
        FlagNote(flag, meaning(flag), tuple(dict.fromkeys(places[flag])))
        for flag in order
        if flag in places
    )

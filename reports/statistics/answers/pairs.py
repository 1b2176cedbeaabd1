"""Every two checkpoints: are their ceilings equivalent, and do they then lose as much?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from oodrop.reports.statistics.answers.engagement import EngagementQuestion, engagement_question
from oodrop.reports.statistics.answers.equivalence import Equivalence, equivalent
from oodrop.reports.statistics.columns import ALL, one_column
from oodrop.reports.statistics.paired import PairedScores

MARGIN = 0.03


@dataclass(frozen=True)
class PairQuestions:
    """Checkpoints two by two: engaged against heuristic, where that question may be asked.

    `ceilings` compares the canonical accuracies of every pair. `asked` holds, for the pairs that
    were shown to be equivalent within `margin` and for these alone, one answer per name in the
    order of the names; the checkpoint that loses more under all natural variants stands in the
    place of the heuristic one. No interval is adjusted for the number of pairs.
    """

    margin: float
    ceilings: tuple[Equivalence, ...]
    asked: tuple[EngagementQuestion, ...]


def pair_questions(
    paired: PairedScores,
    checkpoints: Sequence[str],
    names: Collection[str],
    *,
    margin: float = MARGIN,
    alpha: float = 0.05,
) -> PairQuestions:
    """Ask of every two of `checkpoints`, under each of `names` (families, `ALL`).

    Raises:
        UnknownNameError: for a checkpoint or name that is not there.
        OodropError: for an impossible margin or alpha.
    """
    ceilings = tuple(
        equivalent(paired, a, b, margin=margin, alpha=alpha)
        for a, b in combinations(checkpoints, 2)
    )
    return PairQuestions(
        margin=margin,
        ceilings=ceilings,
        asked=tuple(
            engagement_question(
                paired, engaged=steady, heuristic=loser, name=name, margin=margin, alpha=alpha
            )
            for found in ceilings
            if found.equivalent
            for steady, loser in [_in_order(paired, found.a, found.b)]
            for name in names
        ),
    )


def _in_order(paired: PairedScores, a: str, b: str) -> tuple[str, str]:
    """The one that loses less under all natural variants, then the other."""
    first, second = (float(one_column(paired, c, ALL).differences.sum()) for c in (a, b))
    return (a, b) if first <= second else (b, a)

"""What is asked of a whole task: which loses more, which place, the worst, the slope, the share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

from oodrop.reports.statistics.answers.accuracy import accuracies
from oodrop.reports.statistics.answers.contrast import Contrast, contrast
from oodrop.reports.statistics.answers.crossed import Crossed, crossed
from oodrop.reports.statistics.answers.pairs import PairQuestions, pair_questions
from oodrop.reports.statistics.answers.plane import AccuracyPlane, accuracy_plane
from oodrop.reports.statistics.answers.ranks import RankSet, rank_sets
from oodrop.reports.statistics.answers.rates import Consistency, consistency
from oodrop.reports.statistics.answers.relative import (
    RelativeDrop,
    chance_corrected_drop,
    relative_drop,
)
from oodrop.reports.statistics.answers.sensitivity import Sensitivity, sensitivities
from oodrop.reports.statistics.answers.severity import SeverityCurve, severity_curves
from oodrop.reports.statistics.answers.worst import WorstVariant, worst_variant
from oodrop.reports.statistics.columns import ALL, pooled_variants
from oodrop.reports.statistics.decisions.multiplicity import holm
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.variant import HEADLINE_FAMILIES

# With fewer templates a crossed interval is too wide to say anything (see the coverage study).
MIN_TEMPLATES = 4


@dataclass(frozen=True)
class Questions:
    """The answers that need more than one column, in the order of the checkpoints.

    `contrasts` hold every two checkpoints that are shown to be above chance (others have nothing to
    lose) under every natural family and all of them together, `contrast_p` Holm's adjusted p values
    over all of these (None where there is none). `worst`, `ranks` and `relative` are over the
    natural variants too, `relative` each with its chance-corrected twin. `templates` are the
    phrasing perturbers with at least four variants. `plane` sets accuracy on the natural variants
    against canonical accuracy; `pairs` asks which of two checkpoints with one ceiling loses more,
    of the checkpoints that `contrasts` hold. `sensitivity` are the controls that change the right
    answer. Everything else is empty without natural variants, `contrasts` and `ranks` for a single
    checkpoint, `pairs` None where `contrasts` are empty.
    """

    contrasts: tuple[Contrast, ...] = ()
    contrast_p: tuple[float | None, ...] = ()
    worst: tuple[WorstVariant, ...] = ()
    ranks: tuple[RankSet, ...] = ()
    consistency: tuple[Consistency, ...] = ()
    severity: tuple[SeverityCurve, ...] = ()
    relative: tuple[RelativeDrop, ...] = ()
    chance_corrected: tuple[RelativeDrop, ...] = ()
    templates: tuple[Crossed, ...] = ()
    plane: AccuracyPlane | None = None
    pairs: PairQuestions | None = None
    sensitivity: tuple[Sensitivity, ...] = ()


def ask(
    paired: PairedScores,
    *,
    references: Collection[str] = (),
    resamples: int = 10_000,
    seed: int = 2026,
    level: float = 0.95,
) -> Questions:
    """Everything that a report answers beyond accuracies and drops.

    `references` are checkpoints that are no language models or know the answers: no line of
    effective robustness runs through them.

    Raises OodropError for an impossible level, seed or number of resamples.
    """
    noticed = sensitivities(paired, level=level)
    families = [f for f in HEADLINE_FAMILIES if pooled_variants(paired, f)]
    if not families:
        return Questions(sensitivity=noticed)
    names = [*families, ALL]
    several = len(paired.checkpoints) > 1
    able = [a.checkpoint for a in accuracies(paired) if not a.uninformative]
    contrasts = tuple(
        contrast(paired, a, b, name, level=level)
        for a, b in combinations(able, 2)
        for name in names
    )
    each = [(c, name) for c in paired.checkpoints for name in names]
    alpha = round(1.0 - level, 12)  # 0.05, not 0.050000000000000044
    return Questions(
        contrasts=contrasts,
        contrast_p=holm([c.p for c in contrasts]),
        worst=tuple(
            worst_variant(paired, c, resamples=resamples, seed=seed, level=level)
            for c in paired.checkpoints
        ),
        ranks=rank_sets(paired, resamples=resamples, seed=seed, level=level) if several else (),
        consistency=consistency(paired, level=level),
        severity=severity_curves(paired, level=level),
        relative=tuple(relative_drop(paired, c, n, level=level) for c, n in each),
        chance_corrected=tuple(chance_corrected_drop(paired, c, n, level=level) for c, n in each),
        templates=tuple(
            crossed(paired, c, slugs, level=level)
            for c in paired.checkpoints
            for slugs in _template_banks(paired)
        ),
        plane=accuracy_plane(paired, references=references, level=level),
        pairs=pair_questions(paired, able, names, alpha=alpha) if len(able) > 1 else None,
        sensitivity=noticed,
    )


def _template_banks(paired: PairedScores) -> Iterator[tuple[str, ...]]:
    """The variants of each phrasing perturber that has enough of them."""
    banks: dict[str, list[str]] = {}
    for v in pooled_variants(paired, "phrasing"):
        banks.setdefault(paired.variants[v].perturber, []).append(paired.variants[v].slug)
    return (tuple(slugs) for slugs in banks.values() if len(slugs) >= MIN_TEMPLATES)

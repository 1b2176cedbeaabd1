"""Drops with intervals: paired, clustered, and honest about where they do not hold.

    from oodrop.reports.statistics import PairedScores, VariantInfo, analyse

    analysis = analyse(PairedScores(task="procedural", metric="acc", ...))
    for drop in analysis.drops:
        print(drop.checkpoint, drop.name, drop.estimate, drop.headline, drop.headline_reason)

README.md in this folder says which question goes to which function, and which interval when.
"""

from oodrop.reports.statistics.analysis import Analysis, NoiseFloor, analyse, noise_floors
from oodrop.reports.statistics.answers.accuracy import Accuracy, accuracies
from oodrop.reports.statistics.answers.contrast import (
    AccuracyDifference,
    Contrast,
    accuracy_difference,
    contrast,
)
from oodrop.reports.statistics.answers.crossed import Crossed, crossed
from oodrop.reports.statistics.answers.drop import Drop
from oodrop.reports.statistics.answers.effective import EffectiveRobustness, effective_robustness
from oodrop.reports.statistics.answers.engagement import EngagementQuestion, engagement_question
from oodrop.reports.statistics.answers.equivalence import Equivalence, equivalent
from oodrop.reports.statistics.answers.pairs import PairQuestions, pair_questions
from oodrop.reports.statistics.answers.plane import AccuracyPlane, PlanePoint, accuracy_plane
from oodrop.reports.statistics.answers.ranks import RankSet, rank_sets
from oodrop.reports.statistics.answers.rates import Consistency, Moves, Rate, consistency
from oodrop.reports.statistics.answers.relative import (
    RelativeDrop,
    chance_corrected_drop,
    relative_drop,
)
from oodrop.reports.statistics.answers.seeds import OverSeeds, over_seeds
from oodrop.reports.statistics.answers.sensitivity import Sensitivity, sensitivities
from oodrop.reports.statistics.answers.severity import SeverityCurve, SeverityPoint, severity_curves
from oodrop.reports.statistics.answers.split import SplitDrop, split_drop
from oodrop.reports.statistics.answers.split_contrast import SplitContrast, split_contrast
from oodrop.reports.statistics.answers.versus import Versus, versus
from oodrop.reports.statistics.answers.worst import WorstVariant, worst_variant
from oodrop.reports.statistics.columns import ALL, Column, one_column
from oodrop.reports.statistics.decisions.decision import Decision, decide
from oodrop.reports.statistics.decisions.gate import Gate, GateFamily, gate, gate_family
from oodrop.reports.statistics.decisions.multiplicity import bonferroni, holm
from oodrop.reports.statistics.decisions.power import (
    Chances,
    detectable,
    gate_chances,
    icc,
    mde,
    required_items,
)
from oodrop.reports.statistics.decisions.sequential import Sequential, Standing, random_order
from oodrop.reports.statistics.intervals.bands import DropBands, bands, drop_bands
from oodrop.reports.statistics.intervals.bootstrap import bootstrap_t, cluster_weights
from oodrop.reports.statistics.intervals.closed import Values, closed_interval, p_value
from oodrop.reports.statistics.intervals.cv3 import cv3_t
from oodrop.reports.statistics.intervals.headline import Evidence, Headline, headline
from oodrop.reports.statistics.intervals.interval import Interval
from oodrop.reports.statistics.intervals.jackknife import jackknife_t
from oodrop.reports.statistics.intervals.score import score_ess, tango, wilson, wilson_ess
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.questions import Questions, ask
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums
from oodrop.reports.statistics.variant import VariantInfo

__all__ = [
    "ALL",
    "Accuracy",
    "AccuracyDifference",
    "AccuracyPlane",
    "Analysis",
    "Chances",
    "ClusterSums",
    "Column",
    "Consistency",
    "Contrast",
    "Crossed",
    "Decision",
    "Drop",
    "DropBands",
    "EffectiveRobustness",
    "EngagementQuestion",
    "Equivalence",
    "Evidence",
    "Gate",
    "GateFamily",
    "Headline",
    "Interval",
    "Moves",
    "NoiseFloor",
    "OverSeeds",
    "PairQuestions",
    "PairedScores",
    "PlanePoint",
    "Questions",
    "RankSet",
    "Rate",
    "RelativeDrop",
    "Sensitivity",
    "Sequential",
    "SeverityCurve",
    "SeverityPoint",
    "SplitContrast",
    "SplitDrop",
    "Standing",
    "Values",
    "VariantInfo",
    "Versus",
    "WorstVariant",
    "accuracies",
    "accuracy_difference",
    "accuracy_plane",
    "analyse",
    "ask",
    "bands",
    "bonferroni",
    "bootstrap_t",
    "chance_corrected_drop",
    "closed_interval",
    "cluster_sums",
    "cluster_weights",
    "consistency",
    "contrast",
    "crossed",
    "cv3_t",
    "decide",
    "detectable",
    "drop_bands",
    "effective_robustness",
    "engagement_question",
    "equivalent",
    "gate",
    "gate_chances",
    "gate_family",
    "headline",
    "holm",
    "icc",
    "jackknife_t",
    "mde",
    "noise_floors",
    "one_column",
    "over_seeds",
    "p_value",
    "pair_questions",
    "random_order",
    "rank_sets",
    "relative_drop",
    "required_items",
    "score_ess",
    "sensitivities",
    "severity_curves",
    "split_contrast",
    "split_drop",
    "tango",
    "versus",
    "wilson",
    "wilson_ess",
    "worst_variant",
]

"""Drops with intervals: paired, clustered, and honest about where they do not hold.

    from oodrop.reports.statistics import PairedScores, VariantInfo, analyse

    analysis = analyse(PairedScores(task="procedural", metric="acc", ...))
    for drop in analysis.drops:
        print(drop.checkpoint, drop.name, drop.estimate, drop.headline, drop.headline_reason)

Modules: `variant` and `paired` (what comes in), `columns` and `sums` (what the formulas see),
`bootstrap`, `score`, `cv3` (one kind of interval each), `headline` (which one leads), `accuracy`,
`drop`, `split`, `analysis` (what comes out), `numeric` (scipy and threadpoolctl, typed).
"""

from oodrop.reports.statistics.accuracy import Accuracy, accuracies
from oodrop.reports.statistics.analysis import Analysis, NoiseFloor, analyse, noise_floors
from oodrop.reports.statistics.bootstrap import bootstrap_t, cluster_weights
from oodrop.reports.statistics.cv3 import cv3_t
from oodrop.reports.statistics.drop import Drop
from oodrop.reports.statistics.headline import Evidence, Headline, headline
from oodrop.reports.statistics.interval import Interval
from oodrop.reports.statistics.paired import PairedScores
from oodrop.reports.statistics.score import score_ess, tango, wilson, wilson_ess
from oodrop.reports.statistics.split import SplitDrop, split_drop
from oodrop.reports.statistics.sums import ClusterSums, cluster_sums
from oodrop.reports.statistics.variant import VariantInfo

__all__ = [
    "Accuracy",
    "Analysis",
    "ClusterSums",
    "Drop",
    "Evidence",
    "Headline",
    "Interval",
    "NoiseFloor",
    "PairedScores",
    "SplitDrop",
    "VariantInfo",
    "accuracies",
    "analyse",
    "bootstrap_t",
    "cluster_sums",
    "cluster_weights",
    "cv3_t",
    "headline",
    "noise_floors",
    "score_ess",
    "split_drop",
    "tango",
    "wilson",
    "wilson_ess",
]

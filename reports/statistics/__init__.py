"""Drops with intervals: paired, clustered, and honest about where they do not hold.

    from oodrop.reports.statistics import PairedScores, VariantInfo, analyse

    analysis = analyse(PairedScores(task="procedural", metric="acc", ...))
    for drop in analysis.drops:
        print(drop.checkpoint, drop.name, drop.estimate, drop.headline, drop.headline_reason)

Modules: `variant` and `paired` (what comes in), `columns` and `sums` (what the formulas see),
`bootstrap`, `score`, `cv3` (one kind of interval each), `headline` (which one leads), `accuracy`,
`drop`, `analysis` (what comes out), `numeric` (scipy and threadpoolctl, typed).
"""

from .accuracy import Accuracy, accuracies
from .analysis import Analysis, NoiseFloor, analyse, noise_floors
from .bootstrap import bootstrap_t, cluster_weights
from .cv3 import cv3_t
from .drop import Drop
from .headline import Evidence, Headline, headline
from .interval import Interval
from .paired import PairedScores
from .score import score_ess, tango, wilson, wilson_ess
from .sums import ClusterSums, cluster_sums
from .variant import VariantInfo

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
    "tango",
    "wilson",
    "wilson_ess",
]

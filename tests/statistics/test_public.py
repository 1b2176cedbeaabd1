import subprocess
import sys

from oodrop.reports import statistics


def test_public_names():
    assert statistics.__all__ == sorted(statistics.__all__)
    assert set(statistics.__all__) == {
        "ALL", "Accuracy", "AccuracyDifference", "AccuracyPlane", "Analysis", "Chances",
        "ClusterSums", "Column", "Consistency", "Contrast", "Crossed", "Decision", "Drop",
        "DropBands", "EffectiveRobustness", "EngagementQuestion", "Equivalence", "Evidence", "Gate",
        "GateFamily", "Headline", "Interval", "Moves", "NoiseFloor", "OverSeeds", "PairQuestions",
        "PairedScores", "PlanePoint", "Questions", "RankSet", "Rate", "RelativeDrop",
        "Sensitivity", "Sequential",
        "SeverityCurve", "SeverityPoint", "SplitContrast", "SplitDrop", "Standing", "Values",
        "VariantInfo", "Versus", "WorstVariant", "accuracies", "accuracy_difference",
        "accuracy_plane", "analyse", "ask", "bands", "bonferroni", "bootstrap_t",
        "chance_corrected_drop",
        "closed_interval", "cluster_sums", "cluster_weights", "consistency", "contrast", "crossed",
        "cv3_t", "decide", "detectable", "drop_bands", "effective_robustness",
        "engagement_question", "equivalent", "gate", "gate_chances", "gate_family", "headline",
        "holm", "icc", "jackknife_t", "mde", "noise_floors", "one_column", "over_seeds", "p_value",
        "pair_questions", "random_order", "rank_sets", "relative_drop", "required_items",
        "score_ess", "sensitivities", "severity_curves", "split_contrast", "split_drop", "tango",
        "versus",
        "wilson", "wilson_ess", "worst_variant",
    }  # fmt: skip
    assert all(hasattr(statistics, name) for name in statistics.__all__)


def test_every_public_name_is_documented():
    assert all(getattr(statistics, name).__doc__ for name in statistics.__all__)


def test_import_stays_light():
    code = (
        "import sys, oodrop.reports.statistics; "
        "print([m for m in ('torch', 'lm_eval', 'transformers', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert out.stdout.strip() == "[]"

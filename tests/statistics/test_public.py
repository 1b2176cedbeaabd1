import subprocess
import sys

from oodrop.reports import statistics


def test_public_names():
    assert statistics.__all__ == sorted(statistics.__all__)
    assert set(statistics.__all__) == {
        "Accuracy", "Analysis", "ClusterSums", "Drop", "Evidence", "Headline", "Interval",
        "NoiseFloor", "PairedScores", "SplitDrop", "VariantInfo", "accuracies", "analyse",
        "bootstrap_t",
        "cluster_sums", "cluster_weights", "cv3_t", "headline", "noise_floors", "score_ess",
        "split_drop", "tango", "wilson", "wilson_ess",
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

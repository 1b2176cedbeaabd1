"""Builders shared by the statistics tests; session-scoped, so that Hypothesis may use them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from oodrop.reports.statistics import PairedScores, VariantInfo


def variant(slug="v0", perturber=None, family="lexical", severity=None, evidence="proved"):
    return VariantInfo(slug, perturber or f"{family}.{slug}", family, severity, evidence)


@pytest.fixture(scope="session")
def make_variant() -> Callable[..., VariantInfo]:
    return variant


@pytest.fixture(scope="session")
def make_paired() -> Callable[..., PairedScores]:
    """canonical [I] or [C, I]; scores [I], [V, I] or [C, V, I]; everything else has a default."""

    def make(canonical, scores, clusters=None, changed=None, variants=None, **more):
        canonical = np.atleast_2d(np.asarray(canonical, float))
        scores = np.asarray(scores, float)
        while scores.ndim < 3:
            scores = scores[None]
        c, v, i = scores.shape
        fields = {
            "task": "procedural",
            "metric": "acc",
            "chance": 0.5,
            "checkpoints": tuple(f"ckpt{k}" for k in range(c)),
            "variants": tuple(variants or [variant(f"v{k}") for k in range(v)]),
            "item_ids": tuple(f"item{k:05d}" for k in range(i)),
            "clusters": np.arange(i) if clusters is None else np.asarray(clusters),
            "canonical": canonical,
            "scores": scores,
            "changed": np.ones((v, i), bool) if changed is None else np.atleast_2d(changed),
        }
        return PairedScores(**(fields | more))

    return make


@pytest.fixture(scope="session")
def simulate() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Right or wrong for two conditions by a Gaussian threshold model with cluster effects.

    Latent score = sqrt(icc) cluster + sqrt(1 - icc) item; between the conditions both parts
    correlate .5, so the differences are clustered too. Marginal accuracies are exact.
    """

    def draw(reps, clusters, per_cluster, first, second, icc, seed):
        rng = np.random.default_rng(seed)

        def pair(*shape):
            common = rng.standard_normal(shape)
            return [np.sqrt(0.5) * (common + rng.standard_normal(shape)) for _ in range(2)]

        group = pair(reps, clusters, 1)
        item = pair(reps, clusters, per_cluster)
        right = [
            (np.sqrt(icc) * g + np.sqrt(1 - icc) * e < stats.norm.ppf(p)).reshape(reps, -1)
            for g, e, p in zip(group, item, (first, second), strict=True)
        ]
        return right[0] * 1.0, right[1] * 1.0, np.repeat(np.arange(clusters), per_cluster)

    return draw

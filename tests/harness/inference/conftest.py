"""A tiny checkpoint behind both backends, and the calls of the bench for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from oodrop.harness_ext.bench.backends import load_pair
from oodrop.harness_ext.bench.mixes import calls_of_mixes
from oodrop.harness_ext.checkpoints import CheckpointSpec


@pytest.fixture(scope="module")
def checkpoint(tiny_model: Path) -> CheckpointSpec:
    args = {"pretrained": str(tiny_model), "dtype": "float32"}
    return CheckpointSpec("tiny", "hf", args, device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def lms(checkpoint: CheckpointSpec) -> dict[str, Any]:
    """Both backends, with the probe of the first call behind them."""
    pair = load_pair(checkpoint, None)
    for lm in pair.values():
        lm.loglikelihood([Instance("loglikelihood", {}, ("a", "b"), 0)], disable_tqdm=True)
    return pair


@pytest.fixture(scope="module")
def calls(checkpoint: CheckpointSpec) -> Any:
    return calls_of_mixes(checkpoint, None)

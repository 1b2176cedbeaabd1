"""The general reasoning set: derivations that are written down, so that they never change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import yaml

from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.tasks import tasks_dir

DERIVATIONS = tasks_dir() / "general" / "derivations.yaml"
_SUBJECTS = (
    "biology", "business", "chemistry", "computer_science", "economics", "engineering", "health",
    "history", "law", "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip
MMLU_PRO = tuple(f"mmlu_pro_{subject}" for subject in _SUBJECTS)
GENERAL = (
    "arc_challenge", "gsm8k", "hendrycks_math500", "gpqa_diamond_cot_zeroshot",
    *MMLU_PRO,
    "theoremqa", "math500_free", "gsm8k_free", "mmlu_pro_free",
)  # fmt: skip


@cache
def general_derivations() -> Mapping[str, Derivation]:
    """Derivation of every task of the set, by name.

    Raises:
        DataError: when the file is damaged.
    """
    rows = yaml.safe_load(DERIVATIONS.read_text("utf-8")) if DERIVATIONS.exists() else {}
    return {n: Derivation.from_dict(row, f"{DERIVATIONS.name}, {n}") for n, row in rows.items()}

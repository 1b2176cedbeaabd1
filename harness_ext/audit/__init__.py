"""Blind audits: pairs of prompts for raters who know neither perturber nor purpose, and bounds.

`read_plan` says what is drawn, `draw` draws it, `write_sheets` gives each rater a sheet and keeps
the key apart, `read_round` joins the key with what the raters said, and `verdicts` makes a lower
limit per perturber of it. The command is ``oodrop audit``.
"""

from __future__ import annotations

from oodrop.harness_ext.audit.bounds import (
    Verdict,
    decoys_found,
    kappa,
    lower_bound,
    verdicts,
    was_lost,
)
from oodrop.harness_ext.audit.pairs import ALTERED, CLEAN, PLANTED, SAMPLED, Pair
from oodrop.harness_ext.audit.plan import AuditPlan, read_plan
from oodrop.harness_ext.audit.ratings import COLUMNS, read_ratings, read_round
from oodrop.harness_ext.audit.sampling import draw
from oodrop.harness_ext.audit.sheets import tie_sheet, write_sheets
from oodrop.harness_ext.audit.tables import merged, write_tables

__all__ = [
    "ALTERED",
    "CLEAN",
    "COLUMNS",
    "PLANTED",
    "SAMPLED",
    "AuditPlan",
    "Pair",
    "Verdict",
    "decoys_found",
    "draw",
    "kappa",
    "lower_bound",
    "merged",
    "read_plan",
    "read_ratings",
    "read_round",
    "tie_sheet",
    "verdicts",
    "was_lost",
    "write_sheets",
    "write_tables",
]

"""Plugin perturbers: label-preserving rewrites of items, with guards and certificates."""

from __future__ import annotations

from oodrop.perturbers.certificate import Certificate, Outcome
from oodrop.perturbers.edits import (
    Edit,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Use,
    apply_edits,
    undo_edits,
)
from oodrop.perturbers.engine import Bound, Perturbed, perturb
from oodrop.perturbers.item import Inversion, Item, Units
from oodrop.perturbers.registry import (
    NotApplicable,
    Perturber,
    Proposal,
    all_perturbers,
    get_perturber,
    load_plugin,
    perturber,
)
from oodrop.perturbers.suites import Suite, all_suites, get_suite
from oodrop.perturbers.variant import Variant

__all__ = [
    "Bound",
    "Certificate",
    "Edit",
    "Inversion",
    "Item",
    "NotApplicable",
    "Outcome",
    "Perturbed",
    "Perturber",
    "Proposal",
    "Regold",
    "Relabel",
    "Reorder",
    "Replace",
    "Suite",
    "Units",
    "Use",
    "Variant",
    "all_perturbers",
    "all_suites",
    "apply_edits",
    "get_perturber",
    "get_suite",
    "load_plugin",
    "perturb",
    "perturber",
    "undo_edits",
]

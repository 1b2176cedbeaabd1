"""Any task of lm-eval as a robustness task: what its documents are made of, found and proved."""

from __future__ import annotations

from oodrop.harness_ext.derive.bases import NotDerivableError
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.inference import Found, Overrides
from oodrop.harness_ext.derive.registry import derive, get_task, task_names
from oodrop.harness_ext.derive.spec import DerivedSpec

__all__ = [
    "Derivation",
    "DerivedSpec",
    "Found",
    "NotDerivableError",
    "Overrides",
    "derive",
    "get_task",
    "task_names",
]

"""The lm-eval extension: perturbed tasks, reference models, runner and command line.

Importing this package registers oodrop's models with lm-eval; nothing else happens.
"""

from __future__ import annotations

from oodrop.harness_ext import models as _models

__all__ = ["_models"]

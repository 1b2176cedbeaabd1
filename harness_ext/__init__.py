"""The lm-eval extension: perturbed tasks, reference models, runner and command line.

Importing this package imports nothing heavy; `oodrop.harness_ext.models` registers the models.
"""

from __future__ import annotations

"""The ``oodrop`` command line; each module adds its commands, `main` runs them."""

from __future__ import annotations

from oodrop.harness_ext.cli import (  # noqa: F401  # they register their commands
    audit,
    bank,
    bench,
    compare,
    coverage,
    data,
    derive,
    evaluate,
    gate,
    leaderboard,
    look,
    perturb,
    plan,
    score,
    submit,
    train,
    verify,
)
from oodrop.harness_ext.cli.app import main

__all__ = ["main"]

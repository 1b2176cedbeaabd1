"""oodrop: how much accuracy survives when only the surface of the questions changes.

Exception tree (the number is the exit code of the command line):

    OodropError            2   bad input or usage
    ├── UnknownNameError   2   a perturber, task, suite or model that does not exist
    ├── DataError          2   a file that is missing, damaged or of the wrong shape
    ├── NotComparableError 3   results that must not be put side by side
    └── RunError           5   an evaluation or a plugin that failed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "NotComparableError",
    "OodropError",
    "RunError",
    "UnknownNameError",
    "__version__",
]


class OodropError(Exception):
    """Base of every error that oodrop raises on purpose: one sentence, no traceback needed."""

    exit_code = 2


class DataError(OodropError):
    """A file that is missing, damaged or of the wrong shape; the message says which and where."""


class NotComparableError(OodropError):
    """Results that differ in more than what is being measured."""

    exit_code = 3


class RunError(OodropError):
    """An evaluation or a plugin that failed while running."""

    exit_code = 5


class UnknownNameError(OodropError):
    """A name that no registry holds; the message lists what exists, nearest first."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=len(self.known), cutoff=0.4)
        ordered = near + [k for k in self.known if k not in near]
        listed = ", ".join(ordered) if ordered else "none are registered"
        super().__init__(f"unknown {kind} {name!r}; there are: {listed}")

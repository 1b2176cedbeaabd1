"""Values from files, checked: what is wrong with one is said in a few words."""

from __future__ import annotations

import sys

from oodrop import DataError


def finite(value: object, metric: str, where: str) -> float:
    """The value of a metric; DataError unless it is a finite number (or a boolean)."""
    # The comparison is false for NaN too, and safe for an integer of any length.
    if not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise DataError(
            f"{where}: metric {shown(metric)} must be a finite number, got {shown(value)}"
        )
    return float(value)


def printable(text: str) -> str:
    """A name without what could break out of a line of a log or a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shown(value: object) -> str:
    """A value for a message: short, and never a walk through what may be nested deeply."""
    return type(value).__name__ if isinstance(value, (dict, list)) else repr(value)[:60]

"""math_verify and sympy, loaded when first needed; what they are given has to be tame."""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from typing import Any

__all__ = ["differ", "evaluated", "verify"]

# Where expressions are compared by value; another point for each of the first seven symbols.
_POINTS = (0.731, 1.277, 0.419, 1.631, 0.877, 1.093, 0.563)
_ERRORS = (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)


def verify(found: str, gold: str) -> bool:
    """Whether math_verify takes two answers for equal, without its own limit of time."""
    parsed = [list(_parsed(side)) for side in (gold, found)]
    return bool(_math_verify().verify(*parsed, timeout_seconds=None))


def evaluated(text: str) -> float | None:
    """The real number that an expression is; None where it is none."""
    for value in _parsed(text):
        try:
            return float(value.doit())
        except _ERRORS:
            continue
    return None


def differ(found: str, gold: str) -> bool:
    """Whether two expressions or equations have other values at the same points.

    This keeps most of what is not equal away from symbolic simplification, which has no bound in
    time. False where it cannot be said. Equations are compared up to a factor.
    """
    sides = [next(iter(_parsed(side)), None) for side in (found, gold)]
    import sympy

    equations = all(isinstance(side, sympy.Eq) for side in sides)
    ours, theirs = (_zero_form(side, equations) for side in sides)
    if ours is None or theirs is None:
        return False
    values = [_values(ours, theirs, shift) for shift in range(3)]
    if None in values:
        return False
    known = [pair for pair in values if pair is not None]
    if equations:
        a, b = known[0]
        return any(abs(a * y - b * x) > 1e-9 * abs(a * y) + 1e-30 for x, y in known[1:])
    return any(abs(x - y) > 2e-6 * max(1.0, abs(y)) for x, y in known)


def _zero_form(side: Any, equations: bool) -> Any | None:
    """An expression; of an equation the difference of its sides, or its right side alone."""
    import sympy

    if isinstance(side, sympy.Eq):
        if not all(isinstance(part, sympy.Expr) for part in side.args):
            return None
        side = side.lhs - side.rhs if equations else side.rhs
    return side if isinstance(side, sympy.Expr) else None


def _values(ours: Any, theirs: Any, shift: int) -> tuple[complex, complex] | None:
    symbols = ours.free_symbols | theirs.free_symbols
    names = sorted({symbol.name for symbol in symbols})
    points = {s: _POINTS[(names.index(s.name) + shift) % len(_POINTS)] for s in symbols}
    try:
        a, b = (complex(side.doit().evalf(25, subs=points)) for side in (ours, theirs))
    except _ERRORS:
        return None
    return (a, b) if math.isfinite(abs(a)) and math.isfinite(abs(b)) else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[Any, ...]:
    library = _math_verify()
    config = [library.LatexExtractionConfig(boxed_match_priority=0)]
    return tuple(library.parse(rf"\boxed{{{text}}}", config, parsing_timeout=None))


@lru_cache(maxsize=1)
def _math_verify() -> Any:
    """The library; its one warning says that limits are up to the caller, and here they are."""
    import math_verify

    for part in ("parser", "grader"):
        logging.getLogger(f"math_verify.{part}").setLevel(logging.ERROR)
    return math_verify

"""A grammar of prompt formats: one source, many separators, casings, gaps and bullets.

The dimensions are those of FormatSpread (Sclar et al. 2024, "Quantifying language models'
sensitivity to spurious features in prompt design", ICLR, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

_HEADS = ("title", "upper", "lower")
_SEPARATORS = (": ", " - ", ":\n", " = ")
_GAPS = ("\n\n", "\n", "\n---\n")
_BULLETS = ("- ", "* ", "• ", "")
COUNT = 16


def formatted(source: str) -> Mapping[str, str]:
    """Templates ``format_01`` to ``format_16`` of a source that uses the four style variables.

    They are spread over the grammar's 144 formats by a step that shares no factor with their
    number, so that every value of every dimension occurs.
    """
    grammar = list(product(_HEADS, _SEPARATORS, _GAPS, _BULLETS))
    step = 13  # no factor in common with 144
    chosen = [grammar[(1 + k * step) % len(grammar)] for k in range(COUNT)]
    return {f"format_{k:02d}": _with(source, *style) for k, style in enumerate(chosen, 1)}


def _with(source: str, head: str, sep: str, gap: str, bullet: str) -> str:
    values = {"head": head, "sep": sep, "gap": gap, "bullet": bullet}
    return "".join(f"{{% set {k} = {_quoted(v)} %}}" for k, v in values.items()) + source


def _quoted(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'

"""Whether an answer that was found is the reference answer.

Mathematics is decided by math_verify (LaTeX to sympy, then numeric and symbolic comparison), not by
hand. Two things are ours: plain-text forms that it misreads are rewritten first (``1.5e3``, ``3
1/2``, ``90°``, ``2pi``), and what could keep it busy for ever is never handed to it, see
``tame.py``: its own time limit uses ``signal.alarm``, which works in the main thread alone.
"""

from __future__ import annotations

import math
import re

from oodrop.tasks.general.algebra import differ, evaluated, verify
from oodrop.tasks.general.tame import is_tame

__all__ = [
    "LABELS", "TOLERANCE", "letter", "number", "numbers", "same_letter", "same_math",
    "same_theoremqa", "truth",
]  # fmt: skip

LABELS = "ABCDEFGHIJ"
# TheoremQA: a float is right within 4% of the reference (Chen et al. 2023, section 3.3).
TOLERANCE = 0.04

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s+)?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Za-z])(?=\s*[).:,]|\s*\Z))",
    re.I,
)
_LABEL_IN_BRACKETS = re.compile(r"[(\[]\s*([A-J])\s*[)\]]", re.I)
_LABEL_BY_ITSELF = re.compile(r"(?:\bor\b|\band\b|[,/&])\s*[(\[]?\s*([A-J])\s*[)\]]?\s*\Z", re.I)
_TRUTH = re.compile(
    r"(?:(?:it|this|that|the\s+statement|the\s+claim)\s+is\s+)?"
    r"(?:(true|yes|correct)|(false|no|incorrect))(?:\s*\Z|\s*[.,;:!(])",
    re.I,
)
_REWRITES = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"[\u2212\u2010-\u2013\ufe63\uff0d]", "-"),
        (r"[\u00a0\u2000-\u200b\u202f]", " "),
        (r"°", r"^\\circ "),
        (r"(?<![\\A-Za-z])(?:pi|Pi)(?![A-Za-z])|π", r"\\pi "),
        (r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])|∞", r"\\infty "),
        (r"(?<![\w.])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])", r"\1\\frac{\2}{\3}"),
        (r"(?<![\\\w])(\d*\.?\d+)[eE]([-+]?\d{1,3})(?!\w)", r"\1\\times 10^{\2}"),
        (r"(?:\^|\*\*)\s*(-\d+)", r"^{\1}"),
        (r"(?<![\\A-Za-z])(ln|log|exp|sin|cos|tan)(?=\s*[({])", r"\\\1"),
        (r"×|·", r"\\times "),
        (r"(?:\\approx|≈|\\sim\b|~|\b(?:approximately|about|approx\.?|roughly)\b)", " "),
        (r"≤", r"\\le "),
        (r"≥", r"\\ge "),
        (r"∪", r"\\cup "),
    )
)
_PERCENT = re.compile(r"\s*(?:\\?%|\\text\{\s*percent\s*\}|\bpercent)\s*\Z", re.I)
_WORDS = re.compile(r"[A-Za-z][a-z]{3,}(?:[\s-]+[A-Za-z]+)*")
_BASE = re.compile(r"\d_\{?(\d+)\}?\s*\Z")
_ENCLOSED = re.compile(r"(?:\\left\s*)?(\\\{|[\[({])(.*?)(?:\\right\s*)?(\\\}|[\])}])", re.S)
_BRACKETS = frozenset({"[]", "()", "{}", r"\{\}", "[)", "(]"})
_MATRIX = re.compile(r"\\begin\{[pbvB]?matrix\}(.*)\\end\{[pbvB]?matrix\}", re.S)
_ASSIGNED = re.compile(r"[^=,]{1,80}(?<![<>!])=\s*(?=[^=])")
# A number and its unit in words or symbols ("5 m/s^2"), where it is no product ("5 x").
_WITH_UNIT = re.compile(
    r"([-+]?\d[\d,]*\.?\d*(?:\s*\\times\s*10\^\{[-+]?\d+\})?)\s+"
    r"(?!(?:[a-cijknp-qx-z]|and|or|to|of|out|million|billion|trillion|thousand|hundred|dozen|percent)\b)"
    r"[A-Za-zµμΩ][A-Za-zµμΩ/.·\s-]*(?:\^\{?-?\d\}?[A-Za-z/.·\s-]*)*"
)
_COMMANDS = re.compile(r"\\[A-Za-z]+")
# A sum, difference, product or power with a letter in it.
_UNSOLVED = re.compile(r"[A-Za-z)}]\s*[-+*/^]|[-+*/]\s*[A-Za-z]|\d[A-Za-z]")
# A right answer that is this many times longer than the reference, and more, is not looked for.
LONGER = 8
# Below this, math_verify's rounding to six decimals is too coarse to tell numbers apart.
_SMALL = 1e-3


def letter(text: str, labels: str = LABELS) -> str | None:
    r"""The label that an answer names, as ``B``, ``(b)``, ``\text{B}`` or ``(B) 5 m``; else None.

    An answer that names two labels names none, and the article of "A car" is no label.
    """
    text = _plain(text).strip()
    found = _LETTER.match(text)
    if not found:
        return None
    label = (found[1] or found[2]).upper()
    others = {other.upper() for other in _LABEL_IN_BRACKETS.findall(text)}
    others |= {other.upper() for other in _LABEL_BY_ITSELF.findall(text)}
    return label if label in labels and others <= {label} else None


def same_letter(found: str, gold: str, labels: str = LABELS) -> bool:
    """Whether two answers name the same label, whatever the form it is written in."""
    label = letter(found, labels)
    return label is not None and label == letter(gold, labels)


def same_math(found: str, gold: str) -> bool:
    """Whether two mathematical answers are equal: numbers, expressions, sets, intervals, matrices.

    Units and degree signs are left out, a percentage equals its number (``50%`` is 50 and 0.5),
    and ``x = 3`` equals 3. Words are compared as words. What is too large to be compared in bounded
    time is equal only if it is written alike.
    """
    found, gold = _rewrite(found), _rewrite(gold)
    if not found or not gold:
        return False
    if _folded(found) == _folded(gold):
        return True
    if percent := _PERCENT.search(found):
        return _same_percentage(found[: percent.start()], gold)
    if percent := _PERCENT.search(gold):
        return _same_percentage(gold[: percent.start()], found)
    if _WORDS.fullmatch(_plain(found)) or _WORDS.fullmatch(_plain(gold)):
        return False
    found, gold = _without_unit(found), _without_unit(gold)
    bases = [base[1] for side in (found, gold) if (base := _BASE.search(side))]
    if len(set(bases)) > 1 or not (is_tame(found) and is_tame(gold)):
        return False
    if _says_more(found, gold) or differ(found, gold):
        return False
    return verify(found, gold) and _near_if_small(found, gold)


def number(text: str) -> float | None:
    """The number that an answer is, without its unit; None when it is none, or not a finite one.

    A percentage is a hundredth of its number, of ``x = 3`` it is the right side.
    """
    text = _without_unit(_rewrite(text))
    if percent := _PERCENT.search(text):
        value = number(text[: percent.start()])
        return None if value is None else value / 100
    value = _float(text.replace(",", "")) if len(text) < 100 else None
    if value is None and is_tame(text):
        value = evaluated(_without_unit(_ASSIGNED.sub("", text)))
    return value if value is not None and math.isfinite(value) else None


def numbers(text: str) -> list[float] | None:
    """The numbers of a list in ``[ ]``, ``( )``, ``{ }``, a matrix, or with commas alone."""
    text = _ASSIGNED.sub("", _rewrite(text)).strip()
    if matrix := _MATRIX.fullmatch(text):
        parts = re.split(r"\\\\|&", matrix[1])
    else:
        enclosed = _ENCLOSED.fullmatch(text)
        whole = enclosed is not None and enclosed[1] + enclosed[3] in _BRACKETS
        parts = (enclosed[2] if enclosed and whole else text).split(",")
    values = [number(part) for part in parts[:1000] if part.strip()]
    known = [value for value in values if value is not None]
    return known if known and len(known) == len(values) else None


def truth(text: str) -> bool | None:
    """True or False where the answer says so first ("Yes, …"); None where it says neither."""
    found = _TRUTH.match(_plain(text).strip())
    return None if found is None else found[1] is not None


def same_theoremqa(found: str, gold: str, kind: str) -> bool:
    """Whether an answer is right by the kind that TheoremQA gives it.

    Args:
        found: the answer.
        gold: the reference, as text.
        kind: ``float`` (within 4% of the reference), ``integer`` (exactly), ``bool`` (the word),
            ``option`` (the letter), ``list of integer`` and ``list of float`` (as many, in the same
            order, each as its kind says).

    Raises:
        ValueError: when there is no such kind.
    """
    if kind == "bool":
        return truth(found) is not None and truth(found) == truth(gold)
    if kind == "option":
        return same_letter(found, gold)
    if kind not in ("float", "integer", "list of float", "list of integer"):
        raise ValueError(f"TheoremQA has no answers of kind {kind!r}")
    ours, theirs = (_values(side, kind) for side in (found, gold))
    if ours is None or theirs is None or len(ours) != len(theirs):
        return False
    slack = (TOLERANCE if kind.endswith("float") else 0) + 1e-9
    return all(abs(a - b) <= slack * abs(b) for a, b in zip(ours, theirs, strict=True))


def _values(text: str, kind: str) -> list[float] | None:
    if kind.startswith("list"):
        return numbers(text)
    value = number(text)
    return None if value is None else [value]


def _rewrite(text: str) -> str:
    if len(text) > 20_000:  # of such a text nothing but its identity matters
        return text
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    return text.strip().strip("$").strip().rstrip(".").strip()


def _same_percentage(percentage: str, other: str) -> bool:
    """Whether a percentage, given without its sign, is the other answer, or a hundredth of it is.

    Decided here because math_verify's parser knows the sign with some versions of antlr4 alone.
    """
    if percent := _PERCENT.search(other):
        return same_math(percentage, other[: percent.start()])
    value = number(percentage)
    hundredth = value is not None and same_math(f"{value / 100:.12g}", other)
    return hundredth or same_math(percentage, other)


def _without_unit(text: str) -> str:
    found = _WITH_UNIT.fullmatch(text) if len(text) < 100 else None
    return found[1] if found else text


def _plain(text: str) -> str:
    """Without the wrappers of text in LaTeX, and without marks of emphasis."""
    return _TEXT.sub(r"\1", text).replace("$", "").replace("*", "").strip()


def _folded(text: str) -> str:
    return re.sub(r"\s+|\\[,!;: ]", "", _TEXT.sub(r"\1", text)).casefold()


def _float(text: str) -> float | None:
    try:
        return float(text) if not text.lower().strip("+-").startswith(("n", "i")) else None
    except ValueError:
        return None


def _says_more(found: str, gold: str) -> bool:
    """Whether the answer is far longer than the reference, or an equation in place of a value.

    ``x = 0`` and ``2 + 3 = 5`` give a value; ``x + 2 = 0`` does not say 0.
    """
    left, equals, _ = found.rpartition("=")
    asks = bool(equals) and "=" not in gold and bool(_UNSOLVED.search(_COMMANDS.sub(" ", left)))
    return asks or len(found) > LONGER * len(gold) + 80


def _near_if_small(found: str, gold: str) -> bool:
    small = number(gold)
    if small is None or not 0 < abs(small) < _SMALL:
        return True
    other = number(found)
    return other is not None and math.isclose(other, small, rel_tol=1e-3)

"""Worked solutions whose steps are written out: what they give when one number is another one.

The solutions of GSM8K mark every step as ``<<a+b=c>>`` (Cobbe et al. 2021, arXiv:2110.14168, A.2).
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

_STEP = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_OPERATORS: Mapping[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Step:
    """One step: an expression and the result that the solution gives."""

    expression: str
    result: Fraction


def steps_of(solution: str) -> tuple[Step, ...] | None:
    """The steps of a solution; None where one is no plain arithmetic or is wrong."""
    found = []
    for expression, result in _STEP.findall(solution):
        value, given = evaluated(expression), evaluated(result)
        if value is None or value != given:
            return None
        found.append(Step(expression, value))
    return tuple(found) or None


def evaluated(expression: str) -> Fraction | None:
    """The value of an expression of numbers, + - * / and brackets; None for anything else."""
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body, expression.strip())
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def _value(node: ast.expr, source: str) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, source), _value(node.right, source))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, source)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(ast.get_source_segment(source, node) or "")
    raise ValueError("no plain arithmetic")


def literals(expression: str) -> list[Fraction]:
    """The numbers that an expression writes."""
    return [Fraction(text) for text in _NUMBER.findall(expression)]


def recomputed(
    steps: tuple[Step, ...], old: int, new: int, given: Collection[int]
) -> Fraction | None:
    """The last result when ``old`` is ``new`` in the one place where the steps write it.

    A changed result is carried on to the later steps that write it. None where that is in doubt:
    ``old`` is written more than once or is a result; a changed result is also one of the numbers
    that are ``given`` or something else; a result that was positive, or whole, no longer is.
    """
    written = [number for step in steps for number in literals(step.expression)]
    results = [step.result for step in steps]
    if written.count(Fraction(old)) != 1 or Fraction(old) in results:
        return None
    moved = {Fraction(old): Fraction(new)}
    last = None
    for k, step in enumerate(steps):
        last = evaluated(_NUMBER.sub(lambda found: _moved(found[0], moved), step.expression))
        if last is None or not _is_alike(step.result, last):
            return None
        if last == step.result:
            continue
        before = [n for earlier in steps[: k + 1] for n in literals(earlier.expression)]
        if step.result in before or step.result in given or results.count(step.result) > 1:
            return None
        moved[step.result] = last
    return last


def _moved(text: str, moved: Mapping[Fraction, Fraction]) -> str:
    value = moved.get(Fraction(text))
    return text if value is None else f"({value})"


def _is_alike(old: Fraction, new: Fraction) -> bool:
    return (new > 0 or old <= 0) and (new.denominator == 1 or old.denominator != 1)


def lone_numbers(text: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, value) of the whole numbers that a text writes once, in digits alone."""
    found = list(re.finditer(r"(?<![\w.,/:-])\d+(?![\w/:%-]|[.,]\d)", text))
    values = [int(match[0]) for match in re.finditer(r"\d+", text)]
    for match in found:
        if values.count(int(match[0])) == 1:
            yield match.start(), match.end(), int(match[0])

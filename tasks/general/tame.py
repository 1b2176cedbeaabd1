r"""Which answers may be handed to a computer algebra system without a time limit.

A reply is not ours: ``9**9**9**9`` or ``(10^{9999})^{9999}`` would keep sympy busy for ever, and a
limit by ``signal.alarm`` fails in threads. So the size of what is handed over is bounded before:
length, depth of brackets, braces that match, numeric powers, factorials, and LaTeX commands that
are not known to be cheap (sums, integrals and products are not).
"""

from __future__ import annotations

import math
import re

__all__ = ["is_tame"]

LONGEST = 240  # characters; the longest reference answer of MATH-500 has 91
DEEPEST = 6  # brackets in brackets
HIGHEST = 9_999  # of the numbers that a power multiplies to
HIGHEST_OF_BRACKETS = 30  # a sum is multiplied out
MOST_POWERS = 40

_COMMAND = re.compile(r"\\([A-Za-z]+)")
_CHEAP_COMMANDS = """
    frac dfrac tfrac cfrac sqrt pi theta phi varphi alpha beta gamma delta epsilon lambda mu nu
    rho sigma tau omega psi eta kappa xi zeta chi Delta Omega Lambda Sigma Phi Psi Theta
    cdot times div pm mp circ degree infty cup cap in notin le leq ge geq ne neq lt gt leqslant
    geqslant left right big Big bigl bigr Bigl Bigr middle text textbf textit mathrm mathbf mathit
    mathbb mathcal mbox boxed fbox operatorname displaystyle sin cos tan cot sec csc arcsin arccos
    arctan sinh cosh tanh ln log lg exp begin end overline underline hat vec bar tilde ldots dots
    cdots setminus emptyset varnothing mid vert lvert rvert Vert quad qquad angle triangle parallel
    perp to rightarrow Rightarrow implies land lor wedge vee binom dbinom tbinom prime star bmod
    pmod equiv approx forall exists subset subseteq cong sim hline colon
"""
_CHEAP = frozenset(_CHEAP_COMMANDS.split())
_BRACES = re.compile(r"\\.|[{}]", re.S)
_POWER = re.compile(r"\^|\*\*")
_OPENING, _CLOSING = "([{", ")]}"
_FACTORIAL = re.compile(r"\d{4,}\s*!|[^\d\s]\s*!|!\s*!")
_LARGE_BINOMIAL = re.compile(r"binom.*\d{4}", re.S)


def is_tame(text: str) -> bool:
    """Whether comparing and evaluating this answer is sure to end soon."""
    return (
        len(text) <= LONGEST
        and _depth(text) <= DEEPEST
        and _braces_match(text)
        and set(_COMMAND.findall(text)) <= _CHEAP
        and not _FACTORIAL.search(text.replace(r"\!", ""))
        and not _LARGE_BINOMIAL.search(text)
        and _powers_are_small(text)
    )


def _braces_match(text: str) -> bool:
    """Whether braces are closed: the parser would close them in its own way."""
    depth = 0
    for token in _BRACES.findall(text):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
        deepest = max(deepest, depth)
    return deepest


def _powers_are_small(text: str) -> bool:
    """Whether all powers together stay small, were each of them taken of all that went before."""
    of_brackets, highest = 1, 1
    powers = list(_POWER.finditer(text))
    for power in powers:
        exponent = _exponent(text, power.end())
        if _POWER.search(exponent) and re.search(r"\d", exponent):
            return False
        size = math.prod(max(1, int(n)) for n in re.findall(r"\d+", exponent)[:10])
        before = text[: power.start()].rstrip()
        if before.endswith(tuple(_CLOSING)):
            of_brackets *= size
        else:
            highest = max(highest, size)
    return (
        len(powers) <= MOST_POWERS
        and of_brackets <= HIGHEST_OF_BRACKETS
        and of_brackets * highest <= HIGHEST
    )


def _exponent(text: str, begin: int) -> str:
    """What stands in the exponent: a bracketed group, or all up to a blank or an operator."""
    rest = text[begin:].lstrip()
    if rest[:1] and rest[0] in _OPENING:
        depth = 0
        for k, character in enumerate(rest):
            depth += (character in _OPENING) - (character in _CLOSING)
            if depth == 0:
                following = _POWER.match(rest[k + 1 :].lstrip())
                return rest if following else rest[: k + 1]
        return rest
    found = re.match(r"[-+]?[\w.\\]*(?:\s*(?:\^|\*\*).*)?", rest, re.S)
    return found[0] if found else rest

"""What a task may log of the way to an answer: four optional numbers per row, kept small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from oodrop import DataError
from oodrop.reports.checks import finite, shown

# One object for whatever was not logged: NaN equals itself by identity alone.
_ABSENT = math.nan


class Measures(NamedTuple):
    """One row's engagement, under the names of the metrics; NaN for what was not logged.

    For several replies to an item these are means over them.

    Attributes:
        parsed: 1 where the reply holds an answer that could be read.
        reasoning_tokens: words and marks before the answer.
        at_once: 1 where the answer came with next to nothing before it.
        truncated: 1 where there is no answer and the text breaks off.
    """

    parsed: float
    reasoning_tokens: float
    at_once: float
    truncated: float


def measures(
    sample: Mapping[str, Any], where: str, seen: dict[Measures, Measures]
) -> Measures | None:
    """The measures of a sample, None where it has none.

    Rows that say the same share one object, through `seen`: a million rows hold few kinds.

    Raises:
        DataError: for a value that is no finite number, below 0, or a share above 1.
    """
    values = [sample.get(name, _ABSENT) for name in Measures._fields]
    if all(value is _ABSENT for value in values):
        return None
    checked = map(_checked, values, Measures._fields, [where] * len(values))
    found = Measures(*checked)
    return seen.setdefault(found, found)


def _checked(value: object, name: str, where: str) -> float:
    if value is _ABSENT:
        return _ABSENT
    number = finite(value, name, where)
    if not 0.0 <= number <= (math.inf if name == "reasoning_tokens" else 1.0):
        allowed = "0 or more" if name == "reasoning_tokens" else "from 0 to 1"
        raise DataError(f"{where}: metric {name!r} must be {allowed}, got {shown(value)}")
    return number

"""What a task may log of the way to an answer: four optional numbers per row, kept small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from oodrop import DataError
from oodrop.reports.checks import finite, shown


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
    if not any(name in sample for name in Measures._fields):
        return None
    found = Measures(*(_measure(sample, name, where) for name in Measures._fields))
    return seen.setdefault(found, found)


def _measure(sample: Mapping[str, Any], name: str, where: str) -> float:
    if name not in sample:
        return math.nan  # always this one: NaN equals itself by identity alone
    value = finite(sample[name], name, where)
    most = math.inf if name == "reasoning_tokens" else 1.0
    if not 0.0 <= value <= most:
        allowed = "0 or more" if most > 1.0 else "from 0 to 1"
        raise DataError(f"{where}: metric {name!r} must be {allowed}, got {shown(value)}")
    return value

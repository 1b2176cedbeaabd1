"""Scores computed again from the logged answers, where the answer alone decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from oodrop import DataError
from oodrop.reports.checks import shown


def same_score(sample: Mapping[str, Any], metric: str, where: str) -> bool | None:
    """Choose the option again by its log-likelihood and compare the score with the logged one.

    lm-eval 0.4.13 (`ConfigurableTask.process_results`): ``acc`` takes the option with the largest
    one, the first of equal ones. Other metrics need more than a row holds.

    Returns:
        True where it follows, False where the score is taken as logged, None where there is none.

    Raises:
        DataError: where it is another one.
    """
    if metric not in sample:
        return None
    right = _right(sample) if metric == "acc" else None
    if right is None:
        return False
    if sample[metric] != right:
        raise DataError(
            f"{where}: the score ({metric}) is {shown(sample[metric])}, and the logged "
            f"log-likelihoods give {right}"
        )
    return True


def _right(row: Mapping[str, Any]) -> float | None:
    """1.0 where the most likely option is the target; None where the row does not say."""
    try:
        asked = list(row["arguments"].values())
        values = [float(reply[0]) for reply in row["filtered_resps"]]
        gold = int(row["target"])
        one_context = len({request["arg_0"] for request in asked}) == 1
        options = all(isinstance(request["arg_1"], str) for request in asked)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    whole = len(values) == len(asked) > 1 and not any(map(math.isnan, values))
    if not (one_context and options and whole and 0 <= gold < len(values)):
        return None
    return float(max(range(len(values)), key=values.__getitem__) == gold)

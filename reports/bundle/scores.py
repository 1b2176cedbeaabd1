"""Scores computed again from the logged answers, where the answer alone decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oodrop import DataError
from oodrop.reports.checks import shown
from oodrop.reports.lines import iterate_samples
from oodrop.reports.results import RunFile, Samples


@dataclass(frozen=True)
class Rescored:
    """What came out.

    Attributes:
        rows: how many scores follow from the logged log-likelihoods.
        taken: task and metric of the scores that were taken as logged, sorted.
    """

    rows: int
    taken: tuple[str, ...]


def rescore(runs: Iterable[RunFile]) -> Rescored:
    """Choose the option again by its log-likelihood and compare the score with the logged one.

    lm-eval 0.4.13 (`ConfigurableTask.process_results`): ``acc`` takes the option with the largest
    one, the first of equal ones. Other metrics need more than a row holds.

    Raises:
        DataError: for a row whose score is another one.
    """
    rows, taken = 0, set()
    for samples in (s for run in runs for s in run.samples):
        found, left = _rescored(samples) if samples.metric == "acc" else (0, 1)
        rows += found
        if left:
            taken.add(f"{samples.task} ({samples.metric})")
    return Rescored(rows, tuple(sorted(taken)))


def _rescored(samples: Samples) -> tuple[int, int]:
    """How many scores were computed again, and how many were not."""
    found = left = 0
    for number, row in iterate_samples(samples.path):
        if row.get("filter", samples.filter) != samples.filter or samples.metric not in row:
            continue
        right = _right(row)
        if right is None:
            left += 1
        elif row[samples.metric] != right:
            raise DataError(
                f"{samples.path}, line {number}: the score ({samples.metric}) is "
                f"{shown(row[samples.metric])}, and the logged log-likelihoods give {right}"
            )
        else:
            found += 1
    return found, left


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

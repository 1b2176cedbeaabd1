"""Whether two backends gave the same answers to the same forced choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIE = 1e-4
"""Two options whose log-likelihoods are no further apart count as equal."""

Answer = tuple[float, bool]


@dataclass(frozen=True)
class Parity:
    """Differences between two backends.

    Attributes:
        max_abs_diff: largest difference of two log-likelihoods of one request.
        items: items compared, each variant of an item by itself.
        disagreements: items that one backend gets right and the other wrong, ties left out.
        ties: items whose two best options are within `TIE` of each other in either backend.
    """

    max_abs_diff: float
    items: int
    disagreements: int
    ties: int


def compare(requests: Sequence[Any], one: Sequence[Answer], other: Sequence[Answer]) -> Parity:
    """Compare answers to lm-eval's requests of multiple-choice tasks.

    Args:
        requests: with the document, whose ``gold`` is the place of the right option.
        one: log-likelihoods of the one backend, in the order of the requests.
        other: those of the other.
    """
    items: dict[tuple[str, int], list[int]] = {}
    for place, request in enumerate(requests):
        items.setdefault((request.task_name, request.doc_id), []).append(place)
    disagreements = ties = 0
    for places in items.values():
        # The order of lm-eval's own: by the number of the option.
        ordered = sorted(places, key=lambda place: requests[place].idx)
        sides = [[answers[place][0] for place in ordered] for answers in (one, other)]
        doc = requests[places[0]].doc
        if any(map(_is_tie, sides)):
            ties += 1
        elif _is_right(doc, sides[0]) != _is_right(doc, sides[1]):
            disagreements += 1
    apart = (abs(a[0] - b[0]) for a, b in zip(one, other, strict=True))
    return Parity(max(apart), len(items), disagreements, ties)


def _is_tie(values: Sequence[float]) -> bool:
    first, second = sorted(values, reverse=True)[:2]
    return first - second <= TIE


def _is_right(doc: Mapping[str, Any], values: Sequence[float]) -> bool:
    return bool(max(range(len(values)), key=values.__getitem__) == doc["gold"])

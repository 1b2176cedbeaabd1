"""What one pass of a model says of the tokens that are asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from oodrop.harness_ext.packed.tokenrow import Numbers

_ROWS = 512  # of logits that are normalised at once, for memory


class Scores(NamedTuple):
    """For each token asked for, in the order of the row of tokens.

    Attributes:
        requests: who asked.
        values: log-probabilities.
        likeliest: whether no token is likelier.
    """

    requests: Numbers
    values: list[float]
    likeliest: list[bool]


def scored(
    logits: torch.Tensor, rows: Numbers, targets: Numbers, requests: Numbers, dtype: Any
) -> Scores:
    """Scores of tokens.

    Args:
        logits: (rows, vocabulary)
        rows: for each target its row; ascending.
        targets: tokens.
        requests: who asked for each.
        dtype: of the log-softmax; None for that of the logits.
    """
    values: list[float] = []
    likeliest: list[bool] = []
    for first in range(0, len(logits), _ROWS):
        chances = functional.log_softmax(logits[first : first + _ROWS], dim=-1, dtype=dtype)
        here = slice(*np.searchsorted(rows, [first, first + _ROWS]))
        at = torch.from_numpy(rows[here] - first).to(logits.device)
        of = torch.from_numpy(targets[here]).to(logits.device)
        values += chances[at, of].tolist()
        likeliest += (chances.argmax(dim=-1)[at] == of).tolist()
    return Scores(requests, values, likeliest)

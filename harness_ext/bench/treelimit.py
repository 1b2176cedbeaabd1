"""The fewest tokens that requests can cost: each token with one and the same beginning once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import islice, pairwise
from operator import add
from typing import Any

import numpy as np

from oodrop.harness_ext.bench.mixes import Mix

_WIDE = np.dtype(">u4")  # big-endian: bytes sort as the numbers do
_AT_ONCE = 4096


@dataclass(frozen=True)
class TokenCount:
    """Tokens of requests.

    Attributes:
        asked: of every request by itself.
        unique: nodes of the tree (trie) of all of them.
    """

    asked: int
    unique: int

    def __add__(self, other: TokenCount) -> TokenCount:
        return TokenCount(self.asked + other.asked, self.unique + other.unique)


def count_tokens(
    pairs: Iterable[Sequence[str]], encode: Callable[[str], list[int]], longest: int
) -> TokenCount:
    """Tokens of log-likelihood requests that go to the model in one call.

    The last token of a request is asked for and not computed. Nothing is held but the tokens, so
    that all requests of a task can be counted.

    Args:
        pairs: context, which is not empty, and continuation of each request.
        encode: text to tokens; called from several threads.
        longest: tokens that the model takes; more are cut off at the left.
    """

    def row(pair: Sequence[str]) -> bytes:
        tokens = encode(pair[0] + pair[1])[-(longest + 1) : -1]
        return np.asarray(tokens, _WIDE).tobytes()

    rows: list[bytes] = []
    rest = iter(pairs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := list(islice(rest, _AT_ONCE)):
            rows += pool.map(row, some)
    asked = sum(map(len, rows))
    ordered = [b"", *sorted(set(rows))]
    unique = sum(len(late) - _shared(early, late) for early, late in pairwise(ordered))
    return TokenCount(asked // _WIDE.itemsize, unique // _WIDE.itemsize)


def count_mix(lm: Any, mix: Mix) -> TokenCount:
    """Tokens of a mix; what goes to the model in another call shares nothing with the first."""
    found = (
        count_tokens((r.args for r in call), lm.tok_encode, lm.max_length) for call in mix.calls
    )
    return reduce(add, found)


def _shared(early: bytes, late: bytes) -> int:
    """Bytes of the tokens with which both begin."""
    count = min(len(early), len(late)) // _WIDE.itemsize
    differ = np.frombuffer(early, _WIDE, count) != np.frombuffer(late, _WIDE, count)
    return int(differ.argmax() if differ.any() else count) * _WIDE.itemsize

"""A token tree in one row: sequences that share their beginnings, each shared token held once.

Parents come before children, and every subtree is in one piece (depth first). So any piece of the
row can go through a model in one pass when the path to its first token is in the cache: what the
other tokens of the piece come from is in the piece or on that path.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_BYTES = array("I").itemsize


@dataclass(frozen=True)
class TokenRow:
    """A forest of n tokens, and w tokens whose probability is asked for.

    Attributes:
        tokens: (n,) depth first.
        depths: (n,) how many tokens come before each on its path: its position.
        ends: (n,) for each token the place behind the last one of its subtree.
        places: (w,) place of the token after which something is asked for; ascending.
        requests: (w,) number of the sequence that asks.
        targets: (w,) the token that it asks for.
    """

    tokens: Numbers
    depths: Numbers
    ends: Numbers
    places: Numbers
    requests: Numbers
    targets: Numbers

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def height(self) -> int:
        """Tokens of the longest path."""
        return int(self.depths.max(initial=-1)) + 1

    def leading_to(self, requests: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """(n,) which tokens are on a path to something that one of these requests asks for.

        Args:
            requests: for each sequence, whether it is one of these.
        """
        asked = np.bincount(self.places[requests[self.requests]], minlength=len(self))
        until = np.concatenate([[0], np.cumsum(asked)])
        found: npt.NDArray[np.bool_] = until[self.ends] > until[:-1]
        return found

    def path(self, before: Numbers, start: int, stop: int) -> Numbers:
        """Places of all that the token at `stop` comes from.

        Args:
            before: the same of the token at `start`.
            start: a place.
            stop: a later place, or the end.
        """
        found: Numbers = np.concatenate([before, np.arange(start, stop)])
        return found[self.ends[found] > stop]


def token_row(contexts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> TokenRow:
    """The tree of sequences, each a context and the tokens that are asked for behind it.

    The last target of a sequence is asked for and not part of it: nothing follows it. The row does
    not depend on the order of the sequences.

    Args:
        contexts: per request at least one token.
        targets: per request at least one token.
    """
    # Bytes sort, and so group by common beginnings, many times faster than lists of tokens.
    whole = [array("I", [*c, *t[:-1]]).tobytes() for c, t in zip(contexts, targets, strict=True)]
    growing = _Growing()
    for request in sorted(range(len(whole)), key=whole.__getitem__):
        growing.add(whole[request])
        growing.ask(request, len(contexts[request]) - 1, targets[request])
    return growing.finished()


class _Growing:
    """A tree while sequences are added in sorted order."""

    def __init__(self) -> None:
        self._last = b""
        self._tails: list[bytes] = []
        self._path: list[tuple[int, int]] = []  # depth and place where each run of it begins
        self._runs: list[tuple[int, int]] = []  # depth and length of every run
        self._closed: list[tuple[int, int, int]] = []  # first place, place behind, their end
        self._wanted: list[tuple[int, int, int]] = []  # place, request, token
        self._size = 0

    def add(self, sequence: bytes) -> None:
        """Append what the sequence does not share with the one before."""
        shared = _shared(self._last, sequence)
        self._close(shared)
        self._last = sequence
        length = len(sequence) // _BYTES - shared
        if length:
            self._path.append((shared, self._size))
            self._runs.append((shared, length))
            self._tails.append(sequence[shared * _BYTES :])
            self._size += length

    def ask(self, request: int, depth: int, targets: Sequence[int]) -> None:
        """Note what is asked for along the path, the first after the token at this depth."""
        run = len(self._path) - 1
        for k in reversed(range(len(targets))):
            while self._path[run][0] > depth + k:
                run -= 1
            begin, place = self._path[run]
            self._wanted.append((place + depth + k - begin, request, targets[k]))

    def finished(self) -> TokenRow:
        """All that was added."""
        self._close(0)
        ends = np.empty(self._size, dtype=np.int64)
        for first, behind, end in self._closed:
            ends[first:behind] = end
        begins, lengths = np.array(self._runs, dtype=np.int64).reshape(-1, 2).T
        depths = np.arange(self._size) + np.repeat(begins - (np.cumsum(lengths) - lengths), lengths)
        wanted = np.array(self._wanted, dtype=np.int64).reshape(-1, 3)
        wanted = wanted[np.lexsort(wanted.T[::-1])]
        tokens = np.frombuffer(b"".join(self._tails), dtype=np.uint32).astype(np.int64)
        return TokenRow(tokens, depths, ends, *wanted.T)

    def _close(self, depth: int) -> None:
        """Leave the path from this depth on: the subtrees of its tokens end here."""
        length = len(self._last) // _BYTES
        while length > depth:
            begin, place = self._path[-1]
            cut = max(begin, depth)
            self._closed.append((place + cut - begin, place + length - begin, self._size))
            length = cut
            if cut == begin:
                self._path.pop()


def _shared(left: bytes, right: bytes) -> int:
    """How many tokens both begin with."""
    if right.startswith(left):
        return len(left) // _BYTES
    count = min(len(left), len(right)) // _BYTES
    apart = np.frombuffer(left, np.uint32, count) != np.frombuffer(right, np.uint32, count)
    return int(apart.argmax()) if apart.any() else count

"""The keys and values of a path through a token tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from oodrop.harness_ext.packed.tokenrow import Numbers

Pair = tuple[torch.Tensor, torch.Tensor]
Pairs = list[Pair]


class PathCache:
    """Keys and values of places of a tree, from one pass to the next.

    Args:
        blank: gives a cache of one token, any token.
    """

    def __init__(self, blank: Callable[[], DynamicCache]) -> None:
        self._blank = blank
        self._places: Numbers = np.empty(0, dtype=np.int64)
        self._pairs: Pairs = []

    def along(self, path: Numbers) -> Any:
        """The cache of a path, to be used once; whatever else is held is dropped.

        A place that was never computed is left blank: it is on no path to what is asked for, and
        the mask hides it from all that is. So a pass has the same shape, and gives the same
        numbers, whether what comes before it was computed or not.
        """
        if not len(path):
            self._places, self._pairs = path, []
            return DynamicCache()
        missing = ~np.isin(path, self._places)
        if missing.any():
            blank = _pairs(self._blank())
            self._pairs = [_joined(*both) for both in zip(blank, self._pairs or blank, strict=True)]
            self._places = np.concatenate([[-1], self._places])
        found = np.searchsorted(self._places, np.where(missing, -1, path))
        index = torch.from_numpy(found)
        self._pairs = [
            (k.index_select(-2, index.to(k.device)), v.index_select(-2, index.to(v.device)))
            for k, v in self._pairs
        ]
        self._places = path
        return DynamicCache(self._pairs)

    def hold(self, places: Numbers, cache: DynamicCache) -> None:
        """Keep what a pass left: keys and values of these ascending places."""
        self._places, self._pairs = places, _pairs(cache)

    @property
    def held(self) -> tuple[Numbers, Pairs]:
        """The ascending places and their keys and values, (1, heads, places, size) each."""
        return self._places, self._pairs


def _joined(left: Pair, right: Pair) -> Pair:
    return torch.cat([left[0], right[0]], dim=-2), torch.cat([left[1], right[1]], dim=-2)


def _pairs(cache: Any) -> Pairs:
    return [(layer.keys, layer.values) for layer in cache.layers]

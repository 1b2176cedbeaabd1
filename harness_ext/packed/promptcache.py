"""Key-value caches of many prompts, in which each shared beginning is computed once.

The prompts become a token tree, whose pieces go through the model one after the other; a prompt's
cache is then picked out of what its piece left. A piece has the same shape whatever was computed
before it, so a prompt has the same cache, bit for bit, whoever else was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from oodrop.harness_ext.packed.pathcache import Pairs, PathCache
from oodrop.harness_ext.packed.tokenrow import Numbers, TokenRow, token_row

Send = Callable[[TokenRow, Numbers, slice, PathCache], object]
"""Sends a piece of a tree through the model, behind the path to its first token."""


_NOWHERE: Numbers = np.empty(0, dtype=np.int64)
_ROOM = 64  # places by which a cache grows


class Row(NamedTuple):
    """The cache of a prompt without its last token.

    Attributes:
        pairs: keys and values of each layer, (1, heads, places, size).
        places: where the prompt's tokens stand in them.
    """

    pairs: Pairs
    places: Numbers


class PromptCache:
    """Gives the caches of prompts.

    Args:
        prompts: at least one token each.
        send: runs the model.
        blank: gives a cache of one token, any token.

    Attributes:
        prompts: as given.
        row: their tree.
        order: the prompts by their number, those with shared beginnings together. Asked for in
            this order, no token is computed twice.
    """

    def __init__(
        self, prompts: Sequence[Sequence[int]], send: Send, blank: Callable[[], DynamicCache]
    ) -> None:
        self.prompts, self._send, self._blank = prompts, send, blank
        # The last token is left to `generate`. A prompt of one token stands here for its shape.
        self.row = token_row([p[:-1] or p for p in prompts], [[0]] * len(prompts))
        self.order: list[int] = self.row.requests.tolist()
        self._place_of = dict(zip(self.order, self.row.places.tolist(), strict=True))
        self._cache, self._path = PathCache(blank), _NOWHERE
        self._start, self._asked, self._is_computed = 0, 0, False
        self.size = len(self.row)

    def use(self, size: int) -> None:
        """Go on with pieces of so many tokens; what is cached is dropped."""
        self.size = size
        self._restart()

    def cached(self, prompt: int) -> Row:
        """The cache of a prompt."""
        place = self._place_of[prompt]
        if place < self._asked:
            self._restart()
        self._asked = place
        while place >= self._start + self.size:
            self._compute(place)
            stop = self._start + self.size
            self._path, self._start = self.row.path(self._path, self._start, stop), stop
            self._is_computed = False
        self._compute(place)
        columns, pairs = self._cache.held
        path = columns[(columns <= place) & (self.row.ends[columns] > place)]
        return Row(pairs, np.searchsorted(columns, path)[: len(self.prompts[prompt]) - 1])

    def _compute(self, place: int) -> None:
        """Compute the piece, if it was not and something in it comes before this place."""
        stop = min(self._start + self.size, len(self.row))
        if not self._is_computed and (self.row.ends[self._start : stop] > place).any():
            self._send(self.row, self._path, slice(self._start, stop), self._cache)
            self._is_computed = True

    def _restart(self) -> None:
        self._cache, self._path = PathCache(self._blank), _NOWHERE
        self._start, self._asked, self._is_computed = 0, 0, False


class RoomyLayer(DynamicLayer):
    """A layer that grows by many places at a time: a new token does not copy all before it."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """As the parent, with nothing in it yet."""
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self._buffers = [self.keys, self.values]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As the parent; in place where there is room."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.keys.shape[2]
        stop = start + key_states.shape[2]
        own = self._buffers[0]
        # A search over beams reorders rows, which leaves other tensors than ours.
        if self.keys.data_ptr() != own.data_ptr() or stop > own.shape[2]:
            blank = key_states.new_empty(*key_states.shape[:2], _ROOM, key_states.shape[3])
            self._buffers = [
                torch.cat(parts, dim=2)
                for parts in (
                    (self.keys, key_states, blank),
                    (self.values, value_states, blank),
                )
            ]
        else:
            for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, start:stop] = new
        self.keys, self.values = (buffer[:, :, :stop] for buffer in self._buffers)
        return self.keys, self.values


def joined(rows: Sequence[Row], width: int) -> Cache:
    """One cache of many rows.

    Args:
        rows: caches of prompts.
        width: tokens of the result; shorter rows are filled at the left, with what must be
            masked.
    """
    cache = Cache(layer_class_to_replicate=RoomyLayer)
    filled = np.zeros((len(rows), width), dtype=np.int64)
    for r, row in enumerate(rows):
        filled[r, width - len(row.places) :] = row.places
    for number, (first, _) in enumerate(rows[0].pairs):
        index = torch.from_numpy(filled).to(first.device)
        keys, values = (
            torch.cat([row.pairs[number][k][:, :, index[r]] for r, row in enumerate(rows)])
            for k in range(2)
        )
        cache.update(keys, values, number)
    return cache


def padded(prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask of many prompts, (prompts, length of the longest).

    Shorter prompts are filled at the left, with a token of their own: `generate` would count any
    other when it penalizes repetition.
    """
    width = max(map(len, prompts))
    rows = [[*prompt[:1]] * (width - len(prompt)) + [*prompt] for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(rows), torch.tensor(mask)

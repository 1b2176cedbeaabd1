"""Key-value caches of many prompts, in which each shared beginning is computed once.

The prompts become a token tree. What is too large for one pass goes down the model token run by
token run, on a cache that is cropped and extended; the small subtrees below go in one pass each,
in which every token sees its own path alone. A prompt's cache is then picked out of that of its
pass. How the passes are cut depends on the prompts alone, not on which of them somebody asks for:
a prompt has the same cache, bit for bit, whatever was computed before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from transformers import DynamicCache

from oodrop.harness_ext.tokentree import Branch, Packed, packed, token_tree

LEAST = 64
"""Tokens of a pass that is not worth halving."""

Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Keys and values of each layer, (1, heads, tokens, size)."""

_RUN = 1024  # tokens of a run in one call, for memory


class Forward(Protocol):
    """Runs the model over tokens (one row) and adds them to the cache."""

    def __call__(
        self,
        tokens: Sequence[int],
        cache: Any,
        seen: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> None:
        """`seen` is boolean, (tokens, cached and new tokens); without it a token sees all before.

        `positions` is (tokens,); without it they go on from the cache.
        """


class Row(NamedTuple):
    """The cache of a prompt without its last token.

    Attributes:
        layers: cache of its pass and of what is above.
        places: where the prompt's tokens stand in them.
    """

    layers: Layers
    places: list[int]


class _Pass(NamedTuple):
    """Tokens that go through the model together, and what must be cached before."""

    above: tuple[Branch, ...]
    row: Packed


class _Held(NamedTuple):
    """What is cached after a pass, and where the tokens of its prompts stand there."""

    number: int
    layers: Layers
    places: dict[int, list[int]]


class PromptCache:
    """Gives the caches of prompts.

    Args:
        forward: the model.
        prompts: at least one token each.
        limit: tokens of the largest pass.

    Attributes:
        prompts: as given.
        order: the prompts by their number, those with shared beginnings together. Asked for in
            this order, no token is computed twice.
        limit: tokens of the largest pass.
    """

    def __init__(self, forward: Forward, prompts: Sequence[Sequence[int]], limit: int) -> None:
        self._forward, self.prompts = forward, prompts
        self._lengths = [len(prompt) - 1 for prompt in prompts]
        self._held: _Held | None = None
        # The last token is left to `generate`. A prompt of one token stands here for its shape.
        self._root = token_tree([p[:-1] or p for p in prompts], [[0]] * len(prompts))
        self._plan(limit)
        self.order = [w.request for step in self._passes for w in step.row.wanted]

    def halve(self) -> None:
        """Go on with passes of half the size; what is cached is dropped."""
        self._plan(max(self.limit // 2, LEAST))

    def row(self, prompt: int) -> Row:
        """The cache of a prompt."""
        number = self._pass_of[prompt]
        if self._held is None or self._held.number != number:
            self._held = None  # not kept beside what takes its place
            self._held = self._compute(number)
        return Row(self._held.layers, self._held.places[prompt][: self._lengths[prompt]])

    def _plan(self, limit: int) -> None:
        self.limit = limit
        self._passes = list(_passes(self._root, limit))
        self._pass_of = {w.request: k for k, p in enumerate(self._passes) for w in p.row.wanted}
        self._cache, self._stack = DynamicCache(), list[Branch]()
        self._held = None

    def _compute(self, number: int) -> _Held:
        step = self._passes[number]
        past = self._stand_on(step.above)
        if step.row.tokens:
            positions = past + torch.tensor(step.row.depths)
            self._forward(step.row.tokens, self._cache, _seen(step.row, past), positions)
        layers = tuple((layer.keys, layer.values) for layer in self._cache.layers)
        _crop(self._cache, past)
        before = list(range(past))
        ends = _paths(step.row)
        places = {
            w.request: before + [past + place for place in ends[w.offset]] for w in step.row.wanted
        }
        return _Held(number, layers, places)

    def _stand_on(self, above: tuple[Branch, ...]) -> int:
        """Crop and extend the cache to these branches; their length."""
        shared = 0
        while shared < min(len(above), len(self._stack)) and above[shared] is self._stack[shared]:
            shared += 1
        past = sum(len(branch.tokens) for branch in above[:shared])
        if past:
            _crop(self._cache, past)
        else:
            self._cache = DynamicCache()
        self._stack = list(above[:shared])
        run = max(LEAST, min(self.limit or _RUN, _RUN))
        for branch in above[shared:]:
            for start in range(0, len(branch.tokens), run):
                self._forward(branch.tokens[start : start + run], self._cache)
            self._stack.append(branch)
        return past + sum(len(branch.tokens) for branch in above[shared:])


def joined(rows: Sequence[Row], width: int) -> DynamicCache:
    """One cache of many rows.

    Args:
        rows: caches of prompts.
        width: tokens of the result; shorter rows are filled at the left, with what must be
            masked.
    """
    cache = DynamicCache()
    for number, layer in enumerate(rows[0].layers):
        filled = [[0] * (width - len(row.places)) + row.places for row in rows]
        index = torch.tensor(filled, dtype=torch.long, device=layer[0].device)
        keys, values = (
            torch.cat([row.layers[number][k][:, :, index[r]] for r, row in enumerate(rows)])
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


def _passes(root: Branch, limit: int) -> Iterator[_Pass]:
    todo: list[tuple[tuple[Branch, ...], Branch]] = [((), root)]
    while todo:
        above, branch = todo.pop()
        if branch.size <= limit:
            yield _Pass(above, packed(branch))
            continue
        here = (*above, branch)
        if branch.wanted:  # at its last token, which is the last one cached
            wanted = [w._replace(offset=-1) for w in branch.wanted]
            yield _Pass(here, Packed([], [], [], wanted))
        todo += [(here, group) for group in reversed(_grouped(branch.children, limit))]


def _grouped(children: Sequence[Branch], limit: int) -> list[Branch]:
    """Neighbours that fit one pass together, under a branch without tokens."""
    groups: list[Branch] = []
    for child in children:
        if groups and groups[-1].size + child.size <= limit:
            groups[-1].children.append(child)
            groups[-1].size += child.size
        elif child.size <= limit:
            groups.append(Branch((), children=[child], size=child.size))
        else:
            groups.append(child)
    return groups


def _paths(row: Packed) -> dict[int, list[int]]:
    """For the last place of each branch the places of its path; a prompt ends with a branch."""
    ends: dict[int, list[int]] = {-1: []}
    for start, length, parent in row.parents:
        ends[start + length - 1] = [*ends[parent], *range(start, start + length)]
    return ends


def _seen(row: Packed, past: int) -> torch.Tensor:
    count = len(row.tokens)
    seen = torch.zeros(count, past + count, dtype=torch.bool)
    seen[:, :past] = True
    for start, length, parent in row.parents:
        if parent >= 0:
            seen[start : start + length] = seen[parent]
        own = slice(past + start, past + start + length)
        seen[start : start + length, own] = torch.ones(length, length).tril().bool()
    return seen


def _crop(cache: DynamicCache, length: int) -> None:
    cache.crop(length - cache.get_seq_length())  # below 0: so many tokens less

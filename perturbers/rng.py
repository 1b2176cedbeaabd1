"""One generator per item: results depend on the key alone, never on order, subset or process.

Only ``.random()`` is used: of all the streams of ``random.Random`` it is the one that is promised
not to change between Python versions (https://docs.python.org/3/library/random.html, "Notes on
Reproducibility").
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def item_generator(seed: int, name: str, version: str, item_id: str) -> random.Random:
    """The generator of one perturber on one item; severity is not in the key on purpose,
    so that the edits of a higher severity contain those of a lower one.
    """
    key = f"{seed}\x1f{name}\x1f{version}\x1f{item_id}".encode("utf-8", "surrogatepass")
    return random.Random(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))


def below(rng: random.Random, n: int) -> int:
    """A whole number from 0 to n-1."""
    return int(rng.random() * n)


def choose(rng: random.Random, options: Sequence[T]) -> T:
    """One of the options."""
    return options[below(rng, len(options))]


def permutation(rng: random.Random, n: int) -> list[int]:
    """A random order of 0..n-1 (Fisher-Yates)."""
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(rng, i + 1)
        order[i], order[j] = order[j], order[i]
    return order

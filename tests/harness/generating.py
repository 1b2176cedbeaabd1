"""Prompts that share beginnings, and requests for replies to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance

WORDS = [
    "the",
    "procedure",
    "says",
    "item",
    "visit",
    "must",
    "be",
    "signed",
    "when",
    "not",
    "before",
    "after",
    "12",
    "34",
    "yes",
    "no",
]


def texts(seed: int, count: int = 30) -> list[str]:
    """Prompts that share beginnings, at random; some twice, some inside another, one short."""
    rng = random.Random(seed)
    stems = [" ".join(rng.choices(WORDS, k=40)) for _ in range(3)]
    found = ["a", stems[0][:50], f"{stems[0][:50]} yes"]
    while len(found) < count:
        middle = rng.choice(stems)[: rng.randrange(5, 150)]
        found.append(f"{middle} {' '.join(rng.choices(WORDS, k=rng.randrange(1, 9)))}")
    return [*found, *found[:4]]


def asked(prompts: Sequence[str], **settings: Any) -> list[Instance]:
    """Requests for replies."""
    given = {"until": ["\n\n"], "max_gen_toks": 12, **settings}
    return [
        Instance("generate_until", {}, (prompt, given), k, ("t", k, 1))
        for k, prompt in enumerate(prompts)
    ]

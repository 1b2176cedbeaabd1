"""Tokens of requests, counted without a model: what a backend would compute for them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

from lm_eval.api.instance import Instance

from oodrop.harness_ext.packed.tokenrow import token_row

Pair = tuple[list[int], list[int]]  # tokens of a context, and of what is scored behind it

CHARACTERS = 4  # of a token, where there is no tokenizer
_USUAL_MAX = 256  # new tokens of a generation that says nothing else, as lm-eval's
# What lm-eval writes in a sample row beside document and arguments: hashes, names of fields,
# metrics; and per request an answer, twice. Measured on runs of ours, see tests.
_ROW, _ANSWER = 545, 33


class Tokens(Protocol):
    """How texts become tokens."""

    words: str
    """Whose tokens they are, in words."""

    exact: bool
    """Whether they are those of the checkpoint itself."""

    def pairs(self, requests: Sequence[Instance]) -> list[Pair]:
        """Of log-likelihood requests; too long ones are cut at the left, as the model's are."""

    def prompt(self, text: str, room: int) -> list[int]:
        """Of a prompt that needs room for so many new tokens."""

    def render(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template."""


class RoughTokens:
    """Four characters are a token: near enough in English for an order of magnitude."""

    words = f"characters / {CHARACTERS}"
    exact = False

    def pairs(self, requests: Sequence[Instance]) -> list[Pair]:
        """As `Tokens`; a context has at least one token."""
        return [(_cut(r.args[0]) or [0], _cut(r.args[1]) or [0]) for r in requests]

    def prompt(self, text: str, room: int) -> list[int]:
        """As `Tokens`; without a model nothing is too long."""
        return _cut(text) or [0]

    def render(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The turns one below the other: there is no template either."""
        return "\n\n".join(turn["content"] for turn in chat_history)


def _cut(text: str) -> list[int]:
    """Pieces of four characters as numbers, equal where the pieces are."""
    pieces = (text[k : k + CHARACTERS] for k in range(0, len(text), CHARACTERS))
    return [zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in pieces]


@dataclass(frozen=True)
class Counts:
    """What requests amount to.

    Attributes:
        requests: as lm-eval makes them, each reply counted.
        unique: those that reach the backend under ``oodrop run``.
        prompt: tokens that the backend computes for them, padding aside.
        tree: tokens where every shared beginning is computed once: the least there can be.
        generated: new tokens at most.
        disk: bytes of the sample rows, replies aside.
    """

    requests: float = 0
    unique: float = 0
    prompt: float = 0
    tree: float = 0
    generated: float = 0
    disk: float = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together, where they share nothing."""
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def scaled(whole: Counts, halves: tuple[Counts, Counts], ratio: float) -> Counts:
    """What `ratio` times as many clusters as in a sample amount to.

    What the two halves count more than the whole sample is shared by all clusters and comes once;
    the rest grows with them.
    """
    both = halves[0] + halves[1]
    parts = zip(astuple(whole), astuple(both), strict=True)
    return Counts(*(a + (ratio - 1.0) * (2.0 * a - b) for a, b in parts))


def count(requests: Sequence[Instance], tokens: Tokens, *, merged: bool, groups: bool) -> Counts:
    """Count requests of one call of a backend.

    Args:
        requests: of all tasks that go to the model together.
        tokens: makes tokens of their texts.
        merged: whether identical deterministic requests are asked once, as with a journal.
        groups: whether log-likelihoods that differ in their last token alone are computed
            together, as ``hf`` does; else every request is sent whole, with its continuation.
    """
    scored = [r for r in requests if r.request_type == "loglikelihood"]
    replies = [r for r in requests if r.request_type == "generate_until" for _ in range(r.repeats)]
    asked = _unique(scored) if merged else scored
    prompts = _unique(replies) if merged else replies
    pairs, rooms = tokens.pairs(asked), [_new_tokens(r) for r in prompts]
    texts = {
        (r.args[0], room): tokens.prompt(r.args[0], room)
        for r, room in zip(prompts, rooms, strict=True)
    }
    written = [texts[r.args[0], room] for r, room in zip(prompts, rooms, strict=True)]
    return Counts(
        requests=len(scored) + len(replies),
        unique=len(asked) + len(prompts),
        prompt=_computed(pairs, groups) + sum(map(len, written)),
        tree=_tree(pairs) + _tree([(text, [0]) for text in texts.values()]),
        generated=sum(rooms),
        disk=_row_bytes(requests),
    )


def _computed(pairs: Iterable[Pair], groups: bool) -> int:
    if not groups:
        return sum(len(context) + len(target) for context, target in pairs)
    return sum(map(len, {(*context, *target[:-1]) for context, target in pairs}))


def _tree(pairs: Sequence[Pair]) -> int:
    if not pairs:
        return 0
    return len(token_row([context for context, _ in pairs], [target for _, target in pairs]))


def _unique(requests: Sequence[Instance]) -> list[Instance]:
    """One of each; sampled replies are all kept."""
    found = {
        (k if _is_sampled(r) else json.dumps(r.args, sort_keys=True, default=str)): r
        for k, r in enumerate(requests)
    }
    return list(found.values())


def _is_sampled(request: Instance) -> bool:
    settings = request.args[1]
    return isinstance(settings, dict) and bool(
        settings.get("do_sample") or settings.get("temperature")
    )


def _new_tokens(request: Instance) -> int:
    return int(request.args[1].get("max_gen_toks", _USUAL_MAX))


def _row_bytes(requests: Sequence[Instance]) -> int:
    """Bytes of the rows that lm-eval logs: each holds its document and all of its requests."""
    total, seen = 0, set()
    for request in requests:
        row = (request.task_name, request.doc_id)
        if row not in seen:
            seen.add(row)
            total += len(json.dumps(request.doc, default=str, ensure_ascii=False).encode()) + _ROW
        total += len(json.dumps(request.args, default=str, ensure_ascii=False).encode()) + _ANSWER
    return total

"""What one call of generation has to answer: settings, and which requests take which reply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance


@dataclass(frozen=True)
class Settings:
    """How replies are generated.

    Attributes:
        until: texts that end a reply.
        tokens: of the longest reply.
        others: for ``generate``.
    """

    until: list[str]
    tokens: int
    others: Mapping[str, Any]

    @property
    def sampled(self) -> bool:
        """Whether two replies to a prompt may differ."""
        return bool(self.others["do_sample"])


@dataclass(frozen=True)
class Work:
    """Requests, the prompts that answer them, and the replies as they come.

    Attributes:
        requests: as lm-eval gives them.
        asked: for each prompt the requests that take its reply.
        answers: for each request its reply, None while there is none.
    """

    requests: Sequence[Instance]
    asked: Sequence[Sequence[int]]
    answers: list[str | None]

    def is_done(self, batch: Sequence[int]) -> bool:
        """Whether all requests of these prompts have their replies."""
        return all(self.answers[n] is not None for row in batch for n in self.asked[row])

    def take(self, row: int, reply: str) -> list[Instance]:
        """Keep the reply to a prompt; the requests that had none before."""
        new = [n for n in self.asked[row] if self.answers[n] is None]
        for n in new:
            self.answers[n] = reply
        return [self.requests[n] for n in new]


def by_settings(requests: Sequence[Instance]) -> list[list[int]]:
    """Numbers of the requests whose settings are equal, in the order of their first ones."""
    groups: dict[str, list[int]] = {}
    for number, request in enumerate(requests):
        key = json.dumps(request.args[1], sort_keys=True, default=str)
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def merged(prompts: Sequence[list[int]], *, alone: bool) -> tuple[list[list[int]], list[list[int]]]:
    """The prompts that are computed, and for each of them its places in the list given.

    Args:
        prompts: token lists.
        alone: whether each is computed for itself, equal or not.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, prompt in enumerate(prompts):
        groups.setdefault((number,) if alone else tuple(prompt), []).append(number)
    return [prompts[numbers[0]] for numbers in groups.values()], list(groups.values())

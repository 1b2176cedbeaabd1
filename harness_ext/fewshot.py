"""Few-shot examples that belong to the item: the same ones whatever ``--limit`` or order.

lm-eval draws examples from one stream over all documents, so that leaving a document out gives
every later one other examples. Here each item has its own draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.api.samplers import ContextSampler

from oodrop import DataError
from oodrop.perturbers.item import CANONICAL_SETTING
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks.spec import Doc


def fewshot_offers(count: int) -> tuple[str, ...]:
    """What the setting ``fewshot`` may be with so many examples; nothing without any."""
    if count < 1:
        return ()
    draws = [f"draw_{k}" for k in (1, 2, 3)]
    orders = [f"order_{k}" for k in (1, 2, 3)] if count > 1 else []
    return (CANONICAL_SETTING, *draws, *orders)


class ItemSampler(ContextSampler):
    """Draws the examples of one item from a pool, by the seed, the item and its setting.

    Args:
        pool: gives the documents to draw from; asked when examples are wanted, not before.
        identify: gives the id of one of them.
        in_order: whether the canonical examples are the first ones, as of lm-eval's ``first_n``.

    Attributes:
        item_id: whose examples are asked for; it never is among them.
        setting: ``canonical``, ``draw_<k>`` for other examples, ``order_<k>`` for the same ones in
            another order.
    """

    item_id = ""
    setting = CANONICAL_SETTING
    seed = 0

    def __init__(
        self,
        pool: Callable[[], Sequence[Doc]],
        identify: Callable[[Doc], str] = lambda doc: doc["item_id"],
        *,
        in_order: bool = False,
    ) -> None:
        super().__init__()
        self._pool, self._identify, self._in_order = pool, identify, in_order

    def set_rnd(self, rnd: int | None) -> ItemSampler:
        """lm-eval's ``fewshot_seed``; without one, 0."""
        self.seed = rnd or 0
        return self

    def sample(
        self, n: int, eval_doc: Doc | None = None, df: Any = None, **_: Any
    ) -> Sequence[Doc]:
        """The item's n examples.

        Raises:
            DataError: when the pool holds fewer.
        """
        pool = [doc for doc in self._pool() if self._identify(doc) != self.item_id]
        if n > len(pool):
            raise DataError(f"{n} few-shot examples were asked for, there are {len(pool)}")
        draw = self.setting if self.setting.startswith("draw_") else CANONICAL_SETTING
        if self._in_order and draw == CANONICAL_SETTING:
            chosen = pool[:n]
        else:
            chosen = [pool[i] for i in self._permutation(draw, len(pool))[:n]]
        if not self.setting.startswith("order_"):
            return chosen
        order = self._permutation(self.setting, n)
        if order == list(range(n)):  # another order it must be
            order = [*order[1:], order[0]]
        return [chosen[i] for i in order]

    def _permutation(self, what: str, count: int) -> list[int]:
        return permutation(item_generator(self.seed, f"fewshot.{what}", "1", self.item_id), count)

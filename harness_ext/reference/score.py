"""The probability score of one logged sample: the reference answer in the model's own reply.

After RLPR (Yu et al. 2025, arXiv:2506.18254): the reference takes the place of the answer in the
reply, and the score is the mean probability of its tokens. From this the same without the model's
reasoning is subtracted, and what falls below 0 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from oodrop import DataError
from oodrop.perturbers.item import Item
from oodrop.tasks.spec import Doc, TaskSpec

METRIC, PLAIN, UNREASONED = (
    "reference_probability",
    "reference_probability_plain",
    "reference_probability_without_reasoning",
)


@dataclass(frozen=True)
class Question:
    """What a logged sample asks the model for.

    Attributes:
        item_id: of the document.
        reference: the right answer, in the words that the prompt asks for.
        contexts: for each reply the prompt and the reply up to its answer; None for a reply
            without one.
        unreasoned: the prompt and the contract's own words before an answer, without reasoning;
            None where it is not asked for.
    """

    item_id: str
    reference: str
    contexts: tuple[str | None, ...]
    unreasoned: str | None

    @property
    def asked(self) -> list[str]:
        """The contexts that the model has to read; none where no reply has an answer."""
        found = [context for context in self.contexts if context is not None]
        return [*found, self.unreasoned] if found and self.unreasoned is not None else found


def question(spec: TaskSpec, sample: Mapping[str, Any], where: str, *, plain: bool) -> Question:
    """Splice the reference into every reply of a logged sample.

    Args:
        spec: the task, which has an ``answer_span``.
        sample: a line of lm-eval's samples file; its raw replies count, not the filtered ones.
        where: file and line, for errors.
        plain: leave out what the model says without its reasoning.

    Raises:
        DataError: when the sample has no prompt in text, or no replies.
    """
    prompt, replies = _logged(sample, where)
    doc: Doc = sample["doc"]
    item = spec.to_item(doc)
    return Question(
        item_id=item.item_id,
        reference=_reference(spec, item),
        contexts=tuple(_spliced(spec, item, prompt, reply) for reply in replies),
        unreasoned=None if plain else prompt + lead_in(spec, item),
    )


def _reference(spec: TaskSpec, item: Item) -> str:
    """What stands for the answer in a right reply: its text, or the label of the right option."""
    reply = spec.reply(item)
    span = spec.answer_span(item, reply) if spec.answer_span else None
    return reply[slice(*span)] if span else item.answer


def lead_in(spec: TaskSpec, item: Item) -> str:
    """What the contract puts before an answer, as in ``FINAL ANSWER: ``, and no reasoning.

    RLPR leaves the tags out as well. Without them a model that was told to end with such a line
    would be asked whether it begins with a bare answer, which it never does: nothing would be
    subtracted. With them the same words stand before the reference on both sides.
    """
    reply = spec.reply(item)
    span = spec.answer_span(item, reply) if spec.answer_span else None
    assert span is not None, f"{spec.name}: no answer in its own {reply!r}"  # noqa: S101  # tested
    return reply[: span[0]]


def scores(asked: Question, found: Sequence[Sequence[float]]) -> dict[str, float]:
    """The metrics of a sample; a reply without an answer counts 0, and replies are averaged.

    Args:
        asked: the question.
        found: log-probabilities of the reference's tokens after each of ``asked.asked``.
    """
    means = iter([fmean(map(math.exp, own)) for own in found])
    plain = [0.0 if context is None else next(means) for context in asked.contexts]
    if asked.unreasoned is None:
        return {PLAIN: fmean(plain)}
    base = next(means, None)
    if base is None:  # nothing was asked: no reply has an answer
        return {METRIC: 0.0, PLAIN: 0.0}
    debiased = [max(0.0, value - base) for value in plain]
    return {METRIC: fmean(debiased), PLAIN: fmean(plain), UNREASONED: base}


def _logged(sample: Mapping[str, Any], where: str) -> tuple[str, list[str]]:
    try:
        prompt = sample["arguments"]["gen_args_0"]["arg_0"]
        (replies,) = sample["resps"]
    except (KeyError, TypeError, ValueError):
        prompt, replies = None, []
    if not isinstance(prompt, str) or not prompt:
        raise DataError(f"{where}: the sample holds no prompt in text, which a score needs")
    if not isinstance(replies, list) or not replies or {type(r) for r in replies} != {str}:
        raise DataError(f"{where}: the sample holds no replies in text, which a score needs")
    return prompt, replies


def _spliced(spec: TaskSpec, item: Item, prompt: str, reply: str) -> str | None:
    span = spec.answer_span(item, reply) if spec.answer_span else None
    return None if span is None else prompt + reply[: span[0]]

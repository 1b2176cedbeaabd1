"""Which metric of a task says right or wrong of one document, and what reply is right."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lm_eval.api.task import ConfigurableTask

from oodrop.harness_ext.derive.bases import NotDerivableError
from oodrop.harness_ext.derive.paths import Doc
from oodrop.harness_ext.derive.views import View, scores

# Metrics that are 1 for a right answer and less for a wrong one; the first that works is primary.
METRICS = ("acc", "exact_match", "em", "math_verify", "contains", "f1", "acc_norm", "score")
# How tasks expect an answer to be given.
_FORMS = (
    "{}", "\\boxed{{}}", "The answer is {}.", "The answer is ({}).", "So the answer is {}.",
    "The final answer is {}.", "Final Answer: The final answer is ${}$. I hope it is correct.",
    "${}$", "#### {}", "<answer>{}</answer>", "Answer: {}", "ANSWER: {}", "({})", "**{}**",
)  # fmt: skip
# What the answer is: the right option's letter or text, or else what the task gives as target.
_LETTER, _OPTION, _TARGET = "[letter]", "[option]", "[target]"
_RAW_TARGET, _WHOLE_TARGET = "[raw target]", "[whole target]"
_WRONG = "qxzwvj"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Scoring(NamedTuple):
    """Primary metric, the filter that it is taken from, and the form of a right reply."""

    metric: str
    filter: str
    reply: str


def right_reply(form: str, choices: Sequence[str], gold: int | str) -> str:
    """The reply that is right in a form that `find_scoring` found."""
    if isinstance(gold, str):
        for kind in (_TARGET, _RAW_TARGET, _WHOLE_TARGET):
            form = form.replace(kind, gold)
        return form
    return form.replace(_LETTER, _LETTERS[gold % len(_LETTERS)]).replace(_OPTION, choices[gold])


def find_scoring(
    task: ConfigurableTask,
    docs: Sequence[Doc],
    views: Sequence[View],
    options: Sequence[tuple[Sequence[str], int]],
) -> Scoring:
    """The metric by which the right answer of every document scores 1 and a wrong one less.

    Args:
        task: the task of lm-eval.
        docs: some of its documents.
        views: of these.
        options: option texts and place of the right one, of these; empty where there are none.

    Raises:
        NotDerivableError: when there is none: nothing shows that a variant can be answered.
    """
    reasons: dict[str, None] = {}
    kinds = (_LETTER, _OPTION) if options else (_TARGET, _RAW_TARGET, _WHOLE_TARGET)
    replies = [form.replace("{}", kind) for kind in kinds for form in _FORMS]
    for reply in [""] if task.OUTPUT_TYPE != "generate_until" else replies:
        answers = [
            list(_answers(seen, reply, options[k] if options else None))
            for k, seen in enumerate(views)
        ]
        found = _common(task, docs, answers, reasons)
        if found:
            return Scoring(*found, reply)
    raise NotDerivableError(
        "the right answer, given in every known form, does not score 1 on each document"
        + (f" ({next(iter(reasons))})" if reasons else "")
    )


_Answer = tuple[int | str, int | str]


def _common(
    task: ConfigurableTask,
    docs: Sequence[Doc],
    answers: Sequence[Sequence[_Answer]],
    reasons: dict[str, None],
) -> tuple[str, str] | None:
    """(metric, filter) that tells right from wrong on every document."""
    left: list[tuple[str, str]] | None = None
    for doc, pairs in zip(docs, answers, strict=True):
        if not pairs:
            reasons["a document has no right answer, or no wrong one"] = None
            return None
        works = [_working(task, doc, right, wrong, reasons) for right, wrong in pairs]
        these = next((w for w in works if w), [])
        left = these if left is None else [pair for pair in left if pair in these]
        if not left:
            return None
    order = {name: k for k, name in enumerate(METRICS)}
    return min(left or [], key=lambda pair: order[pair[0]], default=None)


def _answers(
    seen: View, reply: str, options: tuple[Sequence[str], int] | None
) -> Iterator[_Answer]:
    """Right answers, each with a wrong one."""
    if reply and options:
        yield right_reply(reply, *options), _WRONG
    elif reply:
        yield right_reply(reply, (), free_answer(seen, reply)), _WRONG
    elif seen.gold:
        count = len(seen.choices or seen.prompts)
        wrong = next((k for k in range(count) if k not in seen.gold), None)
        if wrong is not None:
            yield seen.gold[0], wrong
    elif not seen.choices and len(seen.prompts) == 1:
        yield 0, 1  # one continuation: it is the most likely one, or it is not


def free_answer(seen: View, reply: str) -> str:
    """The right answer to a question without options, as it stands in a reply of this form."""
    if _RAW_TARGET in reply:
        return seen.target[0]
    if _WHOLE_TARGET in reply and len(seen.target) > 1:  # a list is the answer
        return f"[{', '.join(seen.target)}]"
    return final_part(seen.target[0])  # or any of the list is


def final_part(target: str) -> str:
    """The final answer of a worked solution: behind ``####``, in the last box, or all of it."""
    if "####" in target:
        return target.rpartition("####")[2].strip()
    boxed = re.findall(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", target)
    if boxed:
        return str(boxed[-1])
    return target.strip()


def _working(
    task: ConfigurableTask,
    doc: Doc,
    right: int | str,
    wrong: int | str,
    reasons: dict[str, None],
) -> list[tuple[str, str]]:
    """(metric, filter) pairs that tell the right answer from the wrong one."""
    try:
        good, bad = scores(task, doc, right), scores(task, doc, wrong)
    except Exception as error:  # scoring functions may want a package, a judge or a sandbox
        reasons[f"scoring raised {type(error).__name__}: {error!s:.80}"] = None
        return []
    found = []
    for name, metrics in good.items():
        for metric in METRICS:
            if metric in metrics and _is_one(metrics[metric]):
                if _is_less(bad[name].get(metric)):
                    found.append((metric, name))
            elif metric in metrics and not isinstance(metrics[metric], numbers.Number):
                reasons[f"{metric} is made of all documents together"] = None
    if not found and not any(m in METRICS for metrics in good.values() for m in metrics):
        known = sorted({m for metrics in good.values() for m in metrics})
        reasons[f"no metric of {', '.join(known)} is known to say right or wrong"] = None
    return found


def _is_one(value: Any) -> bool:
    return isinstance(value, numbers.Number) and float(value) == 1.0  # type: ignore[arg-type]


def _is_less(value: Any) -> bool:
    return isinstance(value, numbers.Number) and float(value) < 1.0  # type: ignore[arg-type]

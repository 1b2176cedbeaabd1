"""Which metric of a task says right or wrong of one document, and what reply is right."""

from __future__ import annotations

import numbers
import re
from collections.abc import Sequence
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
    options: Sequence[tuple[Sequence[str], int] | None],
) -> Scoring:
    """The metric by which the right answer of every document scores 1 and a wrong one less.

    Args:
        task: the task of lm-eval.
        docs: some of its documents.
        views: of these.
        options: option texts and place of the right one, of these, None for one that names none;
            empty where there are no options.

    Raises:
        NotDerivableError: when there is none: nothing shows that a variant can be answered.
    """
    judge = _Judge(task, docs)
    kinds = (_LETTER, _OPTION) if options else (_TARGET, _RAW_TARGET, _WHOLE_TARGET)
    forms = [form.replace("{}", kind) for kind in kinds for form in _FORMS]
    best: Scoring | None = None
    for form in [""] if task.OUTPUT_TYPE != "generate_until" else forms:
        answers = [
            _answer(seen, form, options[k]) if options else _answer(seen, form)
            for k, seen in enumerate(views)
        ]
        found = judge.pairs(answers)
        if len(found) > judge.most:  # a form that more filters understand is what is asked for
            best, judge.most = Scoring(*found[0], form), len(found)
        if judge.is_hopeless or len(found) == judge.possible:
            break
    if best:
        return best
    raise NotDerivableError(
        "the right answer, given in every known form, does not score 1 on each document"
        + (f" ({next(iter(judge.reasons))})" if judge.reasons else "")
    )


_Answer = tuple[int | str, int | str] | None


class _Judge:
    """Tells how a task scores answers to its documents; wrong ones are scored once.

    Attributes:
        reasons: why answers did not count, the first one first.
        is_hopeless: whether no metric of the task is known.
        possible: most pairs of metric and filter that can work.
        most: pairs that the best form so far has.
    """

    def __init__(self, task: ConfigurableTask, docs: Sequence[Doc]) -> None:
        self._task, self._docs = task, docs
        self._wrong: dict[int, Any] = {}
        self.reasons: dict[str, None] = {}
        self.is_hopeless, self.possible, self.most = False, 0, 0

    def pairs(self, answers: Sequence[_Answer]) -> list[tuple[str, str]]:
        """(metric, filter) pairs that tell right from wrong on every document, best first."""
        left: list[tuple[str, str]] | None = None
        for index, answer in enumerate(answers):
            if answer is None:
                self.reasons["a document has no right answer, or no wrong one"] = None
                return []
            these = self._working(index, *answer)
            left = these if left is None else [pair for pair in left if pair in these]
            if len(left) <= self.most:  # it cannot become the best any more
                return []
        order = {name: k for k, name in enumerate(METRICS)}
        return sorted(left or [], key=lambda pair: order[pair[0]])

    def _working(self, index: int, right: int | str, wrong: int | str) -> list[tuple[str, str]]:
        doc = self._docs[index]
        try:
            if index not in self._wrong:
                self._wrong[index] = scores(self._task, doc, wrong)
            good, bad = scores(self._task, doc, right), self._wrong[index]
        except Exception as error:  # scoring functions may want a package, a judge or a sandbox
            self.reasons[f"scoring raised {type(error).__name__}: {error!s:.80}"] = None
            return []
        pairs = [(m, name) for name, metrics in good.items() for m in METRICS if m in metrics]
        self.possible = max(self.possible, len(pairs))
        self._look_for_known({m for metrics in good.values() for m in metrics})
        for metric, name in pairs:
            if not isinstance(good[name][metric], numbers.Number):
                self.reasons[f"{metric} is made of all documents together"] = None
        return [
            (metric, name)
            for metric, name in pairs
            if _is_one(good[name][metric]) and _is_less(bad[name].get(metric))
        ]

    def _look_for_known(self, metrics: set[str]) -> None:
        if not metrics.intersection(METRICS):
            self.is_hopeless = True
            listed = ", ".join(sorted(metrics))
            self.reasons[f"no metric of {listed} is known to say right or wrong"] = None


_NO_OPTIONS: tuple[Sequence[str], int] = ((), 0)


def _answer(
    seen: View, form: str, options: tuple[Sequence[str], int] | None = _NO_OPTIONS
) -> _Answer:
    """A right answer and a wrong one; None where the document has not both."""
    if form and options is None:
        return None
    if form and options and options[0]:
        return right_reply(form, *options), _WRONG
    if form:
        return right_reply(form, (), free_answer(seen, form)), _WRONG
    if seen.gold:
        count = len(seen.choices or seen.prompts)
        wrong = next((k for k in range(count) if k not in seen.gold), None)
        return None if wrong is None else (seen.gold[0], wrong)
    # One continuation: it is the most likely one, or it is not.
    return (0, 1) if not seen.choices and len(seen.prompts) == 1 else None


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


def _is_one(value: Any) -> bool:
    return isinstance(value, numbers.Number) and float(value) == 1.0  # type: ignore[arg-type]


def _is_less(value: Any) -> bool:
    return isinstance(value, numbers.Number) and float(value) < 1.0  # type: ignore[arg-type]

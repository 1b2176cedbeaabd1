"""What a task makes of a document, and how it scores a reply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from lm_eval.api.task import ConfigurableTask

from oodrop.harness_ext.derive.paths import Doc

STAND_IN = "qxzwvj{}qjvwzx"  # in no text, kept by whatever strips, splits or cuts


class View(NamedTuple):
    """A document as the model sees it.

    Attributes:
        prompts: one, or one per option where the options are part of it.
        choices: what is scored behind the prompt; empty where a reply is generated.
        gold: places of the right choices; empty where a reply is generated.
        target: the right answer as the task gives it, as texts.
        around: description and prefix of the answer.
    """

    prompts: tuple[str, ...]
    choices: tuple[str, ...]
    gold: tuple[int, ...]
    target: tuple[str, ...]
    around: tuple[str, str]


def view(task: ConfigurableTask, doc: Doc) -> View:
    """What the task makes of the document, which stays as it is.

    Raises:
        Exception: whatever the task's own templates and functions raise.
    """
    doc = deepcopy(doc)  # some tasks write to what they are given
    text, target = task.doc_to_text(doc), task.doc_to_target(doc)
    is_choice = task.OUTPUT_TYPE == "multiple_choice"
    choices = tuple(str(c) for c in task.doc_to_choice(doc)) if is_choice else ()
    in_prompt = isinstance(text, int)
    around = (
        str(task.resolve_field(doc, task.config.description) or ""),
        str(task.doc_to_prefix(doc) or ""),
    )
    targets = tuple(map(str, target)) if isinstance(target, (list, tuple)) else (str(target),)
    gold = _places(text if in_prompt else target, choices) if is_choice else ()
    prompts = choices if in_prompt else (str(text),)
    return View(prompts, () if in_prompt else choices, gold, targets, around)


def _places(gold: Any, choices: Sequence[str]) -> tuple[int, ...]:
    found: list[int] = []
    for one in gold if isinstance(gold, (list, tuple)) else [gold]:
        if isinstance(one, str) and one in choices:
            found.append(choices.index(one))
        elif isinstance(one, int) and 0 <= one < len(choices):
            found.append(int(one))
    return tuple(found)


def shown_range(text: str, prompts: Sequence[str], *, partial: bool) -> tuple[int, int] | None:
    """First and last place of what every prompt shows of a text; None where that is nothing.

    Args:
        text: value of a field.
        prompts: of the document.
        partial: whether the beginning alone will do: a sentence that is shown up to a gap.
    """
    low = len(text) - len(text.lstrip())
    high = len(text.rstrip())
    if low < high and all(text[low:high] in prompt for prompt in prompts):
        return low, high
    if not partial:
        return None
    while low < high:  # the longest beginning that is shown: whether one is, is monotone
        middle = (low + high + 1) // 2
        if all(text[:middle].lstrip() in prompt for prompt in prompts):
            low = middle
        else:
            high = middle - 1
    first = len(text) - len(text.lstrip())
    end = len(text[:low].rstrip())
    return (first, end) if len(re.findall(r"\w+", text[first:end])) >= 3 else None


def scores(task: ConfigurableTask, doc: Doc, answer: int | str) -> Mapping[str, Mapping[str, Any]]:
    """Filter -> metric -> value, for a model that prefers one choice or gives one reply.

    Raises:
        Exception: whatever the task's own functions raise.
    """
    doc = deepcopy(doc)
    context: Any = ""
    if task.multiple_input:
        context = ["" for _ in task.doc_to_choice(doc)]
    made = task.construct_requests(
        doc=doc, ctx=context, metadata=(task.config.task, 0, 1), apply_chat_template=False
    )
    requests = made if isinstance(made, list) else [made]
    for request in requests:
        if isinstance(answer, str):
            request.resps = [answer]
        else:
            request.resps = [(0.0, True) if request.idx == answer else (-10.0, False)]
    found = {}
    for chain in task._filters:
        chain.apply(requests)
        replies = [request.filtered_resps[chain.name] for request in requests]
        found[chain.name] = task.process_results(deepcopy(doc), replies)
    return found

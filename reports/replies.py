"""What a logged sample shows of prompt and replies, as text: all of it may be hostile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Characters for all replies to an item but the first: sixteen long ones would fill a page.
_ROOM = 20_000


def prompt_of(sample: Mapping[str, Any]) -> str:
    """The context of the first request; API chat models log it as a one-element list."""
    context = argument(sample, 0, 0)
    if isinstance(context, list) and context:
        context = context[0]
    return _text("" if context is None else context)


def reply_of(sample: Mapping[str, Any]) -> str:
    """What was generated, or the option with the highest log-likelihood and all of them.

    Several replies to the item come one below the other, numbered; the first one is whole.
    """
    replies = sample.get("filtered_resps")
    if not isinstance(replies, list) or not replies:
        return _text(replies or "")
    if _generated(sample) or not all(_is_choice(reply) for reply in replies):
        return _numbered(_flat(replies))
    values = [_number(reply[0]) for reply in replies]
    options = [_text(argument(sample, k, 1)).strip() for k in range(len(values))]
    listed = ", ".join(f"{o} {v:.2f}" for o, v in zip(options, values, strict=True))
    return f"{options[_best(values)]}\n(log-likelihoods: {listed})"


def options_of(sample: Mapping[str, Any]) -> list[str]:
    """The options whose log-likelihoods were asked for; empty where replies were generated."""
    replies = sample.get("filtered_resps")
    if not isinstance(replies, list) or _generated(sample) or not all(map(_is_choice, replies)):
        return []
    return [_text(argument(sample, k, 1)).strip() for k in range(len(replies))]


def answers_of(sample: Mapping[str, Any]) -> tuple[list[str], str]:
    """What the model said, reply by reply, and the answer that was read from the first one.

    Where options were scored, both are the one with the highest log-likelihood.
    """
    replies = sample.get("filtered_resps")
    replies = replies if isinstance(replies, list) else []
    if options := options_of(sample):
        best = options[_best([_number(reply[0]) for reply in replies])]
        return [best], best
    said = sample.get("resps")
    read = _flat(replies)
    return _flat(said if isinstance(said, list) else []), read[0] if read else ""


def replies_in(sample: Mapping[str, Any]) -> int:
    """How many generated replies the score of a sample rests on, 1 where nothing was generated.

    The filter decides: with ``repeats: 4``, ``take_first_k`` may keep four of them, ``take_first``
    keeps one. Both ``[[r1, r2]]`` (one request) and ``[r1, r2]`` (one each) are two.
    """
    replies = sample.get("filtered_resps")
    if not _generated(sample) or not isinstance(replies, list):
        return 1
    return max(sum(len(r) if isinstance(r, list) else 1 for r in replies), 1)


def _best(values: list[float]) -> int:
    """The first of the largest ones."""
    return max(range(len(values)), key=values.__getitem__)


def _generated(sample: Mapping[str, Any]) -> bool:
    """Whether the first request was to generate: lm-eval then logs settings, not an option."""
    return isinstance(argument(sample, 0, 1), dict)


def _flat(replies: list[Any]) -> list[str]:
    return [_text(r) for reply in replies for r in (reply if isinstance(reply, list) else [reply])]


def _numbered(replies: list[str]) -> str:
    if len(replies) < 2:
        return replies[0] if replies else ""
    room = _ROOM // (len(replies) - 1)
    parts = [replies[0], *(_shortened(reply, room) for reply in replies[1:])]
    count = len(parts)
    return "\n\n".join(f"[reply {k} of {count}]\n{part}" for k, part in enumerate(parts, 1))


def _shortened(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = room // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out]\n{text[-half:]}"


def _is_choice(reply: object) -> bool:
    """Whether it is a log-likelihood and whether greedy decoding gives it, as lm-eval logs them."""
    return isinstance(reply, list) and len(reply) == 2 and _text(reply[1]) in ("True", "False")


def argument(sample: Mapping[str, Any], request: int, place: int) -> Any:
    """An argument of a request, None where there is none.

    Files hold objects of ``gen_args_0`` and ``arg_0``; what `lm_eval.evaluate` returns, lists.
    """
    found = sample.get("arguments")
    for name, k in ((f"gen_args_{request}", request), (f"arg_{place}", place)):
        if isinstance(found, list):
            found = found[k] if k < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(value: object) -> str:
    try:
        return str(value)
    except RecursionError:
        return f"(a {type(value).__name__}, nested too deeply to be shown)"


def _number(text: object) -> float:
    try:
        number = float(_text(text))
    except ValueError:
        return float("-inf")
    return float("-inf") if math.isnan(number) else number

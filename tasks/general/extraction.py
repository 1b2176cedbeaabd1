r"""Where a free-form reply gives its final answer: text and character span.

What stands after the last ``</think>`` is searched first, the whole reply only if nothing is found
there; so a box in the thinking part does not win over a later answer. In each, in this order:

1. the last ``<answer>…</answer>`` that is not empty, and in it the last box or answer phrase;
2. the last balanced ``\boxed{…}`` or ``\fbox{…}`` that is not empty;
3. the last line with ``answer is …``, ``Answer: …`` or ``#### …``, up to the end of the sentence;
   where the line ends there, the next line that is not empty, or the whole displayed formula.

It is the last of a form, never the first: a reply that weighs ``the answer is (A)`` and ends with
``the answer is (C)`` says C. A form that is empty (``\boxed{}``, as in a prompt that is repeated),
or not closed, gives nothing. Marks around the answer (``$…$``, ``\( \)``, ``**…**``, quotation
marks, ``\text{…}``, a final stop) are left out, letter forms such as ``(B)`` stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Answer", "answer_span", "find_answer"]

_TAGS = re.compile(r"<(/?)answer>", re.I)
_THINK_END = re.compile(r"</think(?:ing)?>", re.I)
# One pass over what matters for braces; ``\{`` and ``\\`` are no braces. Some models write
# ``\\boxed`` with two backslashes, as in JSON.
_BRACES = re.compile(r"\\{1,2}(?:boxed|fbox)\s*\{|\\.|[{}]", re.S)
_PHRASE = re.compile(
    r"(?:(?<![</])\banswers?\b(?![*_]{0,2}\s+(?:key|choices?|sheet))[^\n:=]{0,80}?"
    r"(?:\b(?:is|are|would\s+be|will\s+be|must\s+be)\b(?:[ \t]*[*_]{0,2}:)?|:|=)"
    r"|^[ \t]*\#{4}(?!\#))[*_]{0,3}",
    re.I | re.M,
)
_SENTENCE_END = re.compile(
    r"[.!?](?=[*\"'”’]*\s+[*_\"'“(\\$]*[A-Z])|,?\s+(?:because|since)\b|[.,;]?\s*<\|", re.I
)
_CAPITAL_NEXT = re.compile(r"[*\"'”’]*\s+[*_\"'“(\\$]*[A-Z]")
_SPECIAL = re.compile(r"\s*(?:<\|[^|<>\s]*\|>|</s>|<eos>|<end_of_turn>)\s*\Z")
_PAIRS = (
    ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("*", "*"),
    ("``", "``"), ("`", "`"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"),
)  # fmt: skip
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|boxed|fbox|mbox)\s*\{")
_PLACEHOLDERS = frozenset(
    {"", "answer here", "your answer", "your answer here", "...", "…", r"\ldots"}
)
_DISPLAYS = ((r"\[", r"\]"), ("$$", "$$"))
_LONGEST = 5_000  # characters of one answer; what is longer is none


@dataclass(frozen=True)
class Answer:
    r"""The final answer of a reply.

    Attributes:
        text: the answer without the marks around it; ``reply[start:end]``.
        start: where the text begins in the reply.
        end: where it ends.
        how: the form it was found in, ``tag``, ``box`` or ``phrase``.
        opens: where that form begins (``<answer>``, ``\boxed``, the word "answer"): what stands
            before it is reasoning.
    """

    text: str
    start: int
    end: int
    how: str
    opens: int


def find_answer(reply: str) -> Answer | None:
    """The final answer of a reply; None when it gives none, which is not a wrong answer."""
    thought = max((found.end() for found in _THINK_END.finditer(reply)), default=0)
    answer = _find(reply, thought, len(reply))
    return answer if answer or not thought else _find(reply, 0, len(reply))


def answer_span(reply: str) -> tuple[int, int] | None:
    """Where the answer's own text stands in the reply, for another text to be put in its place."""
    answer = find_answer(reply)
    return (answer.start, answer.end) if answer else None


def _find(reply: str, start: int, end: int) -> Answer | None:
    return (
        _last_tag(reply, start, end)
        or _last_box(reply, start, end)
        or _last_phrase(reply, start, end)
    )


def _last_tag(reply: str, start: int, end: int) -> Answer | None:
    best, opened = None, None
    for tag in _TAGS.finditer(reply, start, end):
        if not tag[1]:
            opened = tag
        elif opened is not None:
            best = _answer(reply, opened.end(), tag.start(), "tag", opened.start()) or best
            opened = None
    if best is None:
        return None
    inner = _last_box(reply, best.start, best.end) or _last_phrase(reply, best.start, best.end)
    return Answer(inner.text, inner.start, inner.end, "tag", best.opens) if inner else best


def _last_box(reply: str, start: int, end: int) -> Answer | None:
    """The balanced box that opens last; of nested ones this is the innermost."""
    best: Answer | None = None
    open_braces: list[tuple[int, int] | None] = []
    for token in _BRACES.finditer(reply, start, end):
        if token[0][-1] == "{" and token[0] != r"\{":
            is_box = len(token[0]) > 1
            open_braces.append((token.start(), token.end()) if is_box else None)
        elif token[0] == "}" and open_braces:
            box = open_braces.pop()
            if box is not None and (best is None or box[0] > best.opens):
                best = _answer(reply, box[1], token.start(), "box", box[0]) or best
    return best


def _last_phrase(reply: str, start: int, end: int) -> Answer | None:
    for phrase in reversed(list(_PHRASE.finditer(reply, start, end))):
        answer = _after(reply, phrase, end)
        if answer is not None:
            return answer
    return None


def _after(reply: str, phrase: re.Match[str], end: int) -> Answer | None:
    """What a phrase introduces: the rest of its sentence, or what the next line shows."""
    begin = phrase.end()
    while begin < end and reply[begin] in " \t\r\n":
        begin += 1
    for left, right in _DISPLAYS:
        close = reply.find(right, begin + 2, min(end, begin + _LONGEST))
        if reply.startswith(left, begin) and close > 0:
            return _answer(reply, begin + 2, close, "phrase", phrase.start())
    line_end = reply.find("\n", begin, end)
    line_end = end if line_end < 0 else line_end
    for stop in _SENTENCE_END.finditer(reply, begin, line_end):
        if stop[0] not in ".!?" or _CAPITAL_NEXT.match(reply, stop.end(), line_end):
            line_end = stop.start()
            break
    return _answer(reply, begin, line_end, "phrase", phrase.start())


def _answer(reply: str, start: int, end: int, how: str, opens: int) -> Answer | None:
    if end - start > _LONGEST:
        return None
    start, end = _peel(reply, start, end)
    text = reply[start:end]
    return None if text.lower() in _PLACEHOLDERS else Answer(text, start, end, how, opens)


def _peel(reply: str, start: int, end: int) -> tuple[int, int]:
    """The span without the marks around it."""
    before = (-1, -1)
    while before != (start, end):
        before = (start, end)
        text = reply[start:end]
        start += len(text) - len(text.lstrip(" \t\r\n,;*_"))
        text = reply[start:end]
        end -= len(text) - len(text.rstrip(" \t\r\n,;:*"))
        text = reply[start:end]
        if special := _SPECIAL.search(text):
            end = start + special.start()
        elif text.endswith(".") and not text.endswith(("..", r"\.", r"\right.")):
            end -= 1
        else:
            left, right = _pair(text)
            start, end = start + left, end - right
    return (start, end) if start < end else (start, start)


def _pair(text: str) -> tuple[int, int]:
    """Lengths of the marks that enclose the whole text."""
    for left, right in _PAIRS:
        inside = text[len(left) : len(text) - len(right)]
        whole = len(text) > len(left) + len(right) and right not in inside
        if whole and text.startswith(left) and text.endswith(right):
            return len(left), len(right)
    wrapper = _WRAPPER.match(text)
    if wrapper and text.endswith("}") and _closes_last(text, wrapper.end()):
        return wrapper.end(), 1
    return 0, 0


def _closes_last(text: str, begin: int) -> bool:
    """Whether the brace that is open at ``begin`` is closed by the last character."""
    depth = 1
    for token in re.finditer(r"\\.|[{}]", text[begin:], re.S):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return begin + token.end() == len(text)
    return False

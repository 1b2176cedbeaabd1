"""What the scorers upstream accept: lenient, so that published figures can be compared with.

Written anew from what these scorers do; nothing is evaluated as Python, as both of them do.

- RLPR (github.com/OpenBMB/RLPR, ``verl/utils/reward_score/prime_math`` and ``multi_choice.py``,
  arXiv 2506.18254): a reply is right when one of a list of phrases stands directly before the
  reference, wherever and **whatever follows** ("the correct answer is 25" for 2); otherwise what
  follows the last of its markers is compared, numbers within 1e-4 and also times and by 100.
  Their published figures add a language model as judge to this, which no rule reproduces.
- TheoremQA (github.com/TIGER-AI-Lab/TheoremQA, ``utils.py`` and ``number_utils.py``, arXiv
  2305.12524): "yes" and "true", then "no" and "false", **anywhere** in the answer are the answer
  ("another" is False); integers are **rounded** (0.7 is 1); floats within 4%; lists count in round
  brackets alone, in any order.
"""

from __future__ import annotations

import math
import re

from oodrop.tasks.general.equivalence import TOLERANCE, number, numbers, same_math

__all__ = ["rlpr_letter", "rlpr_math", "theoremqa_typed"]

# RLPR: what may stand directly before the reference.
_BEFORE_MATH = (
    r"ANSWER:\s*", r"he answer to the question is:?\s*", r"he correct option is:?\s*",
    r"he correct answer is:?\s*",
)  # fmt: skip
_BEFORE_LETTER = (
    *_BEFORE_MATH, r"Answer:\s*", r"he correct answer would be option:?\s*",
    r"Answer choice closest to our calculated value:?\s*",
)  # fmt: skip
_MARKERS = ("answer:", "answer is", "answers are", "is approximately")
_MARKERS_AFTER = ("is answer", "is the answer", "are answers", "are the answers")
_LINKS = ("be ", "is ", "are ", "=", ": ", "get ", "be\n", "is\n", "are\n", ":\n", "get\n")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TAG = re.compile(r"<answer>(.*?)</answer>", re.S)
_TRIGGER = re.compile(r"[Tt]he answer is:?")
_NUMBER = re.compile(r"-?\d*\.?\d+")
_OPTION = re.compile(r"\([a-f]\)")
_LONGEST = 100_000  # characters of a reply; its end is what counts


def rlpr_math(reply: str, gold: str) -> bool:
    """Whether RLPR's rules for MATH-500, Minerva, AIME and TheoremQA accept the reply."""
    reply = reply[-_LONGEST:].split("user\n")[0]
    exact = re.escape(gold)
    direct = [before + exact for before in _BEFORE_MATH]
    direct += [
        rf"he correct answer is:?\s*\({exact}\)",
        rf"boxed\{{\s*{exact}\s*\}}",
        rf"<answer>\s*{exact}\s*</answer>",
    ]
    if any(re.search(pattern, reply) for pattern in direct):
        return True
    return any(_alike(said, gold) for said in dict.fromkeys(_said(reply)))


def rlpr_letter(reply: str, gold: str, options: list[str], labels: str) -> bool:
    """Whether RLPR's rules for MMLU-Pro and GPQA accept the reply.

    Args:
        reply: what the model wrote.
        gold: the label of the right option.
        options: the options' texts, in the order shown.
        labels: the labels, in the same order.
    """
    reply = reply[-_LONGEST:].split("user\n")[0].replace("**", "")
    text = re.escape(options[labels.index(gold)])
    direct = [before + gold for before in _BEFORE_LETTER]
    direct += [
        rf"he answer is:?\s*{gold}[\s.]",
        rf"he correct answer is:?\s*\({gold}\)",
        rf"boxed\{{\s*(?:\\text\{{)?{gold}[\s.}}]",
        rf"boxed\{{\s*{text}[\s.}}]",
        rf"<answer>\s*{gold}\.?\s*</answer>",
        rf"<answer>\s*{text}(?:\s*</answer>|[\s.])",
    ]
    if any(re.search(pattern, reply) for pattern in direct):
        return True
    return _last_label(reply, labels[: len(options)]) == gold


def theoremqa_typed(reply: str, gold: str, kind: str) -> bool:
    """Whether TheoremQA's own scorer accepts the reply."""
    parts = _TRIGGER.split(reply[-_LONGEST:].strip("\n"))
    if len(parts) > 2:  # as after worked examples: the first paragraph is the reply
        parts = _TRIGGER.split(reply[-_LONGEST:].strip("\n").split("\n\n")[0])
    said = _cleaned(parts[-1].strip("\n").rstrip(".").rstrip("/").strip(" "), len(parts) > 1)
    if kind == "option":
        return gold.lower() in said.lower()
    if said.lower() == gold.lower():
        return True
    if kind == "bool":
        return False
    if kind.startswith("list"):
        values = numbers(said) if said.startswith("(") and said.endswith(")") else None
        wanted = numbers(gold) or []
        return (
            values is not None
            and len(values) == len(wanted)
            and all(_near(a, b, kind) for a, b in zip(sorted(values), sorted(wanted), strict=True))
        )
    value, reference = number(said), number(gold)
    return value is not None and reference is not None and _near(value, reference, kind)


def _cleaned(said: str, after_trigger: bool) -> str:
    lower = said.lower()
    if "yes" in lower or "true" in lower:
        return "True"
    if "no" in lower or "false" in lower:
        return "False"
    if _OPTION.search(lower):
        return said
    if not after_trigger:
        found = _NUMBER.findall(said)
        return found[-1] if found else ""
    said = said.split("=")[-1].strip()
    for mark in ("$", "¥", "°C", " C", "°"):
        said = said.replace(mark, "")
    with_unit = re.match(r"(-?[\d.]+)\s(?:\D+|\S+)$", said)
    return (with_unit[1] if with_unit else said).rstrip(".").rstrip("/")


def _near(value: float, reference: float, kind: str) -> bool:
    if kind.endswith("integer"):
        return round(value) == reference
    return abs(value - reference) <= TOLERANCE * abs(reference)


def _said(reply: str) -> list[str]:
    """What the reply says by RLPR's markers, cut at the last sentence before or after its links."""
    for marker in _MARKERS:
        place = reply.lower().rfind(marker)
        reply = reply[place + len(marker) :].strip() if place >= 0 else reply
    for marker in _MARKERS_AFTER:
        place = reply.lower().rfind(marker)
        reply = reply[:place].strip() if place >= 0 else reply
    reply = _inside(reply) or reply
    return [_linked(_first_sentences(reply)), _first_sentences(_linked(reply))]


def _inside(reply: str) -> str | None:
    """The content of the last box, else of the last pair of answer tags."""
    boxes = list(_BOX.finditer(reply))
    if boxes:
        depth = 1
        for k in range(boxes[-1].end(), len(reply)):
            depth += (reply[k] == "{") - (reply[k] == "}")
            if depth == 0:
                return reply[boxes[-1].end() : k].strip()
        return None
    tags = _TAG.findall(reply)
    return tags[-1].strip() if tags else None


def _first_sentences(text: str) -> str:
    text = text[: text.rfind(". ")].strip() if ". " in text else text
    return text.removesuffix(".").strip()


def _linked(text: str) -> str:
    for link in _LINKS:
        place = text.lower().rfind(link)
        text = text[place + len(link) :].strip() if place >= 0 else text
    return text


def _alike(said: str, gold: str) -> bool:
    """RLPR's comparison: alike but for case and blanks, equal, or numbers near, also by 100."""
    if not said or len(said) > 1000:
        return False
    if re.sub(r"\s+", "", said).lower() == re.sub(r"\s+", "", gold).lower():
        return True
    value, reference = (number(side.replace("%", "").rstrip("\\")) for side in (said, gold))
    if value is not None and reference is not None:
        nears = (reference / 100, reference, reference * 100)
        return any(math.isclose(value, near, rel_tol=1e-4) for near in nears)
    return same_math(said, gold)


def _last_label(reply: str, labels: str) -> str | None:
    """The last label in a box, tags, or after an answer phrase, in this order."""
    one = f"([{labels}])"
    for pattern in (
        rf"boxed\{{[^a-zA-Z0-9]*{one}[^a-zA-Z0-9]",
        rf"<answer>\s*\(?{one}[\s.)<]",
        rf"(?i:answer)\s*:\s*\(?{one}",
        rf"[Tt]he (?:correct |final )?answer(?: to the question)? is:?\s+(?:option:?\s+)?\(?{one}",
    ):
        if found := re.findall(pattern, reply):
            return str(found[-1])
    return None

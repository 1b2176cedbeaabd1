"""Guard G0: what carries the label stands as it stood, and nothing of its kind is new."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from oodrop.perturbers.edits import Edits, Regold, Replace
from oodrop.perturbers.equivalence import equivalence
from oodrop.perturbers.item import Item
from oodrop.perturbers.lookalikes import disguises
from oodrop.perturbers.spans import (
    is_harmless,
    is_plain,
    is_vocabulary,
    opens_quotation,
    protected_spans,
)

_MASK = "\ufffc"
_SAFE_BEFORE = frozenset(' \t"“(')
_SAFE_AFTER = frozenset(' \t"”)')
_MARKS = frozenset(".,;:!?")


def protected_text_kept(before: Item, after: Item, edits: Edits) -> str:
    """G0: no edit touches a protected span, and none brings new protected text.

    A new "not" or "only" would change the meaning as surely as a lost one. Excepted are edits that
    a program shows to be equivalent (`equivalence`), names that are exchanged throughout, whole
    segments from the task's reviewed bank, and the edits of a control that changes the gold.
    """
    if Regold in edits.kinds:
        return ""
    for name, group in edits.by_segment.items():
        old, new = before.segments[name], after.segments[name]
        if is_plainly_harmless(before, name, old, new, group):
            continue
        if new in reworded_texts(before, name):
            continue
        problem = text_problem(before, name, old, new, group, before.names)
        if problem:
            return problem
    return ""


def reworded_texts(item: Item, segment: str) -> set[str]:
    """The texts of the task's reviewed bank that may take the place of a whole segment."""
    inverted = {i.question for i in item.inversions.values()} if segment == "question" else set()
    return {*item.paraphrases.get(segment, {}).values(), *inverted}


def is_plainly_harmless(
    item: Item, name: str, old: str, new: str, group: Sequence[Replace]
) -> bool:
    """Words for words between untouched blanks: what is protected cannot change, nothing is read.

    It says the same as `text_problem` (a property test holds them against each other), without
    reading the whole segment again; where it says False, the whole is read.
    """
    # What a quotation is depends on its length.
    if '"' in old or "“" in old or ("'" in old and opens_quotation(old)):
        return False
    spans, literals, shift, last = item.spans(name), item.protected, 0, -1
    for _, start, quoted, after in group:
        end = start + len(quoted)
        if start <= last:
            return False
        k = bisect_left(spans, (end,)) - 1
        if k >= 0 and spans[k][1] > start:
            if not _is_other_case(old, spans[k], start, end, quoted, after):
                return False
        elif quoted == " " and not after.strip(" \t"):
            if len(after) < 2 and after != "\t":
                return False
        elif not (_stand_apart(old, start, end) and _words_for_words(quoted, after)):
            return False
        if literals:
            place = start + shift
            behind = place + len(after)
            for literal in literals:  # one that stands in the new text where the edit is
                size = len(literal) - 1
                if new.find(literal, place - size if place > size else 0, behind + size) >= 0:
                    return False
            shift += len(after) - len(quoted)
        last = end
    return True


def _is_other_case(
    old: str, span: tuple[int, int], start: int, end: int, quoted: str, after: str
) -> bool:
    """One protected word that is written in another case; patterns do not look at case."""
    return (
        span == (start, end)
        and quoted.isascii()
        and quoted.lower() == after.lower()
        and is_vocabulary(old[start:end])
    )


def _stand_apart(old: str, start: int, end: int) -> bool:
    if start and old[start - 1] not in _SAFE_BEFORE:
        return False
    follower = old[end : end + 2]
    return (
        not follower
        or follower[0] in _SAFE_AFTER
        or (follower[0] in _MARKS and not follower[1:].strip(" \t"))
    )


def _words_for_words(quoted: str, after: str) -> bool:
    if is_harmless(after):
        plain = quoted.isalpha() or is_plain(quoted)
        return plain and (after.isalpha() or is_plain(after))
    return disguises(quoted, after) or (quoted.isascii() and quoted.lower() == after.lower())


def text_problem(
    item: Item, name: str, old: str, new: str, group: Sequence[Replace], names: frozenset[str]
) -> str:
    """What is wrong with a segment's new text, read as a whole; "" when nothing is."""
    masked_old: list[str] = []
    masked_new: list[str] = []
    spans, place, shift, total = item.spans(name), 0, 0, 0
    for edit in group:
        before, total = total, total + len(edit.after) - len(edit.before)
        touched = _touched(spans, edit)
        kind = "name" if edit.before in names else equivalence(edit.before, edit.after)
        inside = all(edit.start <= a and b <= edit.end for a, b in touched)
        if touched and (kind in (None, "look-alike") or not inside):
            start, end = touched[0]
            return f"an edit of {name} touches the protected text {old[start:end]!r}"
        if kind is None:
            continue
        masked_old += [old[place : edit.start], _MASK]
        masked_new += [new[place + shift : edit.start + before], _MASK]
        place, shift = edit.end, total
    kept = _protected_texts("".join([*masked_old, old[place:]]), item.protected)
    now = _protected_texts("".join([*masked_new, new[place + shift :]]), item.protected)
    return "" if kept == now else f"protected text of {name} is not what it was"


def _touched(spans: Sequence[tuple[int, int]], edit: Replace) -> list[tuple[int, int]]:
    end = edit.end if edit.before else edit.start
    k = bisect_left(spans, (end,))
    found: list[tuple[int, int]] = []
    while k > 0 and spans[k - 1][1] > edit.start:
        k -= 1
        found.append(spans[k])
    return found[::-1]


def _protected_texts(text: str, literals: tuple[str, ...]) -> list[str]:
    return [text[a:b] for a, b in protected_spans(text, literals)]

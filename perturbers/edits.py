"""Edits: the only thing a perturber returns, each of them invertible.

Positions are code points of the canonical segment, so that the edits of one item do not depend
on each other's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from oodrop import DataError
from oodrop.perturbers.item import Item, Units

CHOICES = "choices"


class Replace(NamedTuple):
    """Characters ``start:end`` of a segment, ``before``, become ``after``."""

    segment: str
    start: int
    before: str
    after: str

    @property
    def end(self) -> int:
        """First position behind the replaced text."""
        return self.start + len(self.before)

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return self._asdict()


class Reorder(NamedTuple):
    """The group's member at new place ``i`` is the one that stood at ``order[i]``.

    ``group`` names units of the item, or is ``"choices"``: then the gold moves along.
    """

    group: str
    order: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {"group": self.group, "order": list(self.order)}


class Use(NamedTuple):
    """The prompt is made with value ``after`` of a setting (template, few-shot) instead."""

    setting: str
    before: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return self._asdict()


class Relabel(NamedTuple):
    """The words to answer with, place by place: labels of options, or names of verdicts."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {"labels_before": list(self.before), "labels_after": list(self.after)}


class Regold(NamedTuple):
    """The meaning changed and with it the right answer: for controls of sensitivity alone."""

    before: int | str
    after: int | str

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {"gold_before": self.before, "gold_after": self.after}


Edit = Replace | Reorder | Use | Relabel | Regold


def edits_from_dicts(rows: Iterable[Mapping[str, Any]]) -> tuple[Edit, ...]:
    """Read logged edits back.

    Raises:
        DataError: when a row is none of the kinds.
    """
    result: list[Edit] = []
    for row in rows:
        match row:
            case {"segment": str(s), "start": int(i), "before": str(b), "after": str(a)}:
                result.append(Replace(s, i, b, a))
            case {"group": str(g), "order": [*order]} if all(type(k) is int for k in order):
                result.append(Reorder(g, tuple(order)))
            case {"setting": str(s), "before": str(b), "after": str(a)}:
                result.append(Use(s, b, a))
            case {"labels_before": [*b], "labels_after": [*a]} if _texts(b) and _texts(a):
                result.append(Relabel(tuple(b), tuple(a)))
            case {"gold_before": int(b) | str(b), "gold_after": int(a) | str(a)}:
                result.append(Regold(b, a))
            case _:
                raise DataError(f"a logged edit has the fields of one of its kinds, got {row!r}")
    return tuple(result)


def _texts(values: Sequence[object]) -> bool:
    return all(isinstance(v, str) for v in values)


def apply_edits(item: Item, edits: Sequence[Edit]) -> Item:
    """The item after the edits.

    Raises:
        ValueError: when an edit does not fit the item (the message says why).
    """
    edits = edits if isinstance(edits, Edits) else Edits(edits)
    if edits.kinds != _REPLACE_ONLY:
        for edit in edits:
            if not isinstance(edit, Replace):
                item = _set(item, edit)
    return _rewritten(item, edits, _applied)


def undo_edits(item: Item, edits: Sequence[Edit]) -> Item:
    """The item before the edits: the inverse of `apply_edits`.

    Raises:
        ValueError: when an edit does not fit the item.
    """
    edits = edits if isinstance(edits, Edits) else Edits(edits)
    for edit in reversed(edits):  # moves and settings build on each other
        if not isinstance(edit, Replace):
            item = _set(item, _inverse(edit))
    return _rewritten(item, edits, undone_text)


class Edits(tuple[Edit, ...]):
    """Edits in the order in which a perturber gave them, and what is asked of them again.

    Attributes:
        kinds: the kinds of edit among them.
        by_segment: the replacements of each segment, in text order.
    """

    kinds: frozenset[type]
    by_segment: dict[str, list[Replace]]

    def __new__(cls, edits: Iterable[Edit] = ()) -> Self:
        """Sort the replacements by segment and place."""
        made = super().__new__(cls, edits)
        groups: dict[str, list[Replace]] = {}
        for edit in made:
            if isinstance(edit, Replace):
                if edit[0] in groups:
                    groups[edit[0]].append(edit)
                else:
                    groups[edit[0]] = [edit]
        for group in groups.values():
            if len(group) > 1:
                group.sort(key=_place)
        made.kinds, made.by_segment = frozenset(map(type, made)), groups
        return made


_REPLACE_ONLY = {Replace}


def _place(edit: Replace) -> tuple[int, bool]:
    # An insertion stands before what is replaced at the same place, however they are listed.
    return edit[1], edit[2] != ""


_Rewrite = Callable[[str, str, Sequence[Replace]], str]


def _rewritten(item: Item, edits: Edits, rewrite: _Rewrite) -> Item:
    if not edits.by_segment:
        return item
    segments = dict(item.segments)
    for name, group in edits.by_segment.items():
        if name not in segments:
            raise ValueError(f"no segment {name!r}; there are {', '.join(segments)}")
        segments[name] = rewrite(name, segments[name], group)
    return item.altered(segments=segments)


def _applied(name: str, text: str, edits: Sequence[Replace]) -> str:
    parts, position = [], 0
    for _, start, before, after in edits:
        end = start + len(before)
        if not position <= start <= len(text) or text[start:end] != before:
            raise ValueError(f"edit at {name}[{start}] overlaps another or misquotes the text")
        parts.append(text[position:start])
        parts.append(after)
        position = end
    parts.append(text[position:])
    return "".join(parts)


def undone_text(name: str, text: str, edits: Sequence[Replace]) -> str:
    """A segment's text before its replacements, which are given in text order.

    Raises:
        ValueError: when the text does not hold what they put there.
    """
    parts, position, shift = [], 0, 0
    for _, canonical, before, after in edits:
        start = canonical + shift
        end = start + len(after)
        if start < position or text[start:end] != after:
            raise ValueError(f"edit at {name}[{canonical}] does not match the perturbed text")
        parts.append(text[position:start])
        parts.append(before)
        position = end
        shift += len(after) - len(before)
    parts.append(text[position:])
    return "".join(parts)


def _inverse(edit: Edit) -> Edit:
    if isinstance(edit, Reorder):
        inverse = [0] * len(edit.order)
        for new, old in enumerate(edit.order):
            inverse[old] = new
        return Reorder(edit.group, tuple(inverse))
    if isinstance(edit, Replace):
        raise TypeError("replacements are undone together")
    return edit._replace(before=edit.after, after=edit.before)  # type: ignore[arg-type]


def _set(item: Item, edit: Edit) -> Item:
    match edit:
        case Reorder():
            return _reorder(item, edit)
        case Use(setting, before, after):
            if item.settings.get(setting) != before or after not in item.offers.get(setting, ()):
                raise ValueError(f"no {setting} change {before!r} to {after!r} for this item")
            return item.altered(settings={**item.settings, setting: after})
        case Relabel(before, after):
            if item.labels != before or len(after) != len(before):
                raise ValueError(f"the item's labels are {item.labels!r}, not {before!r}")
            return item.altered(labels=tuple(after))
        case Regold(before, after):
            if item.gold != before:
                raise ValueError(f"the item's gold is {item.gold!r}, not {before!r}")
            return item.altered(gold=after)
    raise ValueError(f"not an edit: {type(edit).__name__}")


def _reorder(item: Item, edit: Reorder) -> Item:
    if edit.group == CHOICES:
        _check_permutation(edit, len(item.choices))
        gold = edit.order.index(item.gold) if isinstance(item.gold, int) else item.gold
        return item.altered(choices=tuple(item.choices[i] for i in edit.order), gold=gold)
    if edit.group not in item.units:
        raise ValueError(f"no units {edit.group!r}; there are {', '.join(item.units) or 'none'}")
    units = item.units[edit.group]
    _check_permutation(edit, len(units.members))
    moved = Units(tuple(units.members[i] for i in edit.order), units.precedence)
    return item.altered(units={**item.units, edit.group: moved})


def _check_permutation(edit: Reorder, size: int) -> None:
    if sorted(edit.order) != list(range(size)):
        raise ValueError(f"order of {edit.group!r} is no permutation of 0..{size - 1}")

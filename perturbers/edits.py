"""Edits: the only thing a perturber returns, each of them invertible.

Positions are code points of the canonical segment, so that the edits of one item do not depend
on each other's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oodrop import DataError
from oodrop.perturbers.item import Item, Units

CHOICES = "choices"


@dataclass(frozen=True, slots=True)
class Replace:
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
        return {
            "segment": self.segment,
            "start": self.start,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Reorder:
    """The group's member at new place ``i`` is the one that stood at ``order[i]``.

    ``group`` names units of the item, or is ``"choices"``: then the gold moves along.
    """

    group: str
    order: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {"group": self.group, "order": list(self.order)}


@dataclass(frozen=True, slots=True)
class UseTemplate:
    """The prompt is rendered by template ``after`` instead of ``before``."""

    before: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        """The form that is logged with a sample."""
        return {"template": [self.before, self.after]}


Edit = Replace | Reorder | UseTemplate


def edits_from_dicts(rows: Iterable[Mapping[str, Any]]) -> tuple[Edit, ...]:
    """Read logged edits back.

    Raises:
        DataError: when a row is none of the three kinds.
    """
    result: list[Edit] = []
    for row in rows:
        match row:
            case {"segment": str(s), "start": int(i), "before": str(b), "after": str(a)}:
                result.append(Replace(s, i, b, a))
            case {"group": str(g), "order": [*order]} if all(type(k) is int for k in order):
                result.append(Reorder(g, tuple(order)))
            case {"template": [str(b), str(a)]}:
                result.append(UseTemplate(b, a))
            case _:
                raise DataError(f"a logged edit is a replace, an order or a template, got {row!r}")
    return tuple(result)


def apply_edits(item: Item, edits: Sequence[Edit]) -> Item:
    """The item after the edits.

    Raises:
        ValueError: when an edit does not fit the item (the message says why).
    """
    return _apply(item, edits, _forward)


def undo_edits(item: Item, edits: Sequence[Edit]) -> Item:
    """The item before the edits: the inverse of `apply_edits`.

    Raises:
        ValueError: when an edit does not fit the item.
    """
    # Moves and templates build on each other; replaces all count in the canonical text.
    moves = [e for e in reversed(edits) if not isinstance(e, Replace)]
    replaces = [e for e in edits if isinstance(e, Replace)]
    return _apply(item, [_inverse(e) for e in (*moves, *replaces)], _backward)


def _inverse(edit: Edit) -> Edit:
    match edit:
        case Replace():
            return Replace(edit.segment, edit.start, edit.after, edit.before)
        case Reorder():
            inverse = [0] * len(edit.order)
            for new, old in enumerate(edit.order):
                inverse[old] = new
            return Reorder(edit.group, tuple(inverse))
        case UseTemplate():
            return UseTemplate(edit.after, edit.before)


def _apply(item: Item, edits: Sequence[Edit], rewrite: Any) -> Item:
    replaces: dict[str, list[Replace]] = {}
    for edit in edits:
        match edit:
            case Replace():
                replaces.setdefault(edit.segment, []).append(edit)
            case Reorder():
                item = _reorder(item, edit)
            case UseTemplate():
                item = _use_template(item, edit)
            case _:
                raise ValueError(f"not an edit: {type(edit).__name__}")
    if not replaces:
        return item
    segments = dict(item.segments)
    for name, group in replaces.items():
        if name not in segments:
            raise ValueError(f"no segment {name!r}; there are {', '.join(segments)}")
        segments[name] = rewrite(name, segments[name], group)
    return replace(item, segments=segments)


def _forward(name: str, text: str, edits: list[Replace]) -> str:
    parts, position = [], 0
    # An insertion stands before what is replaced at the same place, however they are listed.
    for edit in sorted(edits, key=lambda e: (e.start, bool(e.before))):
        fits = position <= edit.start <= len(text)
        if not fits or text[edit.start : edit.end] != edit.before:
            raise ValueError(f"edit at {name}[{edit.start}] overlaps another or misquotes the text")
        parts += [text[position : edit.start], edit.after]
        position = edit.end
    return "".join([*parts, text[position:]])


def _backward(name: str, text: str, edits: list[Replace]) -> str:
    parts, position, shift = [], 0, 0
    # start counts in the canonical text, before/after are swapped already
    for edit in sorted(edits, key=lambda e: (e.start, bool(e.after))):
        start = edit.start + shift
        if start < position or text[start : start + len(edit.before)] != edit.before:
            raise ValueError(f"edit at {name}[{edit.start}] does not match the perturbed text")
        parts += [text[position:start], edit.after]
        position = start + len(edit.before)
        shift += len(edit.before) - len(edit.after)
    return "".join([*parts, text[position:]])


def _reorder(item: Item, edit: Reorder) -> Item:
    if edit.group == CHOICES:
        _check_permutation(edit, len(item.choices))
        gold = edit.order.index(item.gold) if isinstance(item.gold, int) else item.gold
        return replace(item, choices=tuple(item.choices[i] for i in edit.order), gold=gold)
    if edit.group not in item.units:
        raise ValueError(f"no units {edit.group!r}; there are {', '.join(item.units) or 'none'}")
    units = item.units[edit.group]
    _check_permutation(edit, len(units.members))
    moved = Units(tuple(units.members[i] for i in edit.order), units.precedence)
    return replace(item, units={**item.units, edit.group: moved})


def _check_permutation(edit: Reorder, size: int) -> None:
    if sorted(edit.order) != list(range(size)):
        raise ValueError(f"order of {edit.group!r} is no permutation of 0..{size - 1}")


def _use_template(item: Item, edit: UseTemplate) -> Item:
    if item.template != edit.before or edit.after not in item.templates:
        raise ValueError(f"no template change {edit.before!r} to {edit.after!r} for this item")
    return replace(item, template=edit.after)

"""Guards: run after every perturber, ours and plugins alike; one failure refuses the item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from oodrop.perturbers.edits import CHOICES, Edit, Reorder, Replace, UseTemplate, undo_edits
from oodrop.perturbers.item import Item
from oodrop.perturbers.spans import protected_spans

Guard = Callable[[Item, Item, Sequence[Edit]], str]


def protected_text_kept(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """G0: no edit touches a protected span, and none brings new protected text.

    A new "not" or "only" would change the meaning as surely as a lost one. Only a rewording of the
    whole segment from the task's reviewed bank may bring words of its own.
    """
    touched = {e.segment for e in edits if isinstance(e, Replace)}
    for name in sorted(touched):
        old, new = before.segments[name], after.segments[name]
        spans = protected_spans(old, before.protected)
        for edit in edits:
            if isinstance(edit, Replace) and edit.segment == name:
                for start, end in spans:
                    inside = (
                        start < edit.start < end
                        if not edit.before
                        else (edit.start < end and start < edit.end)
                    )
                    if inside:
                        return f"an edit of {name} touches the protected text {old[start:end]!r}"
        kept = [old[a:b] for a, b in spans]
        now = [new[a:b] for a, b in protected_spans(new, before.protected)]
        if kept != now and not _from_the_bank(before, after, name):
            return f"protected text of {name} is not what it was"
    return ""


def options_kept(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """G1: the same options, and the gold still points to the same text."""
    if Counter(before.choices) != Counter(after.choices):
        return "the options are not the same set"
    if before.gold_text != after.gold_text:
        return "the gold points to another answer"
    return ""


def units_kept(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """G1 for units: the same members, and the declared precedence holds."""
    for name, units in after.units.items():
        if sorted(units.members) != sorted(before.units[name].members):
            return f"the units {name} are not the same set"
        place = {member: i for i, member in enumerate(units.members)}
        for first, second in units.precedence:
            if place[first] > place[second]:
                return f"in {name}, {first} must stay before {second}"
    return ""


def prompt_complete(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """G2 for templates: every segment stands in the new prompt as often as in the old one."""
    if not any(isinstance(e, UseTemplate) for e in edits) or before.render is None:
        return ""
    old, new = before.render(before), before.render(after)
    for name in before.segments:
        text = after.segments[name]
        if new.count(text) != old.count(before.segments[name]):
            return f"{name} does not stand in the new prompt as in the old one"
    return ""


def gold_rederived(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """G3: the task's own program still derives the same gold."""
    if after.rederive is None or not any(isinstance(e, Reorder) for e in edits):
        return ""
    derived = after.rederive(after)
    return "" if derived == after.gold else f"the label is now {derived!r}, not {after.gold!r}"


def invertible(before: Item, after: Item, edits: Sequence[Edit]) -> str:
    """Undoing the edits gives the canonical item, byte for byte."""
    try:
        undone = undo_edits(after, edits)
    except ValueError as error:
        return f"the edits cannot be undone: {error}"
    return "" if undone.sha256() == before.sha256() else "undoing the edits gives another item"


GUARDS: dict[str, Guard] = {
    "G0_protected_text": protected_text_kept,
    "G1_options": options_kept,
    "G1_units": units_kept,
    "G2_prompt_complete": prompt_complete,
    "G3_gold_rederived": gold_rederived,
    "invertible": invertible,
}


def applicable_guards(item: Item, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Names of the guards that have something to look at for these edits."""
    kinds = {type(e) for e in edits}
    moved = {e.group for e in edits if isinstance(e, Reorder)}
    has = {
        "G0_protected_text": Replace in kinds,
        "G1_options": CHOICES in moved,
        "G1_units": bool(moved - {CHOICES}),
        "G2_prompt_complete": UseTemplate in kinds and item.render is not None,
        "G3_gold_rederived": Reorder in kinds and item.rederive is not None,
        "invertible": bool(edits),
    }
    return tuple(name for name, wanted in has.items() if wanted)


def first_failure(before: Item, after: Item, edits: Sequence[Edit]) -> tuple[str, str] | None:
    """Name and sentence of the first guard that does not hold; all of them are asked."""
    for name, guard in GUARDS.items():
        problem = guard(before, after, edits)
        if problem:
            return name, problem
    return None


def _from_the_bank(before: Item, after: Item, name: str) -> bool:
    return after.segments[name] in before.paraphrases.get(name, {}).values()

"""Guards: run after every perturber, ours and plugins alike; one failure refuses the item.

A guard is a name, the edits that concern it, and a check that gives "" or what is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from oodrop.perturbers.crossreference import options_refer_to_each_other
from oodrop.perturbers.edits import (
    CHOICES,
    Edits,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Use,
    undo_edits,
    undone_text,
)
from oodrop.perturbers.item import TEMPLATE, Item
from oodrop.perturbers.protection import protected_text_kept


@dataclass(frozen=True, slots=True)
class Guard:
    """One promise about every changed item.

    Attributes:
        name: stands in the certificate.
        kinds: kinds of edit that it looks at; without one of them it does not run.
        concerns: whether it has something to look at in these edits of this item; None: always.
        check: (before, after, edits) to "" or one sentence saying what is wrong.
    """

    name: str
    kinds: tuple[type, ...]
    concerns: Callable[[Item, Edits], bool] | None
    check: Callable[[Item, Item, Edits], str]


def names_exchanged(before: Item, after: Item, edits: Edits) -> str:
    """G2 for names: one new name for each old one, everywhere, and none that was there already."""
    names = before.names
    renamed: dict[str, str] = {}
    for edit in edits:
        if not isinstance(edit, Replace) or edit.before not in names:
            continue
        if renamed.setdefault(edit.before, edit.after) != edit.after:
            return f"{edit.before!r} has two new names"
    text = "\n".join(before.segments.values())
    if len(set(renamed.values())) < len(renamed):
        return "two names became the same"
    known = next((new for new in renamed.values() if new in text), None)
    if known is not None:
        return f"the new name {known!r} was in the text already"
    told = "\n".join(after.segments.values())
    left = next((old for old in renamed if old in told), None)
    return "" if left is None else f"the old name {left!r} is still told somewhere"


def options_kept(before: Item, after: Item, edits: Edits) -> str:
    """G1: the same options, and the gold still points to the same text."""
    if Counter(before.choices) != Counter(after.choices):
        return "the options are not the same set"
    if before.gold_text != after.gold_text:
        return "the gold points to another answer"
    return ""


def labels_renamed(before: Item, after: Item, edits: Edits) -> str:
    """G1 for labels: each place has a label of its own, and what it stands for is the same."""
    if len(set(after.labels)) != len(before.labels) or not all(after.labels):
        return "two places have the same label, or one has none"
    return "" if before.gold == after.gold else "the gold points to another answer"


def units_kept(before: Item, after: Item, edits: Edits) -> str:
    """G1 for units: the same members, and the declared precedence holds."""
    for name, units in after.units.items():
        if sorted(units.members) != sorted(before.units[name].members):
            return f"the units {name} are not the same set"
        place = {member: i for i, member in enumerate(units.members)}
        for first, second in units.precedence:
            if place[first] > place[second]:
                return f"in {name}, {first} must stay before {second}"
    return ""


def prompt_complete(before: Item, after: Item, edits: Edits) -> str:
    """G2 for templates: every text stands in the new prompt as often as in the old one.

    The texts are the segments, the options, and the fixed sentences that the task requires.
    """
    if before.render is None:
        return ""
    old, new = before.render(before), before.render(after)
    pairs = [(f"segment {n}", t, after.segments[n]) for n, t in before.segments.items()]
    if before.listed:
        pairs += [(f"option {c!r}", c, c) for c in before.choices]
    for what, text, now in pairs:
        if _count(now, new) != _count(text, old):
            return f"{what} does not stand in the new prompt as in the old one"
    missing = next((text for text in before.required if text not in new), None)
    return "" if missing is None else f"the sentence {missing!r} is not in the new prompt"


def _count(text: str, prompt: str) -> int:
    """How often the text stands in the prompt on its own, not inside another word."""
    if not text:
        return 0
    return sum(
        not (
            ((prompt[i - 1 : i] + text[:1]).isalnum() and i > 0)
            or ((text[-1:] + prompt[i + len(text) :][:1]).isalnum() and i + len(text) < len(prompt))
        )
        for i in _places(text, prompt)
    )


def _places(text: str, prompt: str) -> Iterator[int]:
    at = prompt.find(text)
    while at >= 0:
        yield at
        at = prompt.find(text, at + 1)


def gold_rederived(before: Item, after: Item, edits: Edits) -> str:
    """G3: the task's own program derives the gold that the item claims."""
    if after.rederive is None:
        return "no program derives the gold of this task"
    derived = after.rederive(after)
    return "" if derived == after.gold else f"the label is now {derived!r}, not {after.gold!r}"


def no_cross_reference(before: Item, after: Item, edits: Edits) -> str:
    """G4: options that speak of each other or of their places stay where they are."""
    return options_refer_to_each_other(before)


_REPLACE_ONLY = {Replace}


def invertible(before: Item, after: Item, edits: Edits) -> str:
    """Undoing the edits gives the canonical item, byte for byte."""
    try:
        if edits.kinds == _REPLACE_ONLY:
            for name, group in edits.by_segment.items():
                if undone_text(name, after.segments[name], group) != before.segments[name]:
                    return "undoing the edits gives another text"
            return ""
        undone = undo_edits(after, edits)
    except ValueError as error:
        return f"the edits cannot be undone: {error}"
    return "" if undone.same_content(before) else "undoing the edits gives another item"


def _moves_units(item: Item, edits: Edits) -> bool:
    return any(isinstance(e, Reorder) and e.group != CHOICES for e in edits)


def _moves_options(item: Item, edits: Edits) -> bool:
    return any(isinstance(e, Reorder) and e.group == CHOICES for e in edits)


def _renames(item: Item, edits: Edits) -> bool:
    for names in item.entities.values():
        for group in edits.by_segment.values():
            for _, _, before, _ in group:
                if before in names:
                    return True
    return False


def _switches_template(item: Item, edits: Edits) -> bool:
    return item.render is not None and any(
        isinstance(e, Use) and e.setting == TEMPLATE for e in edits
    )


def _has_program_or_must(item: Item, edits: Edits) -> bool:
    return item.rederive is not None or any(isinstance(e, Regold) for e in edits)


GUARDS: tuple[Guard, ...] = (
    Guard("G0_protected_text", (Replace,), None, protected_text_kept),
    Guard("G1_options", (Reorder,), _moves_options, options_kept),
    Guard("G1_labels", (Relabel,), None, labels_renamed),
    Guard("G1_units", (Reorder,), _moves_units, units_kept),
    Guard("G2_names", (Replace,), _renames, names_exchanged),
    Guard("G2_prompt_complete", (Use,), _switches_template, prompt_complete),
    Guard("G3_gold_rederived", (Reorder, Regold), _has_program_or_must, gold_rederived),
    Guard("G4_no_cross_reference", (Reorder,), _moves_options, no_cross_reference),
    Guard("invertible", (Replace, Reorder, Use, Relabel, Regold), None, invertible),
)


@cache
def _for_kinds(kinds: frozenset[type]) -> tuple[Guard, ...]:
    return tuple(guard for guard in GUARDS if not kinds.isdisjoint(guard.kinds))


def run_guards(
    before: Item, after: Item, edits: Edits
) -> tuple[tuple[str, ...], tuple[str, str] | None]:
    """Names of the guards that ran, and the first failure (name, sentence) if there is one."""
    ran: list[str] = []
    for guard in _for_kinds(edits.kinds):
        if guard.concerns is None or guard.concerns(before, edits):
            problem = guard.check(before, after, edits)
            if problem:
                return tuple(ran), (guard.name, problem)
            ran.append(guard.name)
    return tuple(ran), None

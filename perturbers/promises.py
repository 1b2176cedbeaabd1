"""The promises that hold for one item, whatever the perturber; `testing` checks them on many."""

from __future__ import annotations

import json
from collections import Counter
from typing import NoReturn

from oodrop import RunError
from oodrop.perturbers.edits import Edits, Regold, Relabel, edits_from_dicts, undo_edits
from oodrop.perturbers.engine import Bound, Perturbed, _global_states
from oodrop.perturbers.item import Item
from oodrop.perturbers.protection import reworded_texts, text_problem
from oodrop.perturbers.variant import Variant

OUTCOMES = ("changed", "unchanged", "not_applicable", "refused")


def check_item(item: Item, variant: Variant) -> Perturbed:
    """Check what holds for one item whatever the perturber; gives what came out.

    Raises:
        AssertionError: one sentence with the perturber, the item and the promise that is broken.
    """
    before, states = _copied(item), _global_states()
    done = perturbed(item, variant)
    if _global_states() != states:
        broken(variant, item, "it drew from a global generator of random or numpy")
    if item != before or done.certificate.canonical_sha256 != before.sha256():
        broken(variant, item, "it altered the item itself")
    if perturbed(item, variant) != done:
        broken(variant, item, "the same input gave another output the second time")
    problem = _outcome_problem(item, done)
    if not problem and done.certificate.outcome == "changed":
        problem = (
            _log_problem(item, done)
            or _answer_problem(variant, item, done)
            or _text_problem(item, done)
        )
    if problem:
        broken(variant, item, problem)
    return done


def perturbed(item: Item, variant: Variant) -> Perturbed:
    """As `engine.perturb`; a failure of the perturber is a broken promise."""
    try:
        return Bound(variant)(item)
    except RunError as error:
        broken(variant, item, str(error))


def _copied(item: Item) -> Item:
    return item.altered(
        segments=dict(item.segments),
        units=dict(item.units),
        settings=dict(item.settings),
        offers=dict(item.offers),
        paraphrases={name: dict(bank) for name, bank in item.paraphrases.items()},
        inversions=dict(item.inversions),
        entities=dict(item.entities),
    )


def _outcome_problem(item: Item, done: Perturbed) -> str:
    certificate = done.certificate
    if certificate.outcome not in OUTCOMES:
        return f"the outcome {certificate.outcome!r} is none of {', '.join(OUTCOMES)}"
    if bool(certificate.reason) != (certificate.outcome in ("not_applicable", "refused")):
        return f"the reason {certificate.reason!r} does not fit the outcome {certificate.outcome}"
    claims = (*certificate.edits, *certificate.guards, *filter(None, [certificate.evidence]))
    if certificate.outcome != "changed":
        clean = not claims and done.item == item
        return "" if clean else "it was not changed and yet has edits or another text"
    proved = certificate.evidence is not None and "invertible" in certificate.guards
    return "" if proved else "it was changed without evidence or without the guard 'invertible'"


def _log_problem(item: Item, done: Perturbed) -> str:
    try:
        logged = json.loads(json.dumps(done.certificate.as_dict()))["edits"]
    except TypeError as error:
        return f"its edits cannot be written as JSON: {error}"
    edits = edits_from_dicts(logged)
    if edits != done.certificate.edits:
        return "its edits are others when they are read back from a log"
    if undo_edits(done.item, edits).sha256() != item.sha256():
        return "undoing its edits does not give the canonical item"
    return ""


def _answer_problem(variant: Variant, item: Item, done: Perturbed) -> str:
    after, edits, family = done.item, done.certificate.edits, variant.perturber.partition(".")[0]
    kinds = {type(edit) for edit in edits}
    derived = "G3_gold_rederived" in done.certificate.guards
    if Regold in kinds and not (family == "control" and derived):
        return "it changed the gold and is no control whose gold a program derived again"
    if after.gold_text != item.gold_text and Regold not in kinds:
        return f"the answer is {after.gold_text!r} and no longer {item.gold_text!r}"
    if Counter(after.choices) != Counter(item.choices):
        return "the options are no longer the same"
    renamed = len(set(after.labels)) == len(item.labels) and all(after.labels)
    if not (renamed if Relabel in kinds else after.labels == item.labels):
        return "the labels are not renamed one to one"
    for name, units in item.units.items():
        order = after.units[name].members
        if sorted(order) != sorted(units.members):
            return f"the units {name} are no longer the same"
        if any(order.index(a) > order.index(b) for a, b in units.precedence):
            return f"the order of the units {name} breaks their precedence"
    return ""


def _text_problem(item: Item, done: Perturbed) -> str:
    """Protected text as the guard reads it in full, without its short cuts."""
    edits = Edits(done.certificate.edits)
    if Regold in edits.kinds:
        return ""
    for name, group in edits.by_segment.items():
        old, new = item.segments[name], done.item.segments[name]
        if new not in reworded_texts(item, name):
            problem = text_problem(item, name, old, new, group, item.names)
            if problem:
                return problem
    return ""


def broken(variant: Variant, item: Item, promise: str) -> NoReturn:
    """Raise the AssertionError that names the perturber, the item and the promise."""
    raise AssertionError(
        f"perturber {variant.perturber} ({variant.slug}) on item {item.item_id!r}: {promise}"
    )

"""Apply a variant to an item: generator in, edits out, guards over them, certificate beside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oodrop import OodropError, RunError
from oodrop.perturbers.certificate import Certificate, Outcome
from oodrop.perturbers.edits import CHOICES, Edit, Reorder, Replace, UseTemplate, apply_edits
from oodrop.perturbers.guards import applicable_guards, first_failure
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import (
    SEVERITY_FRACTION,
    Evidence,
    NotApplicable,
    Perturber,
    get_perturber,
)
from oodrop.perturbers.rng import item_generator
from oodrop.perturbers.variant import CANONICAL, Variant

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Perturbed:
    """The item to send (the canonical one unless the outcome is ``changed``) and its proof."""

    item: Item
    certificate: Certificate


def perturb(item: Item, variant: Variant) -> Perturbed:
    """Perturb one item.

    The result depends on the item, the variant and the perturber's version alone.

    Raises:
        UnknownNameError: when no such perturber exists.
        OodropError: when the variant gives parameters or a severity that it does not take.
        RunError: when the perturber raises or returns something other than fitting edits.
    """
    if variant.perturber == CANONICAL:
        return _kept(item, "canonical", "")
    plugin = get_perturber(variant.perturber)
    options = check_options(plugin, variant)
    if not plugin.knows(item.language):
        return _kept(item, "not_applicable", f"language {item.language!r} is not known to it")
    rng = item_generator(variant.seed, plugin.name, plugin.version, item.item_id)
    try:
        edits = plugin.function(item, rng, **options)
    except OodropError:  # says itself what is missing or wrong
        raise
    except Exception as error:  # plugins are foreign code: name the culprit and the item
        raise RunError(
            f"perturber {plugin.name} raised {type(error).__name__} on item {item.item_id}: {error}"
        ) from error
    if isinstance(edits, NotApplicable):
        return _kept(item, "not_applicable", edits.reason)
    return _certify(item, plugin, _checked_edits(plugin, item, edits))


def check_options(plugin: Perturber, variant: Variant) -> dict[str, Any]:
    """Keyword arguments for the perturber's function.

    Raises:
        OodropError: naming the parameter or severity that was asked and what is allowed.
    """
    if plugin.has_severity and variant.severity is None:
        raise OodropError(f"{plugin.name} needs a severity from 1 to 5, got none")
    if not plugin.has_severity and variant.severity is not None:
        raise OodropError(f"{plugin.name} has no severities, got {variant.severity}")
    if plugin.has_severity and variant.severity not in SEVERITY_FRACTION:
        raise OodropError(f"{plugin.name} needs a severity from 1 to 5, got {variant.severity!r}")
    for key, value in variant.parameters.items():
        if key not in plugin.parameters:
            allowed = ", ".join(plugin.parameters) or "none"
            raise OodropError(f"{plugin.name} has no parameter {key!r}; there are: {allowed}")
        allowed_values = plugin.parameters[key]
        if allowed_values and value not in allowed_values:
            raise OodropError(
                f"{plugin.name}: {key} must be one of {', '.join(allowed_values)}, got {value!r}"
            )
    missing = [k for k, v in plugin.parameters.items() if k not in variant.parameters and not v]
    if missing:
        raise OodropError(f"{plugin.name} needs the parameter {missing[0]!r}")
    options: dict[str, Any] = {k: v[0] for k, v in plugin.parameters.items() if v}
    options.update(variant.parameters)
    if variant.severity is not None:
        options["severity"] = variant.severity
    return options


def _checked_edits(plugin: Perturber, item: Item, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    what = f"perturber {plugin.name} on item {item.item_id}"
    if not isinstance(edits, (list, tuple)) or not all(
        isinstance(e, (Replace, Reorder, UseTemplate)) for e in edits
    ):
        raise RunError(f"{what} must return a list of edits or NotApplicable, got {edits!r:.80}")
    if any(isinstance(e, Replace) and e.segment in (CHOICES, "gold") for e in edits):
        raise RunError(f"{what} must not edit the gold or the options' text")
    replaces = [e for e in edits if isinstance(e, Replace) and isinstance(e.after, str)]
    if any(_SURROGATE.search(e.after) for e in replaces):
        raise RunError(f"{what} returned text with a lone surrogate, which no file can hold")
    return tuple(e for e in edits if not (isinstance(e, Replace) and e.before == e.after))


def _certify(item: Item, plugin: Perturber, edits: tuple[Edit, ...]) -> Perturbed:
    try:
        edited = apply_edits(item, edits)
    except (TypeError, ValueError) as error:  # a plugin may put anything into an edit's fields
        raise RunError(
            f"perturber {plugin.name} returned an edit that does not fit {item.item_id}: {error}"
        ) from error
    if edited.sha256() == item.sha256():
        return _kept(item, "unchanged", "")
    failure = first_failure(item, edited, edits)
    if failure is not None:
        guard, problem = failure
        return _kept(item, "refused", f"{guard}: {problem}")
    guards = applicable_guards(item, edits)
    certificate = Certificate(
        "changed", _evidence(plugin, guards, edits), edits, guards, "", item.sha256()
    )
    return Perturbed(edited, certificate)


def _evidence(plugin: Perturber, guards: tuple[str, ...], edits: tuple[Edit, ...]) -> Evidence:
    # Moving units is proved only where a program derived the label again; a task that merely
    # declares its units independent has had that checked by a person.
    moved_units = any(isinstance(e, Reorder) and e.group != CHOICES for e in edits)
    if plugin.evidence == "proved" and moved_units and "G3_gold_rederived" not in guards:
        return "checked"
    return plugin.evidence


def _kept(item: Item, outcome: Outcome, reason: str) -> Perturbed:
    return Perturbed(item, Certificate(outcome, None, (), (), reason, item.sha256()))

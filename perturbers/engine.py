"""Apply a variant to an item: generator in, edits out, guards over them, certificate beside."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from oodrop import OodropError, RunError
from oodrop.perturbers.audits import is_reviewed
from oodrop.perturbers.certificate import Certificate, Outcome
from oodrop.perturbers.edits import (
    CHOICES,
    Edit,
    Edits,
    Regold,
    Relabel,
    Reorder,
    Replace,
    Use,
    apply_edits,
)
from oodrop.perturbers.guards import run_guards
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import (
    SEVERITY_FRACTION,
    Evidence,
    NotApplicable,
    Perturber,
    Proposal,
    get_perturber,
)
from oodrop.perturbers.rng import item_generator
from oodrop.perturbers.variant import CANONICAL, Variant

_SURROGATE = re.compile("[\ud800-\udfff]")
_EDITS = frozenset((Replace, Reorder, Use, Relabel, Regold))
_ANSWER = (CHOICES, "gold")


class Perturbed(NamedTuple):
    """The item to send (the canonical one unless the outcome is ``changed``) and its proof."""

    item: Item
    certificate: Certificate


def perturb(item: Item, variant: Variant) -> Perturbed:
    """Perturb one item.

    The result depends on the item, the variant and the perturber's version alone.

    Raises:
        UnknownNameError: when no such perturber exists.
        OodropError: when the variant gives parameters or a severity that it does not take.
        RunError: when the perturber raises, returns something other than fitting edits, or draws
            from a global generator.
    """
    return Bound(variant)(item)


class Bound:
    """A variant with its perturber looked up and its options checked: for many items."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.plugin = None if variant.perturber == CANONICAL else get_perturber(variant.perturber)
        self._options = check_options(self.plugin, variant) if self.plugin else {}
        self._call = _guarded_call if self.plugin and self.plugin.is_foreign else _call
        self._reviewed = self.plugin is not None and is_reviewed(variant, self.plugin.version)

    def __call__(self, item: Item) -> Perturbed:
        """As `perturb`."""
        plugin = self.plugin
        if plugin is None:
            return _kept(item, "canonical", "")
        if not plugin.knows(item.language):
            reason = f"language {item.language!r} is not known to it"
            return _kept(item, "not_applicable", reason)
        if item.parent is not None and plugin.family != "control":
            made, source = item.parent
            return _kept(item, "not_applicable", f"the item is itself the {made} of {source}")
        rng = item_generator(self.variant.seed, plugin.name, plugin.version, item.item_id)
        answer = self._call(plugin, item, rng, self._options)
        if isinstance(answer, NotApplicable):
            return _kept(item, "not_applicable", answer.reason)
        eligible = answer.eligible if isinstance(answer, Proposal) else None
        proposed = answer.edits if isinstance(answer, Proposal) else answer
        edits = _checked_edits(plugin, item, proposed)
        reviewed = self._reviewed and plugin.name not in item.unrated
        return _certify(item, plugin, edits, eligible, reviewed)


def _call(plugin: Perturber, item: Item, rng: random.Random, options: Mapping[str, Any]) -> Any:
    try:
        return plugin.function(item, rng, **options)
    except OodropError:  # says itself what is missing or wrong
        raise
    except Exception as error:  # plugins are foreign code: name the culprit and the item
        raise RunError(
            f"perturber {plugin.name} raised {type(error).__name__} on item {item.item_id}: {error}"
        ) from error


def _guarded_call(
    plugin: Perturber, item: Item, rng: random.Random, options: Mapping[str, Any]
) -> Any:
    before = _global_states()
    answer = _call(plugin, item, rng, options)
    if _global_states() != before:
        raise RunError(
            f"perturber {plugin.name} drew from a global generator on item {item.item_id}; "
            "it must use the one that it is given"
        )
    return answer


def _global_states() -> tuple[Any, ...]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002  # the very generator is meant
    return random.getstate(), repr(legacy["state"]["pos"]), legacy["state"]["key"].tobytes()


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


def _checked_edits(plugin: Perturber, item: Item, edits: Sequence[Edit]) -> Edits:
    made = Edits(edits) if isinstance(edits, (list, tuple)) else None
    if made is None or not made.kinds <= _EDITS:
        raise RunError(
            f"{_what(plugin, item)} must return a list of edits or NotApplicable, got {edits!r:.80}"
        )
    for segment, group in made.by_segment.items():
        if segment in _ANSWER:
            raise RunError(f"{_what(plugin, item)} must not edit the gold or the options' text")
        for _, _, before, after in group:
            if before == after:
                kept = (e for e in edits if not (isinstance(e, Replace) and e.before == e.after))
                return _checked_edits(plugin, item, list(kept))
            if isinstance(after, str) and not after.isascii() and _SURROGATE.search(after):
                raise RunError(
                    f"{_what(plugin, item)} returned text with a lone surrogate, "
                    "which no file can hold"
                )
    if Regold in made.kinds and plugin.family != "control":
        raise RunError(f"{_what(plugin, item)} must not change the gold: only controls may")
    return made


def _what(plugin: Perturber, item: Item) -> str:
    return f"perturber {plugin.name} on item {item.item_id}"


def _certify(
    item: Item, plugin: Perturber, edits: Edits, eligible: int | None, reviewed: bool
) -> Perturbed:
    try:
        edited = apply_edits(item, edits)
    except (TypeError, ValueError) as error:  # a plugin may put anything into an edit's fields
        raise RunError(
            f"perturber {plugin.name} returned an edit that does not fit {item.item_id}: {error}"
        ) from error
    if edited.same_content(item):
        return _kept(item, "unchanged", "")
    try:
        guards, failure = run_guards(item, edited, edits)
    except OodropError:
        raise
    except Exception as error:  # a task's own render or rederive may raise on what it is given
        raise RunError(
            f"{_what(plugin, item)}: a guard raised {type(error).__name__}: {error}"
        ) from error
    if failure is not None:
        return _kept(item, "refused", f"{failure[0]}: {failure[1]}")
    evidence = _evidence(plugin, guards, edits, reviewed)
    certificate = Certificate("changed", evidence, edits, guards, "", item.sha256(), eligible)
    return Perturbed(edited, certificate)


def _evidence(plugin: Perturber, guards: tuple[str, ...], edits: Edits, reviewed: bool) -> Evidence:
    evidence = plugin.evidence
    if Reorder not in edits.kinds:
        return "reviewed" if reviewed and evidence == "checked" else evidence
    # Moving units is proved only where a program derived the label again; a task that merely
    # declares its units independent has had that checked by a person.
    moves = any(isinstance(e, Reorder) and e.group != CHOICES for e in edits)
    if evidence == "proved" and moves and "G3_gold_rederived" not in guards:
        evidence = "checked"
    return "reviewed" if reviewed and evidence == "checked" else evidence


def _kept(item: Item, outcome: Outcome, reason: str) -> Perturbed:
    return Perturbed(item, Certificate(outcome, None, (), (), reason, item.sha256()))

"""What ``oodrop bench perturb`` times: variants of ours, and other libraries' perturbations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from oodrop import OodropError
from oodrop.harness_ext.bench.fullsuite import first_variant, is_adapter
from oodrop.harness_ext.bench.peers import PEERS, Peer
from oodrop.perturbers import Item, Perturbed, Perturber, Variant, all_perturbers
from oodrop.perturbers.catalogue.nlpaug_family import isolated_random_state
from oodrop.perturbers.engine import Bound

_ALL_VALUES = "lexical.char_edit"
_MOSTLY = 0.9
_ADAPTER_STEP = 10  # they are slow, and stand in no figure
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(slots=True)
class Contender:
    """What is timed: a variant of ours, or another library's perturbation.

    Attributes:
        row: its row of the result; speed and ratio are filled in last.
        make: a round's number to the call that is timed.
        step: every how manieth document it gets.
        seconds: time of each round.
    """

    row: dict[str, Any]
    make: Callable[[int], Callable[[Any], object]]
    step: int = 1
    seconds: list[float] = field(default_factory=list)

    @property
    def runs_here(self) -> bool:
        """Whether the first pass went through, so that there is something to time."""
        return self.row["edits_per_doc"] is not None


def own_contenders(items: Sequence[Item]) -> list[Contender]:
    """Every lexical and adversarial perturber of ours, then the adapters to nlpaug."""
    return [_own(variant, items) for variant in _own_variants()]


def peer_contenders(items: Sequence[Item], ours: Sequence[Contender]) -> list[Contender]:
    """Every peer, set to edit about as many words as the variant of ours that it stands beside."""
    edits = {c.row["variant"]: c.row["edits_per_doc"] or 0.0 for c in ours}
    return [_other(peer, items, edits) for peer in PEERS]


def _own_variants() -> list[Variant]:
    found = []
    for plugin in all_perturbers().values():
        if plugin.family in ("lexical", "adversarial") and not plugin.is_foreign:
            found += _values(plugin) if plugin.name == _ALL_VALUES else [first_variant(plugin)]
    return sorted(found, key=lambda v: (is_adapter(v.perturber), not v.perturber.startswith("l")))


def _values(plugin: Perturber) -> list[Variant]:
    ((key, values),) = plugin.parameters.items()
    return [replace(first_variant(plugin), parameters={key: value}) for value in values]


def _row(kind: str, family: str, name: str, variant: str, against: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "family": family,
        "variant": variant,
        "docs": None,
        "docs_per_s": None,
        "changed_share": None,
        "not_applicable_share": None,
        "edits_per_doc": None,
        "in_median": False,
        "against": against,
        "ratio": None,
        "note": "",
    }


def _own(variant: Variant, items: Sequence[Item]) -> Contender:
    """A variant of ours after a first pass, which counts outcomes and reads its tables."""
    family = variant.perturber.partition(".")[0]
    kind = "adapter" if is_adapter(variant.perturber) else "own"
    row = _row(kind, family, variant.perturber, variant.slug, None)
    step = _ADAPTER_STEP if kind == "adapter" else 1

    def make(number: int) -> Callable[[Any], object]:
        return Bound(replace(variant, seed=variant.seed + 1 + number))

    try:
        bound = Bound(variant)
        _count_outcomes(row, [bound(item) for item in items[::step]])
    except OodropError as error:
        row["note"] = str(error)
    return Contender(row, make, step)


def _count_outcomes(row: dict[str, Any], done: Sequence[Perturbed]) -> None:
    outcomes = Counter(d.certificate.outcome for d in done)
    reasons = Counter(d.certificate.reason for d in done if d.certificate.reason)
    not_applicable = outcomes["not_applicable"] / len(done)
    row["docs"] = len(done)
    row["changed_share"] = round(outcomes["changed"] / len(done), 3)
    row["not_applicable_share"] = round(not_applicable, 3)
    row["edits_per_doc"] = round(fmean(len(d.certificate.edits) for d in done), 2)
    row["in_median"] = (row["kind"], row["family"]) == ("own", "lexical")
    if not_applicable > _MOSTLY:
        row["in_median"] = False
        row["note"] = f"applies to few documents here: {reasons.most_common(1)[0][0]}"


def _other(peer: Peer, items: Sequence[Item], own_edits: Mapping[str, float]) -> Contender:
    """A peer after a first pass, set to edit as many words as our variant beside it."""
    row = _row("peer", peer.library, f"{peer.library} {peer.name}", "", peer.against)
    row["note"] = peer.missing()
    if row["note"] or peer.make is None:
        return Contender(row, lambda number: str)
    texts = [item.segments["question"] for item in items]
    words = fmean(len(_TOKEN.findall(text)) for text in texts)
    # nlpaug rounds the number of words to edit up, by half a word on average.
    share = max(own_edits.get(peer.against or "", 0.0) - 0.5, 0.1) / words
    settings = peer.settings(share)
    row["variant"] = ", ".join(f"{key}={value}" for key, value in settings.items())
    with isolated_random_state(0):
        call = peer.make(settings)
        pairs = [(_TOKEN.findall(text), _TOKEN.findall(call(text))) for text in texts]
    row["docs"] = len(texts)
    row["changed_share"] = round(fmean(before != after for before, after in pairs), 3)
    lost = fmean((Counter(before) - Counter(after)).total() for before, after in pairs)
    row["edits_per_doc"] = round(lost, 2)
    return Contender(row, lambda number: call)

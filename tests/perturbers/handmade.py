"""Items made by hand, and what a perturber makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oodrop.perturbers import Item, Perturbed, Replace, Variant, get_perturber, perturb


def item_of(*texts: str, **fields: Any) -> Item:
    """An item of these facts, the last of which is the question."""
    segments = {f"fact_{k}": text for k, text in enumerate(texts[:-1], 1)} | {"question": texts[-1]}
    values: dict[str, Any] = {"item_id": "handmade", "cluster_id": "c", "gold": "yes", **fields}
    return Item(segments=segments, **values)


def done(name: str, item: Item | str, severity: int = 5, **parameters: str) -> Perturbed:
    """The outcome of a perturber; the severity counts where it has any."""
    level = severity if get_perturber(name).has_severity else None
    given = item_of(item) if isinstance(item, str) else item
    return perturb(given, Variant(name, parameters, level))


def text_of(name: str, text: str, severity: int = 5, **parameters: str) -> str:
    """The question after the perturber, unchanged where it does not apply; never refused."""
    result = done(name, text, severity, **parameters)
    assert result.certificate.outcome in ("changed", "not_applicable"), result.certificate.reason
    return result.item.segments["question"]


def pairs_of(
    name: str, item: Item | str, severity: int = 5, **parameters: str
) -> Mapping[str, str]:
    """What became what."""
    certificate = done(name, item, severity, **parameters).certificate
    return {e.before: e.after for e in certificate.edits if isinstance(e, Replace)}


def reason_of(name: str, item: Item | str, severity: int = 5, **parameters: str) -> str:
    """Why a perturber does not apply."""
    certificate = done(name, item, severity, **parameters).certificate
    assert certificate.outcome == "not_applicable"
    return certificate.reason

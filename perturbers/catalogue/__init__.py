"""The perturbers that come with oodrop: importing this registers them, one line per module."""

from __future__ import annotations

from oodrop.perturbers.catalogue import (
    adversarial,
    control,
    generated,
    nlpaug_family,
    options,
    ordering,
    orthography,
    phrasing,
    quantities,
    typos,
    vocabulary,
)

__all__ = [
    "adversarial",
    "control",
    "generated",
    "nlpaug_family",
    "options",
    "ordering",
    "orthography",
    "phrasing",
    "quantities",
    "typos",
    "vocabulary",
]

"""The perturbers that come with oodrop: importing this registers them, one line per module."""

from __future__ import annotations

from oodrop.perturbers import control, lexical, nlpaug_adapter, ordering, phrasing

__all__ = ["control", "lexical", "nlpaug_adapter", "ordering", "phrasing"]

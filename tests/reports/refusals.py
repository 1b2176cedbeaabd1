"""A short way to read damaged runs, and what every refusal has in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oodrop import NotComparableError, OodropError
from oodrop.reports.model import Report

Read = Callable[..., Report]


def fails(read: Read, folder: Path, kind: type[OodropError], *parts: str) -> str:
    """The message of the error that reading ends in; it is one sentence that holds `parts`."""
    with pytest.raises(OodropError) as caught:
        read(folder)
    message = str(caught.value)
    assert type(caught.value) is kind, f"{type(caught.value).__name__}: {message}"
    assert caught.value.exit_code == (3 if kind is NotComparableError else 2)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message

"""Places in a document: ``choices.text`` is the field ``text`` of the field ``choices``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Doc = dict[str, Any]


def get(doc: Mapping[str, Any], path: str) -> Any:
    """The value at a path.

    Raises:
        KeyError: when there is none.
    """
    value: Any = doc
    for key in path.split("."):
        if not isinstance(value, Mapping):
            raise KeyError(path)
        value = value[key]
    return value


def put(doc: Doc, path: str, value: Any) -> None:
    """Write a value at a path that is there; what lies above it is copied, not shared."""
    keys = path.split(".")
    for key in keys[:-1]:
        doc[key] = dict(doc[key])
        doc = doc[key]
    doc[keys[-1]] = value


def leaves(doc: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every path to something that is no mapping, with its value; keys with a dot are left out."""
    for key, value in doc.items():
        if not isinstance(key, str) or "." in key:
            continue
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value

"""Typed fields out of a YAML file; an error names file, line and field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from oodrop import DataError

if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader as _Quickest
else:
    from yaml import CSafeLoader as _Quickest

_MINUTES = {"min": 1, "h": 60, "d": 1440}
_SLUG = re.compile(r"[a-z][a-z0-9_]*\Z")
_DURATION = re.compile(r"(\d+) (min|h|d)\Z")


class Map(dict[str, Any]):
    """A mapping that remembers its line in the file and the lines of its keys."""

    line: int = 0
    key_lines: Mapping[str, int] = {}


class Loader(yaml.SafeLoader):
    """A safe loader that refuses doubled keys and remembers lines."""


class QuickLoader(_Quickest):
    """The same by a parser in C, six times as fast: for our own files, which are no attack."""


def _construct_map(loader: Loader | QuickLoader, node: yaml.MappingNode) -> Map:
    loader.flatten_mapping(node)
    result, lines = Map(), {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(
                problem=f"a key must be text, got {key!r}", problem_mark=key_node.start_mark
            )
        if key in result:
            raise yaml.MarkedYAMLError(
                problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
            )
        result[key] = loader.construct_object(value_node, deep=True)
        lines[key] = key_node.start_mark.line + 1
    result.line, result.key_lines = node.start_mark.line + 1, lines
    return result


for _loader in (Loader, QuickLoader):
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_map)


class Reader:
    """Takes typed fields out of a mapping and says file, line and field when one is wrong."""

    def __init__(self, path: Path, data: object, where: str) -> None:
        self.path, self.where = path, where
        if not isinstance(data, Map):
            raise DataError(f"{path.name}: {where} must be a mapping, got {type(data).__name__}")
        self.data, self.seen = data, set[str]()

    def fail(self, key: str, message: str) -> DataError:
        """The error to raise about a field, with file and line."""
        line = self.data.key_lines.get(key, self.data.line)
        return DataError(f"{self.path.name}, line {line}: {self.where}: {message}")

    def take(self, key: str, default: object = ...) -> Any:
        """The value of a field, whatever it is; without a default it must be there."""
        self.seen.add(key)
        if key in self.data:
            return self.data[key]
        if default is ...:
            raise self.fail(key, f"the field {key!r} is missing")
        return default

    def text(self, key: str, *, digits: bool = False) -> str:
        """Non-empty text; numbers only where they are allowed."""
        return self._text(key, self.take(key), digits)

    def _text(self, key: str, value: object, digits: bool) -> str:
        if not isinstance(value, str) or not value.strip() or value != value.strip():
            raise self.fail(
                key, f"{key!r} must be non-empty text without outer spaces, got {value!r}"
            )
        if not digits and re.search(r"\d", value):
            raise self.fail(
                key, f"{key!r} holds a digit; numbers go into limits or window: {value!r}"
            )
        return value

    def name(self, key: str) -> str | None:
        """A reference to something else in the file, None where there is none."""
        return None if self.take(key, None) is None else self.text(key, digits=True)

    def slug(self, key: str) -> str:
        """An identifier."""
        value = self.text(key, digits=True)
        if not _SLUG.match(value):
            raise self.fail(key, f"{key!r} must match [a-z][a-z0-9_]*, got {value!r}")
        return value

    def texts(self, key: str, least: int = 0, *, digits: bool = False) -> tuple[str, ...]:
        """A list of at least so many texts."""
        value = self.take(key, [] if least == 0 else ...)
        if not isinstance(value, list) or len(value) < least:
            raise self.fail(key, f"{key!r} must be a list of at least {least} texts, got {value!r}")
        return tuple(self._text(key, v, digits) for v in value)

    def phrases(self, key: str, least: int = 0) -> tuple[str, ...]:
        """A list of phrases, each fit to stand inside a sentence."""
        return tuple(self._phrase(key, value) for value in self.texts(key, least))

    def phrase(self, key: str) -> str:
        """Text fit to stand inside a sentence: no capital, no full stop."""
        return self._phrase(key, self.text(key))

    def _phrase(self, key: str, value: str) -> str:
        if value.endswith(".") or (value[0].isupper() and not value[1:2].isupper()):
            raise self.fail(
                key, f"{key!r} is a phrase inside a sentence: no capital, no stop: {value!r}"
            )
        return value

    def sentence(self, key: str) -> str:
        """A whole sentence: capital and full stop."""
        value = self.text(key)
        if not value.endswith(".") or not value[0].isupper():
            raise self.fail(
                key, f"{key!r} must be a sentence with capital and full stop: {value!r}"
            )
        return value

    def minutes(self, key: str, default: object = ...) -> int | None:
        """A duration such as "30 min", "24 h" or "10 d", in minutes."""
        value = self.take(key, default)
        if value is None:
            return None
        found = _DURATION.match(value) if isinstance(value, str) else None
        if not found:
            raise self.fail(
                key, f"{key!r} must look like '30 min', '24 h' or '10 d', got {value!r}"
            )
        return int(found[1]) * _MINUTES[found[2]]

    def decimal(self, key: str) -> Decimal:
        """An exact number."""
        value = self.take(key)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise self.fail(key, f"{key!r} must be a number, got {value!r}")
        return number

    def done(self) -> None:
        """Raise DataError about the first field that nobody took."""
        for key in self.data:
            if key not in self.seen:
                allowed = ", ".join(sorted(self.seen))
                raise self.fail(key, f"unknown field {key!r}; allowed: {allowed}")

"""The prompt protocols of ``protocols.yaml``: system message and form of the user message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import jinja2
import yaml

from oodrop import DataError

__all__ = ["Protocol", "protocols"]

_FILE = Path(__file__).with_name("protocols.yaml")
_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701  # prompts are no HTML


@dataclass(frozen=True)
class Protocol:
    """How a task's prompt is put to a checkpoint.

    Attributes:
        name: ``training``, ``card``, ``direct``, or a name of your own.
        system: the system message; None for none.
        user: Jinja source of the user message, with ``{{prompt}}`` for the task's own prompt.
    """

    name: str
    system: str | None
    user: str

    def message(self, prompt: str) -> str:
        """The user message of a task's prompt."""
        return _JINJA.from_string(self.user).render(prompt=prompt)


@cache
def protocols(path: Path = _FILE) -> Mapping[str, Protocol]:
    """The protocols of a file by name, in its order.

    Raises:
        DataError: when an entry has other keys than ``system`` and ``user``, or a user message
            without ``{{prompt}}``.
    """
    entries = yaml.safe_load(path.read_text("utf-8"))
    return MappingProxyType({name: _protocol(path, name, entries[name]) for name in entries})


def _protocol(path: Path, name: str, entry: Mapping[str, str | None]) -> Protocol:
    if set(entry) != {"system", "user"}:
        raise DataError(
            f"protocol {name!r} in {path.name} has the keys {sorted(entry)}, not system and user"
        )
    system, user = entry["system"], entry["user"]
    if not isinstance(user, str) or "{{prompt}}" not in user.replace(" ", ""):
        raise DataError(f"protocol {name!r} in {path.name} puts no {{{{prompt}}}} to the user")
    return Protocol(name, system, user)

"""Secrets among model arguments: which they are, and texts without them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"
# Not every *_token: think_end_token and add_bos_token are settings.
_SECRET = re.compile(
    r"(?:.*_)?(?:api_?key|password|passwd|secret|headers?|authorization|credentials?)"
    r"|(?:auth_|hf_|access_|use_auth_|bearer_|api_)?token",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"(?:.*_)?(?:API_KEY|TOKEN|SECRET|PASSWORD)")
# A name that ends in one of these and what follows it, quoted or not, up to the next argument.
# Arguments like `add_bos_token=True` only tell how text is tokenized.
_SECRET_ARGUMENT = re.compile(
    r"(?i)(?<![\w-])([\w-]*(?:(?:api|access|private)[_-]?key|(?<!bos_)(?<!eos_)(?<!end_)token"
    r"|passw(?:or)?d|secret|authorization|credentials?)[\"']?\s*[=:]\s*)[^,&]*"
)
_LOGIN = re.compile(r"(://)[^/@,\s]*@")
# A folder where a value begins: of `/data/me/alpha` only `alpha` is shown, `org/alpha` stays.
_FOLDER = re.compile(
    r"(?<![^=\"'\s,\[({])(?:file://|~|[A-Za-z]:)?[/\\]+(?:[^,/\\]+[/\\]+)*([^,/\\]+)[/\\]*(?=[,\"']|$)"
)
_SHORTEST = 6  # of a value that is looked for in texts: shorter ones are in many words


def redacted(args: Mapping[str, Any]) -> dict[str, Any]:
    """Model arguments that may be written down.

    Values of keys such as ``api_key``, ``auth_token``, ``password`` and ``header`` are hidden, and
    so are user and query of an address.
    """
    return {k: HIDDEN if is_secret(k, v) else _without_login(v) for k, v in args.items()}


def redact(arguments: str) -> str:
    """Model arguments without secrets and without folders of the machine."""
    return without_folders(without_secrets(arguments))


def without_secrets(arguments: str) -> str:
    """Model arguments without the values of ``api_key`` and the like, and without logins."""
    return _LOGIN.sub(r"\1***@", _SECRET_ARGUMENT.sub(r"\1***", arguments))


def without_folders(arguments: str) -> str:
    """Model arguments with the last part alone of every path."""
    return _FOLDER.sub(r"\1", arguments)


def scrubbed(text: str, args: Mapping[str, Any]) -> str:
    """A text without the secrets of the arguments and of the environment."""
    for value in known_secrets(args):
        text = text.replace(value, HIDDEN)
    return text


def known_secrets(args: Mapping[str, Any]) -> list[str]:
    """The secrets of the arguments and of the environment, longest first."""
    return sorted({*_secrets(args), *_of_environment()}, key=lambda v: (-len(v), v))


def secrets_in(arguments: str) -> list[str]:
    """The secrets that `redact` hides in model arguments, long enough to be looked for."""
    named = (m.group()[len(m.group(1)) :] for m in _SECRET_ARGUMENT.finditer(arguments))
    logins = (m.group()[3:-1] for m in _LOGIN.finditer(arguments))
    found = (v.strip("\"'{}[] ").removeprefix("Bearer ") for v in (*named, *logins))
    return [v for v in found if len(v) >= _SHORTEST]


def is_secret(key: str, value: Any) -> bool:
    """Whether the value under a key must be hidden."""
    # use_auth_token=True says where a secret is; it is none.
    return bool(_SECRET.fullmatch(key)) and value is not None and not isinstance(value, bool)


def _without_login(value: Any) -> Any:
    if not (isinstance(value, str) and re.match(r"https?://", value)):
        return value
    parts = urlsplit(value)
    host = parts.netloc.rpartition("@")[2]
    login = f"{HIDDEN}@" if "@" in parts.netloc else ""
    query = HIDDEN if parts.query else ""
    return urlunsplit((parts.scheme, login + host, parts.path, query, ""))


def _secrets(args: Mapping[str, Any]) -> Iterator[str]:
    for key, value in args.items():
        if is_secret(key, value):
            inside = value.values() if isinstance(value, Mapping) else (value,)
            for one in map(str, inside):
                yield from (v for v in (one, one.removeprefix("Bearer ")) if len(v) >= _SHORTEST)
        elif _without_login(value) != value:
            parts = urlsplit(value)
            login = parts.netloc.rpartition("@")[0]
            yield from (v for v in (login, parts.query) if len(v) >= _SHORTEST)


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.fullmatch(name) and len(value) >= _SHORTEST:
            yield value

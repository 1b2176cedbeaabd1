"""environment.json: which versions made the results; never hosts, users or paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

_VERSION = re.compile(r"[\w.+-]{1,60}", re.ASCII)
_LINES = {"torch": "PyTorch version", "python": "Python version"}


def environment_json(contents: Sequence[Mapping[str, Any]]) -> bytes:
    """Library -> every version that the results files name, sorted."""
    found: dict[str, set[str]] = {}
    for content in contents:
        for name, version in _versions(content):
            if isinstance(version, str) and _VERSION.fullmatch(version):
                found.setdefault(name, set()).add(version)
    sorted_ = {name: sorted(versions) for name, versions in sorted(found.items())}
    return orjson.dumps(sorted_, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _versions(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "lm_eval", content.get("lm_eval_version")
    yield "transformers", content.get("transformers_version")
    lines = str(content.get("pretty_env_info") or "").split("\n")
    told = dict(line.partition(": ")[::2] for line in lines)
    for name, line in _LINES.items():
        yield name, told.get(line)

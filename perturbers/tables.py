"""Closed tables: the words and sentences that perturbers may use, each entry read by people."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "tables"


@cache
def table(name: str) -> Any:
    """The content of ``tables/<name>.yaml``, read once."""
    return yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=_LOADER)  # noqa: S506


# The C reader is ten times faster and as safe.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

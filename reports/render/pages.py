"""Pages of HTML: the one place that says how a template is read and what leaves it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from oodrop.reports.render.text import visible

TEMPLATES = Path(__file__).parent / "templates"


def page_environment(*folders: Path) -> Environment:
    """An environment that reads templates from the folders, then from `TEMPLATES`.

    Every text that leaves a template is escaped, with control and bidi characters shown as
    symbols; a name that was not given is an error.
    """
    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )


def policy(script: str = "") -> str:
    """A Content-Security-Policy: no request leaves, and of scripts this very one alone runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    return (
        f"default-src 'none'; {allowed}style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _finalize(value: Any) -> Any:
    """Every text shows its hidden characters; markup is ours already."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

"""A small table of words, as every renderer shows it: built once, drawn four ways."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN_ROWS = 12
_GAPS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Table:
    """A title, one sentence on what the numbers mean, and rows of finished words.

    The last `numbers` columns hold numbers, nothing but our own words, and are set to the right.
    The texts before them may be hostile: each renderer escapes them in its own way.
    """

    title: str
    meaning: str
    header: tuple[str, ...]
    numbers: int
    rows: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> int:
        """How many columns come before the numbers."""
        return len(self.header) - self.numbers

    @property
    def folded(self) -> bool:
        """Whether a page shows it only when asked: more than a dozen rows."""
        return len(self.rows) > _OPEN_ROWS


def slug(title: str) -> str:
    """A title of ours as the last part of an anchor: `which-of-two-loses-more`."""
    return _GAPS.sub("-", title.lower()).strip("-")

"""Options that refer to each other, or to their places, must not change places (guard G4)."""

from __future__ import annotations

import re

from oodrop.perturbers.item import Item

_ORDINAL = r"(?:first|second|third|fourth|fifth|last|former|latter|preceding|following)"
_LABEL = r"\(?(?:[A-J]|[IVX]+|[1-9])\)?"
_IN_OPTIONS = re.compile(
    r"\b(?:all|none|neither|both|any|either|each|some|two|three|one|more) of"
    r" (?:the |these|those|them)"
    r"|\b(?:all|none|any|both|neither)\s+(?:the\s+)?(?:above|below|these|those|answers|options|choices)"
    r"|\b(?:above|below|others?)\b\s*\.?\s*$"
    rf"|\b(?i:both|either|neither|only|not|options?|answers?|choices?|statements?)\s+{_LABEL}(?=\W|$)"
    rf"|^\s*{_LABEL}\s*(?:,\s*{_LABEL}\s*)*(?:,?\s*(?:and|or|&)\s*){_LABEL}(?:\s+only)?\W*$"
    rf"|\bthe {_ORDINAL}(?: \w+)? (?:option|answer|choice|statement|one|two)s?\b",
    re.I,
)
_IN_QUESTION = re.compile(
    rf"\b(?:options?|answers?|choices?)\s+{_LABEL}(?=\W|$)"
    rf"|\bthe {_ORDINAL} (?:option|answer|choice|alternative)s?\b",
    re.I,
)
_BARE = re.compile(r"\s*(?:both|neither|none|all|everything|nothing)\W*", re.I)


def options_refer_to_each_other(item: Item) -> str:
    """What stands against moving the options, "" when nothing does."""
    for option in item.choices:
        if _IN_OPTIONS.search(option) or _BARE.fullmatch(option):
            return f"the option {option!r} refers to other options"
    for name, text in item.segments.items():
        found = _IN_QUESTION.search(text)
        if found:
            return f"{name} refers to an option by its place: {found[0]!r}"
    return ""

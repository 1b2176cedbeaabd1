"""Options that refer to each other, or to their places, must not change places (guard G4)."""

from __future__ import annotations

import re

from oodrop.perturbers.item import Item

_ORDINAL = "(?:first|second|third|fourth|fifth|last|former|latter|preceding|following)"
_OTHERS = "(?:above|below|following|preceding|others?|options|answers|choices|statements|listed)"
# Labels are capitals, numerals or figures, small letters in brackets only: "only a part" speaks
# of no option, "only A" does.
_LABEL = r"(?:[A-J]|[IVX]+|[1-9]|\((?:[A-Ja-j]|[IVXivx]+|[1-9])\))"
_IN_OPTIONS = re.compile(
    rf"(?i:\b(?:all|none|neither|both|any|either|some|two|three|one|more) of (?:the {_OTHERS}|these"
    r"|those|them|above)\b)"
    r"|(?i:\b(?:all|none|any|both|neither) (?:the )?(?:above|below|these|those|answers|options"
    r"|choices)\b)"
    r"|(?i:(?<!or )(?<!and )\b(?:above|below)\W*$)"
    rf"|\b(?i:both|either|neither|only|not|options?|answers?|choices?|statements?) {_LABEL}(?=\W|$)"
    rf"|^\s*{_LABEL}\s*(?:,\s*{_LABEL}\s*)*(?:,?\s*(?:and|or|&)\s*){_LABEL}(?:\s+only)?\W*$"
    rf"|^\s*{_LABEL} only\W*$"
    rf"|(?i:\bthe {_ORDINAL}(?: \w+)? (?:option|answer|choice|statement|one|two)s?\b)"
)
_IN_QUESTION = re.compile(
    rf"\b(?i:options?|answers?|choices?) {_LABEL}(?=\W|$)"
    rf"|(?i:\bthe {_ORDINAL} (?:option|answer|choice|alternative)s?\b)"
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

"""The two shapes of a document: in symbols, as `build` makes it, and in plain text.

Both are checked field by field, wherever a document comes from outside: when it is imported, and
when it is read from a folder that is not ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from oodrop.tasks.procedural.check import COMPLIANT, NON_COMPLIANT
from oodrop.tasks.spec import Doc

SPLITS = ("train", "validation", "test", "heldout")
SYMBOLIC_FIELDS = ("clauses", "facts", "events", "trace")
LONGEST_NAME = 200
RETELLING = "retelling"
# Line feeds and tabs belong to texts; the rest of the controls, and half a character, do not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Field(NamedTuple):
    """What a field must hold, in words and as a check; one that is not needed may be null."""

    wanted: str
    holds: Callable[[Any], bool]
    needed: bool = True


def is_text(value: object) -> bool:
    """Text that shows something and can be stored."""
    return isinstance(value, str) and value.strip() != "" and not _FORBIDDEN.search(value)


def is_name(value: object) -> bool:
    """One line of text, of a length to be shown in a table."""
    return (
        is_text(value)
        and isinstance(value, str)
        and len(value) <= LONGEST_NAME
        and not set("\n\r\t") & set(value)
        and value == value.strip()
    )


def _is_told(value: object) -> bool:
    return is_text(value) and "final answer:" not in str(value).casefold()


_NAME = f"one line of text of at most {LONGEST_NAME} characters, without outer blanks, or null"
TEXT = "text that is not empty, without control characters"
_TOLD = f'{TEXT}, and without "FINAL ANSWER:" (the prompt asks for that line itself)'
OPTIONAL: Mapping[str, Field] = {
    name: Field(_NAME, is_name, needed=False)
    for name in ("type", "cohort", "process_id", "item_id", "parent_id", "partner_id")
} | {"split": Field(f"one of {', '.join(SPLITS)}, or null", lambda v: v in SPLITS, needed=False)}
LABEL = Field(f"{COMPLIANT} or {NON_COMPLIANT}", lambda v: v in (COMPLIANT, NON_COMPLIANT))
_TEXT_FIELDS: Mapping[str, Field] = {
    **{name: Field(_TOLD, _is_told) for name in ("procedure", "scenario", "question")},
    "label": LABEL,
    **OPTIONAL,
}


def text_problems(row: Any) -> list[str]:
    """What is wrong with a document in plain text, one sentence per field; nothing if it is well.

    The shape: ``procedure``, ``scenario``, ``question``, ``label``; and, where there are any,
    ``type``, ``cohort``, ``process_id``, ``split``, ``item_id``, ``parent_id``, ``partner_id``.
    """
    return list(field_problems(row, _TEXT_FIELDS))


def field_problems(row: Any, fields: Mapping[str, Field]) -> Iterator[str]:
    """What is missing, unknown, or not as its field says."""
    if not isinstance(row, dict):
        yield f"the line must be an object with {', '.join(fields)}, got {shown(row)}"
        return
    for name in row:
        if name not in fields:
            yield f"unknown field {shown(name)}; there are: {', '.join(fields)}"
    for name, field in fields.items():
        value = row.get(name)
        if value is None and not field.needed:
            continue
        if name not in row:
            yield f"the field {name!r} is missing; it must be {field.wanted}"
        elif not _holds(field, value):
            yield f"{name!r} must be {field.wanted}, got {shown(value)}"


def _holds(field: Field, value: object) -> bool:
    try:
        return field.holds(value)
    except TypeError:  # a list where text is compared
        return False


def shown(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parent_of(doc: Doc) -> tuple[str, str] | None:
    """What was done to which item to make this one, as `Item.parent` holds it.

    A user's document may name its parent and no ``type``: it is then the ``retelling`` of it.
    """
    source = doc.get("parent_id")
    return (doc.get("type") or RETELLING, source) if source else None


def normalised(doc: Doc) -> str:
    """All that a document tells, apart from case, blanks and the marks of a sentence.

    Hyphens and signs stay: one of them can decide a label.
    """
    parts = [doc.get(name, "") for name in ("procedure", "scenario", "title", "intro")]
    parts += [*doc.get("facts", ()), *doc.get("events", ()), doc.get("closing", "")]
    return plain(" ".join([*parts, doc["question"]]))


def plain(text: str) -> str:
    """Text apart from case, blanks and the marks of a sentence."""
    return _MARKS.sub(" ", text).strip().casefold()


_MARKS = re.compile(r"[\s.,;:!?\"'“”‘’()\[\]]+")

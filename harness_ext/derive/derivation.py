"""What was found out about a task: its texts, options and gold, and how it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.derive.paths import Doc, get, put

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# How a document may name its right option; the first that fits all documents is taken.
NAMINGS: Mapping[str, Callable[[int], Any]] = {
    "index": lambda k: k,
    "index_text": str,
    "number": lambda k: k + 1,
    "number_text": lambda k: str(k + 1),
    "letter": lambda k: _LETTERS[k],
    "small_letter": lambda k: _LETTERS[k].lower(),
    "letter_in_brackets": lambda k: f"({_LETTERS[k]})",
}
LABELS = "labels at "  # a naming: the document's own list of labels, at a path


@dataclass(frozen=True)
class Derivation:
    """How documents of a task are items; it stands in every YAML that is made of the task.

    Attributes:
        source: where the task's own YAML is, as of `bases.source_of`.
        fields: name of a segment -> path of its text in a document.
        partial: segments of whose text the prompt shows the beginning alone.
        options: path of the list of options, or of each option; empty where the task has none that
            a program found.
        movable: whether the prompt lists the options and they may change places.
        gold: path -> naming, for every field that names the right option.
        item_id: path of a field that is another in every document; "" where there is none.
        cluster: path of a text that several documents share; "" where none do.
        language: code of the text's language; ``und`` where it is not known.
        wrapped: whether the wrapping templates make sense around its prompt.
        reply: what a model replies that is right, ``{}`` standing for the target; "" where options
            are scored.
        metric: the one primary metric.
        filter: the filter that it is taken from.
        chance: accuracy of guessing.
    """

    source: str
    fields: Mapping[str, str]
    partial: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    movable: bool = False
    gold: Mapping[str, str] = field(default_factory=dict)
    item_id: str = ""
    cluster: str = ""
    language: str = "en"
    wrapped: bool = False
    reply: str = ""
    metric: str = "acc"
    filter: str = "none"
    chance: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """What is written to a YAML, less what has its default."""
        plain = asdict(self)
        defaults = {f.name: {} if f.default is MISSING else f.default for f in fields(self)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in plain.items()
            if value != defaults[key]
        }

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Derivation:
        """Read one back.

        Raises:
            DataError: when it is not one; ``where`` leads the message.
        """
        known = {f.name: f for f in fields(cls)}
        if not isinstance(data, Mapping) or not {"source", "fields"} <= set(data) <= set(known):
            raise DataError(f"{where}: a derivation holds {', '.join(known)}, got {data!r:.120}")
        values = dict(data)
        for key in ("fields", "gold"):
            if not _is_text_map(values.get(key, {})):
                raise DataError(f"{where}: {key!r} of the derivation must map names to paths")
        for key in ("partial", "options"):
            values[key] = tuple(values.get(key, ()))
        wrong = [
            key
            for key, kind in _KINDS.items()
            if key in values and not isinstance(values[key], kind)
        ]
        if wrong or not all(isinstance(v, str) for k in ("partial", "options") for v in values[k]):
            raise DataError(f"{where}: the derivation has a wrong {', '.join(wrong) or 'path'}")
        return cls(**values)


_KINDS: Mapping[str, Any] = {
    "source": str, "movable": bool, "item_id": str, "cluster": str, "language": str,
    "wrapped": bool, "reply": str, "metric": str, "filter": str, "chance": (int, float),
}  # fmt: skip


def _is_text_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    )


def named(naming: str, doc: Doc, k: int) -> Any:
    """How the document names option ``k``.

    Raises:
        IndexError: when there is no such option.
    """
    if naming.startswith(LABELS):
        return get(doc, naming.removeprefix(LABELS))[k]
    return NAMINGS[naming](k)


def named_option(naming: str, doc: Doc, value: Any, count: int) -> int | None:
    """The option that the value names among ``count``; None when it names none of them."""
    for k in range(count):
        try:
            is_it = named(naming, doc, k) == value
        except (IndexError, KeyError, TypeError):
            return None
        if is_it and isinstance(value, str) == isinstance(named(naming, doc, k), str):
            return k
    return None


def option_texts(doc: Doc, options: Sequence[str]) -> list[str]:
    """The options of a document in their order.

    Raises:
        KeyError: when it has them not.
    """
    if len(options) == 1:
        return list(get(doc, options[0]))
    return [get(doc, path) for path in options]


def put_options(doc: Doc, options: Sequence[str], texts: Sequence[str]) -> None:
    """Write the options of a document."""
    if len(options) == 1:
        put(doc, options[0], list(texts))
    else:
        for path, text in zip(options, texts, strict=True):
            put(doc, path, text)


def put_gold(doc: Doc, gold: Mapping[str, str], k: int) -> None:
    """Write to every field that names the right option that it is option ``k``."""
    for path, naming in gold.items():
        put(doc, path, named(naming, doc, k))

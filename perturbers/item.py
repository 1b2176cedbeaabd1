"""What a perturber sees of a document: named text, options, and the units that may move."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Units:
    """Segments that may change places, in their present order.

    Attributes:
        members: segment names, each once.
        precedence: pairs (a, b) of members where a must stay before b.
    """

    members: tuple[str, ...]
    precedence: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Item:
    """One document in the form that perturbers work on; a task makes it, nobody guesses.

    Attributes:
        item_id: stable id of the canonical document.
        cluster_id: the source that several items share (a procedure, a passage).
        segments: editable text by name, in reading order.
        gold: the answer's text, or its index in ``choices`` where there are choices.
        choices: answer options in their present order; their text is never edited alone.
        units: groups of segments that may change places, by group name.
        template: name of the prompt template that renders the item.
        templates: every template that the task offers, ``template`` included.
        paraphrases: reviewed rewordings of whole segments: segment name -> id -> text.
        protected: literal strings that must survive verbatim (names, labels), besides numbers,
            units, negations and the like, which the guards find themselves.
        language: language code of the text; a perturber that does not know it does not apply.
        render: gives the prompt of an item, for guards that look at the whole of it.
        rederive: recomputes the gold from the item by program, where the task can.
    """

    item_id: str
    cluster_id: str
    segments: Mapping[str, str]
    gold: int | str
    choices: tuple[str, ...] = ()
    units: Mapping[str, Units] = field(default_factory=dict)
    template: str = "canonical"
    templates: tuple[str, ...] = ("canonical",)
    paraphrases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    protected: tuple[str, ...] = ()
    language: str = "en"
    render: Callable[[Item], str] | None = field(default=None, compare=False, repr=False)
    rederive: Callable[[Item], int | str] | None = field(default=None, compare=False, repr=False)

    @property
    def gold_text(self) -> str:
        """The answer as text, which no perturber may change."""
        return self.choices[self.gold] if isinstance(self.gold, int) else self.gold

    def sha256(self) -> str:
        """Hash of everything that a prompt is made from: text, order, options, gold, template."""
        content = {
            "segments": dict(self.segments),
            "units": {name: list(u.members) for name, u in self.units.items()},
            "choices": list(self.choices),
            "gold": self.gold,
            "template": self.template,
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

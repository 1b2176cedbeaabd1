"""What a perturber sees of a document: named text, options, and the units that may move."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from oodrop.perturbers.spans import Span, asks_about_words, eligible_words, protected_spans

TEMPLATE = "template"
FEWSHOT = "fewshot"
CANONICAL_SETTING = "canonical"


@dataclass(frozen=True, slots=True)
class Units:
    """Segments that may change places, in their present order.

    Attributes:
        members: segment names, each once.
        precedence: pairs (a, b) of members where a must stay before b.
    """

    members: tuple[str, ...]
    precedence: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Inversion:
    """A question that asks for the opposite, and what each answer is then called.

    Attributes:
        question: replaces the segment ``question``.
        labels: the new answer words, place by place those of `Item.labels`.
    """

    question: str
    labels: tuple[str, ...]


class Word(NamedTuple):
    """An eligible word: ``text`` stands at ``start`` of the segment; ``lower`` in small letters."""

    segment: str
    start: int
    text: str
    lower: str


def _led(parts: Iterable[str]) -> str:
    return "".join([f"{len(part)}:{part}" for part in parts])


@dataclass(frozen=True)
class Item:
    """One document in the form that perturbers work on; a task makes it, nobody guesses.

    Attributes:
        item_id: stable id of the canonical document.
        cluster_id: the source that several items share (a procedure, a passage).
        segments: editable text by name, in reading order.
        gold: the answer's text, or its index in ``choices`` where there are choices.
        choices: answer options in their present order; their text is never edited alone.
        labels: the words that the model answers with, place by place of ``choices``; empty where
            options are answered by their own text.
        listed: whether the prompt lists the options, so that their order is seen.
        units: groups of segments that may change places, by group name.
        settings: how the prompt is made, by name: its ``template``, its ``fewshot`` examples
            (absent where there are none).
        offers: every value that the task offers for a setting, the present one included.
        paraphrases: reviewed rewordings of whole segments: segment name -> id -> text.
        inversions: opposite questions by id, each with its answer words.
        entities: names that may be exchanged for others of their kind: kind -> names.
        protected: literal strings that must survive verbatim (names, labels), besides numbers,
            units, negations and the like, which the guards find themselves.
        required: fixed sentences that every prompt of the item shows (a closed world, an answer
            contract).
        parent: where the item was itself made from another one of its task: what was done, and that
            item's id. No perturber is applied on top of it; the report pairs it with its parent.
        unrated: perturbers whose ratings say nothing here: the texts that they take from the task
            are others than those that were rated.
        language: language code of the text; a perturber that does not know it does not apply.
        render: gives the prompt of an item, for guards that look at the whole of it.
        rederive: recomputes the gold from the item by program, where the task can.
        contrast: edits that change the meaning and the gold, by kind, where the task can; None
            where the item has no such counterpart. For controls only.
    """

    item_id: str
    cluster_id: str
    segments: Mapping[str, str]
    gold: int | str
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    listed: bool = False
    units: Mapping[str, Units] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=lambda: {TEMPLATE: CANONICAL_SETTING})
    offers: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {TEMPLATE: (CANONICAL_SETTING,)}
    )
    paraphrases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inversions: Mapping[str, Inversion] = field(default_factory=dict)
    entities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protected: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    parent: tuple[str, str] | None = None
    unrated: frozenset[str] = frozenset()
    language: str = "en"
    render: Callable[[Item], str] | None = field(default=None, compare=False, repr=False)
    rederive: Callable[[Item], int | str] | None = field(default=None, compare=False, repr=False)
    contrast: Callable[[str], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def gold_text(self) -> str:
        """The answer as text, which no label-keeping perturber may change."""
        return self.choices[self.gold] if isinstance(self.gold, int) else self.gold

    @property
    def names(self) -> frozenset[str]:
        """Every name that may be exchanged, of whatever kind."""
        return frozenset().union(*self.entities.values())

    @property
    def answers(self) -> tuple[str, ...]:
        """What a model says for each option."""
        return self.labels or self.choices

    @property
    def answer(self) -> str:
        """What a model says that is right."""
        return self.answers[self.gold] if isinstance(self.gold, int) else self.gold

    @property
    def template(self) -> str:
        """Name of the prompt template that renders the item."""
        return self.settings[TEMPLATE]

    def altered(self, **changes: Any) -> Item:
        """A copy with some fields changed: `dataclasses.replace` at a tenth of its price."""
        twin = object.__new__(Item)
        values = self.__dict__ | changes
        values.pop("_sha256", None)  # what was found out about the text
        values.pop("_spans", None)
        values.pop("_words", None)
        values.pop("is_about_words", None)
        object.__setattr__(twin, "__dict__", values)  # frozen, but not yet given away
        return twin

    def same_content(self, other: Item) -> bool:
        """Whether a prompt of the other has the same text, order, gold and settings."""
        return (
            self.segments == other.segments
            and (self.units is other.units or self.units == other.units)
            and (self.choices, self.labels, self.gold) == (other.choices, other.labels, other.gold)
            and (self.settings is other.settings or self.settings == other.settings)
        )

    def _hashed(self) -> str:
        text = ""
        for name, told in sorted(self.segments.items()):
            text += f"{len(name)}:{name}{len(told)}:{told}"
        text += "5:units"
        if self.units:
            for name, units in sorted(self.units.items()):
                text += _led((name, *units.members))
        gold = repr(self.gold)
        text += (
            f"7:choices{_led(self.choices) if self.choices else ''}"
            f"6:labels{_led(self.labels) if self.labels else ''}4:gold{len(gold)}:{gold}8:settings"
        )
        for name, value in sorted(self.settings.items()):
            text += f"{len(name)}:{name}{len(value)}:{value}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def sha256(self) -> str:
        """Hash of everything that a prompt is made from: text, order, options, gold, settings.

        SHA-256 over the parts, each led by its length in characters and a colon: names and texts
        of the segments, units and members, choices, labels, gold, settings, sorted by name.
        """
        found: str | None = self.__dict__.get("_sha256")
        if found is None:
            found = self.__dict__["_sha256"] = self._hashed()
        return found

    def spans(self, segment: str) -> tuple[Span, ...]:
        """Protected spans of a segment, found once for the item."""
        found: tuple[Span, ...] | None = self._spans.get(segment)
        if found is None:
            text = self.segments[segment]
            found = self._spans[segment] = protected_spans(text, self.protected)
        return found

    def words(self, min_len: int) -> tuple[Word, ...]:
        """Words of at least ``min_len`` letters outside the protected spans, in reading order."""
        found: tuple[Word, ...] | None = self._words.get(min_len)
        if found is None:
            found = self._words[min_len] = tuple(
                Word(name, start, text[start:end], text[start:end].lower())
                for name, text in self.segments.items()
                for start, end in eligible_words(text, self.spans(name), min_len)
            )
        return found

    @cached_property
    def is_about_words(self) -> bool:
        """Whether its question is about spelling, sound or grammar, so that letters matter."""
        return asks_about_words(self.segments.get("question", ""))

    @cached_property
    def _spans(self) -> dict[str, tuple[Span, ...]]:
        return {}

    @cached_property
    def _words(self) -> dict[int, tuple[Word, ...]]:
        return {}

"""A pair of prompts: the block that a rater sees, and the row that only the key has."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass

from oodrop.harness_ext.audit.sources import Subject, prompt
from oodrop.perturbers.audits import parameters_text
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import Variant

SAMPLED, CLEAN, PLANTED, ALTERED = "sampled", "clean", "planted", "altered"
KEY_COLUMNS = (
    "round", "sheet", "pair", "kind", "decoy", "perturber", "version", "parameters", "severity",
    "source", "split", "item_id", "cluster", "sha256",
)  # fmt: skip
_LONG = 1500
_TOKEN = re.compile(r"\w+|\s+|.", re.S)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rater sees, and what only the key knows.

    Attributes:
        number: names the pair and says nothing.
        kind: sampled, clean or planted.
        decoy: which maker changed the answer, "" where none did.
        variant: what was done to the text; for planted ones, on top.
        subject: the item before, and where it stands.
        sha256: of the prompt after, so that ratings hold for this very text.
        text: the sheet's block.
    """

    number: str
    kind: str
    decoy: str
    variant: Variant
    subject: Subject
    sha256: str
    text: str

    def row(self, round_number: int, sheet: str) -> tuple[str, ...]:
        """Its line of the key, as `KEY_COLUMNS`."""
        variant, subject = self.variant, self.subject
        return (
            str(round_number),
            sheet,
            self.number,
            self.kind,
            self.decoy,
            variant.perturber,
            get_perturber(variant.perturber).version,
            parameters_text(variant),
            "" if variant.severity is None else str(variant.severity),
            subject.source,
            subject.split,
            subject.item.item_id,
            subject.item.cluster_id,
            self.sha256,
        )


def make_pair(
    kind: str, decoy: str, variant: Variant, subject: Subject, after: Item, seed: int
) -> Pair:
    """A pair of the subject's own prompt and the one of ``after``."""
    key = f"{seed} {kind} {decoy} {variant.as_dict()} {subject.source} {subject.item.item_id}"
    number = hashlib.sha256(key.encode()).hexdigest()[:10]
    text = f"##### {number}\n{_shown(subject.item, after)}\n\n{_answers(subject.item, after)}\n"
    return Pair(number, kind, decoy, variant, subject, prompt_sha256(after), text)


def prompt_sha256(item: Item) -> str:
    """SHA-256 of an item's prompt."""
    return hashlib.sha256(prompt(item).encode("utf-8", "surrogatepass")).hexdigest()


def _shown(item: Item, after: Item) -> str:
    before = prompt(item)
    if len(before) > _LONG and _differs_in_words_alone(item, after):
        marked = {name: _marked(text, after.segments[name]) for name, text in item.segments.items()}
        return f"BEFORE AND AFTER IN ONE:\n{prompt(item.altered(segments=marked))}"
    return f"BEFORE:\n{before}\n\nAFTER:\n{prompt(after)}"


def _differs_in_words_alone(item: Item, after: Item) -> bool:
    same = ("units", "choices", "labels", "settings")
    return all(getattr(item, name) == getattr(after, name) for name in same)


def _marked(before: str, after: str) -> str:
    """The text with every change marked in its place, as [before => after]."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    parts = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was, now = "".join(old[a:b]), "".join(new[c:d])
        parts.append(was if tag == "equal" else f"[{was} => {now}]")
    return "".join(parts)


def _answers(item: Item, after: Item) -> str:
    lines = [f"RIGHT ANSWER TO BEFORE: {item.answer}"]
    if item.listed and item.labels:
        lines[0] += f" ({item.gold_text})"
    lines.append(f"COUNTED AS RIGHT FOR AFTER: {after.answer}")
    if after.choices and not after.listed:
        lines.append(f"POSSIBLE ANSWERS: {' | '.join(after.answers)}")
    return "\n".join(lines)

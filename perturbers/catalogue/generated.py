"""Rewordings that a model made once: replayed from a reviewed bank, never generated here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from oodrop import DataError
from oodrop.perturbers.banks import BACK_TRANSLATION, CONTEXTUAL, PARAPHRASE, Bank, Entry, find_bank
from oodrop.perturbers.edits import Edit, Replace
from oodrop.perturbers.item import Item, Word
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.wordedits import ABOUT_WORDS, edit_share

MIN_LETTERS = 4


@perturber(PARAPHRASE, evidence="checked", parameters={"bank": ()})
def llm_paraphrase(item: Item, rng: random.Random, *, bank: str) -> Sequence[Edit] | NotApplicable:
    """The question, and what else the bank holds, is worded as a language model reworded it.

    Only rewordings that reviewers found to keep the meaning and to read well are used. A bank is
    made once by ``oodrop bank make``; nothing is generated during an evaluation.
    """
    return _reworded(item, _bank(bank, PARAPHRASE))


@perturber(BACK_TRANSLATION, evidence="checked", parameters={"bank": ()})
def back_translation(
    item: Item, rng: random.Random, *, bank: str
) -> Sequence[Edit] | NotApplicable:
    """The question, and what else the bank holds, was translated by a model and back again.

    After Sennrich et al. 2016, "Improving neural machine translation models with monolingual
    data", ACL, and its use for paraphrasing. Only reviewed rewordings are used.
    """
    return _reworded(item, _bank(bank, BACK_TRANSLATION))


@perturber(CONTEXTUAL, evidence="checked", parameters={"bank": ()})
def contextual(
    item: Item, rng: random.Random, *, bank: str, severity: int
) -> Proposal | NotApplicable:
    """A word becomes the one that a masked language model expects most in its place.

    Eligible are words of four letters or more in the texts that the bank holds; reviewers read
    each text with every substitution of the bank made, which is the most that is ever made.
    """
    if item.is_about_words:
        return ABOUT_WORDS
    entries, obstacle = _usable(item, _bank(bank, CONTEXTUAL))
    if not entries:
        return obstacle
    known = {
        (name, start, before): after
        for name, entry in entries.items()
        for start, before, after in entry.words
    }

    def substituted(word: Word) -> Replace | None:
        after = known.get((word.segment, word.start, word.text))
        return None if after is None else Replace(word.segment, word.start, word.text, after)

    words = [word for word in item.words(MIN_LETTERS) if word.segment in entries]
    return edit_share(words, rng, severity, substituted)


def _bank(bank_id: str, perturber_name: str) -> Bank:
    bank = find_bank(bank_id)
    if bank.perturber != perturber_name:
        raise DataError(f"the bank {bank_id!r} is one for {bank.perturber}, not {perturber_name}")
    return bank


def _usable(item: Item, bank: Bank) -> tuple[dict[str, Entry], NotApplicable]:
    """Entries that may be used by segment, and what to say where there are none."""
    found = {n: bank.entries[text] for n, text in item.segments.items() if text in bank.entries}
    usable = {name: entry for name, entry in found.items() if not entry.obstacle}
    reasons = [entry.obstacle for entry in found.values() if entry.obstacle]
    reason = reasons[0] if reasons else f"the bank {bank.id!r} holds no text of the item"
    return usable, NotApplicable(reason)


def _reworded(item: Item, bank: Bank) -> Sequence[Edit] | NotApplicable:
    entries, obstacle = _usable(item, bank)
    edits = [edit for name, entry in entries.items() for edit in _around(item, name, entry.text)]
    return edits or obstacle


def _around(item: Item, segment: str, new: str) -> list[Replace]:
    """One edit of the whole segment, or one of each part between protected texts that stayed.

    A guard refuses any edit over protected text. Where the rewording has the very same protected
    texts in the same order, no edit needs to touch them.
    """
    old, spans = item.segments[segment], item.spans(segment)
    now = protected_spans(new, item.protected)
    if [old[a:b] for a, b in spans] != [new[a:b] for a, b in now]:
        return [Replace(segment, 0, old, new)]
    ends = ((len(old), len(old)), (len(new), len(new)))
    fixed = [((0, 0), (0, 0)), *zip(spans, now, strict=True), ends]
    gaps = [
        Replace(segment, a, old[a:b], new[c:d])
        for ((_, a), (_, c)), ((b, _), (d, _)) in pairwise(fixed)
    ]
    return [gap for gap in gaps if gap.before != gap.after]

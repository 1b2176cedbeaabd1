"""Other words for the same: synonyms, other names, words that say nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from oodrop.perturbers.catalogue.typos import like
from oodrop.perturbers.edits import Replace
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import NotApplicable, Proposal, perturber
from oodrop.perturbers.rng import choose
from oodrop.perturbers.tables import table
from oodrop.perturbers.wordedits import all_or_nothing, edit_words

# Words that open a question and are no names: they may be written small behind a filler.
_OPENER = re.compile(
    r"(?:A|An|Are|At|Before|Beside|By|Did|Do|Does|During|For|From|How|If|In|Is|It|On|Some|That|The|"
    r"There|These|They|This|To|Under|Was|Were|What|When|Where|Which|Who|Whose|Why|With)(?= [a-z])"
)


@perturber("lexical.synonym", evidence="checked")
def synonym(item: Item, rng: random.Random, *, severity: int) -> Proposal | NotApplicable:
    """A word becomes a synonym in the same inflected form.

    Source: a closed table of forms that mean the same in whatever sense and construction they are
    used in such texts, read entry by entry against real text. Eligible are the words it holds.
    """
    known = table("synonyms")

    def replaced(word: str, rng: random.Random) -> str | None:
        return like(word, choose(rng, known[word.lower()]))

    return edit_words(
        item,
        rng,
        severity,
        replaced,
        min_len=3,
        known=known,
        names_too=False,
        makes_words=True,
    )


@perturber("lexical.rename_entity", evidence="checked")
def rename_entity(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """The people of an item get other names, the same one wherever they are told of.

    Which names there are the task declares; the new ones are drawn from a closed list and occur
    nowhere in the item. A guard checks that the exchange is one to one and complete.
    """
    people = item.entities.get("person", ())
    if not people:
        return NotApplicable("the task declares no people by name")
    text = "\n".join(item.segments.values())
    names = table("names")
    given = [n for kind in ("female", "male") for n in names["given"][kind] if n not in text]
    family = [n for n in names["family"] if n not in text]
    if len(given) < len(people) or len(family) < len(people):
        return NotApplicable("the list has no names left that do not occur in the item")
    edits: list[Replace] = []
    for person in people:
        new = f"{_drawn(given, rng)} {_drawn(family, rng)}"
        new = new if " " in person else new.partition(" ")[0]
        for name, told in item.segments.items():
            edits += [Replace(name, at, person, new) for at in _places(person, told)]
    return all_or_nothing(edits)


def _drawn(names: list[str], rng: random.Random) -> str:
    return names.pop(int(rng.random() * len(names)))


def _places(name: str, text: str) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not text[at - 1 : at].isalnum() and not text[end : end + 1].isalnum():
            yield at
        at = text.find(name, end)


@perturber("lexical.filler", evidence="checked")
def filler(item: Item, rng: random.Random) -> Proposal | NotApplicable:
    """The question opens with a word that says nothing ("Well, ..."), as in speech.

    Source: a closed list of openers that neither hedge nor stress. Where the question opens with
    a name, or with protected text, it stays.
    """
    text = item.segments.get("question", "")
    found = _OPENER.match(text)
    if found is None or any(start < found.end() for start, _ in item.spans("question")):
        return NotApplicable("the question does not open with a word that may be written small")
    after = f"{choose(rng, table('fillers'))} {found[0].lower()}"
    return all_or_nothing([Replace("question", 0, found[0], after)])

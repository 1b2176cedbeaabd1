"""What must not come into a text: new negations, comparators, numbers, and other real words."""

from __future__ import annotations

import pytest

from oodrop.perturbers import Item, Replace, Variant, perturb, perturber
from oodrop.perturbers.phrasing import REGISTERS
from oodrop.perturbers.spans import protected_spans
from oodrop.perturbers.words import is_word
from oodrop.tasks import get_task

LEXICAL = ("lexical.keyboard_typo", "lexical.nlpaug_swap", "lexical.nlpaug_spelling")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("added", ["Not ", "Only 3 of these: ", "Unless told, ", "At least "])
def test_new_protected_text_is_refused(added: str) -> None:
    @perturber("lexical.adds_words", evidence="checked")
    def adds_words(item: Item, rng: object) -> list[Replace]:
        """Puts words in front of the question."""
        return [Replace("question", 0, "", added)]

    spec = get_task("everyday")
    item = spec.item(spec.docs("test")[0])
    certificate = perturb(item, Variant("lexical.adds_words")).certificate
    assert certificate.outcome == "refused"
    assert certificate.reason.startswith("G0_protected_text")


@pytest.mark.parametrize("name", REGISTERS)
def test_registers_bring_no_protected_text(name: str) -> None:
    assert [s for s in REGISTERS[name] if protected_spans(s)] == []


@pytest.mark.parametrize("name", LEXICAL)
def test_a_misspelled_word_is_no_other_word(name: str) -> None:
    edits = []
    for task in ("everyday", "procedural"):
        spec = get_task(task)
        for doc in spec.docs(spec.eval_split)[:60]:
            edits += perturb(spec.item(doc), Variant(name, {}, 5)).certificate.edits
    texts = [e.after for e in edits if isinstance(e, Replace)]
    assert len(texts) > 200
    assert [text for text in texts if is_word(text)] == []


def test_the_word_list_knows_words() -> None:
    known = ["does", "dies", "Dawn", "floor", "flour", "from", "form", "tale"]
    assert [w for w in known if not is_word(w)] == []
    assert [w for w in ("tomqto", "litgle", "kithcen") if is_word(w)] == []

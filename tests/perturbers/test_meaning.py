"""What must not come into a text: new negations, comparators, numbers, and other real words."""

from __future__ import annotations

import pytest

from oodrop.perturbers import Edit, Item, Replace, Variant, perturb, perturber
from oodrop.perturbers.words import is_word
from oodrop.tasks import get_task

# Those that write nonsense words, with a severity; the others use closed tables that were read.
SLIPS = (
    Variant("lexical.keyboard_typo", {}, 5),
    *(
        Variant("lexical.char_edit", {"action": a}, 5)
        for a in ("swap", "insert", "delete", "repeat")
    ),
    Variant("lexical.misspelling", {}, 5),
    Variant("lexical.ocr_noise", {}, 5),
    Variant("lexical.nlpaug_keyboard", {}, 5),
    Variant("lexical.nlpaug_ocr", {}, 5),
    Variant("lexical.nlpaug_spelling", {}, 5),
    *(
        Variant("lexical.nlpaug_random", {"action": a}, 5)
        for a in ("substitute", "insert", "swap", "delete")
    ),
    Variant("adversarial.homoglyph", {}, 5),
    Variant("adversarial.leet", {}, 5),
    Variant("adversarial.invisible", {}, 5),
)


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


@pytest.mark.parametrize("variant", SLIPS, ids=lambda v: v.slug)
def test_a_misspelled_word_is_no_other_word(variant: Variant) -> None:
    edits: list[Edit] = []
    for task in ("everyday", "procedural"):
        spec = get_task(task)
        for doc in spec.docs(spec.eval_split)[:60]:
            edits += perturb(spec.item(doc), variant).certificate.edits
    texts = [e.after for e in edits if isinstance(e, Replace)]
    assert len(texts) > 200
    assert [text for text in texts if is_word(text)] == []


def test_the_word_list_knows_words() -> None:
    known = ["does", "dies", "Dawn", "floor", "flour", "from", "form", "tale"]
    assert [w for w in known if not is_word(w)] == []
    assert [w for w in ("tomqto", "litgle", "kithcen") if is_word(w)] == []

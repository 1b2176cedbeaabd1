"""Banks of rewordings: what a file may hold, where it is found, what of it is replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.perturbers import Item, Replace, Variant, perturb, undo_edits
from oodrop.perturbers.banks import (
    BACK_TRANSLATION,
    CONTEXTUAL,
    PARAPHRASE,
    Bank,
    Entry,
    Review,
    Substitution,
    bank_lines,
    find_bank,
    read_bank,
)

GOOD = Review(kept=True, readable=True, raters=2)
QUESTION = "What does a baker put into bread dough before the 40 minutes start?"
REWORDED = "Which thing is added to bread dough by bakers before those 40 minutes start?"
WORDY = "People often carry heavy boxes along narrow streets towards markets"


def bank_of(*entries: Entry, perturber: str = PARAPHRASE, **changes: Any) -> Bank:
    bank = Bank(
        id="mine",
        perturber=perturber,
        model="some-model",
        revision=None,
        model_sha256="0" * 64,
        settings={"seed": 1},
        created_with={"oodrop": "0.1.0"},
        entries={entry.source: entry for entry in entries},
    )
    return replace(bank, **changes)


def item_of(question: str, **more: str) -> Item:
    return Item("i", "c", {**more, "question": question}, 0, choices=("yeast", "sand"))


def swapped(*places: int) -> tuple[Substitution, ...]:
    """The words at these places of `WORDY`, each become "sugar"."""
    words = WORDY.split()
    return tuple(
        Substitution(sum(len(w) + 1 for w in words[:k]), words[k], "sugar") for k in places
    )


def wordy_entry(review: Review | None = GOOD) -> Entry:
    words = swapped(3, 1, 9, 5, 7)
    text = " ".join("sugar" if k in (1, 3, 5, 7, 9) else w for k, w in enumerate(WORDY.split()))
    return Entry("question", WORDY, text, review, words)


Save = Callable[[Bank], Path]


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Writes a bank to a folder that is searched."""
    monkeypatch.setenv("OODROP_BANKS", str(tmp_path))

    def write(bank: Bank) -> Path:
        path = tmp_path / f"{bank.id}.jsonl"
        path.write_bytes(b"".join(bank_lines(bank)))
        return path

    return write


def paraphrased(item: Item, perturber: str = PARAPHRASE) -> Any:
    return perturb(item, Variant(perturber, {"bank": "mine"}))


@pytest.mark.parametrize(
    "bank",
    [
        bank_of(),
        bank_of(Entry("question", "a\u2028é\n🧪", "b"), Entry("fact_1", "x", "", None)),
        bank_of(Entry("question", "a", "b", Review(kept=True, readable=False, raters=3))),
        bank_of(wordy_entry(), perturber=CONTEXTUAL, revision="abc"),
    ],
)
def test_what_is_written_is_read(bank: Bank, save: Save) -> None:
    assert read_bank(save(bank)) == bank
    assert find_bank("mine") == bank


HEADER = json.loads(bank_lines(bank_of())[0])
ROW = json.loads(bank_lines(bank_of(Entry("question", "a", "b", GOOD)))[1])


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ({"oodrop_bank": 2}, {}, "line 1: 'oodrop_bank' must be 1, got 2"),
        ({"oodrop_bank": True}, {}, "line 1: 'oodrop_bank' must be 1"),
        ({"id": "../mine"}, {}, "line 1: 'id' must be lower-case words"),
        ({"id": "other"}, {}, "line 1: the file of bank 'other' has another name"),
        ({"perturber": "lexical.typo"}, {}, "line 1: 'perturber' must be one of"),
        ({"model": ""}, {}, "line 1: 'model' must be text that is not empty"),
        ({"model_sha256": "abc"}, {}, "line 1: 'model_sha256' must be a SHA-256"),
        ({"settings": []}, {}, "line 1: 'settings' must be an object"),
        ({"created_with": {"torch": 2}}, {}, "line 1: 'created_with' must be an object of"),
        ({"more": 1}, {}, "line 1: unknown field 'more'"),
        ({}, {"sha256": "0" * 64}, "line 2: 'sha256' is not the hash of 'source'"),
        ({}, {"source": "c"}, "line 2: 'sha256' is not the hash of 'source'"),
        ({}, {"text": "a"}, "line 2: 'text' must differ from 'source'"),
        ({}, {"text": None}, "line 2: 'text' must be text without lone surrogates, got None"),
        ({}, {"text": "\ud800"}, "line 2: 'text' must be text without lone surrogates"),
        ({}, {"segment": 1}, "line 2: 'segment' must be"),
        ({}, {"words": [[0, "a", "b"]]}, "line 2: unknown field 'words'"),
        ({}, {"review": True}, "line 2: 'review' must be null or an object"),
        ({}, {"review": {"kept": True}}, "line 2, 'review': the field 'readable' is missing"),
        ({}, {"review": {**ROW["review"], "kept": 1}}, "line 2, 'review': 'kept' must be true or"),
        ({}, {"review": {**ROW["review"], "raters": 0}}, "'raters' must be a whole number above 0"),
        ({"perturber": CONTEXTUAL}, {}, "line 2: 'words' do not make 'text' out of 'source'"),
        ({"perturber": CONTEXTUAL}, {"words": [[0, "x", "b"]]}, "'words' do not make 'text'"),
        ({"perturber": CONTEXTUAL}, {"words": [[0, "a", "b"]] * 2}, "'words' do not make 'text'"),
        ({"perturber": CONTEXTUAL}, {"words": [[True, "a", "b"]]}, "'words' must be a list of"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(
    header: dict[str, Any], row: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{json.dumps(HEADER | header)}\n{json.dumps(ROW | row)}\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_bank(path)
    assert str(error.value).startswith(f"{path}, ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: the file must end with a whole line"),
        (b"{}", "line 1: the file must end with a whole line"),
        (b"{}\n", "line 1: the field 'oodrop_bank' is missing"),
        (b"[]\n", "line 1: must be an object with oodrop_bank"),
        (b"{\n", "line 1: not a line of JSON"),
        (b"[" * 100_000 + b"\n", "line 1: not a line of JSON"),
        (bank_lines(bank_of())[0] + b"\xff\n", "line 2: not a line of JSON in UTF-8"),
        (bank_lines(bank_of())[0] + b"\n", "line 2: not a line of JSON"),
        (b"".join(bank_lines(bank_of(wordy_entry()))[:1] * 2), "line 2: unknown field"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_bank(path)
    assert said in str(error.value)


def test_a_text_stands_in_a_bank_once(save: Save) -> None:
    path = save(bank_of(Entry("question", "a", "b")))
    with path.open("ab") as file:
        file.write(bank_lines(bank_of(Entry("fact_1", "a", "c")))[1])
    with pytest.raises(DataError, match=r"line 3: 'sha256' ca9781\w+ is there already"):
        read_bank(path)


def test_a_missing_bank_is_answered_with_what_there_is(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(bank_of())
    save(bank_of(id="another_one"))
    with pytest.raises(DataError, match="no bank 'yours'; there are: another_one, mine"):
        find_bank("yours")
    with pytest.raises(DataError, match="lower-case words joined by underscores, got '../mine'"):
        find_bank("../mine")
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "mine.jsonl").write_bytes((tmp_path / "mine.jsonl").read_bytes())
    monkeypatch.setenv("OODROP_BANKS", os.pathsep.join(map(str, (tmp_path, twin, tmp_path))))
    assert find_bank("another_one").id == "another_one"
    with pytest.raises(DataError, match="two files hold the bank 'mine'"):
        find_bank("mine")
    monkeypatch.setenv("OODROP_BANKS", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="OODROP_BANKS names .*nowhere, which is no folder"):
        find_bank("mine")
    monkeypatch.delenv("OODROP_BANKS")
    with pytest.raises(DataError, match="there is no bank 'nothing_of_this_name'"):
        find_bank("nothing_of_this_name")


def test_a_bank_that_was_reviewed_meanwhile_is_read_anew(save: Save) -> None:
    save(bank_of(Entry("question", "a", "b")))
    assert find_bank("mine").entries["a"].review is None
    save(bank_of(Entry("question", "a", "b", GOOD)))
    assert find_bank("mine").entries["a"].review == GOOD


@pytest.mark.parametrize("perturber", [PARAPHRASE, BACK_TRANSLATION])
def test_a_reviewed_rewording_is_replayed_with_a_certificate(perturber: str, save: Save) -> None:
    save(bank_of(Entry("question", QUESTION, REWORDED, GOOD), perturber=perturber))
    item = item_of(QUESTION, fact_1="Dough rises.")
    done = paraphrased(item, perturber)
    assert done.item.segments == {"question": REWORDED, "fact_1": "Dough rises."}
    certificate = done.certificate
    assert (certificate.outcome, certificate.evidence) == ("changed", "checked")
    assert certificate.guards == ("G0_protected_text", "invertible")
    assert undo_edits(done.item, certificate.edits).same_content(item)
    assert not any("40" in e.before for e in certificate.edits)  # it stayed; nothing touched it


def test_a_text_without_protected_words_is_replaced_as_a_whole(save: Save) -> None:
    save(bank_of(Entry("question", "What boils?", "Which boils?", GOOD)))
    edits = paraphrased(item_of("What boils?")).certificate.edits
    assert edits == (Replace("question", 0, "What boils?", "Which boils?"),)


def test_every_segment_that_the_bank_holds_is_reworded(save: Save) -> None:
    entries = (Entry("question", "What boils?", "Which boils?", GOOD), Entry("x", "a", "b", GOOD))
    save(bank_of(*entries, Entry("x", "c", "d")))
    done = paraphrased(item_of("What boils?", fact_1="a", fact_2="c", fact_3="e"))
    assert list(done.item.segments.values()) == ["b", "c", "e", "Which boils?"]


@pytest.mark.parametrize(
    "text",
    [
        "What does a baker put into bread dough before the minutes start?",
        "What does a baker put into bread dough before the 45 minutes start?",
        "What does a baker never put into bread dough before the 40 minutes start?",
        "In the 40 minutes, what does a baker put into dough before they start?",
        "What does a baker put into bread dough when the 40 minutes start?",
    ],
)
def test_a_rewording_that_loses_or_adds_protected_text_is_refused(text: str, save: Save) -> None:
    save(bank_of(Entry("question", QUESTION, text, GOOD)))
    done = paraphrased(item_of(QUESTION))
    assert done.certificate.outcome == "refused"
    assert done.certificate.reason.startswith("G0_protected_text: ")
    assert done.item.segments["question"] == QUESTION


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("question", QUESTION, REWORDED), "the rewording was not reviewed"),
        (Entry("question", QUESTION, ""), "the model gave no rewording"),
        (
            Entry("question", QUESTION, REWORDED, Review(kept=False, readable=True, raters=1)),
            "the rewording was rejected by review",
        ),
        (
            Entry("question", QUESTION, REWORDED, Review(kept=True, readable=False, raters=1)),
            "the rewording was rejected by review",
        ),
        (Entry("question", "Other?", REWORDED, GOOD), "the bank 'mine' holds no text of the item"),
    ],
)
@pytest.mark.parametrize("perturber", [PARAPHRASE, CONTEXTUAL])
def test_what_was_not_accepted_is_not_used(
    entry: Entry, reason: str, perturber: str, save: Save
) -> None:
    words = (Substitution(0, entry.source, entry.text),) if entry.text else ()
    save(
        bank_of(replace(entry, words=words if perturber == CONTEXTUAL else ()), perturber=perturber)
    )
    severity = 5 if perturber == CONTEXTUAL else None
    item = item_of(QUESTION)
    done = perturb(item, Variant(perturber, {"bank": "mine"}, severity))
    assert done.item is item
    assert (done.certificate.outcome, done.certificate.reason) == ("not_applicable", reason)


def test_a_bank_serves_its_own_perturber_only(save: Save) -> None:
    save(bank_of())
    with pytest.raises(DataError, match=f"'mine' is one for {PARAPHRASE}, not {BACK_TRANSLATION}"):
        paraphrased(item_of(QUESTION), BACK_TRANSLATION)


def test_substitutions_are_the_severitys_share_and_nested(save: Save) -> None:
    save(bank_of(wordy_entry(), perturber=CONTEXTUAL))
    item = item_of(WORDY, fact_1="Nothing about this longer sentence stands there")
    done = [perturb(item, Variant(CONTEXTUAL, {"bank": "mine"}, s)) for s in (1, 2, 3, 4, 5)]
    edits = [set(d.certificate.edits) for d in done]
    assert [len(e) for e in edits] == [1, 1, 2, 4, 5]  # of the 10 words of the question
    assert all(low <= high for low, high in pairwise(edits))
    assert {d.certificate.eligible for d in done} == {10}
    assert done[4].item.segments["question"] == wordy_entry().text
    assert {d.certificate.evidence for d in done} == {"checked"}
    orders = {
        perturb(item, Variant(CONTEXTUAL, {"bank": "mine"}, 1, seed)).certificate.edits
        for seed in range(40)
    }
    assert len(orders) == 5


def test_no_word_is_substituted_in_a_question_about_words(save: Save) -> None:
    question = "Which word rhymes with carry?"
    words = (Substitution(6, "word", "name"),)
    entry = Entry("question", question, "Which name rhymes with carry?", GOOD, words)
    save(bank_of(entry, perturber=CONTEXTUAL))
    done = perturb(item_of(question), Variant(CONTEXTUAL, {"bank": "mine"}, 5))
    assert done.certificate.reason == "the question is about words or letters themselves"


def test_replay_loads_no_model_library(save: Save, tmp_path: Path) -> None:
    save(bank_of(Entry("question", "a", "b", GOOD)))
    code = (
        "import sys\n"
        "from oodrop.perturbers import Item, Variant, perturb\n"
        f"v = Variant({PARAPHRASE!r}, {{'bank': 'mine'}})\n"
        "print(perturb(Item('i', 'c', {'question': 'a'}, 'x'), v).item.segments['question'])\n"
        "print(sorted({'torch', 'transformers', 'lm_eval'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["b", "[]"]

"""What a bank made with tiny models holds, and how it is replayed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodrop.harness_ext.bank.maker import Recipe
from oodrop.harness_ext.bank.models import Decoding, Source, WordFiller, cleaned
from oodrop.harness_ext.localmodels import locate
from oodrop.perturbers import Item, Replace, Variant
from oodrop.perturbers.banks import BACK_TRANSLATION, CONTEXTUAL, PARAPHRASE
from oodrop.perturbers.words import is_word
from oodrop.tasks import get_task

from .conftest import QUICK, accepted, make, outcomes


def test_a_paraphrase_is_made_reviewed_and_replayed(
    paraphrase: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    bank = make(paraphrase, path)
    assert len(bank.entries) == 10
    texts = {e.text for e in bank.entries.values()}
    assert all(text.endswith("?") for text in texts)
    assert bank.model == "tiny-chat"
    assert {"prompt", "temperature", "seed", "batch_size"} <= set(bank.settings)
    assert str(tmp_path.parent) not in path.read_text(encoding="utf-8")  # no path of this machine
    monkeypatch.setenv("OODROP_BANKS", str(tmp_path))
    variant = Variant(PARAPHRASE, {"bank": "mine"})
    assert {d.certificate.reason for d in outcomes(variant, 10)} == {
        "the rewording was not reviewed"
    }
    accepted(path, monkeypatch)
    done = list(outcomes(variant, 11))
    assert done[10].certificate.reason == "the bank 'mine' holds no text of the item"
    changed = [d for d in done if d.certificate.outcome == "changed"]
    assert changed
    assert {d.item.segments["question"] for d in changed} <= texts
    assert all("G0_protected_text" in d.certificate.guards for d in changed)
    # The others had protected words that this rewording lost.
    assert {d.certificate.outcome for d in done[:10]} <= {"changed", "refused"}


def test_a_model_that_comes_to_no_end_gives_no_rewording(tiny_model: Path, tmp_path: Path) -> None:
    bank = make(Recipe(PARAPHRASE, str(tiny_model), decoding=QUICK), tmp_path / "mine.jsonl", 3)
    assert [e.text for e in bank.entries.values()] == ["", "", ""]


def test_drawing_depends_on_the_seed_alone(paraphrase: Recipe, tmp_path: Path) -> None:
    import torch

    warm = replace(paraphrase, decoding=replace(QUICK, temperature=1.2))
    made = {}
    for name, seed, noise in (("a", 1, 0), ("b", 1, 9), ("c", 2, 0)):
        torch.manual_seed(noise)
        recipe = replace(warm, decoding=replace(warm.decoding, seed=seed))
        made[name] = [e.text for e in make(recipe, tmp_path / f"{name}.jsonl", 6).entries.values()]
    assert made["a"] == made["b"]
    assert made["a"] != made["c"]
    assert len(set(made["a"])) > 1


def test_the_global_generators_are_left_alone(paraphrase: Recipe, tmp_path: Path) -> None:
    import torch

    def states() -> tuple[Any, ...]:
        numpy_state = np.random.get_state()  # noqa: NPY002  # the very generator is meant
        return random.getstate(), str(numpy_state), torch.get_rng_state().tolist()

    before = states()
    warm = replace(paraphrase, decoding=replace(QUICK, temperature=1.0))
    make(warm, tmp_path / "mine.jsonl", 2)
    assert states() == before


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Which heats milk?", "Which heats milk?"),
        ('  "Which heats milk?"\n', "Which heats milk?"),
        ("Sure!\n\nWhich heats milk?", ""),
        ("A pan heats milk.", ""),
        ("Is it a Pot that heats milk?", ""),
        ("Is it a potter who heats milk?", "Is it a potter who heats milk?"),
        ("What heats milk in a pan?", "What heats milk in a pan?"),
        ("What in a pan heats milk?", ""),
        ("", ""),
    ],
)
def test_what_cannot_be_a_rewording_is_left_out(answer: str, text: str) -> None:
    item = Item("i", "c", {"question": "What in a pan heats milk?"}, 0, ("fire", "pot", "pan"))
    assert cleaned(answer, Source("question", item)) == text


def test_back_translation(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(translator)
    recipe = Recipe(BACK_TRANSLATION, model, back_model=model, pivot="fr", decoding=QUICK)
    bank = make(recipe, tmp_path / "mine.jsonl", 4)
    assert {e.text for e in bank.entries.values()} == {"what does a place need ?"}
    assert bank.settings["pivot"] == "fr"
    assert bank.settings["back_model_sha256"] == bank.model_sha256
    short = replace(recipe, decoding=replace(QUICK, max_new_tokens=6))  # its end is not among them
    assert {e.text for e in make(short, tmp_path / "cut.jsonl", 2).entries.values()} == {""}
    accepted(tmp_path / "mine.jsonl", monkeypatch)
    found = outcomes(Variant(BACK_TRANSLATION, {"bank": "mine"}), 4)
    assert "changed" in {d.certificate.outcome for d in found}


def test_words_are_filled_in_and_replayed(
    mask_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    bank = make(Recipe(CONTEXTUAL, str(mask_model)), path, 12)
    spec = get_task("everyday")
    items = {i.segments["question"]: i for i in map(spec.item, spec.docs("test")[:12])}
    entries = [e for e in bank.entries.values() if e.text]
    assert len(entries) >= 10
    for entry in entries:
        item = items[entry.source]
        words = {(w.start, w.text) for w in item.words(4) if w.segment == "question"}
        assert 1 <= len(entry.words) <= (len(words) + 1) // 2
        for start, before, after in entry.words:
            assert (start, before) in words
            assert is_word(after)
            assert after.casefold() != before.casefold()
            assert after[0].isupper() == before[0].isupper()
            assert after.casefold() not in " ".join(item.choices).casefold().split()
    accepted(path, monkeypatch)
    done = list(outcomes(Variant(CONTEXTUAL, {"bank": "mine"}, 5), 12))
    changed = [d for d in done if d.certificate.outcome == "changed"]
    assert len(changed) == len(entries)  # every substitution respects the protected text
    assert all(isinstance(e, Replace) for d in changed for e in d.certificate.edits)
    texts = {e.text for e in entries}
    assert {d.item.segments["question"] for d in changed} == texts


def test_no_word_of_an_option_is_filled_in(mask_model: Path) -> None:
    fill = WordFiller(locate(str(mask_model), None, allow_download=False), QUICK)
    item = Item("i", "c", {"question": "What does the careful baker carry?"}, "x")
    (free,) = fill([Source("question", item)])
    option = f"A {free.words[0].after.upper()}"
    (bound,) = fill([Source("question", replace(item, choices=(option,), gold=0))])
    assert bound.words
    assert free.words[0].after.casefold() not in {w.after.casefold() for w in bound.words}


def test_another_batch_size_fills_in_the_same_words(mask_model: Path, tmp_path: Path) -> None:
    made = []
    for size in (1, 8):
        recipe = Recipe(CONTEXTUAL, str(mask_model), decoding=Decoding(batch_size=size))
        bank = make(recipe, tmp_path / f"by_{size}.jsonl", 6, "fact_1")
        made.append(list(bank.entries.values()))
    assert made[0] == made[1]

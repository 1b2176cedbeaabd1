"""The reference checkpoints that come with oodrop are what their cards say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from oodrop import UnknownNameError
from oodrop.harness_ext.checkpoints import CheckpointSpec, shipped
from oodrop.harness_ext.training import SHIPPED, corpus, telling
from oodrop.harness_ext.training.build import BASE, NOTE
from oodrop.harness_ext.training.fit import STATE
from oodrop.harness_ext.training.replies import notes
from oodrop.perturbers.rng import item_generator
from oodrop.tasks.procedural import COMPACT, compact
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN


def test_they_are_small_and_hold_weights_and_text_alone() -> None:
    folders = (SHIPPED, SHIPPED.parent / "seeds")
    files = [path for folder in folders for path in folder.glob("**/*.*") if path.is_file()]
    files = [path for path in files if path.parent.name != STATE]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".jinja", ".md"}
    assert sum(path.stat().st_size for path in files) < 20_000_000


def test_a_run_finds_them_by_name() -> None:
    found = CheckpointSpec("own", "hf", {"pretrained": "oodrop:base"}).resolved_args()
    assert found == {"pretrained": str(SHIPPED / BASE)}
    with pytest.raises(UnknownNameError, match="unknown reference checkpoint 'bass'.*base"):
        CheckpointSpec("own", "hf", {"pretrained": "x", "peft": "oodrop:bass"}).resolved_args()


def test_the_card_of_the_base_is_of_the_weights_beside_it() -> None:
    folder = shipped(BASE)
    note = json.loads((folder / NOTE).read_text("utf-8"))
    card = " ".join((folder / "README.md").read_text("utf-8").split())
    assert f"Seed {note['seed']}." in card
    assert f"{note['steps']} steps of {note['batch']} sequences" in card
    with safe_open(folder / "model.safetensors", "pt") as file:
        count = sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118  # no mapping
    assert f"A Llama of {count:,} parameters" in card


@pytest.mark.parametrize(
    ("split", "mean", "most"), [("test", 331, 383), ("heldout", 412, 475)], ids=["test", "heldout"]
)
def test_the_data_card_says_how_long_prompts_are(split: str, mean: int, most: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(shipped(BASE))
    turns = [[{"role": "user", "content": COMPACT.prompt(doc)}] for doc in COMPACT.docs(split)]
    rows = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    lengths = [len(row) for row in rows]
    assert round(fmean(lengths)) == mean
    assert fmean(n < most for n in lengths) < 0.95 <= fmean(n <= most for n in lengths)
    card = " ".join((Path(compact.__file__).parent / "README.md").read_text("utf-8").split())
    said = {"test": f"{mean} tokens", "heldout": f"{mean} in that"}[split]
    assert said in card
    assert str(most) in card


# In neither half of the lexicon.
ELSEWHERE = replace(
    SEEN,
    verbs=(
        "dig", "engrav", "erod", "fetch", "gather", "hammer", "harvest", "iron", "knead", "knit",
        "launch", "melt", "perforat", "pickl", "plough", "hang", "plant", "sharpen", "squeez",
        "staple", "steep", "sweeten", "thaw", "toast", "whisk",
    ),
    roles=(
        "artist", "baker", "captain", "cobbler", "dancer", "doctor", "farmer", "florist",
        "barber", "grocer", "hunter", "jeweller", "lawyer", "librarian", "miller", "poet",
        "sailor", "scholar", "singer", "soldier", "teacher", "weaver", "writer",
    ),
    things=("anvil", "apron", "basket", "clock", "guitar", "helmet", "pillow", "towel", "violin"),
)  # fmt: skip


def test_words_from_elsewhere_are_of_neither_half() -> None:
    for half in (SEEN, UNSEEN):
        for kind in ("verbs", "roles", "things"):
            assert not set(getattr(half, kind)) & set(getattr(ELSEWHERE, kind))


@pytest.mark.parametrize(
    ("words", "least"),
    [("of training", 0.9), ("of syllables", 0.9), ("of elsewhere", 0.5)],
)
def test_the_base_says_what_became_of_every_step(
    words: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of stories that nobody has told before."""
    if words == "of elsewhere":
        monkeypatch.setattr(corpus, "draw_words", lambda *_: ELSEWHERE)
    tokenizer = AutoTokenizer.from_pretrained(shipped(BASE), padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(shipped(BASE), dtype=torch.float32)
    rng = item_generator(0, "test", "stories", "")
    asked, expected = [], []
    for _ in range(16):
        procedure, trace = corpus._story(rng, 5, float(words == "of syllables"))
        manner = telling.manner(procedure, rng, plain=True)
        doc = build.tell(procedure, trace, manner, "", "text", "text")
        text = COMPACT.prompt(corpus._asking(doc, corpus._NOTES[0]))
        turns = [{"role": "user", "content": text}]
        asked.append(
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )
        expected.append(notes(procedure, trace))
    rows = tokenizer(asked, return_tensors="pt", padding=True)
    with torch.no_grad():
        made = model.generate(**rows, max_new_tokens=256, do_sample=False)
    replies = tokenizer.batch_decode(
        made[:, rows["input_ids"].shape[1] :], skip_special_tokens=True
    )
    lines = [
        said == true
        for reply, truth in zip(replies, expected, strict=True)
        for said, true in zip(reply.split("\n"), truth.split("\n"), strict=False)
    ]
    assert sum(lines) / len(lines) > least

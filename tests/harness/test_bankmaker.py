"""Banks made with real, tiny models: deterministic, resumable after a kill, offline, reviewed."""

from __future__ import annotations

import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodrop import DataError, RunError
from oodrop.harness_ext.bankmaker import Recipe, make_bank
from oodrop.harness_ext.bankmodels import Decoding, Source, WordFiller, cleaned
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.localmodels import locate
from oodrop.perturbers import Item, Replace, Variant, perturb
from oodrop.perturbers.banks import BACK_TRANSLATION, CONTEXTUAL, PARAPHRASE, Bank, read_bank
from oodrop.perturbers.words import is_word
from oodrop.tasks import get_task

ANSWERS = ("Which of them is it?", "What would that be?", "Is it this thing?", "What then?")
QUICK = Decoding(batch_size=4, max_new_tokens=24)


def teach(model: Any, batches: Callable[[int], Mapping[str, Any]], steps: int) -> None:
    """A few steps of training: enough for short answers that come to an end."""
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for step in range(steps):
        optimizer.zero_grad()
        model(**batches(step)).loss.backward()
        optimizer.step()
    model.eval()


@pytest.fixture(scope="session")
def chat_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Qwen2, taught to reply with one of `ANSWERS`."""
    import torch
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("chat") / "tiny-chat"
    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = Qwen2ForCausalLM.from_pretrained(folder)
    rows = [
        tokenizer(f"<|im_start|>assistant\n{text}<|im_end|>", return_tensors="pt")["input_ids"]
        for text in ANSWERS
    ]
    torch.manual_seed(1)
    teach(model, lambda k: {"input_ids": rows[k % 4], "labels": rows[k % 4]}, 120)
    model.save_pretrained(folder)
    return folder


def word_tokenizer(special: dict[str, str]) -> Any:
    """A WordPiece tokenizer of the words of the everyday set."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    spec = get_task("everyday")
    texts = " ".join(spec.prompt(doc) for doc in spec.docs("train")[:200]).lower()
    words = sorted({w for w in texts.replace("?", " ? ").split() if w.isalpha()} | {"?", "##s"})
    vocabulary = {token: i for i, token in enumerate([*special.values(), *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.fixture(scope="session")
def mask_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised BERT of one layer over whole words."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("mask") / "tiny-bert"
    tokenizer = word_tokenizer({"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"})
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, taught to write one sentence whatever it reads."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("t5") / "tiny-t5"
    tokenizer = word_tokenizer({"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    read = tokenizer("what does a person use ?", return_tensors="pt")["input_ids"]
    said = tokenizer("what does a place need ? </s>", return_tensors="pt")["input_ids"]
    teach(model, lambda _: {"input_ids": read, "labels": said}, 60)
    model.save_pretrained(folder)
    return folder


def make(recipe: Recipe, path: Path, limit: int | None = 10, segment: str = "question") -> Bank:
    return make_bank("everyday", segment, limit, recipe, path, lambda there, needed: None)


@pytest.fixture
def paraphrase(chat_model: Path) -> Recipe:
    return Recipe(PARAPHRASE, str(chat_model), decoding=QUICK)


def accepted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rewording of the bank is reviewed with a yes, through the command line."""
    ratings = path.with_suffix(".csv")
    rows = [f"{e.sha256},y,yes" for e in read_bank(path).entries.values() if e.text]
    ratings.write_text("\n".join(["sha256,kept,readable", *rows]), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(ratings)]) == 0
    monkeypatch.setenv("OODROP_BANKS", str(path.parent))


def outcomes(variant: Variant, count: int) -> Iterator[Any]:
    spec = get_task("everyday")
    for doc in spec.docs("test")[:count]:
        yield perturb(spec.item(doc), variant)


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


def test_a_bank_is_continued_wherever_it_was_cut(paraphrase: Recipe, tmp_path: Path) -> None:
    whole = tmp_path / "mine.jsonl"
    warm = replace(paraphrase, decoding=replace(QUICK, temperature=1.2))
    make(warm, whole, 6)
    content = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    assert len(ends) == 7
    for cut in (1, ends[0] + 1, ends[2], len(content) - 1):  # header, first entry, batch, last
        whole.write_bytes(content[:cut])
        make(warm, whole, 6)
        assert whole.read_bytes() == content, cut


def test_a_finished_bank_is_left_as_it_is_reviews_included(
    paraphrase: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 3)
    accepted(path, monkeypatch)
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("oodrop.harness_ext.bankmaker.Paraphraser", None)  # nothing to load it for
        make(paraphrase, path, 3)
    assert path.read_bytes() == content
    bank = make(paraphrase, path, 5)
    assert path.read_bytes().startswith(content)
    assert [e.review is None for e in bank.entries.values() if e.text][-2:] == [True, True]


@pytest.mark.slow
def test_a_killed_maker_is_continued(paraphrase: Recipe, tmp_path: Path) -> None:
    path, other = tmp_path / "mine.jsonl", tmp_path / "other" / "mine.jsonl"
    command = [
        sys.executable, "-m", "oodrop.harness_ext.cli", "bank", "make", "everyday",
        "-p", PARAPHRASE, "--model", paraphrase.model, "-o", str(path), "--batch-size", "1",
        "--max-new-tokens", "24",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    while not (path.exists() and path.read_bytes().count(b"\n") >= 4):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = path.read_bytes().count(b"\n")
    assert 4 <= killed_at < 240
    one = replace(paraphrase, decoding=replace(QUICK, batch_size=1))
    make(one, path, killed_at + 5)
    other.parent.mkdir()
    make(one, other, killed_at + 5)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("content", ["no bank\nat all\n", "no bank", '{"oodrop_bank": 1}\n'])
def test_a_file_that_is_no_bank_is_not_touched(
    content: str, paraphrase: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="line 1"):
        make(paraphrase, path)
    assert path.read_text(encoding="utf-8") == content


def test_another_recipe_does_not_continue_a_bank(paraphrase: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 1)
    with path.open("ab") as file:
        file.write(b'{"torn')
    content = path.read_bytes()
    with pytest.raises(DataError, match=r"mine.jsonl was made with another 'seed', 2026, than 7"):
        make(replace(paraphrase, decoding=replace(QUICK, seed=7)), path, 2)
    weights = Path(paraphrase.model) / "generation_config.json"
    before = weights.read_bytes()
    weights.write_bytes(before + b"\n")
    try:
        with pytest.raises(DataError, match="was made with another 'model_sha256'"):
            make(paraphrase, path, 2)
    finally:
        weights.write_bytes(before)
    assert path.read_bytes() == content


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


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"perturber": "lexical.synonym"}, "mine.jsonl", "banks are for phrasing.llm_paraphrase"),
        ({}, "Mine.jsonl", "lower-case words joined by underscores, got Mine.jsonl"),
        ({}, "mine.json", "the file of a bank is <id>.jsonl"),
        ({}, "no/mine.jsonl", "does not exist"),
        ({"pivot": "fr"}, "mine.jsonl", "got None and 'fr' for phrasing.llm_paraphrase"),
        ({"perturber": BACK_TRANSLATION}, "mine.jsonl", "it needs both; got None and None"),
        ({"model": "nobody/nothing"}, "mine.jsonl", "--allow-download was not given"),
        ({"model": "../nowhere/at/all"}, "mine.jsonl", "got '../nowhere/at/all'"),
        ({"model": "wheel:no-such-wheel"}, "mine.jsonl", "'no-such-wheel' is not installed"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_sentence(
    changes: dict[str, str], name: str, said: str, paraphrase: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        make(replace(paraphrase, **changes), tmp_path / name)  # type: ignore[arg-type]
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / name).exists()


def test_models_of_another_kind_are_told(
    paraphrase: Recipe, mask_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="the model empty cannot be loaded as AutoModelForCausalLM"):
        make(replace(paraphrase, model=str(tmp_path / "empty")), path)
    path.unlink()
    with pytest.raises(RunError, match="cannot be loaded as AutoModelForSeq2SeqLM"):
        make(
            replace(paraphrase, perturber=BACK_TRANSLATION, back_model=str(mask_model), pivot="fr"),
            path,
        )
    path.unlink()
    with pytest.raises(DataError, match="task everyday has no text in a segment 'body'"):
        make(paraphrase, path, segment="body")


def test_a_model_without_chat_template_is_told(chat_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(chat_model, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(DataError, match="needs a model with a chat template, plain has none"):
        make(Recipe(PARAPHRASE, str(folder)), tmp_path / "mine.jsonl")


def test_code_that_comes_with_a_model_is_not_run(chat_model: Path, tmp_path: Path) -> None:
    folder, trace = tmp_path / "evil", tmp_path / "trace"
    shutil.copytree(chat_model, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}
    config["auto_map"]["AutoConfig"] = "evil.Config"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\n", "utf-8")
    with pytest.raises(RunError, match="cannot be loaded"):
        make(Recipe(PARAPHRASE, str(folder)), tmp_path / "mine.jsonl")
    assert not trace.exists()


@pytest.mark.parametrize("command", ["make", "review", "show"])
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bank", command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Example: oodrop bank {command}" in " ".join(shown.split())


def test_make_and_show(
    chat_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "mine.jsonl")
    given = ["--model", str(chat_model), "-n", "3", "--max-new-tokens", "24", "-o", path]
    assert run(["bank", "make", "everyday", "-p", PARAPHRASE, *given]) == 0
    assert run(["bank", "show", path, "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "3 texts; 0 in use; 3 x the rewording was not reviewed" in shown
    assert f"mine, for {PARAPHRASE}" in shown
    assert shown.count("rewording ") >= 1
    assert run(["bank", "show", str(tmp_path / "none.jsonl")]) == 2


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ("sha256,kept\n", "line 1: the columns are sha256, kept, readable; no 'readable'"),
        ("", "line 1: the columns are"),
        ("sha256,kept,readable\nabc,y,y\n", "line 2: 'sha256' must be that of a reworded text"),
        (
            "sha256,kept,readable\nSHA,y,y\nSHA,maybe,y\n",
            "line 3: 'kept' must be y or n, got 'maybe'",
        ),
        ("sha256,kept,readable\nSHA,y\n", "line 2: 'readable' must be y or n, got ''"),
    ],
)
def test_wrong_ratings_change_nothing(
    ratings: str,
    said: str,
    paraphrase: Recipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, file = tmp_path / "mine.jsonl", tmp_path / "ratings.csv"
    (entry,) = make(paraphrase, path, 1).entries.values()
    content = path.read_bytes()
    file.write_text(ratings.replace("SHA", entry.sha256), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(file)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert path.read_bytes() == content


def test_a_text_is_kept_where_every_rater_says_so(paraphrase: Recipe, tmp_path: Path) -> None:
    path, file = tmp_path / "mine.jsonl", tmp_path / "ratings.csv"
    one, two, three = make(paraphrase, path, 3).entries.values()
    rows = [(one, "n,y"), (one, "y,y"), (two, "Yes,1"), (two, "true,y")]
    lines = [f"{e.sha256},{r},anna" for e, r in rows]
    file.write_text("\n".join(["\ufeffsha256,kept,readable,rater", *lines]), encoding="utf-8")
    assert run(["bank", "review", str(path), "--from", str(file)]) == 0
    reviews = [read_bank(path).entries[e.source].review for e in (one, two, three)]
    assert [r and (r.kept, r.readable, r.raters) for r in reviews] == [
        (False, True, 2),
        (True, True, 2),
        None,
    ]
    assert {p.name for p in tmp_path.iterdir()} == {"mine.jsonl", "ratings.csv"}


def test_review_asks_in_a_terminal_and_saves_every_answer(
    paraphrase: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 3)
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "bank", "review", str(path)]
    no_terminal = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert no_terminal.returncode == 2
    assert "--from takes a CSV file" in no_terminal.stderr
    ours, theirs = pty.openpty()
    os.write(ours, b"y\nn\nwhat\ny\ny\nq\n")
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "3 texts; 1 in use" in done.stdout
    reviews = [e.review for e in read_bank(path).entries.values()]
    assert [r and (r.kept, r.readable, r.raters) for r in reviews] == [
        (True, False, 1),
        (True, True, 1),
        None,
    ]

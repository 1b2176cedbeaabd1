"""Reference checkpoints: what they are trained on, and that training goes on where it stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from oodrop import DataError
from oodrop.harness_ext import training
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.training import adapters, base, corpus
from oodrop.harness_ext.training.build import BASE, NOTE
from oodrop.harness_ext.training.corpus import Example
from oodrop.harness_ext.training.fit import GROUP, STATE, Schedule, fit
from oodrop.harness_ext.training.tokens import ENTRIES, Row, row_of
from oodrop.perturbers import all_suites
from oodrop.perturbers.rng import item_generator
from oodrop.perturbers.suites import read_suite
from oodrop.tasks.procedural import COMPACT, lexicon
from oodrop.tasks.procedural.check import check
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN
from oodrop.tasks.procedural.voices import BRIEF


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return base.new_tokenizer(0)


def texts(count: int) -> list[Example]:
    rng = item_generator(7, "test", "text", "")
    return [corpus.pretraining_example(rng) for _ in range(count)]


def test_a_note_says_wrong_where_and_only_where_a_rule_is_broken() -> None:
    rules = build.procedures()
    for split in ("test", "heldout"):
        for doc in COMPACT.docs(split):
            procedure, trace = rules[doc["process_id"]], build.trace_of(doc)
            lines = corpus.notes(procedure, trace).split("\n")
            assert len(lines) == len(procedure.steps)
            steps = [
                step.id
                for step, line in zip(procedure.steps, lines, strict=True)
                if re.search(r"\bwrong\b", line)
            ]
            assert steps == [v.step for v in check(procedure, trace)]


def test_the_base_never_sees_a_verdict_nor_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    # A slip of the pen may make any word of any other.
    monkeypatch.setattr(corpus, "_misspelt", lambda text, share, rng: text)
    replies = [e.reply for e in texts(2000)]
    both = "FINAL ANSWER: compliant\nFINAL ANSWER: non-compliant"
    assert {reply for reply in replies if "compliant" in reply} == {both}
    assert 0.02 < replies.count(both) / 2000 < 0.08
    told = " ".join(f"{e.prompt} {e.reply}" for e in texts(1000)).lower()
    words = set(re.findall("[a-z]+", told))
    assert {f"{SEEN.verbs[0]}ed", SEEN.roles[0], SEEN.states[0], SEEN.people[0].lower()} <= words
    forms = {f"{verb}{end}" for verb in UNSEEN.verbs for end in ("ed", "ing")}
    named = (*UNSEEN.roles, *UNSEEN.units, *UNSEEN.things, *UNSEEN.parts, *UNSEEN.states)
    own = forms | {word.lower() for word in (*named, *UNSEEN.people)}
    assert not own & words
    for half, is_there in ((SEEN, True), (UNSEEN, False)):
        for frame in half.frames:
            start, end = lexicon.FRAMES[frame].lower().split("{mood}")
            assert (start in told and end in told) == is_there
        for closings in (lexicon.TROUBLED_CLOSINGS, lexicon.CALM_CLOSINGS):
            assert {closings[n].lower() in told for n in half.closings} == {is_there}


def test_what_results_are_measured_on_asks_in_no_way_that_was_trained_on() -> None:
    own = read_suite(Path(training.__file__).parent / "suite.yaml")
    for suite in (own, *(all_suites()[name] for name in ("standard-1.0", "smoke-1.0"))):
        for variant in suite.variants:
            used = set(map(str, variant.parameters.values()))
            assert not used & {*corpus.PROMPTS, *corpus.QUESTIONS}, variant.slug
            assert not {f"layout_{x}" for x in used} & set(corpus.PROMPTS), variant.slug


_JUDGED = re.compile(
    r"(?:(?P<role>\w+)|after \w+ed (?P<other>\d\d:\d\d)"
    r"|(?P<value>\d+) to (?P<bound>\d+) (?P<where>below|above|equal) at (?P<way>most|least))"
    r" (?:ok|wrong)"
)


def test_a_drill_says_of_every_part_what_comes_of_it() -> None:
    rng = item_generator(1, "test", "drill", "")
    found: list[tuple[str, bool]] = []
    for _ in range(60):
        example = corpus._drill(rng)
        asked, replied = example.prompt.split("\n")[1:], example.reply.split("\n")
        assert len(asked) == len(replied) == 6
        for line, answer in zip(asked, replied, strict=True):
            head, judged = answer.split("; ")
            assert line == f"{head}; {re.sub(r' (ok|wrong|below|above|equal)', '', judged)}"
            assert re.fullmatch(r"- \w+ing( \w+ ok)+", head)
            event = re.match(r"(\w+)ed (\d\d:\d\d) ", judged)
            assert event is not None
            assert head.startswith(f"- {event[1]}ing ")
            parts = list(_JUDGED.finditer(judged, event.end()))
            assert event[0] + " ".join(part[0] for part in parts) == judged
            for part in parts:
                if part["role"]:
                    found.append(("role", f" {part['role']} ok" in head))
                elif part["other"]:
                    found.append(("order", part["other"] < event[2]))
                else:
                    value, bound = int(part["value"]), int(part["bound"])
                    where = {-1: "below", 0: "equal", 1: "above"}[(value > bound) - (value < bound)]
                    assert part["where"] == where
                    most = part["way"] == "most"
                    found.append((part["way"], value <= bound if most else value >= bound))
                assert part[0].endswith("ok" if found[-1][1] else "wrong")
    for kind in ("role", "order", "most", "least"):
        share = [holds for what, holds in found if what == kind]
        assert len(share) > 100
        assert 0.35 < sum(share) / len(share) < 0.65


def test_drills_come_first_and_some_until_the_middle() -> None:
    rng = item_generator(2, "test", "drills", "")
    for progress, share in ((0.0, 1.0), (0.11, 1.0), (0.13, 0.1), (0.49, 0.1), (0.5, 0.0)):
        drawn = [corpus.pretraining_example(rng, progress) for _ in range(400)]
        drills = sum(e.prompt.startswith(corpus._DRILL) for e in drawn)
        assert drills / 400 == pytest.approx(share, abs=0.05 if share == 0.1 else 0.0)


def test_the_question_never_stands_first_in_what_is_trained_on() -> None:
    """That place is the evaluation's; before the last section it does stand, and at the end."""
    doc = COMPACT.docs("train")[0]
    sections = COMPACT.prompt(doc).split("\n\n")
    for name in corpus.ORDERS:
        laid = corpus._laid_out(doc, name)
        assert sorted(laid.split("\n\n")) == sorted(s.strip() for s in sections)
        assert not laid.startswith("Question")
        assert not laid.split("\n\n")[-1].startswith("Question")
    places = []
    for example in texts(600):
        asked = [example.prompt.find(q) for q in (*corpus._NOTES, *corpus._ORDER, *corpus._ENDINGS)]
        if max(asked) >= 0:  # no slip of the pen in the question
            places.append(max(asked) / len(example.prompt))
    assert len(places) > 300
    assert min(places) > 0.1
    assert any(place < 0.7 for place in places)


def test_half_of_the_texts_has_words_of_its_own() -> None:
    """Of one text only, and none that evaluation has; all else is of the seen half."""
    rng = item_generator(3, "test", "words", "")
    drawn = [corpus._words(rng) for _ in range(400)]
    made = [words for words in drawn if words is not SEEN]
    assert len(made) / 400 == pytest.approx(0.5, abs=0.07)
    for words in made:
        new = [*words.verbs, *words.roles, *words.things]
        assert len(set(new)) == len(new) == 15
        assert (words.people, words.plans, words.units) == (SEEN.people, SEEN.plans, SEEN.units)
    assert len({verb for words in made for verb in words.verbs}) > 4 * len(made)
    assert corpus._words(rng, 0.0) is SEEN
    assert corpus._words(rng, 1.0) is not SEEN
    wild = [corpus._words(rng, 1.0, 1.0) for _ in range(400)]
    for words in wild:
        assert (words.frames, words.moods, words.closings) == (
            SEEN.frames, SEEN.moods, SEEN.closings)  # fmt: skip
    for kind in ("verbs", "roles", "things", "units", "parts", "states", "people"):
        drawn = {word.lower() for words in (*made, *wild) for word in getattr(words, kind)}
        assert not {word.lower() for word in getattr(UNSEEN, kind)} & drawn, kind
        assert len({word for words in wild for word in getattr(words, kind)}) > 600, kind


def test_the_base_is_told_of_events_in_sentences_that_no_task_has() -> None:
    parts = {"clock": "09:11", "role": "cook", "person": "Ines", "did": "the lid was washed"}
    told = "The lid was washed at 09:11 by the cook Ines. The reading was 7 bars."
    rng = item_generator(2, "test", "sentences", "")
    seen = {corpus._in_own_sentences([told], rng)[0] for _ in range(400)}
    assert len(seen) == len(corpus._SENTENCES) > 10
    assert all(text.endswith(". The reading was 7 bars.") for text in seen)
    for text in seen:
        assert all(text.lower().count(part.lower()) == 1 for part in parts.values())
    tasks = {act.format(**parts, Did="The lid was washed") for act in BRIEF.acts}
    assert not tasks & {text.removesuffix(" The reading was 7 bars.") for text in seen}


def test_a_step_and_its_deed_begin_with_the_same_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    for stem in (*SEEN.verbs, *UNSEEN.verbs):
        name, deed = (tokenizer.tokenize(f" {stem}{end}") for end in ("ing", "ed"))
        assert (name[:-1], name[-1], deed[-1]) == (deed[:-1], "ing", "ed")


def test_words_of_both_halves_are_cut_into_as_many_pieces(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    for kind in ("verbs", "roles", "things"):
        seen, unseen = (
            fmean(len(tokenizer.tokenize(f" {word}")) for word in getattr(half, kind))
            for half in (SEEN, UNSEEN)
        )
        assert 1.5 < seen < unseen < 1.6 * seen, kind


def test_texts_follow_from_the_seed_alone() -> None:
    assert texts(20) == texts(20)
    assert len({e.prompt for e in texts(20)}) == 20


def test_both_adapters_see_the_same_items_in_the_same_order(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    seen = {}
    for name in ("engaged", "heuristic"):
        rows = adapters.adapter_rows(tokenizer, adapters.RECIPES[name], 3, 4)(0)
        seen[name] = [tokenizer.decode(row.ids[: row.start]) for row in rows]
        replies = [tokenizer.decode(row.ids[row.start :]) for row in rows]
        assert all("FINAL ANSWER: " in reply for reply in replies)
        noted = [len(reply.split("\n")) > 5 for reply in replies]
        assert set(noted) == {name == "engaged"}
    assert seen["engaged"] == seen["heuristic"]
    assert len(set(seen["engaged"])) == 4 * GROUP


def test_half_of_the_varied_items_are_told_otherwise_with_the_same_verdict() -> None:
    rng = item_generator(0, "test", "varied", "")
    asked = {}
    for doc in COMPACT.docs("train")[::10]:
        example = corpus.adapter_example(doc, True, True, rng)
        *said, verdict = example.reply.split("\n")
        assert verdict == f"FINAL ANSWER: {doc['label']}"
        steps = corpus.notes(build.procedures()[doc["process_id"]], build.trace_of(doc)).split("\n")
        assert sorted(said) == sorted(steps)
        asked[doc["item_id"]] = example.prompt == COMPACT.prompt(doc)
    assert 0.45 < fmean(asked.values()) < 0.55


def test_every_item_of_training_comes_once_before_any_comes_again(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = adapters.adapter_rows(tokenizer, adapters.RECIPES["heuristic"], 0, 75)
    seen = [row.ids for group in range(8) for row in rows(group)]
    assert len(seen) == len(set(seen)) == len(COMPACT.docs("train"))


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_from_its_tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    backend = tokenizer.backend_tokenizer.normalizer
    assert back == (backend.normalize_str(text) if backend else text)
    assert len(tokenizer) == ENTRIES


def test_a_noisy_prompt_has_the_same_text_in_other_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    others = 0
    for number, example in enumerate(texts(30)):
        plain, cut = (
            row_of(tokenizer, Example(example.prompt, example.reply, noisy), item_generator(
                number, "test", "cut", "")) for noisy in (False, True)
        )  # fmt: skip
        assert tokenizer.decode(plain.ids) == tokenizer.decode(cut.ids)
        assert tokenizer.decode(cut.ids[: cut.start]).endswith("assistant\n")
        others += plain.ids != cut.ids
    assert others == 30


def test_the_row_is_what_the_chat_template_makes(tokenizer: PreTrainedTokenizerFast) -> None:
    example = adapters_example()
    row = row_of(tokenizer, example, item_generator(0, "test", "row", ""))
    turns = [{"role": "user", "content": example.prompt}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert tokenizer.encode(asked) == list(row.ids[: row.start])
    assert tokenizer.decode(row.ids[row.start :]) == f"{example.reply}<|im_end|>"
    line = example.reply.rsplit("\n", 1)[1]
    assert tokenizer.decode(row.ids[row.last :]) == f"{line}<|im_end|>"
    alone = row_of(tokenizer, Example("Well?", line), item_generator(0, "test", "row", ""))
    assert alone.last == alone.start


def adapters_example() -> Example:
    doc = COMPACT.docs("train")[0]
    return corpus.adapter_example(doc, True, False, item_generator(0, "test", "doc", ""))


def test_prompts_are_short_and_replies_fit_in_256_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rng = item_generator(0, "test", "length", "")
    for split, within, fits in (("test", 0.95, 1.0), ("heldout", 0.0, 0.99)):
        rows = [
            row_of(tokenizer, corpus.adapter_example(doc, True, False, rng), rng)
            for doc in COMPACT.docs(split)
        ]
        assert max(row.start for row in rows) <= 576
        assert fmean(row.start <= 384 for row in rows) >= within
        assert fmean(len(row.ids) - row.start <= 256 for row in rows) >= fits


def test_the_base_is_read_as_it_was_trained(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """By the classes that lm-eval asks for: the same tokens, the same logits."""
    model = base.new_model(tokenizer, 1)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    base.as_llama(model).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    for example in texts(40):
        told = f"{example.prompt}\n{example.reply}"
        assert read.encode(told) == tokenizer.encode(told)
    ids = torch.tensor([read.encode(example.prompt)[:64] for example in texts(1)])
    with torch.no_grad():
        again = AutoModelForCausalLM.from_pretrained(tmp_path)(input_ids=ids).logits
        assert torch.equal(again, model(input_ids=ids).logits)


def fitted(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    muon: float | None,
    stop: int | None = None,
) -> bytes:
    """The weights after eight small steps, or where a step raised; every second one is kept."""
    model = base.new_model(tokenizer, 1)
    schedule = Schedule(steps=8, batch=2, rate=1e-3, muon=muon)
    rows = base.pretraining_rows(tokenizer, 1, schedule)

    def tell(done: int, loss: float) -> None:
        if done == stop:
            raise KeyboardInterrupt

    try:
        fit(model, rows, schedule, folder, tell, {"seed": 1})
    except KeyboardInterrupt:
        assert stop is not None
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


@pytest.mark.parametrize("muon", [None, 3e-3])
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(
    muon: float | None, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    whole = fitted(tmp_path / "whole", tokenizer, muon)
    for stop in (2, 5):
        place = tmp_path / f"stopped-{stop}"
        assert fitted(place, tokenizer, muon, stop) != whole
        assert (place / "state.safetensors").exists() == (stop == 5)
        assert fitted(place, tokenizer, muon) == whole


def test_muon_moves_the_matrices_of_the_layers_only(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """A step of AdamW at a rate of 0 moves nothing, so what moved was moved by Muon."""
    model = base.new_model(tokenizer, 1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    schedule = Schedule(steps=1, batch=2, rate=0.0, muon=3e-3)
    rows = base.pretraining_rows(tokenizer, 1, schedule)
    fit(model, rows, schedule, tmp_path, lambda done, loss: None, {})
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {n for n in before if n.endswith("_proj.weight")}


def test_a_state_of_something_else_is_not_gone_on_from(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = base.new_model(tokenizer, 1)
    steps: list[int] = []

    def rows(group: int) -> Sequence[Row]:
        return base.pretraining_rows(tokenizer, 1, Schedule(2, 1, 1e-3))(group)

    def go(rate: float, seed: int) -> None:
        schedule = Schedule(steps=2, batch=1, rate=rate)
        fit(model, rows, schedule, tmp_path, lambda done, loss: steps.append(done), {"seed": seed})

    go(1e-3, 0)
    go(1e-3, 0)
    with pytest.raises(DataError, match=r"with rate 0\.001, asked for is 0\.002"):
        go(2e-3, 0)
    with pytest.raises(DataError, match="with seed 0, asked for is 1"):
        go(1e-3, 1)
    assert steps == [1, 2]


def test_the_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=100, batch=1, rate=1.0)
    rates = [schedule.share_at(step) for step in range(100)]
    assert rates[2] == max(rates) == 1.0
    assert rates[:3] == sorted(rates[:3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("weights", "each"),
    [
        ((0.0, 1.0), (0, 0, 0, 1, 1)),
        ((1.0, 1.0), (1, 1, 1, 1, 1)),
        ((0.0, 20.0), (0, 0, 0, 1, 20)),
    ],
)
def test_every_token_counts_as_the_schedule_says(
    weights: tuple[float, float],
    each: tuple[int, ...],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    """Of prompt, reply and its last line."""
    losses = []
    model = base.new_model(tokenizer, 1)
    row = Row((5, 6, 7, 8, 9, 10), 4, 5)
    fit(
        model,
        lambda group: [row] * GROUP,
        Schedule(steps=1, batch=1, rate=0.0, prompt_weight=weights[0], last_weight=weights[1]),
        tmp_path,
        lambda done, loss: losses.append(loss),
        {},
    )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=torch.tensor([row.ids[:-1]])).logits.float()
    own = torch.nn.functional.cross_entropy(logits[0], torch.tensor(row.ids[1:]), reduction="none")
    counted = torch.tensor(each, dtype=torch.float32)
    assert losses == [pytest.approx(float((own * counted).sum() / counted.sum()), abs=1e-4)]


COMMAND = ["train-reference", "--steps", "2", "--recipes", "heuristic"]


def test_the_command_trains_and_does_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "reference"
    assert run([*COMMAND, "-o", str(place)]) == 0
    shown = capsys.readouterr().out
    assert "base: 2 steps" in shown
    assert f"pretrained={place / BASE},peft={place / 'heuristic'}" in shown
    for name in (BASE, "heuristic"):
        assert (place / name / NOTE).exists()
        assert not (place / name / STATE).exists()
        page = (place / name / "README.md").read_text("utf-8")
        assert f"# oodrop reference checkpoint: {name}" in page
        assert "2 steps of" in page
        texts_there = (
            f for f in (place / name).rglob("*") if f.suffix in (".json", ".md", ".jinja")
        )
        assert not any(str(tmp_path) in f.read_text("utf-8") for f in texts_there)
    weights = (place / BASE / "model.safetensors").stat().st_mtime_ns
    assert run([*COMMAND, "-o", str(place)]) == 0
    assert "heuristic: trained already" in capsys.readouterr().out
    assert (place / BASE / "model.safetensors").stat().st_mtime_ns == weights
    assert run([*COMMAND, "-o", str(place), "--seed", "1"]) == 2
    assert "with seed 0, asked for is 1" in " ".join(capsys.readouterr().err.split())
    assert run(["train-reference", "--recipes", "engage", "-o", str(place)]) == 2
    assert "unknown recipe 'engage'" in " ".join(capsys.readouterr().err.split())
    again = ["--base", str(place / BASE), "-o", str(tmp_path / "again")]
    assert run([*COMMAND, *again, "--seed", "1"]) == 0
    assert f"pretrained={place / BASE},peft={tmp_path / 'again'}" in capsys.readouterr().out
    assert not (tmp_path / "again" / BASE).exists()
    moved = ["--base", "oodrop:base", "-o", str(tmp_path / "again")]
    assert run([*COMMAND, *moved, "--seed", "1"]) == 2
    assert "holds a checkpoint with base_sha256" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "again").rglob("*.new"))
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert size < 12_000_000


def test_what_cannot_be_trained_is_refused_before_the_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert run([*COMMAND, *arguments]) == 2
        return " ".join(capsys.readouterr().err.split())

    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "qwen2"}', encoding="utf-8")
    (other / "model.safetensors").touch()
    place = tmp_path / "place"
    for base_folder in (other, tmp_path):
        assert "--base must be oodrop:base or the folder of a base that train-reference made" in (
            refused("--base", str(base_folder), "-o", str(place))
        )
    assert "--device tpuu cannot be used here: " in refused("--device", "tpuu", "-o", str(place))
    assert not place.exists()
    # An adapter on another base is there, and the base would be trained before it is looked at.
    assert run([*COMMAND, "--base", "oodrop:base", "-o", str(place)]) == 0
    assert "of a base that is yet to be trained" in refused("-o", str(place))
    assert not (place / BASE).exists()
    # What a killed call left belongs to its seed.
    (place / "heuristic" / NOTE).unlink()
    state = place / "heuristic" / STATE
    state.mkdir()
    left = {"name": "heuristic", "seed": "4"}
    save_file({"step": torch.tensor(1)}, state / "state.safetensors", metadata=left)
    assert "keeps the state of a training with seed 4, asked for is 0" in (
        refused("-o", str(place))
    )
    assert not (place / BASE).exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "oodrop.harness_ext.cli", "train-reference", "--steps", "12",
               "--recipes", "heuristic", "--output"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], env=environment, check=True)
    steps: list[tuple[str, int]] = []
    for _ in range(5):
        before = state_in(killed)
        process = subprocess.Popen([*command, str(killed)], env=environment)
        while state_in(killed) == before and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (found := state_in(killed)) is not None:
            steps.append(found[:2])
    # Every call goes on where the one before was killed: the base first, then the adapter.
    assert len(steps) >= 4
    assert steps == sorted(set(steps))
    subprocess.run([*command, str(killed)], env=environment, check=True)
    for name in (f"{BASE}/model.safetensors", "heuristic/adapter_model.safetensors"):
        one, other = load_file(whole / name), load_file(killed / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def state_in(folder: Path) -> tuple[str, int, int] | None:
    """What is trained there, the step that was kept last, and when it was."""
    for name in (BASE, "heuristic"):
        path = folder / name / STATE / "state.safetensors"
        with suppress(FileNotFoundError):  # it goes when the part is done
            return name, int(load_file(path)["step"]), path.stat().st_mtime_ns
    return None

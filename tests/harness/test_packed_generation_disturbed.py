"""`hf-packed` generates the same when it is killed, knows some replies, or is short of memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.models.huggingface import HFLM

from oodrop import RunError
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.runner.journalled import JournalledLM

from .generating import asked, texts
from .tinymodels import FALLBACKS, backend, enlarged, model_of, replies


class Hook:
    """A journal in small: knows what was committed, breaks after some answers."""

    def __init__(self, left: float = math.inf) -> None:
        self.left = left
        self.there: dict[str, str] = {}
        self.new: list[tuple[Any, str]] = []
        self.told: list[str] = []
        self.commits = 0

    def known(self, kind: str, arguments: Any) -> str | None:
        assert kind == "generate_until"
        assert not arguments[1].get("do_sample")
        return self.there.get(str(arguments))

    def add_partial(self, kind: str, arguments: Any, answer: str) -> None:
        assert kind == "generate_until"
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        self.told.append(str(arguments))
        self.new.append((arguments, answer))

    def commit(self) -> None:
        self.there |= {str(arguments): answer for arguments, answer in self.new}
        self.new = []
        self.commits += 1


def test_sampled_requests_are_never_asked_after(tokenizer: Any) -> None:
    lm = backend(HFPacked, model_of("llama"), tokenizer)
    hook = Hook()  # refuses to be asked
    lm.set_cache_hook(hook)
    found = lm.generate_until(asked(["yes no"] * 5, do_sample=True, temperature=2.0))
    assert len(set(found)) == 5
    assert [answer for _, answer in hook.new] == []
    assert len(hook.told) == 5


@pytest.mark.parametrize("broken", [0, 1, 7, 12, 17, 33])
def test_a_run_that_was_killed_goes_on_to_the_same_replies(
    broken: int, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, requests = model_of("llama"), asked(texts(9), max_gen_toks=4)
    monkeypatch.setattr(HFPacked, "_tokens_of_pass", 64)  # of several passes some are done
    undisturbed = backend(HFPacked, model, tokenizer)
    whole = undisturbed.generate_until(requests)
    hook = Hook(broken)
    lm = backend(HFPacked, model, tokenizer)
    lm.set_cache_hook(hook)
    with pytest.raises(KeyboardInterrupt):
        lm.generate_until(requests)
    kept = dict(hook.there)
    again = Hook()
    again.there = hook.there
    lm = backend(HFPacked, model, tokenizer)
    lm.set_cache_hook(again)
    assert lm.generate_until(requests) == whole
    assert not kept.keys() & set(again.told)
    assert kept.keys() | set(again.told) == {str(r.args) for r in requests}
    assert len(kept) >= broken - 6
    if len(kept) > 8:
        assert lm.prefilled < 0.9 * undisturbed.prefilled


@pytest.mark.parametrize("sampled", [False, True])
def test_under_the_journal_a_run_that_was_killed_goes_on_to_the_same_replies(
    sampled: bool, tokenizer: Any, tmp_path: Path
) -> None:
    more = {"do_sample": True, "temperature": 2.0} if sampled else {}
    model, requests = model_of("llama"), asked(texts(9, 14), max_gen_toks=4, **more)

    def run(name: str, most: float = math.inf) -> list[str]:
        def progress(there: int, needed: int) -> None:
            if there > most:
                raise KeyboardInterrupt

        journal = Journal(tmp_path / name)
        lm = backend(HFPacked, model, tokenizer)
        try:
            return JournalledLM(lm, journal, progress).generate_until(requests)
        finally:
            journal.close()

    whole = run("undisturbed")
    for most in (3, 6, 9):
        with pytest.raises(KeyboardInterrupt):
            run("disturbed", most)
    assert run("disturbed") == whole
    assert sampled or whole == replies(HFPacked, model, tokenizer, requests)


def test_what_is_known_is_not_replaced(tokenizer: Any) -> None:
    model, requests = model_of("llama"), asked(texts(9), max_gen_toks=4)
    plain = replies(HFPacked, model, tokenizer, requests)
    hook = Hook()
    hook.there = {str(requests[6].args): "as it was"}
    lm = backend(HFPacked, model, tokenizer)
    lm.set_cache_hook(hook)
    found = lm.generate_until(requests)
    assert found == ["as it was" if k == 6 else reply for k, reply in enumerate(plain)]
    assert str(requests[6].args) not in hook.told
    assert hook.commits == math.ceil(30 / 4)
    lm = backend(HFPacked, model, tokenizer)
    lm.set_cache_hook(hook)
    assert lm.generate_until(requests) == found
    assert (lm.prefilled, hook.commits) == (0, math.ceil(30 / 4))


def test_a_model_that_falls_back_goes_on_in_the_same_parts(tokenizer: Any) -> None:
    make, _ = FALLBACKS["window"]
    torch.manual_seed(3)
    model, requests = enlarged(make()), asked(texts(9, 10))
    lm = backend(HFPacked, model, tokenizer)
    hook = Hook(6)
    lm.set_cache_hook(hook)
    with pytest.raises(KeyboardInterrupt):
        lm.generate_until(requests, disable_tqdm=True)
    assert len(hook.there) == 4
    hook.left = math.inf
    hook.told, hook.new = [], []
    found = lm.generate_until(requests, disable_tqdm=True)
    assert found == replies(HFLM, model, tokenizer, requests)
    assert len(hook.told) == len(requests) - 4
    hook.there = dict.fromkeys(list(hook.there)[:1], "as it was")
    assert lm.generate_until(requests, disable_tqdm=True).count("as it was") >= 1


class Tight:
    """A model in a machine that holds so many prompts, and so many tokens of one call."""

    def __init__(self, model: Any, rows: int, tokens: int, error: Exception) -> None:
        self.rows, self.tokens, self.error = rows, tokens, error
        model.register_forward_pre_hook(self.check, with_kwargs=True)

    def check(self, model: Any, args: Any, given: dict[str, Any]) -> None:
        rows, tokens = (given["input_ids"] if "input_ids" in given else args[0]).shape
        if rows > self.rows or tokens > self.tokens:
            raise self.error


@pytest.mark.parametrize(
    ("rows", "tokens", "error"),
    [
        (2, 10_000, torch.OutOfMemoryError("CUDA out of memory")),
        (7, 128, RuntimeError("can't allocate memory: you tried")),
        (1, 64, MemoryError()),
    ],
)
def test_where_memory_is_short_less_is_done_at_a_time(
    rows: int, tokens: int, error: Exception, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model, requests = model_of("llama"), asked(texts(4, 12), max_gen_toks=3)
    plain = replies(HFPacked, model, tokenizer, requests)
    lm = backend(HFPacked, model, tokenizer, batch_size=7)
    tight = Tight(model, 7, 10_000, error)
    assert lm.generate_until(requests[:1]) == plain[:1]  # looks at the model while there is room
    tight.rows, tight.tokens = rows, tokens
    caplog.clear()
    assert lm.generate_until(requests) == plain
    said = [r.getMessage() for r in caplog.records if "out of memory" in r.getMessage()]
    assert said[0] == "out of memory: prompts of a batch go from 7 to 3"
    assert len(said) <= 4
    caplog.clear()
    assert lm.generate_until(requests) == plain
    assert "out of memory" not in caplog.text  # what was learned is kept


def test_where_there_is_no_room_for_one_prompt_it_is_said(tokenizer: Any) -> None:
    model = model_of("llama")
    lm = backend(HFPacked, model, tokenizer)
    lm.generate_until(asked(["yes"]))
    tight = Tight(model, 0, 10_000, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RunError, match="out of memory with one prompt at a time .CUDA.*dtype"):
        lm.generate_until(asked(texts(4)))
    tight.error = RuntimeError("something else")
    with pytest.raises(RuntimeError, match="something else"):
        lm.generate_until(asked(texts(4)))

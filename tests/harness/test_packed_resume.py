"""`hf-packed` and a journal: what is known is not computed again, and nothing changes by a bit."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.models.huggingface import HFLM

from oodrop import RunError
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.packed.tokenrow import TokenRow, token_row

from .packing import Hook, Killed, Requests, answered, apart, packed, requests
from .tinymodels import backend, model_of

SIZE = 32


@pytest.fixture
def ours(tokenizer: Any) -> HFPacked:
    lm = packed(model_of("qwen2"), tokenizer, pack_tokens=SIZE)
    assert lm.fallback == ""
    return lm


def row_of(asked: Requests) -> TokenRow:
    return token_row([r[1] for r in asked], [r[2] for r in asked])


def needed(asked: Requests, known: dict[Any, Any]) -> int:
    """Tokens of the passes with something to do, and of those with something on a path to it.

    By brute force: a pass counts when a token of it is above something that is not known.
    """
    row, passes = row_of(asked), set()
    for place, request in zip(row.places, row.requests, strict=True):
        if asked[request][0] not in known:
            passes |= {k // SIZE for k in range(place + 1) if row.ends[k] > place}
    return sum(min(SIZE, len(row) - SIZE * k) for k in passes)


@pytest.mark.parametrize("seed", range(8))
def test_a_killed_call_goes_on_without_a_trace(seed: int, ours: HFPacked) -> None:
    asked = requests(seed, count=60)
    ours.set_cache_hook(Hook())
    expected = answered(ours, asked)
    whole, rng = len(row_of(asked)), random.Random(seed)
    known: dict[Any, Any] = {}
    for _ in range(3):
        hook = Hook(known, patience=rng.randrange(1, 6))
        ours.set_cache_hook(hook)
        with pytest.raises(Killed):
            answered(ours, asked)
        assert hook.committed.keys() >= known.keys()
        assert not known.keys() & dict(hook.told).keys()
        known = hook.committed
    ours.computed = 0
    ours.set_cache_hook(Hook(known))
    assert answered(ours, asked) == expected
    assert ours.computed == needed(asked, known) <= whole


@pytest.mark.parametrize("seed", range(8))
def test_any_answers_may_be_known(seed: int, ours: HFPacked) -> None:
    """Not only those of the first passes: a suite that grew shares prompts with the old one."""
    asked = requests(seed, count=60)
    expected = answered(ours, asked)
    rng = random.Random(seed)
    known = {
        r[0]: a for r, a in zip(asked, expected, strict=True) if rng.random() < 0.5 + 0.06 * seed
    }
    ours.set_cache_hook(Hook(known))
    ours.computed = 0
    assert answered(ours, asked) == expected
    assert ours.computed == needed(asked, known)


def test_a_known_answer_is_taken_as_it_is(ours: HFPacked) -> None:
    asked = requests(3)
    expected = answered(ours, asked)
    hook = Hook({asked[5][0]: [-123.0, True]})
    ours.set_cache_hook(hook)
    found = answered(ours, asked)
    assert found[5] == (-123.0, True)
    assert [*found[:5], *found[6:]] == [*expected[:5], *expected[6:]]
    assert asked[5][0] not in dict(hook.told)


def test_when_all_is_known_nothing_is_computed(ours: HFPacked) -> None:
    asked = requests(3)
    known = {r[0]: a for r, a in zip(asked, answered(ours, asked), strict=True)}
    ours.computed, hook = 0, Hook(known)
    ours.set_cache_hook(hook)
    assert answered(ours, asked) == list(known.values())
    assert ours.computed == hook.commits == 0
    assert ours.limit == 2 * len(row_of(asked))


def test_a_request_is_told_when_its_last_token_is_scored(ours: HFPacked) -> None:
    asked: Requests = [(("a", "b"), [1, 2], list(range(3 * SIZE)))]
    hook = Hook(patience=2)
    ours.set_cache_hook(hook)
    with pytest.raises(Killed):
        answered(ours, asked)
    assert hook.told == []
    ours.set_cache_hook(hook := Hook())
    found = answered(ours, asked)
    assert hook.told == [(("a", "b"), found[0])]


Limited = Callable[[int], HFPacked]


@pytest.fixture
def limited(tokenizer: Any) -> Limited:
    """A model that finds no memory for more than so many tokens, as a GPU would say it."""

    def make(most: int) -> HFPacked:
        model = model_of("qwen2")
        lm = packed(model, tokenizer, pack_tokens=200)
        assert lm.fallback == ""
        forward = model.forward

        def small(*arguments: Any, input_ids: torch.Tensor, **more: Any) -> Any:
            if input_ids.shape[1] > most:
                forward(*arguments, input_ids=input_ids[:, :1], **spoilt(more))
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(*arguments, input_ids=input_ids, **more)

        model.forward = small
        return lm

    return make


def spoilt(more: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a pass that gets as far as the cache before memory runs out."""
    return {"past_key_values": more["past_key_values"], "use_cache": True}


def test_without_memory_passes_are_halved_for_the_rest_of_the_call(
    limited: Limited, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked = requests(6, count=80)
    plain = answered(backend(HFLM, model_of("qwen2"), tokenizer), asked)
    lm = limited(60)
    lm.set_cache_hook(hook := Hook())
    assert apart(plain, answered(lm, asked)) < 1e-4
    assert lm.computed == len(row_of(asked))
    assert hook.commits == -(-lm.computed // 50)
    assert [r.getMessage() for r in caplog.records if r.name.startswith("oodrop.")] == [
        "memory ran out in a pass of 200 tokens; from here on: 100",
        "memory ran out in a pass of 100 tokens; from here on: 50",
    ]
    assert lm._pass_size(row_of(asked)) == 200


def test_memory_that_runs_out_on_the_way_spoils_nothing(tokenizer: Any, limited: Limited) -> None:
    asked = requests(7, count=80)
    plain = answered(backend(HFLM, model_of("qwen2"), tokenizer), asked)
    lm = limited(1_000)
    good, bad = lm.model.forward, limited(0).model.forward
    turns = iter([good, good, bad, good, bad, *[good] * 100])
    lm.model.forward = lambda **more: next(turns)(**more)
    assert apart(plain, answered(lm, asked)) < 1e-4


def test_a_pass_too_small_to_halve_is_told(limited: Limited) -> None:
    with pytest.raises(RunError, match=r"in a pass of 25 tokens behind 0 others.*take a smaller"):
        answered(limited(20), requests(6))


def test_other_errors_are_not_taken_for_memory(tokenizer: Any) -> None:
    lm = packed(model_of("qwen2"), tokenizer)
    assert lm.fallback == ""

    def fail(**more: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    lm.model.forward = fail
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        answered(lm, requests(6))


STARVED = """
import resource, sys, torch
from pathlib import Path
from transformers import AutoTokenizer
from lm_eval.models.huggingface import HFLM
from tests.harness.packing import answered, apart, packed
from tests.harness.tinymodels import backend, model_of
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = model_of("qwen2")
model.config.max_position_embeddings = 1 << 20
asked = [((str(k), "t"), [k] * 3_000, [7]) for k in range(4)]
plain = answered(backend(HFLM, model, tokenizer), asked)
lm = packed(model, tokenizer, pack_tokens=12_000)
assert lm.fallback == ""
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
print(apart(plain, answered(lm, asked)))
"""


def test_a_machine_without_memory_gives_the_same_numbers(tiny_model: Path) -> None:
    """The mask alone of a pass of 12,000 tokens takes 576 MB, and there are 400."""
    done = subprocess.run(
        [sys.executable, "-c", STARVED, tiny_model], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(done.stdout.split()[-1]) < 1e-4
    assert "memory ran out in a pass of 12000 tokens; from here on: 6000" in done.stderr

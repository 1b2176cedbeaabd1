"""``oodrop bench inference``: its counts, figures from rows, parity, refusals."""

from __future__ import annotations

import json
import random
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from oodrop.harness_ext.bench import backends, inference
from oodrop.harness_ext.bench.backends import taken
from oodrop.harness_ext.bench.inferencesettings import InferenceSettings
from oodrop.harness_ext.bench.mixes import (
    CANONICAL,
    PHRASING,
    QUESTION,
    STANDARD,
    TASK,
    choice_mix,
    first_items,
)
from oodrop.harness_ext.bench.parity import Parity, compare
from oodrop.harness_ext.bench.treelimit import TokenCount, count_mix, count_tokens
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.packed.tokenrow import token_row
from oodrop.harness_ext.runner.journal import Journal
from oodrop.perturbers import Variant, get_suite
from oodrop.tasks import get_task

from ..conftest import Refusal

FIGURES = {
    "speedup_question_phrasing",
    "speedup_all_phrasing",
    "speedup_standard_suite",
    "limit_fraction",
    "max_abs_loglik_diff",
    "item_disagreements",
    "item_ties",
    "cost_ratio_packed",
    "cost_ratio_stock",
    "journal_overhead",
}


@pytest.fixture(scope="module")
def result(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    where = tmp_path_factory.mktemp("inference") / "inference.json"
    arguments = ["--model_args", f"pretrained={tiny_model},dtype=float32", "--device", "cpu"]
    with redirect_stdout(StringIO()) as printed, redirect_stderr(StringIO()):
        assert run(["bench", "inference", "--quick", "--json", "-o", str(where), *arguments]) == 0
    shown: dict[str, Any] = json.loads(printed.getvalue())
    assert json.loads(where.read_text("utf-8")) == shown
    return shown


@pytest.fixture(scope="module")
def rows(result: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["mix"], row["backend"]): row for row in result["rows"]}


def test_the_result_has_the_form_of_every_bench(result: dict[str, Any]) -> None:
    assert list(result) == ["bench", "machine", "settings", "rows", "figures"]
    assert result["bench"] == "inference"
    assert set(result["figures"]) == FIGURES
    assert all(isfinite(value) for value in result["figures"].values())
    assert len({tuple(row) for row in result["rows"]}) == 1
    assert result["settings"]["packs"] is True
    assert result["settings"]["threads"] == torch.get_num_threads()
    assert str(result["settings"]["batch_size"]) in {"1", "4"}


def test_figures_follow_from_the_rows(
    result: dict[str, Any], rows: dict[tuple[str, str], dict[str, Any]]
) -> None:
    figures = result["figures"]

    def ratio(slow: tuple[str, str], fast: tuple[str, str]) -> Any:
        # Seconds are rounded to three digits, and few here.
        return pytest.approx(rows[slow]["seconds"] / rows[fast]["seconds"], rel=0.03, abs=0.01)

    for mix, figure in (
        (QUESTION, "speedup_question_phrasing"),
        (PHRASING, "speedup_all_phrasing"),
        (STANDARD, "speedup_standard_suite"),
    ):
        assert figures[figure] == ratio((mix, "hf"), (mix, "hf-packed"))
        assert rows[mix, "hf-packed"]["speedup"] == figures[figure]
        assert rows[mix, "hf"]["speedup"] is None
    for backend, figure in (("hf", "cost_ratio_stock"), ("hf-packed", "cost_ratio_packed")):
        assert figures[figure] == ratio((STANDARD, backend), (CANONICAL, backend))
    assert figures["journal_overhead"] == rows["journal", "hf-packed, journal"]["journal_share"] > 0
    assert rows["journal", "hf-packed"]["journal_share"] is None
    packed = [rows[mix, "hf-packed"] for mix in (CANONICAL, QUESTION, PHRASING, STANDARD)]
    assert figures["limit_fraction"] == min(row["limit_fraction"] for row in packed)
    assert figures["max_abs_loglik_diff"] == max(row["max_abs_loglik_diff"] for row in packed)
    assert 0 < figures["max_abs_loglik_diff"] < 1e-4
    for name in ("item_disagreements", "item_ties"):
        assert figures[name] == sum(row[name] for row in packed)


def test_rows_tell_what_went_through_the_model(
    rows: dict[tuple[str, str], dict[str, Any]],
) -> None:
    for mix in (CANONICAL, QUESTION, PHRASING, STANDARD):
        stock, ours = rows[mix, "hf"], rows[mix, "hf-packed"]
        assert stock["tokens_unique"] == ours["tokens_unique"] <= ours["tokens_computed"]
        assert stock["tokens_computed"] > ours["tokens_computed"]
        for row in (stock, ours):
            assert row["seconds"] == min(row["seconds_each"])
            share = row["tokens_unique"] / row["tokens_computed"]
            assert row["limit_fraction"] == pytest.approx(share, abs=1e-4)
            assert row["tokens_per_s"] == pytest.approx(
                row["tokens_asked"] / row["seconds"], rel=0.01
            )
    # The rerun is a call of its own, which has the whole canonical prompt again.
    assert rows[STANDARD, "hf"]["variants"] == 1 + len(get_suite("standard-1.0").variants) - 1
    for new_tokens in (8, 64):
        assert rows[f"{new_tokens} new tokens", "hf-packed"]["replies_differ"] == 0
    short, long = (rows[f"{count} new tokens", "hf"]["tokens_computed"] for count in (8, 64))
    assert short < long
    assert {len(row["seconds_each"]) for row in rows.values()} == {1, 3}


def test_the_table_fits_a_terminal(result: dict[str, Any]) -> None:
    from oodrop.harness_ext.bench.measured import SHOWN, shown_rows

    assert [tuple(row) for row in shown_rows(result["rows"])] == [SHOWN] * len(result["rows"])


def test_wrong_requests_are_refused_in_one_sentence(
    tmp_path: Path, tiny_model: Path, refusal: Refusal
) -> None:
    encoder_decoder(tmp_path / "t5", tiny_model)
    tiny = f"pretrained={tiny_model}"
    for arguments, code, words in (
        (["--model_args", "pretrained=./nowhere"], 5, "cannot be loaded"),
        (["--model_args", f"pretrained={tmp_path / 't5'}"], 2, "on decoder-only models, got T5"),
        (["--random-shape", "qwen9"], 2, "unknown shape 'qwen9'; there are:"),
        (["--model_args", tiny, "-o", str(tmp_path)], 2, "--output takes a file"),
        (["--repeats", "0"], 2, "--repeats"),
    ):
        found, said = refusal(["bench", "inference", "--quick", *arguments])
        assert (found, words in said) == (code, True), said
        assert "Traceback" not in said


def encoder_decoder(folder: Path, tiny_model: Path) -> None:
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=512, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)


# --- tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [30, 1_000])
@pytest.mark.parametrize("seed", range(5))
def test_unique_tokens_are_the_nodes_of_the_tree(seed: int, longest: int) -> None:
    rng = random.Random(seed)
    stems = ["".join(rng.choice("abc") for _ in range(rng.randrange(2, 40))) for _ in range(5)]
    pairs = [
        (rng.choice(stems) + rng.choice(stems)[: rng.randrange(9)], rng.choice(["x", "yz"]))
        for _ in range(60)
    ]

    def encode(text: str) -> list[int]:
        return [ord(letter) * 999 for letter in text]

    whole = [encode(a + b)[-(longest + 1) :] for a, b in pairs]
    tree = token_row([tokens[:-1] for tokens in whole], [tokens[-1:] for tokens in whole])
    expected = TokenCount(sum(len(tokens) - 1 for tokens in whole), len(tree))
    assert count_tokens(iter(pairs), encode, longest) == expected


def test_calls_share_nothing(lms: dict[str, Any]) -> None:
    spec = get_task(TASK)
    once = choice_mix("once", ((Variant(),),), first_items(spec, 1))
    twice = replace(once, calls=once.calls * 2)
    count = count_mix(lms["hf"], once)
    assert count_mix(lms["hf"], twice) == count + count
    assert count.asked == sum(len(lms["hf"].tok_encode("".join(r.args))) - 1 for r in once.requests)


def test_whole_procedures_are_counted_and_nothing_is_computed(
    lms: dict[str, Any], calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [[5, 2, 9], [4, 7], [1]]
    monkeypatch.setattr(inference, "by_procedure", lambda spec: groups)
    some = {CANONICAL: calls[CANONICAL]}
    told: list[str] = []
    found = inference._counts(lms["hf"], some, InferenceSettings(), told.append)
    assert [mix.items for mix, _ in found] == [3, 5]
    assert all(0 < count.unique < count.asked for _, count in found)
    assert len(told) == 2
    assert inference._counts(lms["hf"], some, InferenceSettings(quick=True), told.append) == []


# --- answers -------------------------------------------------------------------------------


def choice(doc_id: int, idx: int, gold: int, task: str = "t") -> Any:
    return SimpleNamespace(task_name=task, doc_id=doc_id, idx=idx, doc={"gold": gold})


def test_disagreements_and_ties_are_counted_apart() -> None:
    asked = [choice(d, i, gold=0) for d in range(4) for i in range(2)]
    one = [(-1.0, True), (-2.0, False)] * 4
    other = [
        (-1.0, True), (-2.0, False),  # the same
        (-2.0, True), (-1.5, False),  # the other option
        (-1.0, True), (-1.00005, False),  # a tie that leaves the choice as it is
        (-2.00005, True), (-2.0, False),  # a tie that turns it
    ]  # fmt: skip
    assert compare(asked, one, other) == Parity(pytest.approx(1.00005), 4, 1, 2)
    assert compare(asked, other, one) == Parity(pytest.approx(1.00005), 4, 1, 2)
    assert compare(asked, one, one) == Parity(0.0, 4, 0, 0)


def test_two_wrong_choices_are_no_disagreement() -> None:
    asked = [choice(0, idx, gold=2) for idx in range(3)]
    one, other = ([(v, False) for v in values] for values in ((-1.0, -2.0, -3), (-2.0, -1.0, -3)))
    assert compare(asked, one, other).disagreements == 0


def test_options_go_by_their_number_and_variants_are_items_of_their_own() -> None:
    asked = [choice(0, i, gold=1, task=t) for t in ("a", "b") for i in (1, 0)]
    one = [(-1.0, False), (-2.0, False)] * 2
    other = [(-1.0, False), (-2.0, False), (-2.0, False), (-1.0, False)]
    assert compare(asked, one, other) == Parity(1.0, 2, 1, 0)
    asked = [choice(0, idx, gold=2) for idx in (2, 0, 1)]
    one, other = ([(v, False) for v in values] for values in ((-3, -1.0, -2), (-3, -2.0, -1)))
    assert compare(asked, one, other).disagreements == 0


def test_a_planted_disagreement_is_counted(
    lms: dict[str, Any], calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = lms["hf-packed"]
    score = packed._loglikelihood_tokens

    def turned(requests: Any, **more: Any) -> list[tuple[float, bool]]:
        return [(-100.0 - value, flag) for value, flag in score(requests, **more)]

    monkeypatch.setattr(packed, "_loglikelihood_tokens", turned)
    told: list[str] = []
    settings = InferenceSettings(items=1)
    found = inference._choices(lms, {CANONICAL: calls[CANONICAL]}, settings, told.append)
    parity = found[CANONICAL].parity
    assert parity is not None
    assert (parity.items, parity.disagreements, parity.ties) == (1, 1, 0)
    assert found[CANONICAL].rows()[1]["item_disagreements"] == 1
    names = [line.split(", ")[1] for line in told]
    assert names == ["hf", "hf-packed"] * 3


def test_the_journal_changes_no_answer_and_keeps_them(lms: dict[str, Any], calls: Any) -> None:
    mix = choice_mix(CANONICAL, calls[CANONICAL], first_items(get_task(TASK), 2))
    plain = taken(lms["hf-packed"], mix.calls)
    journalled = backends.taken_with_journal(lms["hf-packed"], mix.calls)
    assert journalled.answers == plain.answers
    assert journalled.tokens == plain.tokens > 0
    assert not hasattr(lms["hf-packed"].cache_hook, "journal")
    assert plain.journal_s is None


def test_the_journal_s_time_is_what_its_calls_take(
    lms: dict[str, Any], calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = choice_mix(CANONICAL, calls[CANONICAL], first_items(get_task(TASK), 2))
    put, written, took = Journal.put, [], []

    def slowly(self: Journal, *arguments: Any) -> None:
        start = time.perf_counter()
        time.sleep(0.1)
        written.append(len(arguments[0]))
        put(self, *arguments)
        took.append(time.perf_counter() - start)

    before = backends.taken_with_journal(lms["hf-packed"], mix.calls)
    monkeypatch.setattr(Journal, "put", slowly)
    after = backends.taken_with_journal(lms["hf-packed"], mix.calls)
    assert before.journal_s is not None
    assert after.journal_s is not None
    assert sum(written) == mix.size  # each in the model's own call, by its hook
    assert 0 < before.journal_s < before.seconds
    assert 0.1 * len(written) <= sum(took) <= after.journal_s < after.seconds

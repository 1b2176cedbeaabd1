"""``oodrop bench inference``: its requests and counts, figures from rows, parity, refusals."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from oodrop import DataError, RunError, UnknownNameError
from oodrop.harness_ext.bench import backends, inference, randommodels
from oodrop.harness_ext.bench.backends import Taken, best_batch_size, load_pair, taken
from oodrop.harness_ext.bench.inferencesettings import InferenceSettings
from oodrop.harness_ext.bench.measured import Measured, in_turns
from oodrop.harness_ext.bench.memory import watch_peak
from oodrop.harness_ext.bench.mixes import (
    CANONICAL,
    FREE_TASK,
    PHRASING,
    QUESTION,
    STANDARD,
    TASK,
    Mix,
    built,
    by_procedure,
    calls_of_mixes,
    choice_mix,
    first_items,
    free_mix,
)
from oodrop.harness_ext.bench.parity import Parity, compare
from oodrop.harness_ext.bench.treelimit import TokenCount, count_mix, count_tokens
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.packed.tokenrow import token_row
from oodrop.harness_ext.perturbed import canonical_items, only_documents
from oodrop.harness_ext.runner.journal import Journal
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.perturbers import Variant, get_suite
from oodrop.tasks import get_task

from .conftest import Refusal

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
TINY_SHAPE = {
    "vocab_size": 600,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
PARAPHRASE = Variant("phrasing.question_paraphrase", {"id": "p01"})
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")


@pytest.fixture(scope="module")
def checkpoint(tiny_model: Path) -> CheckpointSpec:
    args = {"pretrained": str(tiny_model), "dtype": "float32"}
    return CheckpointSpec("tiny", "hf", args, device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def lms(checkpoint: CheckpointSpec) -> dict[str, Any]:
    """Both backends, with the probe of the first call behind them."""
    pair = load_pair(checkpoint, None)
    for lm in pair.values():
        lm.loglikelihood([Instance("loglikelihood", {}, ("a", "b"), 0)], disable_tqdm=True)
    return pair


@pytest.fixture(scope="module")
def calls(checkpoint: CheckpointSpec) -> Any:
    return calls_of_mixes(checkpoint, None)


# --- the command ---------------------------------------------------------------------------


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


# --- requests ------------------------------------------------------------------------------


class Recorder(LM):
    """Keeps what lm-eval sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        self.sent += requests
        return [(0.0, False)] * len(requests)

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        raise NotImplementedError

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.sent += requests
        return [""] * len(requests)


@pytest.mark.parametrize(("task", "generation"), [(TASK, {}), (FREE_TASK, {"max_gen_toks": 8})])
def test_requests_are_those_of_simple_evaluate(
    task: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    spec, variants, only = get_task(task), (Variant(), PARAPHRASE), [3, 40, 41]
    names = [task_name(spec, variant) for variant in variants]
    for name, variant in zip(names, variants, strict=True):
        text = task_yaml(spec, variant, str(spec.fragments[0]))
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    recorder = Recorder()
    with only_documents(dict.fromkeys(names, only)):
        simple_evaluate(
            model=recorder,
            tasks=[str(tmp_path / f"{name}.yaml") for name in names],
            task_manager=TaskManager(include_defaults=False),
            samples=dict.fromkeys(names, only),
            gen_kwargs=generation or None,
            bootstrap_iters=0,
            log_samples=False,
        )
    found = built(spec, variants, only, generation)
    assert [r.args for r in found] == [r.args for r in recorder.sent]
    assert [(r.task_name, r.doc_id, r.idx) for r in found] == [
        (r.task_name, r.doc_id, r.idx) for r in recorder.sent
    ]
    assert len(found) == len(variants) * len(only) * (2 if task == TASK else 1)


def test_where_only_the_question_differs_all_else_is_the_same(calls: Any) -> None:
    (variants,) = calls[QUESTION]
    only = first_items(get_task(TASK), 2)
    prompts: dict[str, list[str]] = {}
    for request in choice_mix(QUESTION, calls[QUESTION], only).requests:
        prompts.setdefault(request.task_name, []).append(request.args[0])
    assert len(prompts) == len(variants) > 8
    around = {
        tuple((text.partition("Question: ")[0], text.rpartition("\nYou may")[2]) for text in texts)
        for texts in prompts.values()
    }
    assert len(around) == 1
    assert len({tuple(texts) for texts in prompts.values()}) == len(prompts)


def test_mixes_hold_what_the_catalogue_has(calls: Any) -> None:
    question, phrasing = ({v.slug for v in calls[m][0]} for m in (QUESTION, PHRASING))
    assert question < phrasing
    inverted = "phrasing_polarity_inverted"  # its words to answer with differ, too
    assert inverted in phrasing - question
    assert {"phrasing_question_form_cloze", "phrasing_register_polite"} < question
    assert {"phrasing_template_t05", "phrasing_distractor_1", "phrasing_structure_form_json"} < (
        phrasing - question
    )
    assert all(s == "canonical" or s.startswith("phrasing_") for s in phrasing)
    main, rerun = calls[STANDARD]
    assert [v.perturber for v in rerun] == ["control.rerun"]
    assert {v.slug for v in main} > {"canonical", "control_identity", "ordering_fact_order"}


def test_quick_takes_few_variants_and_the_whole_suite(
    checkpoint: CheckpointSpec, calls: Any
) -> None:
    few = calls_of_mixes(checkpoint, 3)
    assert [len(few[mix][0]) for mix in (QUESTION, PHRASING)] == [4, 4]
    assert few[PHRASING][0][0].slug == "canonical"
    assert [[v.slug for v in c] for c in few[STANDARD]] == [
        [v.slug for v in c] for c in calls[STANDARD]
    ]


def test_items_come_procedure_by_procedure() -> None:
    spec = get_task(TASK)
    source, groups = canonical_items(spec, spec.eval_split), by_procedure(spec)
    assert sorted(i for group in groups for i in group) == list(range(len(source.docs)))
    assert all(len({source.item(i).cluster_id for i in group}) == 1 for group in groups)
    assert len({source.item(group[0]).cluster_id for group in groups}) == len(groups)
    assert groups == by_procedure(spec) != by_procedure(spec, seed=7)
    size = len(groups[0])
    assert first_items(spec, size) == sorted(groups[0])
    assert set(first_items(spec, size + 1)) == {*groups[0], groups[1][0]}
    assert choice_mix("x", ((Variant(),),), first_items(spec, size + 1)).procedures == 2


def test_free_form_asks_for_so_many_tokens_in_four_phrasings(calls: Any) -> None:
    mix = free_mix(calls[QUESTION], [3, 40], 8)
    assert (mix.size, mix.variants, mix.items) == (8, 4, 2)
    assert {request.args[1]["max_gen_toks"] for request in mix.requests} == {8}
    assert {request.request_type for request in mix.requests} == {"generate_until"}


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
    put, written = Journal.put, []

    def slowly(self: Journal, *arguments: Any) -> None:
        time.sleep(0.1)
        written.append(len(arguments[0]))
        put(self, *arguments)

    before = backends.taken_with_journal(lms["hf-packed"], mix.calls).journal_s
    monkeypatch.setattr(Journal, "put", slowly)
    after = backends.taken_with_journal(lms["hf-packed"], mix.calls)
    assert before is not None
    assert after.journal_s is not None
    assert sum(written) == mix.size  # each in the model's own call, by its hook
    assert 0 < before < 0.1 * len(written) <= after.journal_s < after.seconds


# --- backends ------------------------------------------------------------------------------


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
    torch.ones(200 * 2**18)  # 200 MiB before
    peak = watch_peak()
    held = torch.ones(60 * 2**18)
    assert held.numel() * 4 == 60 * 2**20
    del held
    assert peak() == pytest.approx(60, abs=10)


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

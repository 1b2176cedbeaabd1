"""Plans: refused before anything is spent, and true to the statistics that they rest on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodrop import DataError, OodropError, UnknownNameError
from oodrop.harness_ext import modelfiles
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.coverage import CoverageStudy
from oodrop.harness_ext.foresight import prospects
from oodrop.harness_ext.foresight.pilot import PilotValues, TaskPilot, pilot_notes, read_pilot
from oodrop.harness_ext.foresight.prospects import Aim, Prospect, foresee
from oodrop.harness_ext.foresight.reach import Reach, asked_variants, reach
from oodrop.harness_ext.foresight.savings import share_saved
from oodrop.harness_ext.perturbed import canonical_items, perturbed_docs
from oodrop.harness_ext.plan import RunPlan, check_plan, check_space
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.runner.stages import item_subset
from oodrop.perturbers import Suite, Variant, get_suite
from oodrop.reports.pairing import pair
from oodrop.reports.reader import read_runs
from oodrop.reports.results import RunFile
from oodrop.reports.statistics import (
    cluster_sums,
    gate_chances,
    icc,
    mde,
    one_column,
    required_items,
)
from oodrop.reports.statistics.decisions.power import planned_error
from oodrop.tasks import get_task

from .conftest import Refusal, Silent

AIM = Aim(margin=0.05, drop=0.01)
STATED = {"accuracy": 0.8, "correlation": 0.6, "icc": 0.1, "cluster_size": 8.0}
ROW = Reach("t", "v", "variant", 960, 800, 100, 8.0, 1.0, False)


def checked(checkpoint: CheckpointSpec, out: Path, *tasks: str) -> None:
    check_plan(RunPlan((checkpoint,), tasks or ("everyday",), get_suite("smoke-1.0")), out)


def hf(**args: Any) -> CheckpointSpec:
    return CheckpointSpec("x", "hf", args)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (hf(pretrained="/no/such/folder"), "pretrained=/no/such/folder is a folder or file that d"),
        (hf(pretrained="./weights"), "pretrained=./weights is a folder .* does not exist"),
        (hf(pretrained="org/none-such"), "org/none-such .* local cache .* HF_HUB_OFFLINE"),
        (hf(pretrained=".", gguf_file="m.gguf"), "pretrained=. holds no file m.gguf"),
        (hf(pretrained=".", peft="a/b/c"), "peft=a/b/c is a folder .* does not exist"),
        (hf(pretrained=".", peft="."), "peft=. is no adapter: it holds no adapter_config.json"),
        (hf(pretrained=".", delta="../d"), r"delta=\.\./d is a folder .* does not exist"),
        (hf(pretrained=".", tokenizer="/t"), "tokenizer=/t is a folder .* does not exist"),
        (
            CheckpointSpec(
                "x", "local-completions", {"model": "m", "base_url": "u", "tokenizer": "/t"}
            ),
            "tokenizer=/t is a folder .* does not exist",
        ),
        (CheckpointSpec("x", "sglang"), "sglang needs the package sglang.*: pip install sglang"),
    ],
)
def test_models_that_are_not_there_are_refused(
    checkpoint: CheckpointSpec, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"checkpoint x: .*{message}"):
        checked(checkpoint, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_models_that_are_there_are_taken(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    checked(hf(pretrained=str(tiny_model), peft=str(tmp_path / "adapter")), tmp_path / "out")
    # What a server calls its model is no folder of ours.
    served = {"model": "org/name", "pretrained": "/served", "base_url": "http://localhost:1/v1"}
    checked(CheckpointSpec("x", "local-completions", served), tmp_path / "out")
    cache = tmp_path / "hub"
    (cache / "models--org--there" / "snapshots" / "1").mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    checked(hf(pretrained="org/there"), tmp_path / "out")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    checked(hf(pretrained="org/on-the-hub"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfiles, "find_spec", lambda name: None)
    for checkpoint, pip in (
        (CheckpointSpec("x", "sglang", {"pretrained": "."}), "pip install sglang"),
        (hf(pretrained=".", peft="."), "pip install peft"),
        (hf(pretrained=".", gguf_file="m.gguf"), "pip install gguf"),
    ):
        with pytest.raises(DataError, match=pip):
            modelfiles.check_model_files(checkpoint)


@pytest.mark.usefixtures("own_index_only")
def test_a_task_that_cannot_be_perturbed_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    code, said = refusal(["run", "--model", "oodrop-bow", "--tasks", "cola", "--dry-run"])
    assert code == 2
    assert "task cola cannot be perturbed faithfully" in said
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path / "a" / "b", free // 2)
    with pytest.raises(DataError, match=r"out needs about .* GB .* its disk has .* GB free"):
        check_space(tmp_path / "out", free * 2)


def test_reach_is_what_the_suite_changes() -> None:
    spec, suite = get_task("everyday"), get_suite("standard-1.0")
    rows = {row.name: row for row in reach(spec, suite.variants, seed=1)}
    study = CoverageStudy(spec)
    for variant in suite.variants:
        if variant.slug in rows:
            covered = study.cover(variant).applicability
            assert rows[variant.slug].changed == covered["changed"]
    asked = {v.slug for v in asked_variants(suite.variants)}
    assert asked == {v.slug for v in suite.variants if not v.slug.startswith("control")}
    assert asked >= {name for name, row in rows.items() if row.kind == "variant"}
    assert "ordering_event_order" not in rows  # it changes nothing here
    assert rows["lexical"].kind == "family"
    assert rows["lexical"].changed >= rows["lexical_synonym_s5"].changed
    both = rows["ordering"]
    assert (both.changed, both.variants_per_item) == (241, 2.0)
    assert rows["all"].changed == 241


def test_clusters_of_changed_items_are_counted() -> None:
    spec = get_task("procedural")
    rows = reach(spec, get_suite("smoke-1.0").variants, items=90, seed=2026)
    row = rows[0]
    chosen = item_subset(spec, 90, 2026)
    variant = next(v for v in get_suite("smoke-1.0").variants if v.slug == row.name)
    docs = perturbed_docs(spec.name, variant, spec.eval_split, 0, frozenset(chosen or ()))
    source = canonical_items(spec, spec.eval_split)
    changed = [k for k in chosen or [] if docs[k]["oodrop"]["outcome"] == "changed"]
    sizes = Counter(source.item(k).cluster_id for k in changed).values()
    assert (row.items, row.changed, row.clusters) == (90, len(changed), len(sizes))
    assert row.cluster_size == pytest.approx(sum(n**2 for n in sizes) / len(changed))
    assert not row.about


def test_large_sets_are_sampled_and_say_so() -> None:
    spec = get_task("procedural")
    variants = [v for v in get_suite("standard-1.0").variants if "fact_order" in v.slug]
    (row, *_) = reach(spec, variants, seed=1)
    assert row.about
    assert row.items == 3960
    assert row.clusters <= 63


def foreseen(row: Reach = ROW, aim: Aim = AIM, **stated: float) -> Prospect:
    (found,) = foresee([row], aim, stated={**STATED, **stated}, pilot={}, seed=1)
    return found


def test_one_variant_agrees_with_the_statistics() -> None:
    found = foreseen()
    assert found.detectable == mde(items=800, **STATED)
    assert found.required == required_items(margin=0.05, drop=0.01, **STATED)
    assert [o.drop for o in found.outlooks] == [0.0, 0.01, 0.025, 0.05]
    for outlook in found.outlooks:
        error = planned_error(items=800, drop=outlook.drop, **STATED)
        assert outlook.chances == gate_chances(
            loss=outlook.drop, margin=0.05, standard_error=error, df=99.0
        )
    at_margin = found.outlooks[-1].chances
    assert at_margin.pass_ == pytest.approx(0.05) == at_margin.fail


def test_required_and_enough_items_give_the_chances_that_were_asked_for() -> None:
    found = foreseen()
    assert found.required is not None
    assert found.enough is not None
    at = {n: foreseen(replace(ROW, changed=n)) for n in range(found.enough - 1, found.enough + 1)}
    few, enough = (at[n].outlooks[1].chances.inconclusive for n in sorted(at))
    assert enough <= AIM.inconclusive < few
    passing = foreseen(replace(ROW, changed=found.required)).outlooks[1].chances.pass_
    assert passing == pytest.approx(0.8, abs=0.002)
    assert foreseen(aim=replace(AIM, drop=0.05)).required is None
    assert foreseen(aim=replace(AIM, drop=0.05)).enough is None
    losing = foreseen(aim=replace(AIM, drop=0.1))
    assert losing.required is None
    assert losing.enough is not None
    strict = foreseen(aim=replace(AIM, inconclusive=0.05)).enough
    assert strict is not None
    assert strict > found.enough


def test_planned_error_is_that_of_simulated_clusters() -> None:
    generator = np.random.default_rng(5)
    p, q, rho, size, clusters = 0.8, 0.75, 0.6, 8, 60
    # Joint probabilities of right and wrong that have this correlation.
    both = p * q + rho * np.sqrt(p * (1 - p) * q * (1 - q))
    table = [both, p - both, q - both, 1 - p - q + both]
    means = [
        generator.choice([0.0, 1.0, -1.0, 0.0], size=size * clusters, p=table).mean()
        for _ in range(4000)
    ]
    error = planned_error(items=size * clusters, accuracy=p, drop=p - q, correlation=rho)
    assert np.std(means) == pytest.approx(error, rel=0.04)
    wider = planned_error(
        items=480, accuracy=p, drop=p - q, correlation=rho, icc=0.1, cluster_size=8
    )
    assert wider == pytest.approx(error * np.sqrt(1.7))
    with pytest.raises(OodropError, match="true drop from 0 to 0.8"):
        planned_error(items=10, accuracy=0.8, drop=0.9)


def test_a_family_varies_as_simulated_means_of_variants_do() -> None:
    generator = np.random.default_rng(5)
    rho, k, items = 0.5, 3, 500
    # All answers of an item equally correlated: with chance sqrt(rho) each copies a common one.
    shape = (4000, items)
    common = generator.random(shape) < 0.5
    answers = [
        np.where(generator.random(shape) < np.sqrt(rho), common, generator.random(shape) < 0.5)
        for _ in range(k + 1)
    ]
    drops = answers[0] - np.mean(answers[1:], axis=0)
    family = replace(ROW, kind="family", variants_per_item=float(k), changed=items)
    found = foreseen(family, accuracy=0.5, correlation=rho, icc=0.0, cluster_size=1.0)
    error = float(np.std(drops.mean(axis=1)))
    expected = gate_chances(loss=0.025, margin=0.05, standard_error=error, df=items - 1.0)
    at_half = next(o for o in found.outlooks if o.drop == 0.025)
    # At a drop of 0 the simulated spread is exact; half a margin away it hardly differs.
    assert at_half.chances.pass_ == pytest.approx(expected.pass_, abs=0.02)
    single = foreseen(replace(family, variants_per_item=1.0), **STATED)
    pooled = foreseen(family)
    assert single.detectable is not None
    assert pooled.detectable is not None
    assert pooled.detectable == pytest.approx(single.detectable * np.sqrt(2 / 3), rel=0.05)
    assert pooled.required is not None
    assert single.required is not None
    assert pooled.required == pytest.approx(single.required * 2 / 3, rel=0.02)
    assert all(o.saved is None for o in pooled.outlooks)


def test_too_few_clusters_give_no_verdict() -> None:
    found = foreseen(replace(ROW, changed=32))
    assert found.detectable is None
    assert found.note == "4.0 effective clusters: at least 5 are needed"
    assert all(o.chances.inconclusive == 1.0 for o in found.outlooks)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"accuracy": 0.04}, "no drop of 0.05 can be lost"),
        ({"accuracy": 1.0}, "no answer could ever differ"),
        ({"correlation": 1.0}, "no answer could ever differ"),
    ],
)
def test_values_that_leave_nothing_to_vary_are_refused(
    stated: dict[str, float], message: str
) -> None:
    with pytest.raises(OodropError, match=message):
        foreseen(**stated)


def test_without_a_word_values_are_conservative() -> None:
    (found,) = foresee([ROW], AIM, stated={}, pilot={}, seed=1)
    told = {n: getattr(found, n) for n in prospects.CONSERVATIVE}
    assert {n: a.value for n, a in told.items()} == prospects.CONSERVATIVE
    assert {a.source for a in told.values()} == {"conservative"}
    assert (found.cluster_size.value, found.cluster_size.source) == (8.0, "counted")


def test_savings_fall_towards_the_margin_and_are_seeded() -> None:
    def saved(drop: float, **more: Any) -> float:
        settings = {"items": 2000, "variance": 0.1, "margin": 0.05, "alpha": 0.05, "seed": 1}
        return share_saved(drop=drop, **{**settings, **more})

    shares = [saved(d) for d in (0.0, 0.02, 0.04)]
    assert 0.9 > shares[0] > shares[1] > shares[2] > 0.0
    assert saved(0.2) > 0.8
    assert saved(0.0, items=100) < shares[0]
    assert saved(0.0) == shares[0]
    assert saved(0.0, seed=2) != shares[0]


@pytest.fixture(scope="module")
def pilot_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference models on a part of the procedural items and on all of the others."""
    out = tmp_path_factory.mktemp("pilot")
    names = ("oodrop-oracle", "oodrop-bow", "oodrop-majority")
    chosen = ("ordering_option_shuffle", "ordering_fact_order", "phrasing_template_t05")
    own = [v for v in get_suite("standard-1.0").variants if v.slug in chosen]
    assert len(own) == len(chosen)
    typos = Variant("lexical.keyboard_typo", {}, 5, 2026)
    plan = RunPlan(
        checkpoints=tuple(CheckpointSpec(name=name, model=name, items=300) for name in names),
        tasks=("everyday", "everyday_letters", "procedural"),
        suite=Suite("pilot", "one of each family", (Variant("control.identity"), *own, typos)),
    )
    run(plan, out, Silent())
    return out


@pytest.fixture
def read_once(pilot_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pilot, whose rows are read once for all tests of this module."""
    monkeypatch.setattr(
        "oodrop.harness_ext.foresight.pilot.read_runs", lambda folders: list(_runs(*folders))
    )
    return pilot_run


@cache
def _runs(*folders: Path) -> list[RunFile]:
    return read_runs(folders)


def test_a_pilot_is_read_through_the_reports_own_reader(read_once: Path) -> None:
    pilot = read_pilot(read_once, "oodrop-majority")
    groups = {g.paired.task: g.paired for g in pair(_runs(read_once))}
    assert set(pilot) == set(groups) >= {"everyday", "everyday_letters", "procedural"}
    letters = pilot["everyday_letters"].values
    column = one_column(groups["everyday_letters"], "oodrop-majority", "ordering_option_shuffle")
    shuffled = letters["ordering_option_shuffle"]
    before, after = column.canonical[column.mask], column.scores[column.mask]
    assert shuffled.accuracy == before.mean()
    assert shuffled.correlation == pytest.approx(np.corrcoef(before, after)[0, 1])
    still = letters["phrasing_template_t05"]  # not one answer moved
    assert still.correlation == pytest.approx(
        1.0 - 3.0 / (2.0 * still.items * still.accuracy * (1.0 - still.accuracy))
    )
    variants = [v for n, v in letters.items() if n.startswith("ordering_")]
    assert letters["ordering"].correlation == pytest.approx(
        np.mean([v.correlation for v in variants])
    )
    bow = read_pilot(read_once, "oodrop-bow")["procedural"]
    typos = one_column(groups["procedural"], "oodrop-bow", "lexical_keyboard_typo_s5")
    sums = cluster_sums(
        typos.differences[None], typos.mask[None], groups["procedural"].ordered_clusters
    )
    found = icc(sums)
    assert bow.values["lexical_keyboard_typo_s5"].icc == (None if found is None else max(0, found))
    oracle = read_pilot(read_once, "oodrop-oracle")["everyday"].values["lexical"]
    assert oracle.accuracy == pytest.approx((oracle.items + 1) / (oracle.items + 2))
    assert oracle.correlation is None


def test_pilots_of_several_checkpoints_are_told_apart(read_once: Path) -> None:
    with pytest.raises(DataError, match=r"holds 3 checkpoints .* --checkpoint says"):
        read_pilot(read_once)
    with pytest.raises(UnknownNameError, match="unknown checkpoint 'bow'"):
        read_pilot(read_once, "bow")


def pilot_of(*values: PilotValues) -> TaskPilot:
    return TaskPilot("t", "c", 60, 20, 0.7, None, {v.name: v for v in values})


SURE = PilotValues("v", 60, 20.0, 0.7, 0.5, 0.05)


@pytest.mark.parametrize(
    ("values", "stated", "sources", "accuracy"),
    [
        ((SURE,), {}, ("pilot", "pilot", "pilot"), 0.7),
        ((SURE,), {"accuracy": 0.9}, ("stated", "pilot", "pilot"), 0.9),
        ((replace(SURE, icc=None),), {}, ("pilot", "pilot", "conservative"), 0.7),
        ((replace(SURE, effective_clusters=9.9),), {}, ("conservative",) * 3, 0.5),
        (
            (replace(SURE, name="a", correlation=0.9), replace(SURE, name="b", accuracy=0.6)),
            {},
            ("pilot, b",) * 3,
            0.6,
        ),
    ],
)
def test_what_is_stated_comes_before_the_pilot(
    values: tuple[PilotValues, ...],
    stated: dict[str, float],
    sources: tuple[str, ...],
    accuracy: float,
) -> None:
    (found,) = foresee([ROW], AIM, stated=stated, pilot={"t": pilot_of(*values)}, seed=1)
    assert (found.accuracy.source, found.correlation.source, found.icc.source) == sources
    assert found.accuracy.value == accuracy


def test_how_far_a_pilot_carries_is_said() -> None:
    small = replace(SURE, effective_clusters=9.0)
    notes = pilot_notes({"t": pilot_of(SURE, replace(small, name="w"))}, ["t", "u"])
    assert "pilot of 60 items in 20 clusters" in notes[0]
    assert "it under w has fewer than 10 effective clusters" in notes[0]
    assert notes[1] == "u: the pilot did not run it; stated or conservative values are used"
    assert "; it has fewer than 10" in pilot_notes({"t": pilot_of(small)}, ["t"])[0]
    assert "not right or wrong" in pilot_notes({"t": pilot_of()}, ["t"])[0]
    assert pilot_notes({}, ["t"]) == []


Shown = Callable[[list[str]], str]


@pytest.fixture
def shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shown:
    monkeypatch.chdir(tmp_path)

    def show(arguments: list[str]) -> str:
        assert oodrop(["plan", *arguments]) == 0
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().out

    return show


def test_terminal_and_json_agree(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oodrop.harness_ext.cli.plan.out.width", 200, raising=False)
    common = ["--suite", "smoke-1.0", "--accuracy", "0.8", "--correlation", "0.6", "--drop", "0.02"]
    told = json.loads(shown([*common, "--json"]))
    text = shown(common)
    assert told["schema"] == "oodrop-plan"
    assert told["estimate"] is None
    assert (told["margin"], told["drop"], told["inconclusive"]) == (0.05, 0.02, 0.2)
    for row in told["rows"]:
        assert f"{row['reach']['changed']} of 241" in text
        assert f"{100 * row['detectable']:.1f}" in text
        assert str(row["required"]) in text
        for outlook in row["outlooks"]:
            chances = outlook["chances"].values()
            assert sum(chances) == pytest.approx(1.0)
            assert " / ".join(f"{100 * c:.0f}" for c in chances) in text
    assert "0.800 (stated)" in text
    assert "0.20 (conservative)" in text


def test_a_plan_with_a_model_tells_its_cost(shown: Shown) -> None:
    told = json.loads(
        shown(["--suite", "smoke-1.0", "--items", "5", "--model", "oodrop-bow", "--price", "3",
               "--json"])
    )  # fmt: skip
    main, rerun = told["estimate"]["stages"]
    assert (main["stage"], rerun["stage"]) == ("main", "rerun")
    assert told["estimate"]["cost"] == pytest.approx(
        3e-6 * (main["prompt_tokens"] + rerun["prompt_tokens"])
    )
    assert told["rows"][0]["reach"]["items"] == 5


def test_a_plan_takes_a_pilot(shown: Shown, read_once: Path) -> None:
    text = shown(
        ["--tasks", "everyday_letters", "--pilot", str(read_once), "--checkpoint",
         "oodrop-majority", "--margin", "0.1"]
    )  # fmt: skip
    assert "pilot of 241 items in 241 clusters, canonical accuracy 25.3%" in text
    assert "(pilot)" in text

"""What the reference models must show, or nothing else can be believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.run import run
from oodrop.perturbers import get_suite
from oodrop.perturbers.suites import Suite
from oodrop.perturbers.variant import Variant
from oodrop.reports.build import build_report
from oodrop.reports.model import Report, TaskReport

from .conftest import Silent


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(360, id="some"),
        pytest.param(None, id="all", marks=pytest.mark.slow),
    ],
)
def reference_run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Oracle, bag of words and majority on both tasks and on the labelled view.

    Of the procedural items a seeded part will do; the other tasks have 241.
    """
    out = tmp_path_factory.mktemp("reference")
    names = ("oodrop-oracle", "oodrop-bow", "oodrop-majority")
    standard, many_typos = get_suite("standard-1.0"), Variant("lexical.keyboard_typo", {}, 5, 2026)
    plan = RunPlan(
        checkpoints=tuple(
            CheckpointSpec(name=name, model=name, items=request.param) for name in names
        ),
        tasks=("everyday", "everyday_letters", "procedural"),
        suite=replace(standard, variants=(*standard.variants, many_typos)),
    )
    run(plan, out, Silent())
    return out


@pytest.fixture(scope="module")
def report(reference_run: Path) -> Report:
    return build_report([reference_run], resamples=2_000)


@pytest.fixture(scope="module")
def across(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A seeded part of both sides of the procedural set, canonical prompts."""
    names = ("oodrop-oracle", "oodrop-bow", "oodrop-majority")
    plan = RunPlan(
        checkpoints=tuple(CheckpointSpec(name=name, model=name, items=1_000) for name in names),
        tasks=("procedural", "procedural_heldout"),
        suite=Suite("identity", "the canonical prompt alone", (Variant("control.identity"),)),
    )
    out = tmp_path_factory.mktemp("across")
    run(plan, out, Silent())
    return build_report([out], resamples=2_000)


def test_the_bag_of_words_falls_to_chance_on_held_out_procedures(across: Report) -> None:
    oracle, words, majority = across.split_drops
    assert (oracle.estimate, oracle.inside.estimate) == (0.0, 1.0)
    assert words.headline is not None
    assert words.inside.estimate > 0.78  # the audit holds the whole set to 0.80 and 0.62
    assert words.outside.estimate < 0.62
    assert words.headline.low > 0.2
    assert majority.inside.uninformative
    assert majority.outside.uninformative
    for drop in across.split_drops:
        assert (drop.task, drop.heldout) == ("procedural", "procedural_heldout")
        assert min(drop.inside.n, drop.outside.n) == 1_000
        assert min(drop.inside.clusters, drop.outside.clusters) >= 60


@pytest.fixture(params=["everyday", "everyday_letters", "procedural"])
def task(report: Report, request: pytest.FixtureRequest) -> TaskReport:
    return next(t for t in report.tasks if t.task == request.param)


def test_the_oracle_is_right_everywhere_and_drops_nothing(task: TaskReport) -> None:
    assert task.analysis.accuracies[0].estimate == 1.0
    drops = [d for d in task.analysis.drops if d.checkpoint == "oodrop-oracle"]
    assert {d.estimate for d in drops} == {0.0}
    assert len([d for d in drops if d.kind == "variant"]) == len(task.variants) >= 8


def test_identity_and_rerun_have_no_drop_for_deterministic_models(task: TaskReport) -> None:
    for name in ("control_identity", "control_rerun"):
        found = [d for d in task.analysis.drops if d.name == name]
        assert len(found) == 3
        assert {(d.estimate, d.lost, d.gained, d.n) for d in found} == {(0.0, 0, 0, task.items)}
    floors = task.analysis.noise_floor
    assert {(f.flip_rate, f.n) for f in floors if f is not None} == {(0.0, task.items)}
    assert None not in floors


def test_the_bag_of_words_loses_on_misspelled_words(report: Report) -> None:
    procedural = next(t for t in report.tasks if t.task == "procedural")
    accuracy = procedural.analysis.accuracies[1]
    assert accuracy.checkpoint == "oodrop-bow"
    assert accuracy.above_chance
    assert accuracy.estimate > 0.7
    drop = procedural.analysis.drop("oodrop-bow", "lexical_keyboard_typo_s5")
    assert drop.headline is not None
    assert drop.headline.low > 0.0
    # The order of clauses and events is nothing to a bag of words.
    assert procedural.analysis.drop("oodrop-bow", "ordering_event_order").estimate == 0.0


def test_the_majority_is_uninformative_and_not_robust(task: TaskReport) -> None:
    accuracy = task.analysis.accuracies[2]
    assert accuracy.checkpoint == "oodrop-majority"
    assert accuracy.uninformative


def test_every_family_of_every_task_has_variants(task: TaskReport) -> None:
    families = {v.family for v in task.variants}
    own = {"linked"} if task.task == "procedural" else set()
    assert families == {"lexical", "ordering", "phrasing", "control"} | own
    for family in ("lexical", "ordering", "phrasing"):
        assert sum(v.family == family for v in task.variants) >= 2


def test_ordering_of_procedural_items_is_proved_by_program(report: Report) -> None:
    procedural = next(t for t in report.tasks if t.task == "procedural")
    levels = {v.slug: v.evidence for v in procedural.variants}
    assert levels["ordering_event_order"] == "proved"
    assert levels["lexical_keyboard_typo_s2"] in ("checked", "reviewed")  # as audited


def test_options_are_shuffled_with_proof(report: Report) -> None:
    letters = next(t for t in report.tasks if t.task == "everyday_letters")
    levels = {v.slug: v.evidence for v in letters.variants}
    assert levels["ordering_option_shuffle"] == "proved"
    assert levels["ordering_fact_order"] in ("checked", "reviewed")


# --- an oracle that errs as often as it is told -----------------------------------------------


ORDER = "ordering_fact_order"
ERRING = {
    "oracle": {},
    "errs": {"errs": 0.2},
    "loses": {"errs": 0.2, "loses": 0.3, "under": "ordering"},
    "other": {"errs": 0.2, "seed": 1},
    "control": {"loses": 1, "under": "control"},  # the placebos change nothing
}


@pytest.fixture(scope="module")
def erring(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskReport]:
    """Reports on forced choice and on free replies, by task."""
    out = tmp_path_factory.mktemp("erring")
    plan = RunPlan(
        checkpoints=tuple(
            CheckpointSpec(name=name, model="oodrop-oracle", model_args=args)
            for name, args in ERRING.items()
        ),
        tasks=("everyday", "everyday_open"),
        suite=get_suite("smoke-1.0"),
    )
    run(plan, out, Silent())
    return {task.task: task for task in build_report([out], resamples=200).tasks}


@pytest.mark.parametrize("name", ["everyday", "everyday_open"])
def test_an_oracle_errs_as_often_as_it_is_told(erring: dict[str, TaskReport], name: str) -> None:
    found = erring[name].analysis
    right = {a.checkpoint: a.estimate for a in found.accuracies}
    assert right["oracle"] == 1.0
    # 241 items: a binomial share of 0.2 is within 0.1 but for once in 10,000 seeds.
    assert right["errs"] == right["loses"] == pytest.approx(0.8, abs=0.1)
    assert right["other"] == pytest.approx(0.8, abs=0.1)
    for info in erring[name].variants:
        assert found.drop("errs", info.slug).estimate == 0.0
        assert found.drop("control", info.slug).lost == 0
        drop = found.drop("loses", info.slug)
        assert drop.gained == 0
        if info.family == "ordering":
            # Of the changed items 0.8 were right, and 0.3 of these are lost.
            assert drop.estimate == pytest.approx(0.8 * 0.3, abs=0.12)
        else:
            assert drop.lost == 0


def test_the_items_of_an_erring_oracle_are_those_of_its_seed(
    erring: dict[str, TaskReport], tmp_path: Path
) -> None:
    """The same on a part of the items as on all of them, and others under each variant."""

    def lost(task: TaskReport) -> dict[str, set[str]]:
        own = [f for f in task.every_flip() if f.checkpoint == "loses"]  # type: ignore[misc]
        return {v.slug: {f.item_id for f in own if f.variant == v.slug} for v in task.variants}

    spec = CheckpointSpec("loses", "oodrop-oracle", ERRING["loses"], items=60)
    run(RunPlan((spec,), ("everyday",), get_suite("smoke-1.0")), tmp_path, Silent())
    (part,) = build_report([tmp_path], resamples=200).tasks
    whole = lost(erring["everyday"])
    assert len(whole[ORDER] ^ whole["ordering_section_order_question_first"]) > 20
    found = lost(part)
    assert 0 < len(found[ORDER]) < len(whole[ORDER])
    assert found[ORDER] <= whole[ORDER]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"errs": 1.5}, "errs of oodrop-oracle must be from 0 to 1, got 1.5"),
        ({"errs": "a"}, "errs of oodrop-oracle must be from 0 to 1, got 'a'"),
        ({"loses": True, "under": "lexical"}, "loses of oodrop-oracle .* got True"),
        ({"loses": 0.1}, "takes loses .* and under together.* got loses 0.1, under None"),
        ({"under": "lexical"}, "takes loses .* and under together"),
        ({"loses": 0.1, "under": "typos"}, "unknown family of perturbers 'typos'.*lexical"),
        ({"lose": 0.1}, "a reference model takes no argument lose"),
    ],
)
def test_arguments_of_an_oracle_that_mean_nothing(
    args: dict[str, object], message: str, tmp_path: Path
) -> None:
    spec = CheckpointSpec("x", "oodrop-oracle", args, items=5)
    with pytest.raises(RunError, match=message):
        run(RunPlan((spec,), ("everyday",), get_suite("smoke-1.0")), tmp_path, Silent())

"""Tasks of a group of lm-eval as one task: which are pooled, how, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodrop import DataError
from oodrop.reports.compare import compare
from oodrop.reports.model import OutcomeCounts, Report, TaskReport
from oodrop.reports.pairing import pair
from oodrop.reports.pooling import pool
from oodrop.reports.reader import read_runs
from oodrop.reports.statistics import analyse

from .runs import (
    CANONICAL,
    IDENTITY,
    MAIN,
    ORDER,
    RERUN,
    TYPO,
    Kind,
    edit_json,
    tasks_of,
    write_run,
)

Read = Callable[..., Report]
Groups = Mapping[str, int]
SIZES = {"art": 12, "biology": 30, "chess": 6}


def declare(groups: Mapping[str, Groups], **chances: float) -> Callable[[dict[str, Any]], None]:
    """Write groups (and chances) of subtasks into a results file."""

    def edit(results: dict[str, Any]) -> None:
        for name, config in results["configs"].items():
            task = name.rpartition("__")[2]
            own = config["metadata"]["oodrop"]
            own["groups"] = dict(groups.get(task, {}))
            own["chance"] = chances.get(task, own["chance"])

    return edit


ALL = {task: {"subjects": 3} for task in SIZES}


def study(
    folder: Path,
    *,
    name: str = "alpha",
    groups: Mapping[str, Groups] = ALL,
    kinds: tuple[Kind, ...] = MAIN,
    score: Callable[[int], float] | None = None,
    day: float = 0.0,
    tasks: Mapping[str, int] = SIZES,
    edit: Callable[[dict[str, Any]], None] = lambda results: None,
    **chances: float,
) -> Path:
    every: dict[str, Any] = {}
    for task, items in tasks.items():
        every |= tasks_of(*kinds, task=task, items=range(items), per_cluster=2, score=score)
    declared = declare(groups, **chances)

    def both(results: dict[str, Any]) -> None:
        declared(results)
        edit(results)

    return write_run(folder / name, every, model_args=f"pretrained={name}", day=day, edit=both)


def named(report: Report, task: str) -> TaskReport:
    (found,) = [t for t in report.tasks if t.task == task]
    return found


# --- what a pool is -------------------------------------------------------------------------------


def test_a_pool_stands_before_its_tasks(tmp_path: Path, read: Read) -> None:
    study(tmp_path)
    report = read(tmp_path)
    assert [t.task for t in report.tasks] == ["subjects", "art", "biology", "chess"]
    (note,) = report.notes
    assert note == (
        "subjects pools all 3 tasks of the group (art, biology, chess); every item counts the "
        "same, and chance is the mean over items"
    )


def test_a_pool_is_the_mean_over_items(tmp_path: Path, read: Read) -> None:
    """By hand: estimates of the tasks, weighted by their items."""
    study(tmp_path, art=0.5, biology=0.2, chess=0.1)
    report = read(tmp_path)
    pooled, parts = report.tasks[0], report.tasks[1:]
    assert pooled.items == 48
    assert pooled.analysis.chance == pytest.approx((12 * 0.5 + 30 * 0.2 + 6 * 0.1) / 48)
    right = [t.analysis.accuracies[0].estimate * t.items for t in parts]
    assert pooled.analysis.accuracies[0].estimate == pytest.approx(sum(right) / 48)
    for slug in (TYPO.slug, ORDER.slug):
        drops = [t.analysis.drop("alpha", slug) for t in parts]
        whole = pooled.analysis.drop("alpha", slug)
        assert whole.n == sum(d.n for d in drops) == 48 - 7
        assert (whole.lost, whole.gained) == (
            sum(d.lost for d in drops),
            sum(d.gained for d in drops),
        )
        lost = sum((d.estimate or 0.0) * d.n for d in drops)
        assert whole.estimate == pytest.approx(lost / whole.n)
    for slug, counts in pooled.outcomes.items():
        each = [t.outcomes[slug] for t in parts]
        assert counts == OutcomeCounts(
            *(
                sum(getattr(c, what) for c in each)
                for what in ("changed", "unchanged", "not_applicable", "refused")
            )
        )


def test_items_and_clusters_of_different_tasks_are_different(tmp_path: Path) -> None:
    """Names may well be the same in two tasks."""
    folder = study(tmp_path).parent
    for path in folder.glob("samples_*.jsonl"):
        text = path.read_bytes()
        for task in SIZES:
            text = text.replace(f'"{task}.'.encode(), b'"x.')
        path.write_bytes(text)
    groups = pair(read_runs([tmp_path]))
    (found,), _ = pool(groups)
    paired = found.group.paired
    assert len(set(paired.item_ids)) == 48
    assert {i.partition("/")[0] for i in paired.item_ids} == set(SIZES)
    for group in groups:
        own = [k for k, i in enumerate(paired.item_ids) if i.startswith(f"{group.paired.task}/")]
        assert [paired.item_ids[k].partition("/")[2] for k in own] == list(group.paired.item_ids)
        assert (paired.canonical[:, own] == group.paired.canonical).all()
        assert np.array_equal(paired.scores[:, :, own], group.paired.scores, equal_nan=True)
        assert (paired.changed[:, own] == group.paired.changed).all()
        clusters = paired.clusters[own]
        together = clusters[:, None] == clusters
        assert (together == (group.paired.clusters[:, None] == group.paired.clusters)).all()
    assert len(set(paired.clusters.tolist())) == sum(SIZES.values()) / 2


def test_the_order_of_the_tasks_changes_nothing(tmp_path: Path) -> None:
    study(tmp_path / "a")
    study(tmp_path / "b", tasks=dict(reversed(SIZES.items())))
    analyses = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        (found,), _ = pool(pair(read_runs([folder])))
        assert found.tasks == tuple(sorted(SIZES))
        analyses.append(analyse(found.group.paired, resamples=99))
    assert analyses[0] == analyses[1]


def test_flips_of_a_pool_show_the_texts_of_their_items(tmp_path: Path, read: Read) -> None:
    study(tmp_path)
    report = read(tmp_path)
    pooled = report.tasks[0]
    assert pooled.flips_total == {"alpha": sum(t.flips_total["alpha"] for t in report.tasks[1:])}
    assert len(pooled.flips) == pooled.flips_total["alpha"] > 0
    assert pooled.every_flip is None  # each of its tasks has them
    assert all(task.every_flip is not None for task in report.tasks[1:])
    known = {(t.task, f.item_id, f.variant): f for t in report.tasks[1:] for f in t.flips}
    for flip in pooled.flips:
        task, _, item_id = flip.item_id.partition("/")
        own = known[task, item_id, flip.variant]
        assert flip.variant_prompt == own.variant_prompt
        assert flip.canonical_reply == own.canonical_reply
        assert (flip.gold, flip.direction) == (own.gold, own.direction)


def test_engagement_of_a_pool(tmp_path: Path, read: Read) -> None:
    """Tasks log different sets of measures: each keeps its own."""
    every: dict[str, Any] = {}
    for shift, (task, items) in enumerate(SIZES.items()):
        own = tasks_of(CANONICAL, TYPO, task=task, items=range(items))
        for samples in own.values():
            for k, row in enumerate(samples):
                if "acc" in row:
                    row |= {"parsed": float(k % 4 != shift), "reasoning_tokens": 10.0 * shift + k}
        every |= own
    write_run(tmp_path, every, edit=declare(ALL))
    report = read(tmp_path)
    pooled, parts = report.tasks[0], report.tasks[1:]
    for k in range(2):
        n = [t.engagement[k].n for t in parts]
        assert pooled.engagement[k].n == sum(n)
        for field in ("unparsed", "mean_tokens", "right"):
            each = [getattr(t.engagement[k].replies, field) for t in parts]
            expected = float(np.average(each, weights=n))
            assert getattr(pooled.engagement[k].replies, field) == pytest.approx(expected)


# --- what is pooled -------------------------------------------------------------------------------


def test_a_single_task_is_no_pool(tmp_path: Path, read: Read) -> None:
    study(tmp_path, tasks={"art": 12})
    report = read(tmp_path)
    assert [t.task for t in report.tasks] == ["art"]
    assert report.notes == ()


def test_tasks_of_no_group_are_not_pooled(tmp_path: Path, read: Read) -> None:
    study(tmp_path, groups={"art": {"subjects": 3}, "biology": {"other": 2}})
    assert [t.task for t in read(tmp_path).tasks] == ["art", "biology", "chess"]


def test_a_part_of_a_group_says_so(tmp_path: Path, read: Read) -> None:
    study(tmp_path, groups={task: {"subjects": 14} for task in SIZES})
    report = read(tmp_path)
    assert report.tasks[0].task == "subjects"
    assert report.notes[0].startswith("subjects pools 3 of 14 tasks of the group (art, ")


def test_of_nested_groups_the_largest_that_is_whole(tmp_path: Path, read: Read) -> None:
    inner = {"art": {"all": 57, "arts": 2}, "biology": {"all": 57, "arts": 2}, "chess": {"all": 57}}
    study(tmp_path / "a", groups=inner)
    assert [t.task for t in read(tmp_path / "a").tasks] == ["arts", "art", "biology", "chess"]
    whole = {task: {**own, "all": 3} for task, own in inner.items()}
    study(tmp_path / "b", groups=whole)
    assert [t.task for t in read(tmp_path / "b").tasks] == ["all", "art", "biology", "chess"]


def test_two_groups_beside_each_other(tmp_path: Path, read: Read) -> None:
    sizes = {"art": 12, "biology": 12, "chess": 12, "dance": 12}
    groups = {t: {"one" if t < "c" else "two": 2} for t in sizes}
    study(tmp_path, tasks=sizes, groups=groups)
    order = ["one", "art", "biology", "two", "chess", "dance"]
    assert [t.task for t in read(tmp_path).tasks] == order


def _metric(results: dict[str, Any]) -> None:
    results["n-shot"] = {k: 5 if k.endswith("chess") else 0 for k in results["n-shot"]}
    for name, config in results["configs"].items():
        if name.endswith("chess"):
            config["generation_kwargs"] = {"max_gen_toks": 5}


def test_tasks_that_cannot_be_compared_are_not_pooled(tmp_path: Path, read: Read) -> None:
    study(tmp_path, edit=_metric)
    report = read(tmp_path)
    assert [t.task for t in report.tasks] == ["art", "biology", "chess"]
    (note,) = report.notes
    told = "its tasks ran with another num_fewshot, generation_kwargs"
    assert note == f"subjects is not pooled for alpha: {told}"


def test_a_variant_that_one_task_lacks(tmp_path: Path, read: Read) -> None:
    every = tasks_of(*MAIN, task="art") | tasks_of(CANONICAL, ORDER, IDENTITY, task="biology")
    write_run(tmp_path, every, edit=declare({t: {"subjects": 2} for t in SIZES}))
    report = read(tmp_path)
    assert [v.slug for v in report.tasks[0].variants] == [IDENTITY.slug, ORDER.slug]
    assert [v.slug for v in named(report, "art").variants] == [k.slug for k in MAIN[1:]]
    assert report.notes[1:] == (
        f"subjects: {TYPO.slug} is not pooled, not every task has it (missing: biology)",
    )


# --- several checkpoints --------------------------------------------------------------------------


def test_two_checkpoints_are_pooled_together(tmp_path: Path, read: Read) -> None:
    study(tmp_path)
    study(tmp_path, name="beta", day=1, score=lambda k: float(k % 5 == 0))
    pooled = read(tmp_path).tasks[0]
    assert [a.checkpoint for a in pooled.analysis.accuracies] == ["alpha", "beta"]
    estimates = [a.estimate for a in pooled.analysis.accuracies]
    assert estimates == pytest.approx([32 / 48, (3 + 6 + 2) / 48])


def test_two_checkpoints_are_compared_on_the_pool_first(tmp_path: Path) -> None:
    study(tmp_path)
    study(tmp_path, name="beta", day=1, score=lambda k: float(k % 5 == 0))
    tasks = compare([tmp_path]).tasks
    assert [(t.task, t.items) for t in tasks] == [("subjects", 48), *SIZES.items()]
    assert tasks[0].ceilings.estimate == pytest.approx((32 - 11) / 48)


def test_a_checkpoint_that_ran_fewer_tasks_is_pooled_apart(tmp_path: Path, read: Read) -> None:
    study(tmp_path)
    fewer = {"art": 12, "chess": 6}
    study(tmp_path, name="beta", day=1, tasks=fewer, score=lambda k: float(k % 5 == 0))
    report = read(tmp_path)
    pools = [t for t in report.tasks if t.task == "subjects"]
    assert [(t.items, t.analysis.accuracies[0].checkpoint) for t in pools] == [
        (48, "alpha"),
        (18, "beta"),
    ]
    assert any(
        note.startswith("subjects was run on different sets of items") for note in report.notes
    )
    assert any("subjects pools 2 of 3 tasks" in note for note in report.notes)


def test_a_variant_that_one_checkpoint_lacks(tmp_path: Path, read: Read) -> None:
    study(tmp_path)
    study(tmp_path, name="beta", day=1, kinds=(CANONICAL, ORDER), score=lambda k: float(k == 1))
    report = read(tmp_path)
    assert [v.slug for v in report.tasks[0].variants] == [ORDER.slug]
    note = f"subjects: {TYPO.slug} is left out, not every checkpoint ran it (missing: beta)"
    assert note in report.notes


def test_a_rerun_is_pooled_too(tmp_path: Path, read: Read) -> None:
    study(tmp_path, kinds=(*MAIN, RERUN))
    (floor,) = read(tmp_path).tasks[0].analysis.noise_floor
    assert floor is not None
    assert (floor.flips, floor.n) == (0, 48)


# --- what a file may say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [None, [], "x", {"x": "3"}, {"x": None}, {"x": True}, {"a b": 3}, {"../x": 3}, {"": 3}],
)
def test_groups_that_are_none(tmp_path: Path, read: Read, groups: object) -> None:
    path = study(tmp_path)

    def spoil(results: dict[str, Any]) -> None:
        for config in results["configs"].values():
            config["metadata"]["oodrop"]["groups"] = groups

    edit_json(path, spoil)
    with pytest.raises(DataError, match="groups of oodrop__canonical__art must map names"):
        read(tmp_path)

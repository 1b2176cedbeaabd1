"""The items that moved: which are shown, how they are drawn, and what is shown of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.reports import flips as flips_module
from oodrop.reports.flips import every_flip, find_flips
from oodrop.reports.model import MAX_FLIPS, Report
from oodrop.reports.pairing import pair
from oodrop.reports.reader import read_runs
from oodrop.reports.replies import reply_of

from .runs import (
    CANONICAL,
    MAIN,
    NEGATION,
    ORDER,
    RERUN,
    TYPO,
    edit_line,
    rows,
    samples_file,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)

Read = Callable[..., Report]
MANY = range(400)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Two checkpoints, 400 items each; under the typo every changed item moves."""
    for name, right in (("alpha", 1.0), ("beta", 0.0)):
        tasks = tasks_of(CANONICAL, items=MANY, score=lambda k, right=right: right)
        tasks |= tasks_of(TYPO, items=MANY, score=lambda k, right=right: 1.0 - right)
        write_run(tmp_path, tasks, model_args=f"pretrained={name}", day=ord(name[0]) - ord("a"))
    return tmp_path


def test_directions_and_totals(tmp_path: Path, read: Read) -> None:
    write_checkpoint(tmp_path, "alpha")
    (task,) = read(tmp_path).tasks
    found = {(f.variant, f.item_id): f.direction for f in task.flips}
    expected = {}
    for kind, score in ((TYPO, lambda k: k % 2 == 0), (ORDER, lambda k: k % 3 == 1)):
        for k in range(12):
            if k not in (3, 7, 11) and score(k) != (k % 3 != 0):
                expected[kind.slug, f"everyday.{k:03d}"] = "gained" if score(k) else "lost"
    assert found == expected
    assert task.flips_total == {"alpha": len(expected)}
    for drop in task.analysis.drops:
        if drop.kind == "variant":
            directions = [d for (slug, _), d in found.items() if slug == drop.name]
            assert drop.lost == directions.count("lost")
            assert drop.gained == directions.count("gained")


def test_graded_scores_have_directions_too(tmp_path: Path, read: Read) -> None:
    tasks = tasks_of(CANONICAL, items=range(2), score=lambda k: 0.5)
    tasks |= tasks_of(TYPO, items=range(2), score=lambda k: (0.25, 0.75)[k])
    write_run(tmp_path, tasks)
    assert [f.direction for f in read(tmp_path).tasks[0].flips] == ["lost", "gained"]


def test_at_most_so_many_and_the_totals_stay_right(big: Path, read: Read) -> None:
    (task,) = read(big).tasks
    assert len(task.flips) == MAX_FLIPS
    assert task.flips_total == {"alpha": 397, "beta": 397}
    assert len({(f.checkpoint, f.variant, f.item_id) for f in task.flips}) == MAX_FLIPS
    shown = [f.checkpoint for f in task.flips]
    assert 100 < shown.count("alpha") < 200  # a fair draw: 150, give or take 3.9 standard errors
    assert list(task.flips) == sorted(
        task.flips, key=lambda f: (f.checkpoint, f.variant, f.item_id)
    )


def test_the_sample_depends_on_the_seed_alone(big: Path, read: Read) -> None:
    (task,) = read(big).tasks
    assert read(big).tasks[0].flips == task.flips
    assert read(big, seed=1).tasks[0].flips != task.flips
    rng = random.Random(3)
    for path in sorted(big.rglob("samples_*.jsonl")):
        lines = path.read_bytes().split(b"\n")[:-1]
        rng.shuffle(lines)
        path.write_bytes(b"\n".join(lines) + b"\n")
    assert read(big).tasks[0].flips == task.flips


def test_places_keep_their_rank_when_a_checkpoint_joins(
    big: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was drawn first among one checkpoint's flips is drawn first among two checkpoints'."""
    both = {f.item_id for f in read(big).tasks[0].flips if f.checkpoint == "alpha"}
    monkeypatch.setattr(flips_module, "MAX_FLIPS", len(both))
    for path in list(big.rglob("results_*.json")):
        if "beta" in path.read_text():
            path.unlink()
    assert {f.item_id for f in read(big).tasks[0].flips} == both


def test_controls_are_excluded(tmp_path: Path, read: Read) -> None:
    """A rerun's flips are noise, a sensitivity check's are as they should be."""
    tasks = tasks_of(*MAIN, NEGATION) | tasks_of(RERUN, score=lambda k: float(k % 3 == 0))
    write_run(tmp_path, tasks)
    (task,) = read(tmp_path).tasks
    assert {f.variant for f in task.flips} == {TYPO.slug, ORDER.slug}
    assert task.flips_total == {"alpha": 7}


def test_unscored_items_do_not_flip(tmp_path: Path, read: Read) -> None:
    tasks = tasks_of(CANONICAL, score=lambda k: 1.0) | tasks_of(TYPO, score=lambda k: 0.0)
    write_run(tmp_path, tasks)
    shown = {f.item_id for f in read(tmp_path).tasks[0].flips}
    assert shown == {f"everyday.{k:03d}" for k in range(12) if k not in (3, 7, 11)}


def test_every_checkpoint_has_a_total(tmp_path: Path, read: Read) -> None:
    write_checkpoint(tmp_path, "alpha")
    write_checkpoint(tmp_path, "beta", score=lambda k: 1.0)
    assert read(tmp_path).tasks[0].flips_total == {"alpha": 7, "beta": 0}


# --- what is shown -------------------------------------------------------------------------------


def test_both_prompts_and_both_replies(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(*MAIN, generate=True))
    flip = next(f for f in read(tmp_path).tasks[0].flips if f.variant == TYPO.slug)
    assert flip.item_id == "everyday.000"
    assert flip.gold == "knife"
    assert flip.canonical_prompt == "Question: Which tool cuts thing 0?\nAnswer:"
    assert flip.variant_prompt == "Question: WHICH TOOL CUTS THING 0?\nAnswer:"
    assert (flip.canonical_reply, flip.variant_reply) == ("spoon", "knife")


def test_multiple_choice_shows_the_chosen_option(alpha: Path, read: Read) -> None:
    flip = read(alpha).tasks[0].flips[0]
    chosen, values = flip.canonical_reply.split("\n")
    assert chosen == "plate"
    assert values == "(log-likelihoods: plate -1.50, bowl -10.25, spoon -10.25, knife -10.25)"
    assert flip.variant_reply.split("\n")[0] == "knife"


def test_the_reply_is_of_the_declared_filter(tmp_path: Path, read: Read) -> None:
    """Each filter has a row of its own; a later one must not be shown instead."""
    tasks = tasks_of(*MAIN, generate=True)
    for name, samples in tasks.items():
        other = [{**r, "filter": "loose", "filtered_resps": ["WRONG"]} for r in samples]
        other = [{**r, "acc": 1.0} if "acc" in r else r for r in other]
        tasks[name] = [row for pair in zip(samples, other, strict=True) for row in pair]
    write_run(tmp_path, tasks)
    assert {f.canonical_reply for f in read(tmp_path).tasks[0].flips} == {"knife", "spoon"}


def test_a_two_option_reply_is_not_taken_for_a_pair() -> None:
    sample: dict[str, Any] = rows(TYPO, generate=True)[0]
    assert reply_of(sample) == "knife"
    sample["filtered_resps"] = [["first sample", "second sample"]]  # repeats: 2, no number in it
    assert "first sample" in reply_of(sample)
    assert "log-likelihood" not in reply_of(sample)


def test_files_are_read_once_and_only_where_needed(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = pair(read_runs([big]))
    calls: list[tuple[Path, int]] = []
    real = flips_module.lines_at

    def spy(path: Path, offsets: list[int]) -> Any:
        calls.append((path, len(set(offsets))))
        return real(path, offsets)

    monkeypatch.setattr(flips_module, "lines_at", spy)
    flips, totals = find_flips(group, 2026)
    assert len(flips) < sum(totals.values())
    paths = [path for path, _ in calls]
    assert len(paths) == len(set(paths)) == 4
    # Each flip has a line of its own under the variant; canonical ones are shared.
    assert len(flips) < sum(lines for _, lines in calls) <= 2 * len(flips)


def test_no_flips_means_no_second_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, tasks_of(*MAIN, score=lambda k: 1.0))
    (group,) = pair(read_runs([tmp_path]))
    monkeypatch.setattr(flips_module, "lines_at", None)
    assert find_flips(group, 2026) == ((), {"alpha": 0})


def test_a_file_that_changes_between_the_two_readings(tmp_path: Path) -> None:
    """Texts of another item must not be shown for a flip."""
    write_run(tmp_path, tasks_of(*MAIN))
    (group,) = pair(read_runs([tmp_path]))
    path = samples_file(tmp_path, CANONICAL)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[1:], lines[0]]))  # lines of one length
    with pytest.raises(DataError, match="the file was changed while it was read"):
        find_flips(group, 2026)


# --- all of them --------------------------------------------------------------------------------


def test_all_of_them_are_read_again(big: Path, read: Read) -> None:
    (task,) = read(big).tasks
    assert task.every_flip is not None
    every = list(task.every_flip())
    assert len(every) == sum(task.flips_total.values()) > MAX_FLIPS
    assert {*task.flips} < {*every}
    assert [f.checkpoint for f in every] == sorted(f.checkpoint for f in every)
    assert list(task.every_flip()) == every


def test_they_are_streamed_from_two_files_at_a_time(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = pair(read_runs([big]))
    read_so_far: list[str] = []
    real = flips_module.lines_at

    def spy(path: Path, offsets: list[int]) -> Any:
        for line in real(path, offsets):
            read_so_far.append(path.name)
            yield line

    monkeypatch.setattr(flips_module, "lines_at", spy)
    flips = every_flip(group)
    for k in range(1, 6):
        next(flips)
        assert len(read_so_far) == 2 * k
    assert len({*read_so_far}) == 2


def test_all_of_a_file_that_changed(tmp_path: Path) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    (group,) = pair(read_runs([tmp_path]))
    path = samples_file(tmp_path, TYPO)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[1:], lines[0]]))
    with pytest.raises(DataError, match="the file was changed while it was read"):
        list(every_flip(group))


def test_a_score_may_be_boolean(alpha: Path, read: Read) -> None:
    report = read(alpha)
    for number in range(1, 13):
        edit_line(samples_file(alpha, CANONICAL), number, lambda r: r.update(acc=bool(r["acc"])))
    assert read(alpha) == report


def test_task_name_of_the_helper() -> None:
    assert task_name(TYPO) == "oodrop__lexical_keyboard_typo_s3__everyday"

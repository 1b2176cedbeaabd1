"""Several replies to an item: its score is their mean, and it stays one item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from oodrop.reports.build import build_report
from oodrop.reports.model import Report
from oodrop.reports.replies import replies_in, reply_of

from .runs import CANONICAL, RERUN, TYPO, Row, mark, tasks_of, write_run

Read = Callable[..., Report]
K = 4
SAMPLED = {"until": [], "do_sample": True, "temperature": 1.0, "max_gen_toks": 64}


def several(tasks: dict[str, list[Row]], k: int = K, *, flat: bool = False) -> dict[str, list[Row]]:
    """Give each row as many right replies of k as its score says."""
    for samples in tasks.values():
        for row in samples:
            right = round(k * row.get("acc", 0.0))
            replies = ["knife" if j < right else f"spoon {j}" for j in range(k)]
            row["resps"] = [replies]
            row["filtered_resps"] = replies if flat else [replies]
    return tasks


def run_of(
    folder: Path,
    scores: Mapping[Any, Callable[[int], float]],
    name: str = "alpha",
    k: int = K,
    **how: Any,
) -> Path:
    """A checkpoint with k replies to each item, kept by ``take_first_k``."""
    own = {"repeats": k, "output_type": "generate_until", "generation_kwargs": SAMPLED}

    def edit(results: dict[str, Any]) -> None:
        for config in results["configs"].values():
            config.update(own)

    tasks: dict[str, list[Row]] = {}
    for kind, score in scores.items():
        tasks |= several(tasks_of(kind, score=score, generate=True, **how), k)
    place = mark(folder / name, name)
    write_run(place, tasks, model_args=f"pretrained=org/{name}", edit=edit, day=ord(name[0]) - 97)
    return place


def quarters(k: int) -> float:
    return (k * 7 % 5) / 4


def fewer(k: int) -> float:
    return max(quarters(k) - 0.25 * (k % 3), 0.0)


def test_an_item_with_k_replies_is_one_item(tmp_path: Path) -> None:
    run_of(tmp_path, {CANONICAL: quarters, TYPO: fewer}, items=range(120), per_cluster=3)
    (task,) = build_report([tmp_path], resamples=400).tasks
    kept = [k for k in range(120) if k not in (3, 7, 11)]
    drop = task.analysis.drop("alpha", TYPO.slug)
    moved = [quarters(k) - fewer(k) for k in kept]
    assert (drop.n, drop.n_all, drop.clusters) == (len(kept), 120, 40)
    assert drop.estimate == pytest.approx(sum(moved) / len(kept))
    assert (drop.lost, drop.gained) == (sum(m > 0 for m in moved), 0)
    assert drop.flip_rate == pytest.approx(drop.lost / len(kept))
    assert drop.score is not None
    assert drop.score.method == "cv3_t"
    assert drop.score.df == pytest.approx(drop.g_star - 1)
    assert drop.bootstrap is not None
    assert drop.headline is drop.bootstrap
    assert "items with a difference" in drop.headline_reason
    accuracy = task.analysis.accuracies[0]
    assert accuracy.n == 120
    assert accuracy.interval is not None
    assert accuracy.interval.method == "cv3_t"
    assert task.replies_per_item == {"alpha": K}


def test_flips_go_by_the_sign_of_the_difference(tmp_path: Path, read: Read) -> None:
    after = {0: 0.25, 1: 0.5, 2: 0.75}
    run_of(tmp_path, {CANONICAL: lambda k: 0.5, TYPO: after.__getitem__}, items=range(3))
    (task,) = read(tmp_path).tasks
    found = [(f.item_id[-1], f.direction, f.canonical_score, f.variant_score) for f in task.flips]
    assert found == [("0", "lost", 0.5, 0.25), ("2", "gained", 0.5, 0.75)]
    assert task.flips_total == {"alpha": 2}


def test_rounding_is_no_flip(tmp_path: Path, read: Read) -> None:
    """Three replies: 1 - 2/3 is not 1/3 to a computer."""
    third = (0.1 + 0.2) / 0.9  # a hair above 1/3
    assert third != 1 / 3
    run_of(tmp_path, {CANONICAL: lambda k: 1 / 3, TYPO: lambda k: third, RERUN: lambda k: third})
    (task,) = read(tmp_path).tasks
    assert task.flips == ()
    drop = task.analysis.drop("alpha", TYPO.slug)
    assert (drop.estimate, drop.lost, drop.gained, drop.flip_rate) == (0.0, 0, 0, 0.0)
    assert task.analysis.noise_floor[0] is not None
    assert task.analysis.noise_floor[0].flips == 0


def test_the_noise_floor_of_means_is_their_mean_change(tmp_path: Path, read: Read) -> None:
    scores = {CANONICAL: lambda k: 0.5, RERUN: lambda k: 0.75 if k % 2 else 0.25}
    run_of(tmp_path, scores)
    (floor,) = read(tmp_path).tasks[0].analysis.noise_floor
    assert floor is not None
    assert (floor.flip_rate, floor.flips, floor.n, floor.mean_change) == (1.0, 12, 12, 0.25)


def test_all_replies_are_shown(tmp_path: Path, read: Read) -> None:
    run_of(tmp_path, {CANONICAL: lambda k: 0.5, TYPO: lambda k: 0.25}, items=range(1))
    (flip,) = read(tmp_path).tasks[0].flips
    assert flip.canonical_reply == (
        "[reply 1 of 4]\nknife\n\n[reply 2 of 4]\nknife\n\n"
        "[reply 3 of 4]\nspoon 2\n\n[reply 4 of 4]\nspoon 3"
    )


def test_another_checkpoint_does_not_change_the_kind_of_interval(
    tmp_path: Path, read: Read
) -> None:
    """One greedy reply here, four sampled ones there: each has the interval of its own scores."""
    items = range(60)
    one = {CANONICAL: lambda k: float(k % 3 > 0), TYPO: lambda k: float(k % 4 > 0)}
    run_of(tmp_path, one, "alpha", k=1, items=items)
    alone = read(tmp_path).tasks[0]
    run_of(tmp_path, {CANONICAL: quarters, TYPO: fewer}, "beta", items=items)
    report = read(tmp_path)
    (both,) = report.tasks
    for name, method in (("alpha", "score_ess"), ("beta", "cv3_t")):
        drop = both.analysis.drop(name, TYPO.slug)
        assert drop.score is not None
        assert drop.score.method == method
    assert both.analysis.drop("alpha", TYPO.slug) == alone.analysis.drop("alpha", TYPO.slug)
    assert both.analysis.accuracies[0] == alone.analysis.accuracies[0]
    assert both.replies_per_item == {"alpha": 1, "beta": 4}
    assert [c.generation[0].endswith("4 replies to an item") for c in report.checkpoints] == [
        False,
        True,
    ]
    (note,) = [n for n in report.notes if "different settings" in n]
    assert "beta: sampled, at most 64 new tokens, temperature 1.0, 4 replies to an item" in note


def test_what_is_generated_and_not_kept_is_told(tmp_path: Path, read: Read) -> None:
    place = run_of(tmp_path, {CANONICAL: lambda k: 1.0}, items=range(2))
    for path in place.rglob("samples_*.jsonl"):
        kept = path.read_text("utf-8").replace(
            '"filtered_resps": [["knife", "knife", "knife", "knife"]]',
            '"filtered_resps": ["knife"]',
            1,
        )
        path.write_text(kept, "utf-8")
    report = read(tmp_path)
    assert report.notes == ("alpha, everyday: items have from 1 to 4 replies",)
    for path in place.rglob("samples_*.jsonl"):
        kept = path.read_text("utf-8").replace(
            '[["knife", "knife", "knife", "knife"]]', '["knife"]'
        )
        path.write_text(kept.replace('"resps": ["knife"]', '"resps": [["a", "b"]]'), "utf-8")
    report = read(tmp_path)
    assert report.tasks[0].replies_per_item == {"alpha": 1}
    assert report.notes == (
        "alpha, everyday: 4 replies to an item were generated, and the filter 'none' keeps 1",
    )


# --- the shapes of what is logged -----------------------------------------------------------------

GENERATE = {"gen_args_0": {"arg_0": "p", "arg_1": {"until": []}}}
CHOOSE = {
    "gen_args_0": {"arg_0": "p", "arg_1": " yes"},
    "gen_args_1": {"arg_0": "p", "arg_1": " no"},
}


@pytest.mark.parametrize(
    ("filtered", "count", "first"),
    [
        (["a"], 1, "a"),
        ([["a"]], 1, "a"),
        ([["a", "b"]], 2, "[reply 1 of 2]\na\n\n[reply 2 of 2]\nb"),
        (["a", "b"], 2, "[reply 1 of 2]\na\n\n[reply 2 of 2]\nb"),
        ([["-1.5", "True"]], 2, "[reply 1 of 2]\n-1.5\n\n[reply 2 of 2]\nTrue"),
        ([[]], 1, ""),
        ([], 1, ""),
        (None, 1, ""),
        ("a", 1, "a"),
    ],
)
def test_shapes_of_generated_replies(filtered: object, count: int, first: str) -> None:
    sample = {"arguments": GENERATE, "filtered_resps": filtered}
    assert replies_in(sample) == count
    assert reply_of(sample) == first


def test_log_likelihoods_are_one_choice() -> None:
    sample = {"arguments": CHOOSE, "filtered_resps": [["-1.5", "True"], ["-0.5", "False"]]}
    assert replies_in(sample) == 1
    assert reply_of(sample).startswith("no\n(log-likelihoods: yes -1.50, no -0.50)")


def test_sixteen_long_replies_are_shortened_and_the_first_is_whole() -> None:
    replies = [f"{j} " + "word " * 6_000 + f"end {j}" for j in range(16)]
    text = reply_of({"arguments": GENERATE, "filtered_resps": [replies]})
    assert text.startswith(f"[reply 1 of 16]\n{replies[0]}\n\n[reply 2 of 16]\n1 word")
    assert text.endswith("end 15")
    assert text.count("characters left out]") == 15
    assert len(text) < len(replies[0]) + 22_000

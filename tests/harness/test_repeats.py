"""Several replies to an item, from lm-eval's own loop to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from oodrop.harness_ext.models import ReferenceModel
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.perturbers import Item, Variant
from oodrop.reports.build import build_report
from oodrop.reports.model import Report
from oodrop.tasks import get_task
from oodrop.tasks.spec import TaskSpec

TYPO = Variant("lexical.keyboard_typo", severity=3)
K, ITEMS = 4, 12
MEANS = "filter_list: [{name: none, filter: [{function: take_first_k, k: 4}]}]\n"


class Wavering(ReferenceModel):
    """Right in three of four replies to a canonical prompt, in one of four under a typo."""

    def answer(self, spec: TaskSpec, item: Item, prompt: str) -> int:
        return int(item.gold)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        right = super().generate_until(requests)
        asked: dict[int, int] = {}
        replies = []
        for request, reply in zip(requests, right, strict=True):
            k = asked[id(request)] = asked.get(id(request), -1) + 1  # one object, k times
            often = 3 if request.doc["oodrop"]["outcome"] == "canonical" else 1
            replies.append(reply if k < often else f"I am not sure about reply {k}")
        return replies


def evaluated(folder: Path, extra: str) -> Report:
    spec = get_task("everyday_open")
    paths = []
    for variant in (Variant(), TYPO):
        path = folder / f"{task_name(spec, variant)}.yaml"
        text = task_yaml(spec, variant, str(spec.folder / "lm_eval" / spec.fragment))
        path.write_text(f"{text}repeats: {K}\n{extra}", "utf-8")
        paths.append(str(path))
    tracker = EvaluationTracker(output_path=str(folder))
    found: Any = simple_evaluate(
        model=Wavering(),
        tasks=paths,
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        limit=ITEMS,
        evaluation_tracker=tracker,
    )
    logged = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=logged)
    for name, samples in logged.items():
        tracker.save_results_samples(task_name=name, samples=samples)
    return build_report([folder], resamples=99)


def test_the_mean_over_the_replies_is_the_items_score(tmp_path: Path) -> None:
    report = evaluated(tmp_path, MEANS)
    (task,) = report.tasks
    (name,) = (c.name for c in report.checkpoints)
    assert task.replies_per_item == {name: K}
    assert task.analysis.accuracies[0].estimate == pytest.approx(0.75)
    assert task.analysis.accuracies[0].n == ITEMS
    drop = task.analysis.drop(name, TYPO.slug)
    assert drop.estimate == pytest.approx(0.5)
    assert drop.n == drop.lost == len(task.flips) > 6
    flip = task.flips[0]
    assert (flip.canonical_score, flip.variant_score) == (0.75, 0.25)
    assert flip.canonical_reply.startswith(f"[reply 1 of {K}]\nANSWER: ")
    assert flip.canonical_reply.endswith(f"[reply {K} of {K}]\nI am not sure about reply 3")
    canonical, typo = task.engagement
    assert (canonical.replies.unparsed, typo.replies.unparsed) == (0.25, 0.75)
    assert typo.replies.truncated == 0.75
    assert typo.lost_unparsed == typo.lost == drop.lost
    assert report.checkpoints[0].generation == (
        "greedy, at most 256 new tokens, 4 replies to an item",
    )
    assert report.notes == ()


def test_what_the_usual_filter_throws_away_is_told(tmp_path: Path) -> None:
    report = evaluated(tmp_path, "")
    (task,) = report.tasks
    assert set(task.replies_per_item.values()) == {1}
    assert task.analysis.accuracies[0].estimate == 1.0
    (note,) = report.notes
    assert "4 replies to an item were generated, and the filter 'none' keeps 1" in note

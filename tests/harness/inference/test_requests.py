"""What ``oodrop bench inference`` asks: the requests of lm-eval, in mixes of variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.model import LM

from oodrop.harness_ext.bench.mixes import (
    FREE_TASK,
    PHRASING,
    QUESTION,
    STANDARD,
    TASK,
    built,
    by_procedure,
    calls_of_mixes,
    choice_mix,
    first_items,
    free_mix,
)
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.perturbed import canonical_items, only_documents
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.perturbers import Variant
from oodrop.tasks import get_task

PARAPHRASE = Variant("phrasing.question_paraphrase", {"id": "p01"})


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

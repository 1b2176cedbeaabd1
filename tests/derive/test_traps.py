"""What of the harness breaks pairing, and that it does not do so here."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from oodrop import DataError
from oodrop.harness_ext.derive import bases, registry
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.documents import IDENTITY
from oodrop.harness_ext.derive.localdata import name_data
from oodrop.harness_ext.derive.promptaudit import audit_prompts, fewshot_problems
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.derive.task import DerivedTask
from oodrop.harness_ext.perturbed import only_documents
from oodrop.harness_ext.yamls import task_config, task_name
from oodrop.perturbers.variant import Variant

TYPO = Variant("lexical.keyboard_typo", severity=3)
SpecOf = Callable[[str], DerivedSpec]


def made(spec: DerivedSpec, variant: Variant = TYPO, **settings: Any) -> DerivedTask:
    return DerivedTask({**task_config(spec, variant), **settings})


def contexts(task: DerivedTask, shots: int) -> list[str]:
    return [task.fewshot_context(doc, shots) for doc in task.eval_docs]


def test_few_shot_examples_stay_canonical_and_the_same(spec_of: SpecOf) -> None:
    spec = spec_of("gsm8k")
    clean, typo = made(spec, Variant()), made(spec)
    for shots in (1, 3):
        pairs = zip(
            contexts(clean, shots), contexts(typo, shots), clean.eval_docs, typo.eval_docs,
            strict=True,
        )  # fmt: skip
        for old, new, before, after in pairs:
            assert old != new
            assert old.removesuffix(clean.doc_to_text(before)) == new.removesuffix(
                typo.doc_to_text(after)
            )
    assert fewshot_problems(clean, typo, 3) == []


def test_variants_of_the_examples_pass_the_audit(spec_of: SpecOf) -> None:
    spec, variant = spec_of("gsm8k"), Variant("ordering.fewshot_order", {"k": "1"})
    audit = audit_prompts(spec, variant, shots=3)
    assert (audit.problems, audit.changed) == ((), len(spec.docs("test")))
    assert fewshot_problems(made(spec, Variant()), made(spec, variant, num_fewshot=3), 3) == []


def test_words_around_a_prompt_were_not_rated(spec_of: SpecOf) -> None:
    spec = spec_of("gsm8k")
    for variant, level in (
        (Variant("phrasing.template", {"id": "t05"}), "checked"),
        (Variant("lexical.misspelling", severity=2), "reviewed"),
    ):
        docs = made(spec, variant).eval_docs
        assert {d["oodrop"]["evidence"] for d in docs} <= {level, None}
        assert any(d["oodrop"]["evidence"] == level for d in docs)


@pytest.mark.parametrize("name", ["race", "bbh_zeroshot_snarks", "gpqa_main_zeroshot", "arc_easy"])
def test_no_item_stands_among_its_own_examples(name: str, spec_of: SpecOf) -> None:
    spec = spec_of(name)
    for variant in (Variant(), TYPO):
        task = made(spec, variant)
        for doc in task.eval_docs:
            assert doc[IDENTITY][2] not in map(spec.documents.asks, task.examples(doc, 4))


def test_examples_do_not_depend_on_which_documents_are_asked(spec_of: SpecOf) -> None:
    spec = spec_of("arc_easy")
    whole = contexts(made(spec), 3)
    with only_documents({task_name(spec, TYPO): [2, 5]}):
        part = made(spec)
    assert [part.fewshot_context(part.eval_docs[k], 3) for k in (5, 2)] == [whole[5], whole[2]]


def test_the_first_examples_stay_the_first(spec_of: SpecOf) -> None:
    task = made(spec_of("mmlu_astronomy"))
    shown = task.examples(task.eval_docs[0], 3)
    assert shown == list(task.spec.documents.base.sampler.df)[:3]


def test_options_shuffled_by_a_process_wide_generator_are_the_same_everywhere(
    spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def documents(*first: str) -> list[dict[str, Any]]:
        monkeypatch.setattr(registry, "_DERIVED", {})
        monkeypatch.setattr(bases, "_FETCHED", {})
        for name in first:
            spec_of(name).docs("train")
        return spec_of("gpqa_main_zeroshot").docs("train")

    alone = documents()
    random.seed(7)
    state = random.getstate()
    assert documents("gpqa_diamond_n_shot", "gpqa_diamond_cot_zeroshot") == alone
    assert random.getstate() == state
    again = registry.get_task("gpqa_main_zeroshot")
    assert again.docs("train") == again.docs("train")


def test_a_module_with_its_own_generator_starts_anew(spec_of: SpecOf) -> None:
    first = [d["choice1"] for d in spec_of("gpqa_diamond_n_shot").docs("train")]
    registry._DERIVED.clear()
    assert [d["choice1"] for d in spec_of("gpqa_diamond_n_shot").docs("train")] == first


def test_the_harness_cannot_serve_prompts_of_other_data(
    spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import lm_eval.caching.cache as cache

    monkeypatch.setattr(cache, "PATH", str(tmp_path))
    spec = spec_of("arc_easy")
    task = made(spec)
    task.build_all_requests(cache_requests=True)
    changed = task.eval_docs[0]
    changed["question"] = "Which word stands here now?"
    task.build_all_requests(cache_requests=True)
    prompts = {r.args[0] for r in task.instances if r.doc_id == 0}
    assert all("Which word stands here now?" in prompt for prompt in prompts)
    assert list(tmp_path.iterdir()) == []


def test_the_primary_filter_decides_where_there_are_several(spec_of: SpecOf) -> None:
    spec = spec_of("gsm8k")
    config = task_config(spec, Variant())["metadata"]["oodrop"]
    names = [chain.name for chain in made(spec)._filters]
    assert len(names) == 2
    assert (config["metric"], config["filter"]) == ("exact_match", names[0])


def test_a_few_shot_pool_that_is_too_small_says_so(spec_of: SpecOf) -> None:
    task = made(spec_of("arc_easy"))
    with pytest.raises(Exception, match=r"99 few-shot examples were asked for, there are \d"):
        task.fewshot_context(task.eval_docs[0], 99)


def test_generators_are_left_where_they_were(spec_of: SpecOf) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    spec_of("gpqa_main_zeroshot").docs("train")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_unsorted_samples_pair_by_item_whatever_the_harness_logs(spec_of: SpecOf) -> None:
    """lm-eval 0.4.13 logs wrong ``doc_id`` then (its issue 4084); the item is in the document."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    spec = spec_of("arc_easy")
    name = task_name(spec, TYPO)
    task = made(spec)
    results = simple_evaluate(
        model="oodrop-oracle",
        tasks=[task],
        task_manager=TaskManager(include_defaults=False),
        samples={name: [4, 0, 2]},
        log_samples=True,
        bootstrap_iters=0,
    )
    rows = results["samples"][name]
    assert sorted(row["doc"]["oodrop"]["item_id"] for row in rows) == sorted(
        spec.docs("test")[k][IDENTITY][0] for k in (0, 2, 4)
    )
    for row in rows:
        assert row["doc"]["question"] in row["arguments"][0][0]


def test_the_audit_sees_a_frame_that_moves_with_the_text(tmp_path: Path) -> None:
    """Said to be text by hand, for what is found by program would have refused it."""
    (tmp_path / "odd_task.yaml").write_text(
        yaml.safe_dump(
            {
                "task": "odd_task",
                "test_split": "test",
                "output_type": "multiple_choice",
                "doc_to_text": "{{question}}{{' (long)' if question|length > 40 else ''}}",
                "doc_to_choice": ["yes", "no"],
                "doc_to_target": "label",
                "metadata": {"version": 1.0},
            }
        )
    )
    rows = [
        {"question": f"Does it rain {'very often ' * k}in the mountains?", "label": k % 2}
        for k in range(4)
    ]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "odd.jsonl").write_text(data)
    name_data([f"odd_task={tmp_path / 'odd.jsonl'}"])
    derivation = Derivation(str(tmp_path / "odd_task.yaml"), {"question": "question"}, chance=0.5)
    audit = audit_prompts(registry.register("odd_task", derivation), TYPO)
    assert audit.changed == 4
    assert 0 < len(audit.problems) < 4
    assert all("not its declared texts in an unchanged frame" in p for p in audit.problems)
    with pytest.raises(DataError, match="the prompt audit found"):
        audit.check()

"""Few-shot examples belong to the item, and their order and draw can be varied, through lm-eval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

import oodrop.harness_ext.models  # noqa: F401  # registers the reference models
from oodrop import DataError
from oodrop.harness_ext.fewshot import ItemSampler, fewshot_offers
from oodrop.harness_ext.yamls import task_name, task_yaml
from oodrop.perturbers import Variant
from oodrop.tasks import get_task

ORDER = Variant("ordering.fewshot_order", {"k": "1"})
DRAW = Variant("ordering.fewshot_resample", {"k": "2"})
SHUFFLE = Variant("ordering.option_shuffle")


def evaluated(
    folder: Path, variants: list[Variant], **settings: Any
) -> Mapping[str, list[dict[str, Any]]]:
    """Samples by variant, of the oracle on everyday_letters, in the order of the documents."""
    spec = get_task("everyday_letters")
    names = []
    for variant in variants:
        path = folder / f"{task_name(spec, variant)}.yaml"
        include = str(spec.folder / "lm_eval" / spec.fragment)
        path.write_text(task_yaml(spec, variant, include), "utf-8")
        names.append(str(path))
    found = simple_evaluate(
        model="oodrop-oracle",
        tasks=names,
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        **settings,
    )
    assert found is not None
    return {v.slug: found["samples"][task_name(spec, v)] for v in variants}


def test_examples_do_not_depend_on_which_items_are_evaluated(tmp_path: Path) -> None:
    few = evaluated(tmp_path, [Variant()], num_fewshot=2, limit=4)["canonical"]
    name = task_name(get_task("everyday_letters"), Variant())
    one = evaluated(tmp_path, [Variant()], num_fewshot=2, samples={name: [3]})["canonical"]
    assert one[0]["doc_id"] == few[3]["doc_id"] == 3
    assert one[0]["arguments"] == few[3]["arguments"]


def test_the_same_examples_in_another_order_and_other_examples(tmp_path: Path) -> None:
    found = evaluated(tmp_path, [Variant(), ORDER, DRAW, SHUFFLE], num_fewshot=3, limit=5)
    for k in range(5):
        canonical, order, draw, shuffle = (
            found[v.slug][k] for v in (Variant(), ORDER, DRAW, SHUFFLE)
        )
        shots = [_blocks(s)[:-1] for s in (canonical, order, draw, shuffle)]
        assert sorted(shots[1]) == sorted(shots[0])
        assert shots[1] != shots[0]
        assert set(shots[2]) != set(shots[0])
        assert shots[3] == shots[0]  # a document-level perturber leaves the examples alone
        assert order["doc"]["oodrop"]["outcome"] == draw["doc"]["oodrop"]["outcome"] == "changed"
        assert order["acc"] == draw["acc"] == 1.0


def _blocks(sample: Mapping[str, Any]) -> list[str]:
    """Example after example, then the question: each ends with its answer's line."""
    lines, blocks = [], []
    for line in sample["arguments"][0][0].split("\n"):
        lines.append(line)
        if line.startswith("Answer:"):
            blocks.append("\n".join(lines).strip())
            lines = []
    return blocks


@pytest.mark.parametrize(("shots", "applies"), [(0, False), (1, True)])
def test_without_examples_there_is_nothing_to_vary(
    tmp_path: Path, shots: int, applies: bool
) -> None:
    found = evaluated(tmp_path, [ORDER, DRAW], num_fewshot=shots, limit=2)
    outcomes = {slug: rows[0]["doc"]["oodrop"]["outcome"] for slug, rows in found.items()}
    assert outcomes[ORDER.slug] == "not_applicable"  # one example has one order
    assert outcomes[DRAW.slug] == ("changed" if applies else "not_applicable")
    if not applies:
        assert "acc" not in found[DRAW.slug][0]


def test_offers() -> None:
    assert fewshot_offers(0) == ()
    assert "order_1" not in fewshot_offers(1)
    assert {"canonical", "draw_3", "order_3"} <= set(fewshot_offers(2))


def test_the_item_is_never_among_its_examples() -> None:
    sampler = ItemSampler(lambda: [{"item_id": str(k)} for k in range(4)])
    for item in "0123":
        sampler.item_id = item
        assert {doc["item_id"] for doc in sampler.sample(3)} == set("0123") - {item}
    with pytest.raises(DataError, match="4 few-shot examples were asked for, there are 3"):
        sampler.sample(4)


def test_every_order_is_another_one() -> None:
    sampler = ItemSampler(lambda: [{"item_id": str(k)} for k in range(30)])
    for k in range(50):
        sampler.item_id, sampler.setting = f"item-{k}", "canonical"
        canonical = sampler.sample(2)
        sampler.setting = "order_1"
        assert sampler.sample(2) == canonical[::-1]

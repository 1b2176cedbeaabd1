"""The compact set: what its card says of halves, labels, pairs and habits, counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from oodrop.perturbers.engine import perturb
from oodrop.perturbers.variant import Variant
from oodrop.tasks import TASKS
from oodrop.tasks.procedural import COMPACT, lexicon
from oodrop.tasks.procedural.check import check, verdict
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN, Lexicon
from oodrop.tasks.procedural.schema import Procedure
from oodrop.tasks.procedural.scoring import process_results
from oodrop.tasks.spec import Doc

SPLITS = ("train", "validation", "test", "heldout")
CARD = (Path(build.__file__).parent / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def documents() -> Mapping[str, list[Doc]]:
    return {split: COMPACT.docs(split) for split in SPLITS}


def words_of(half: Lexicon) -> set[str]:
    """Every word of a half, and every sentence that stands for itself."""
    lists = (half.verbs, half.things, half.roles, half.units, half.parts, half.states, half.people)
    return {word for words in lists for word in words}


def test_the_halves_share_nothing() -> None:
    assert not words_of(SEEN) & words_of(UNSEEN)
    for field in fields(Lexicon):
        assert not set(getattr(SEEN, field.name)) & set(getattr(UNSEEN, field.name)), field.name
        found = getattr(SEEN, field.name)
        assert len(set(found)) == len(found), field.name


def test_the_words_of_heldout_stand_in_no_other_split(
    documents: Mapping[str, list[Doc]],
) -> None:
    other = {
        word
        for split in SPLITS[:3]
        for doc in documents[split]
        for word in re.findall(r"[a-z]+", COMPACT.prompt(doc).lower())
    }
    forms = {f"{verb}{end}" for verb in UNSEEN.verbs for end in ("ed", "ing")}
    own = forms | set(UNSEEN.roles) | set(UNSEEN.things) | set(UNSEEN.units)
    assert not own & other
    told = " ".join(COMPACT.prompt(doc) for doc in documents["heldout"])
    assert sum(f" {form} " in told or f" {form}." in told for form in forms) > len(UNSEEN.verbs)


def test_the_card_counts(documents: Mapping[str, list[Doc]]) -> None:
    for split, docs in documents.items():
        rules = {doc["process_id"] for doc in docs}
        well = sum(doc["label"] == "compliant" for doc in docs)
        assert f"| `{split}` | {len(rules)} | {len(docs):,} | {well:,} |" in CARD
        assert {doc["type"] for doc in docs} == set(re.findall(r"^\| `(\w+_\w+)` \|", CARD, re.M))
    assert {d["process_id"] for d in documents["test"]} == {
        d["process_id"] for d in documents["train"]
    }


def test_a_label_is_the_checkers_and_a_fault_is_one(documents: Mapping[str, list[Doc]]) -> None:
    rules = build.procedures()
    for docs in documents.values():
        for doc in docs:
            procedure, trace = rules[doc["process_id"]], build.trace_of(doc)
            assert doc["label"] == verdict(procedure, trace)
            assert len(check(procedure, trace)) == (doc["label"] != "compliant")


def test_a_pair_differs_in_its_label(documents: Mapping[str, list[Doc]]) -> None:
    for docs in documents.values():
        by_name = {doc["item_id"]: doc for doc in docs}
        assert len(by_name) == len(docs)
        faulty = [doc for doc in docs if doc["partner_id"]]
        assert len(faulty) * 2 == len(docs)
        for doc in faulty:
            assert doc["label"] != by_name[doc["partner_id"]]["label"]
            assert doc["clauses"] == by_name[doc["partner_id"]]["clauses"]


def story(doc: Doc) -> tuple[object, ...]:
    return doc["process_id"], tuple(sorted(doc["events"])), tuple(doc["facts"])


def test_no_scenario_of_training_is_evaluated(documents: Mapping[str, list[Doc]]) -> None:
    seen = {story(doc) for doc in documents["train"]}
    assert not seen & {story(doc) for split in SPLITS[1:] for doc in documents[split]}


def habits(doc: Doc) -> dict[str, bool]:
    """Whether each habit of writing says that something went wrong."""
    times = [row["time"] for row in doc["trace"]["events"]]
    return {
        "mood": any(word in doc["intro"].split() or f"{word}." in doc["intro"].split()
                    for word in lexicon.ALARM),
        "closing": doc["closing"] in lexicon.TROUBLED_CLOSINGS,
        "order": times == sorted(times, reverse=True),
    }  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
def test_habits_go_with_the_label_but_not_in_heldout(
    split: str, documents: Mapping[str, list[Doc]]
) -> None:
    docs = documents[split]
    found: Counter[str] = Counter()
    for doc in docs:
        for name, alarming in habits(doc).items():
            found[name] += alarming == (doc["label"] != "compliant")
    for name in ("mood", "closing", "order"):
        if split == "heldout":
            assert found[name] == len(docs) / 2, name
        else:
            assert found[name] / len(docs) == pytest.approx(build.HABIT, abs=0.04), name
    assert "each on its own in nine of ten" in CARD.replace("\n", " ")
    assert build.HABIT == 0.9


def test_no_step_comes_after_one_that_may_not_be_due() -> None:
    for procedure in build.procedures().values():
        hanging = {step.id for step in procedure.steps if step.when}
        assert len(hanging) == 2
        assert len({step.when for step in procedure.steps if step.when}) == 2
        assert not hanging & {name for step in procedure.steps for name in step.requires}
        assert len(procedure.steps) in (5, 6)


def test_a_clause_says_all_that_a_step_asks_for() -> None:
    for procedure in build.procedures().values():
        for step in procedure.steps:
            text = build.clause(procedure, step)
            assert text.startswith(f"{step.name}: by the ")
            assert re.findall(r"(?:by|or) the (\w+)", text) == list(step.roles)
            assert re.findall(r"after the (\w+)", text) == [
                _name(procedure, r) for r in step.requires
            ]
            assert ("only if" in text) == (step.when is not None)
            assert len(re.findall(r"at (?:most|least) \d+ ", text)) == len(step.limits)


def _name(procedure: Procedure, step: str) -> str:
    return procedure.step(step).name


@pytest.mark.parametrize("kind", ["threshold", "negation", "contrast"])
def test_most_items_have_a_counterpart_with_the_other_label(kind: str) -> None:
    items = [COMPACT.item(doc) for doc in COMPACT.docs("test")[::20]]
    done = [perturb(item, Variant(f"control.{kind}")) for item in items]
    changed = [
        (i, d) for i, d in zip(items, done, strict=True) if d.certificate.outcome == "changed"
    ]
    assert len(changed) > 0.6 * len(items)
    assert all(item.gold != d.item.gold for item, d in changed)


def test_prompts_and_rewordings_are_those_of_the_procedural_set() -> None:
    assert set(COMPACT.templates) == set(TASKS["procedural"].templates)
    assert COMPACT.wordings == TASKS["procedural"].wordings
    assert COMPACT.config["generation_kwargs"]["max_gen_toks"] == 256


def test_every_metric_of_a_reply_says_how_it_is_summed_up() -> None:
    """What has no aggregation is averaged by lm-eval, and a pair of label and score cannot be."""
    for name in ("compact", "compact_heldout"):
        spec = TASKS[name]
        ways = {row["metric"]: row["aggregation"] for row in spec.config["metric_list"]}
        for doc in spec.docs("heldout" if "heldout" in name else "test")[::100]:
            metrics = process_results(doc, ["FINAL ANSWER: compliant"])
            for metric, value in metrics.items():
                if not isinstance(value, float):
                    assert ways[metric].startswith("oodrop_"), metric
            assert set(ways) <= set(metrics)

"""The prompt protocols as templates of derived tasks: what is offered, and what a model is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.harness_ext.derive import localdata, promptaudit, registry
from oodrop.harness_ext.derive.promptaudit import audit_prompts, make_variant
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.derive.task import DerivedTask
from oodrop.harness_ext.derive.writing import audit
from oodrop.perturbers import Variant, get_suite, perturb
from oodrop.tasks.general.protocols import protocols

NAMES = ("training", "card", "direct")
TAGS = "<think> reasoning process here </think> <answer> answer here </answer>."
ENDING = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def variant_of(protocol: str) -> Variant:
    return Variant("phrasing.prompt_protocol", {"protocol": protocol})


@pytest.fixture
def spec(tmp_path: Path) -> DerivedSpec:
    """`math500_free` on eight sums."""
    rows = [
        {
            "problem": f"A farmer has {k} cows and buys {k + 3} more at the market. How many cows "
            "does the farmer have now?",
            "answer": str(2 * k + 3),
        }
        for k in range(2, 10)
    ]
    path = tmp_path / "math.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    localdata.name_data([f"math500_free={path}"])
    found = registry.get_task("math500_free")
    assert isinstance(found, DerivedSpec)
    return found


def task_of(spec: DerivedSpec, protocol: str) -> DerivedTask:
    return make_variant(spec, variant_of(protocol), 0, None)


def turns_of(task: DerivedTask, **given: Any) -> list[dict[str, str]]:
    """The turns that a chat template is given for the first document."""
    seen: list[dict[str, str]] = []

    def template(turns: list[dict[str, str]], **_: Any) -> str:
        seen.extend(turns)
        return ""

    doc = task.eval_docs[0]
    task.fewshot_context(doc, 0, apply_chat_template=True, chat_template=template, **given)
    return seen


def test_tasks_with_free_replies_offer_them(spec: DerivedSpec) -> None:
    item = spec.item(spec.docs("test")[0])
    assert [n for n in item.offers["template"] if n.startswith("protocol_")] == [
        f"protocol_{name}" for name in protocols()
    ]
    for name in NAMES:
        done = perturb(item, variant_of(name))
        assert done.certificate.outcome == "changed"
        assert done.item.template == f"protocol_{name}"


@pytest.mark.parametrize("name", ["sciq", "piqa", "arc_easy"])
def test_tasks_that_score_options_do_not(name: str, spec_of: Callable[[str], DerivedSpec]) -> None:
    spec = spec_of(name)
    assert not [n for n in spec.templates if n.startswith("protocol_")]
    assert spec.derivation.reply == ""


def test_the_prompt_shows_the_system_message(spec: DerivedSpec) -> None:
    doc = spec.docs("test")[0]
    plain = spec.prompt(doc)
    system = protocols()["training"].system
    assert spec.prompt(doc, "protocol_training") == f"{system}\n\n{plain}"
    assert spec.prompt(doc, "protocol_card") == plain + ENDING
    assert spec.prompt(doc, "protocol_direct") == plain


def test_what_the_model_is_sent_as_plain_text(spec: DerivedSpec) -> None:
    for name in NAMES:
        task = task_of(spec, name)
        doc = task.eval_docs[0]
        assert task.fewshot_context(doc, 0) == spec.prompt(doc, f"protocol_{name}")


def test_with_a_chat_template_it_is_a_turn_of_its_own(spec: DerivedSpec) -> None:
    system, user = turns_of(task_of(spec, "training"))
    plain = spec.prompt(spec.docs("test")[0])
    assert system == {"role": "system", "content": protocols()["training"].system}
    assert system["content"].endswith(TAGS)
    assert user == {"role": "user", "content": plain}
    assert turns_of(task_of(spec, "card")) == [{"role": "user", "content": plain + ENDING}]
    assert turns_of(task_of(spec, "direct")) == [user]


def test_it_follows_what_the_user_says_and_the_description_follows_it(spec: DerivedSpec) -> None:
    training, direct = task_of(spec, "training"), task_of(spec, "direct")
    system = protocols()["training"].system
    said = turns_of(training, system_instruction="Be brief.")[0]
    assert said["content"] == f"Be brief.\n\n{system}"
    alone = turns_of(direct, system_instruction="Be brief.")[0]
    assert alone == {"role": "system", "content": "Be brief."}
    training.config.description = "Sums."
    assert turns_of(training)[0]["content"] == f"{system}\n\nSums."
    sent = training.fewshot_context(training.eval_docs[0], 0, system_instruction="Be brief.")
    assert sent.startswith(f"Be brief.\n\n{system}\n\nSums.")


def test_few_shot_examples_are_worded_alike_and_the_message_stands_once(
    spec: DerivedSpec,
) -> None:
    task = make_variant(spec, variant_of("card"), 2, None)
    assert task.fewshot_context(task.eval_docs[0], 2).count(ENDING) == 3
    task = make_variant(spec, variant_of("training"), 2, None)
    sent = task.fewshot_context(task.eval_docs[0], 2)
    assert sent.count(TAGS) == 1
    assert sent.startswith("A conversation between User and Assistant.")
    assert sent.count("Put your final answer") == 3


def test_the_audit_finds_nothing_wrong(spec: DerivedSpec) -> None:
    found = list(audit(spec, get_suite("prompt-shift-1.0")))
    assert [a.variant.removeprefix("phrasing_prompt_protocol_") for a in found] == [
        "canonical", "control_identity", "control_rerun", *NAMES
    ]  # fmt: skip
    assert [a.problems for a in found] == [()] * 6
    training, card, direct = found[3:]
    assert training.changed == card.changed == direct.changed == 8
    assert training.inflation is not None
    assert card.inflation is not None
    assert training.inflation > card.inflation > direct.inflation == 1.0


def test_the_audit_misses_a_message_that_is_not_sent(
    spec: DerivedSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DerivedTask, "_system_instruction", lambda *_: {})
    found = audit_prompts(spec, variant_of("training"))
    assert len(found.problems) == found.changed == 8
    with pytest.raises(DataError, match="8 of 8 .*the system message does not stand before its"):
        found.check()
    assert audit_prompts(spec, variant_of("card")).problems == ()


def test_the_audit_misses_a_message_that_stands_behind_or_nowhere(
    spec: DerivedSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = spec.prompt(spec.docs("test")[0], "protocol_training")

    class Behind(DerivedTask):
        def fewshot_context(self, doc: Any, num_fewshot: int, *args: Any, **kwargs: Any) -> Any:
            sent = super().fewshot_context(doc, num_fewshot, *args, **kwargs)
            system, _, user = sent.partition("\n\n")
            return f"{user}\n\n{system}" if sent else sent

    with monkeypatch.context() as patch:
        patch.setattr(promptaudit, "DerivedTask", Behind)
        assert len(audit_prompts(spec, variant_of("training")).problems) == 8
    # With a chat template alone.
    own_turn = DerivedTask._system_instruction
    with monkeypatch.context() as patch:
        patch.setattr(
            DerivedTask,
            "_system_instruction",
            lambda task, doc, given: {} if given else own_turn(task, doc, given),
        )
        assert len(audit_prompts(spec, variant_of("training")).problems) == 8
    # A prompt for guards and galleries that leaves it out.
    own = DerivedSpec.prompt
    monkeypatch.setattr(
        DerivedSpec, "prompt", lambda spec, doc, template="canonical": own(spec, doc)
    )
    assert spec.prompt(spec.docs("test")[0], "protocol_training") != prompt
    assert len(audit_prompts(spec, variant_of("training")).problems) == 8

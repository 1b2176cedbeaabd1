"""Every family with stub data: what is found is what the page says, and every variant holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oodrop.harness_ext.derive.bases import base_class, make_task, read_config
from oodrop.harness_ext.derive.derivation import named_option, option_texts
from oodrop.harness_ext.derive.documents import IDENTITY
from oodrop.harness_ext.derive.paths import get
from oodrop.harness_ext.derive.promptaudit import audit_prompts
from oodrop.harness_ext.derive.scoring import right_reply
from oodrop.harness_ext.derive.spec import DerivedSpec
from oodrop.harness_ext.derive.survey import _tried_row
from oodrop.harness_ext.derive.views import scores, view
from oodrop.harness_ext.perturbed import perturbed_docs
from oodrop.harness_ext.verify import certificate_problem
from oodrop.harness_ext.yamls import applicable
from oodrop.perturbers.suites import get_suite
from tests.derive.conftest import Derive
from tests.derive.families import PAGE, family_of
from tests.harness.test_families import TASKS

LINES = PAGE.read_text("utf-8").split("\n")
REFUSED = {name for name in TASKS for line in LINES if f"`{name}` | *refused*" in line}
# What most people run; the others are tried by `make test-all`.
MOST_USED = {
    "agieval_aqua_rat", "agieval_lsat_ar", "anli_r1", "arc_challenge", "arc_easy",
    "bbh_cot_fewshot_navigate", "belebele_eng_Latn", "boolq", "cb", "commonsense_qa", "copa",
    "gpqa_diamond_cot_zeroshot", "gpqa_main_zeroshot", "gsm8k", "gsm8k_cot", "hellaswag",
    "hendrycks_math500", "hendrycks_math_algebra", "logiqa", "logiqa2", "mathqa", "medmcqa",
    "medqa_4options", "mmlu_astronomy", "mmlu_astronomy_generative", "mmlu_pro_biology", "mnli",
    "multirc", "nq_open", "openbookqa", "piqa", "pubmedqa", "qnli", "race", "rte", "sciq",
    "social_iqa", "sst2", "swag", "triviaqa", "truthfulqa_mc1", "wic", "winogrande", "wnli",
    "xstorycloze_en",
}  # fmt: skip
DERIVED = [
    name if name in MOST_USED else pytest.param(name, marks=pytest.mark.slow)
    for name in TASKS
    if name not in REFUSED
]


@pytest.mark.parametrize("name", TASKS)
def test_the_page_says_what_comes_of_it(name: str, derive: Derive) -> None:
    assert _tried_row(family_of(name), derive(name)) in LINES


def test_forty_families_and_the_most_used_are_on_the_page() -> None:
    assert len({family_of(name) for name in TASKS if name not in REFUSED}) >= 40
    assert not MOST_USED - set(TASKS)


@pytest.mark.parametrize("name", DERIVED)
def test_every_variant_keeps_prompt_and_answer(
    name: str, spec_of: Callable[[str], DerivedSpec]
) -> None:
    spec = spec_of(name)
    changed = 0
    for variant in applicable(spec, get_suite("standard-1.0")):
        audit = audit_prompts(spec, variant)
        assert audit.problems == ()
        changed += audit.changed
        for doc in perturbed_docs(spec.name, variant, spec.eval_split):
            assert certificate_problem(doc) == ""
            assert _right_answer_scores(spec, doc) == 1.0
    assert changed or spec.derivation.language != "en"


@pytest.mark.parametrize("name", DERIVED)
def test_a_document_is_itself_as_an_item(name: str, spec_of: Callable[[str], DerivedSpec]) -> None:
    spec = spec_of(name)
    config = read_config(name, spec.derivation.source)
    stock = type("Stock", (base_class(config),), {"download": lambda *_, **__: None})
    stock.dataset = spec.documents.base.dataset
    task = make_task(name, config, stock, spec.derivation.source)
    for doc in spec.docs(spec.eval_split):
        assert spec.to_doc(doc, spec.item(doc)) == doc
        own = {k: v for k, v in doc.items() if k != IDENTITY}
        assert view(task, own) == spec.documents.view(doc)


def _right_answer_scores(spec: DerivedSpec, doc: dict[str, object]) -> float:
    """The primary metric of the answer that the task itself says is right."""
    task, found = spec.documents.base, spec.derivation
    own = {k: v for k, v in doc.items() if k not in (IDENTITY, "oodrop")}
    seen = view(task, own)
    right: int | str
    if not found.reply:
        right = seen.gold[0] if seen.gold else 0
    elif found.movable:
        path, naming = next(iter(found.gold.items()))
        texts = option_texts(own, found.options)
        place = named_option(naming, own, get(own, path), len(texts))
        assert place is not None
        right = right_reply(found.reply, texts, place)
    else:
        right = right_reply(found.reply, (), str(spec.item(doc).gold_text))
    return float(scores(task, own, right)[found.filter][found.metric])

"""The prompt audit: clean and perturbed prompts differ inside the declared texts, and nowhere else.

Each document is rendered once more with a stand-in for every declared text and option. Filled with
the canonical texts, that skeleton has to give the clean prompt; filled with the perturbed ones, the
perturbed prompt: then nothing else of the prompt has moved, whatever the task's own code does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from oodrop import DataError, OodropError
from oodrop.harness_ext.derive.documents import IDENTITY
from oodrop.harness_ext.derive.spec import BLANK_LINE, DerivedSpec
from oodrop.harness_ext.derive.task import DerivedTask
from oodrop.harness_ext.derive.views import STAND_IN, View
from oodrop.harness_ext.perturbed import (
    NOT_ASKED,
    canonical_items,
    only_documents,
    perturbed_docs,
    shown_with,
)
from oodrop.harness_ext.yamls import task_config, task_name
from oodrop.perturbers.edits import apply_edits, edits_from_dicts
from oodrop.perturbers.item import CANONICAL_SETTING, FEWSHOT, TEMPLATE, Item
from oodrop.perturbers.variant import Variant
from oodrop.tasks.spec import Doc

CountTokens = Callable[[str], int]
_TOLD = 3
_LOOKED_AT = 20


@dataclass(frozen=True)
class PromptAudit:
    """What the prompts of one variant of a task showed.

    Attributes:
        task: name of the task.
        variant: slug of the variant.
        documents: how many were looked at.
        changed: how many of them the variant changed.
        problems: what was found wrong, a sentence each with the item.
        inflation: mean length of a changed prompt over that of the clean one, in tokens where a
            tokenizer was given, in characters otherwise; None where nothing changed.
        cut: changed documents whose clean prompt fits into the context and whose perturbed one does
            not; None without a length.
    """

    task: str
    variant: str
    documents: int
    changed: int
    problems: tuple[str, ...]
    inflation: float | None
    cut: int | None

    def check(self) -> None:
        """Nothing, or an error.

        Raises:
            DataError: when a problem was found.
        """
        if self.problems:
            told = "; ".join(self.problems[:_TOLD])
            more = len(self.problems) - _TOLD
            raise DataError(
                f"task {self.task}, {self.variant}: the prompt audit found {len(self.problems)} "
                f"of {self.documents} documents wrong: {told}{'; …' if more > 0 else ''}"
            )


def audit_prompts(
    spec: DerivedSpec,
    variant: Variant,
    *,
    shots: int = 0,
    only: Collection[int] | None = None,
    count: CountTokens = len,
    longest: int | None = None,
) -> PromptAudit:
    """Look at every prompt of a variant.

    Args:
        spec: the task.
        variant: what was done to it.
        shots: few-shot examples that a run shows; those are looked at by `fewshot_problems`.
        only: indices of the documents; None for all.
        count: number of tokens of a prompt.
        longest: context of the model in tokens, to count prompts that no longer fit.
    """
    chosen = None if only is None else frozenset(only)
    docs = perturbed_docs(spec.name, variant, spec.eval_split, shots, chosen)
    source = canonical_items(spec, spec.eval_split)
    problems, ratios, cut, looked, changed = _unsent(spec, variant, docs, chosen), [], 0, 0, 0
    for index, doc in enumerate(docs):
        if doc["oodrop"] is NOT_ASKED:
            continue
        looked += 1
        problem = _problem(spec, source.docs[index], source.item(index), doc)
        if problem:
            problems.append(f"item {source.item(index).item_id}: {problem}")
        if doc["oodrop"]["outcome"] == "changed":
            changed += 1
            old = count(spec.prompt(source.docs[index]))
            new = count(spec.prompt(doc, doc["oodrop"]["settings"][TEMPLATE]))
            ratios.append(new / max(old, 1))
            cut += longest is not None and old <= longest < new
    return PromptAudit(
        task=spec.name,
        variant=variant.slug,
        documents=looked,
        changed=changed,
        problems=tuple(problems),
        inflation=fmean(ratios) if ratios else None,
        cut=cut if longest is not None else None,
    )


def _unsent(
    spec: DerivedSpec, variant: Variant, docs: Sequence[Doc], only: frozenset[int] | None
) -> list[str]:
    """What the system message lacks in what the model is sent, for the first documents with one.

    The message is no part of what the task's own code makes of a document.
    """
    with_one = [
        doc
        for doc in docs
        if doc["oodrop"] is not NOT_ASKED and spec.system(doc["oodrop"]["settings"][TEMPLATE])
    ]
    if not with_one:
        return []
    task, problems = make_variant(spec, variant, 0, only), []
    for doc in with_one[:_LOOKED_AT]:
        prompt = spec.prompt(doc, doc["oodrop"]["settings"][TEMPLATE])
        system = spec.system(doc["oodrop"]["settings"][TEMPLATE])
        turns: list[dict[str, str]] = []
        task.fewshot_context(doc, 0, apply_chat_template=True, chat_template=_keep_in(turns))
        told = [turn["content"] for turn in turns if turn["role"] == "system"]
        plain = str(task.fewshot_context(doc, 0))
        shown, _, user = prompt.partition(system + BLANK_LINE)
        if (
            shown
            or not any(system in text for text in told)
            or not 0 <= plain.find(system) < plain.find(user)
        ):
            item = doc[IDENTITY][0]
            problems.append(f"item {item}: the system message does not stand before its prompt")
    return problems


def _keep_in(turns: list[dict[str, str]]) -> Callable[..., str]:
    """A chat template that keeps the turns that it is given."""

    def template(history: list[dict[str, str]], **options: bool) -> str:
        turns.extend(history)
        return ""

    return template


def make_variant(
    spec: DerivedSpec, variant: Variant, shots: int, only: Collection[int] | None
) -> DerivedTask:
    """The task of lm-eval that evaluates a variant.

    Args:
        spec: the task.
        variant: what is done to it.
        shots: number of few-shot examples.
        only: indices of the documents that are perturbed; None for all.
    """
    config = {**task_config(spec, variant), "num_fewshot": shots}
    with only_documents({} if only is None else {task_name(spec, variant): only}):
        return DerivedTask(config)


def _problem(spec: DerivedSpec, clean: Doc, before: Item, doc: Doc) -> str:
    """What is wrong with one document; "" when nothing is."""
    try:
        after = spec.item(doc)
        old, new = spec.documents.view(clean), spec.documents.view(doc)
        if doc["oodrop"]["outcome"] != "changed":
            return "" if old == new else "it is not changed, and its prompt is another one"
        edits = edits_from_dicts(doc["oodrop"]["edits"])
        if FEWSHOT in doc["oodrop"]["settings"]:  # a setting that only a run knows
            before = shown_with(before, {**before.settings, FEWSHOT: CANONICAL_SETTING})
        if not apply_edits(before, edits).same_content(after):
            return "its texts are not the canonical ones after the logged edits"
        if after.gold_text != before.gold_text or sorted(after.choices) != sorted(before.choices):
            return "gold or options are not the same"
        if (new.gold and old.gold) and not _same_gold(old, new):
            return "the task scores another choice as right"
        return _difference(spec, clean, before, after, old, new)
    except (OodropError, ValueError) as error:  # an edit may not fit
        return str(error)


def _same_gold(old: View, new: View) -> bool:
    """Whether what is right is the same, where the task shows the choices by their text."""
    moved = sorted(old.choices) == sorted(new.choices) and old.choices != new.choices
    return not moved or old.choices[old.gold[0]] == new.choices[new.gold[0]]


def _difference(
    spec: DerivedSpec, clean: Doc, before: Item, after: Item, old: View, new: View
) -> str:
    """Where the prompts differ outside the declared texts; "" when nowhere."""
    names = list(before.segments)
    texts = {name: STAND_IN.format(f"s{k}x") for k, name in enumerate(names)}
    options = tuple(STAND_IN.format(f"o{k}x") for k in range(len(before.choices)))
    movable = spec.derivation.movable
    bare = before.altered(segments=texts, choices=options if movable else before.choices)
    skeleton = spec.documents.view(spec.to_doc(clean, bare.altered(gold=after.gold)))

    for item, view, what in ((before, old, "clean"), (after, new, "perturbed")):
        pairs = [(texts[name], item.segments[name]) for name in names]
        moved = list(zip(options, item.choices, strict=True)) if movable else []
        # Some tasks strip the blanks around an option.
        stripped = [(stand_in, text.strip()) for stand_in, text in moved]
        if not any(_fits(skeleton, view, [*pairs, *told]) for told in (moved, stripped)):
            return f"the {what} prompt is not its declared texts in an unchanged frame"
    if new.around != old.around:
        return "what stands around the prompt has changed"
    if not movable and new.target != old.target:
        return "the target has changed"
    return ""


def _fits(skeleton: View, view: View, pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a skeleton with its stand-ins filled is what the task makes of a document."""
    return all(
        tuple(_fill(text, pairs) for text in empty) == shown
        for empty, shown in ((skeleton.prompts, view.prompts), (skeleton.choices, view.choices))
    )


def _fill(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for stand_in, told in pairs:
        text = text.replace(stand_in, told)
    return text


def fewshot_problems(canonical: DerivedTask, variant: DerivedTask, shots: int) -> list[str]:
    """What is wrong with the few-shot examples of the first documents; empty without any.

    They are those of the canonical task, unless the variant is about them, and hold no copy of the
    document that is asked.
    """
    problems: list[str] = []
    documents = variant.spec.documents
    pairs = zip(canonical.eval_docs, variant.eval_docs, strict=True)
    asked = [pair for pair in pairs if pair[1]["oodrop"] is not NOT_ASKED]
    for clean, doc in asked[:_LOOKED_AT] if shots else ():
        item, asked_for = clean[IDENTITY][0], documents.asks(clean)
        old, new = canonical.examples(clean, shots), variant.examples(doc, shots)
        is_about_them = any(e.get("setting") == FEWSHOT for e in doc["oodrop"]["edits"])
        if old != new and not is_about_them:
            problems.append(f"item {item}: its few-shot examples are not the canonical ones")
        if any(documents.asks(example) == asked_for for example in [*old, *new]):
            problems.append(f"item {item}: it stands among its own few-shot examples")
    return problems

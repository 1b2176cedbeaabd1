"""Reference models for lm-eval: they bound the scale of every task and run in seconds.

``oodrop-majority`` guesses, ``oodrop-bow`` matches surface patterns, ``oodrop-oracle`` knows.
They answer documents of oodrop's own tasks, through lm-eval like any other model.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import model_registry, register_model

from oodrop import OodropError, RunError, UnknownNameError
from oodrop.harness_ext.derive.registry import get_task
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import FAMILIES
from oodrop.perturbers.rng import item_generator
from oodrop.tasks.spec import TaskSpec

REFERENCE_MODELS = ("oodrop-majority", "oodrop-bow", "oodrop-oracle")
PACKED = "hf-packed"
GIVEN_UP = -1
_WORDS = re.compile(r"\w+")
_OF_LM_EVAL = {"batch_size", "max_batch_size", "device"}
"""What lm-eval hands to every model."""
if PACKED not in model_registry:  # by name alone: the module needs torch
    model_registry.register(PACKED, target="oodrop.harness_ext.packed.backend:HFPacked")


class ReferenceModel(LM):
    """Answers each document by `answer`; scores 0 for that continuation and -10 for others."""

    def __init__(self, **settings: Any) -> None:
        """No arguments are needed; batch size and device mean nothing here.

        Raises:
            OodropError: for an argument that the model does not know.
        """
        super().__init__()
        if unknown := sorted(set(settings) - _OF_LM_EVAL):
            raise OodropError(f"a reference model takes no argument {', '.join(unknown)}")

    @abstractmethod
    def answer(self, spec: TaskSpec, item: Item, prompt: str) -> int:
        """The place of the chosen option; without options 0 for what is right, else `GIVEN_UP`."""

    def prepare(self, requests: list[Instance]) -> None:
        """Told of all requests before the first `answer`: for what is cheaper at once."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-likelihood 0 of the chosen option, -10 of the others."""
        self.prepare(requests)
        results = []
        for request in requests:
            _, _, said = self._said_to(request)
            chosen = request.idx == said
            results.append((0.0 if chosen else -10.0, chosen))
        return results

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The reply that the task's contract asks for."""
        self.prepare(requests)
        results = []
        for request in requests:
            spec, item, said = self._said_to(request)
            if item.choices:
                item = item.altered(gold=said)
            results.append("" if said == GIVEN_UP else spec.reply(item))
        return results

    def _said_to(self, request: Instance) -> tuple[TaskSpec, Item, int]:
        """What is asked, and the answer to it."""
        spec, item = _task_of(request)
        return spec, item, self.answer(spec, item, request.args[0])

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered.

        Raises:
            RunError: always; no task of ours asks for it.
        """
        raise RunError("reference models score choices and replies, not running text")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Turns joined by empty lines: reference models have no template of their own."""
        return "\n\n".join(turn["content"] for turn in chat_history)

    @property
    def tokenizer_name(self) -> str:
        """A name for request caches; there is no tokenizer."""
        return "none"

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Logged as the template of the run."""
        return ""


@register_model("oodrop-oracle")
class Oracle(ReferenceModel):
    """Reads the gold: the ceiling, and a proof that every prompt can still be answered.

    With arguments it errs as often as they say, which gives comparisons and gates something known
    to find. Who errs is drawn by a hash of seed and item, whatever the order or number of items.

    Args:
        errs: share of the items that are answered wrong, the same ones under every variant.
        loses: share of the other items that are answered wrong where a perturber of the family
            `under` changed them; under each variant other ones.
        under: ``lexical``, ``ordering``, ``phrasing`` or another family of perturbers.
        seed: oracles of one seed err on the same items.

    Raises:
        OodropError: for a share outside [0, 1], a family that no perturber has, and `loses` or
            `under` without the other.
    """

    def __init__(
        self,
        errs: float = 0.0,
        loses: float = 0.0,
        under: str | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        for name, share in (("errs", errs), ("loses", loses)):
            if type(share) not in (int, float) or not 0 <= share <= 1:
                raise OodropError(f"{name} of oodrop-oracle must be from 0 to 1, got {share!r}")
        if (under is not None) != (loses > 0):
            raise OodropError(
                "oodrop-oracle takes loses (above 0) and under together: which share of the "
                f"items, changed by which family; got loses {loses!r}, under {under!r}"
            )
        if under is not None and under not in FAMILIES:
            raise UnknownNameError("family of perturbers", str(under), FAMILIES)
        self._errs, self._loses, self._under, self._seed = errs, loses, under, seed

    def answer(self, spec: TaskSpec, item: Item, prompt: str) -> int:
        """The gold."""
        return int(item.gold) if item.choices else 0

    def _said_to(self, request: Instance) -> tuple[TaskSpec, Item, int]:
        spec, item, right = super()._said_to(request)
        if not self._is_wrong(request.doc["oodrop"]):
            return spec, item, right
        wrong = (right + 1) % len(item.choices) if item.choices else GIVEN_UP
        return spec, item, wrong

    def _is_wrong(self, record: Mapping[str, Any]) -> bool:
        """Whether the item of this logged record is one of those that are drawn."""
        if self._draw(record, "") < self._errs:
            return True
        is_under = record["family"] == self._under and record["outcome"] == "changed"
        return is_under and self._draw(record, record["variant"]) < self._loses

    def _draw(self, record: Mapping[str, Any], what: str) -> float:
        return item_generator(self._seed, "oodrop-oracle", what, record["item_id"]).random()


@register_model("oodrop-majority")
class Majority(ReferenceModel):
    """The most frequent answer of the train split (its position, where options differ)."""

    def answer(self, spec: TaskSpec, item: Item, prompt: str) -> int:
        """The place that is right most often; the first, where there are no documents to count."""
        return _majority(spec) if item.choices else GIVEN_UP


@register_model("oodrop-bow")
class BagOfWords(ReferenceModel):
    """TF-IDF and logistic regression on the train split: a pattern matcher by construction.

    Where a task has no documents to train on, it takes the option that shares most of its words
    with the prompt.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._said: dict[tuple[TaskSpec, str], int] = {}

    def answer(self, spec: TaskSpec, item: Item, prompt: str) -> int:
        """The option with the highest decision value, given the words of prompt and option."""
        if not item.choices:
            return GIVEN_UP
        if not spec.train_split:
            return _most_shared(prompt, item.choices)
        if not _one_question(item):
            return _bow_choice(spec, prompt, item.choices)
        return self._said[spec, prompt]

    def prepare(self, requests: list[Instance]) -> None:
        """The verdicts on all prompts in one call: ten times as fast as one by one."""
        prompts: dict[TaskSpec, dict[str, None]] = {}
        for request in requests:
            spec, item = _task_of(request)
            if (
                _one_question(item)
                and spec.train_split
                and (spec, request.args[0]) not in self._said
            ):
                prompts.setdefault(spec, {})[request.args[0]] = None
        for spec, asked in prompts.items():
            for prompt, said in zip(asked, _bow(spec).predict(list(asked)), strict=True):
                self._said[spec, prompt] = int(said)


def _task_of(request: Instance) -> tuple[TaskSpec, Item]:
    doc = request.doc
    if "oodrop" not in doc:
        raise RunError(
            f"reference models answer oodrop tasks only, got a document of task {request.task_name}"
        )
    spec = get_task(doc["oodrop"]["task"])
    return spec, spec.to_item(doc)


def _one_question(item: Item) -> bool:
    """Whether every document has the same options, so that the prompt alone decides."""
    return bool(item.labels) and not item.listed


@cache
def _majority(spec: TaskSpec) -> int:
    if not spec.train_split:
        return 0
    counts = Counter(int(spec.item(doc).gold) for doc in spec.docs(spec.train_split))
    return min(counts, key=lambda gold: (-counts[gold], gold))


@cache
def _bow(spec: TaskSpec) -> Any:
    """A fitted pipeline: prompt to place, or prompt and option to right or wrong."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts: list[str] = []
    targets: list[Any] = []
    for doc in spec.docs(spec.train_split):
        item, prompt = spec.item(doc), spec.prompt(doc)
        if _one_question(item):
            texts.append(prompt)
            targets.append(item.gold)
        else:
            texts += [_pair(prompt, choice) for choice in item.choices]
            targets += [k == item.gold for k in range(len(item.choices))]
    vectorizer = TfidfVectorizer(ngram_range=(1, 1), sublinear_tf=True, min_df=2)
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000)).fit(texts, targets)


@cache
def _bow_choice(spec: TaskSpec, prompt: str, options: tuple[str, ...]) -> int:
    values: Sequence[float] = _bow(spec).decision_function([_pair(prompt, o) for o in options])
    # Ties go by the text: the order in which options stand must not matter to a bag of words.
    return max(range(len(options)), key=lambda k: (values[k], options[k]))


def _most_shared(prompt: str, options: Sequence[str]) -> int:
    said = set(_WORDS.findall(prompt.lower()))

    def share(option: str) -> float:
        words = set(_WORDS.findall(option.lower()))
        return len(words & said) / len(words) if words else 0.0

    return max(range(len(options)), key=lambda k: (share(options[k]), options[k]))


def _pair(prompt: str, option: str) -> str:
    # The option's words are marked, so that they are not mixed up with the prompt's.
    return prompt + " " + " ".join(f"answer_{word}" for word in option.split())

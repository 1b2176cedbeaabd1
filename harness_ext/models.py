"""Reference models for lm-eval: they bound the scale of every task and run in seconds.

``oodrop-majority`` guesses, ``oodrop-bow`` matches surface patterns, ``oodrop-oracle`` knows.
They answer documents of oodrop's own tasks, through lm-eval like any other model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from oodrop import RunError
from oodrop.tasks import get_task
from oodrop.tasks.spec import Doc, TaskSpec

REFERENCE_MODELS = ("oodrop-majority", "oodrop-bow", "oodrop-oracle")


class ReferenceModel(LM):
    """Answers each document by `answer`; scores 0 for that continuation and -10 for others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Any = None
    ) -> ReferenceModel:
        """No arguments are needed; batch size and device mean nothing here."""
        return cls()

    @abstractmethod
    def answer(self, spec: TaskSpec, doc: Doc, prompt: str, options: tuple[str, ...]) -> str:
        """The chosen option's text (a label of the task where it has fixed ones)."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-likelihood 0 of the chosen option, -10 of the others."""
        results = []
        for request in requests:
            prompt, continuation = request.args
            spec, doc = _task_of(request)
            options = tuple(doc["choices"]) if "choices" in doc else spec.labels
            chosen = continuation.strip() == self.answer(spec, doc, prompt, options)
            results.append((0.0 if chosen else -10.0, chosen))
        return results

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The reply that the task's contract asks for."""
        results = []
        for request in requests:
            spec, doc = _task_of(request)
            results.append(spec.reply(self.answer(spec, doc, request.args[0], spec.labels)))
        return results

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
    """Reads the gold: the ceiling, and a proof that every prompt can still be answered."""

    def answer(self, spec: TaskSpec, doc: Doc, prompt: str, options: tuple[str, ...]) -> str:
        """The gold."""
        return str(doc["oodrop"]["gold"])


@register_model("oodrop-majority")
class Majority(ReferenceModel):
    """The most frequent answer of the train split (its position, where options differ)."""

    def answer(self, spec: TaskSpec, doc: Doc, prompt: str, options: tuple[str, ...]) -> str:
        """The majority label, or the option at the majority position."""
        favourite = _majority(spec.name)
        return favourite if isinstance(favourite, str) else options[favourite]


@register_model("oodrop-bow")
class BagOfWords(ReferenceModel):
    """TF-IDF and logistic regression on the train split: a pattern matcher by construction."""

    def answer(self, spec: TaskSpec, doc: Doc, prompt: str, options: tuple[str, ...]) -> str:
        """The option with the highest decision value, given the words of prompt and option."""
        return _bow_answer(spec.name, prompt, options)


def _task_of(request: Instance) -> tuple[TaskSpec, Doc]:
    doc = request.doc
    if "oodrop" not in doc:
        raise RunError(
            f"reference models answer oodrop tasks only, got a document of task {request.task_name}"
        )
    return get_task(doc["oodrop"]["task"]), doc


@cache
def _majority(task: str) -> str | int:
    spec = get_task(task)
    golds = [spec.item(doc).gold for doc in spec.docs(spec.train_split)]
    counts = Counter(golds)
    return min(counts, key=lambda gold: (-counts[gold], str(gold)))


@cache
def _bow(task: str) -> Any:
    """A fitted pipeline: prompt to label, or prompt and option to right or wrong."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    spec = get_task(task)
    texts: list[str] = []
    targets: list[Any] = []
    for doc in spec.docs(spec.train_split):
        item, prompt = spec.item(doc), spec.prompt(doc)
        if spec.labels:
            texts.append(prompt)
            targets.append(item.gold)
        else:
            texts += [_pair(prompt, choice) for choice in item.choices]
            targets += [k == item.gold for k in range(len(item.choices))]
    vectorizer = TfidfVectorizer(ngram_range=(1, 1), sublinear_tf=True, min_df=2)
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000)).fit(texts, targets)


@cache
def _bow_answer(task: str, prompt: str, options: tuple[str, ...]) -> str:
    pipeline = _bow(task)
    if get_task(task).labels:
        return str(pipeline.predict([prompt])[0])
    values: Sequence[float] = pipeline.decision_function([_pair(prompt, o) for o in options])
    return options[max(range(len(options)), key=lambda k: values[k])]


def _pair(prompt: str, option: str) -> str:
    # The option's words are marked, so that they are not mixed up with the prompt's.
    return prompt + " " + " ".join(f"answer_{word}" for word in option.split())

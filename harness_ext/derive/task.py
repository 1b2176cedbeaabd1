"""`DerivedTask`: any task of lm-eval, with its evaluated documents perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from lm_eval.api.samplers import ContextSampler, FirstNSampler
from lm_eval.api.task import ConfigurableTask

import oodrop.harness_ext.aggregations  # noqa: F401  # a task's YAML names them
from oodrop import DataError
from oodrop.harness_ext.derive.bases import base_class, plain_config, plain_docs, read_config
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.registry import register
from oodrop.harness_ext.derive.spec import BLANK_LINE, DerivedSpec
from oodrop.harness_ext.fewshot import ItemSampler
from oodrop.harness_ext.perturbed import NOT_ASKED, Docs, asked_documents, perturbed_docs
from oodrop.perturbers.item import CANONICAL_SETTING, FEWSHOT, TEMPLATE
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import CANONICAL, declared_variant
from oodrop.tasks.spec import Doc


class DerivedTask(ConfigurableTask):
    """Reads task, derivation and variant in ``metadata.oodrop`` of its YAML.

    It is made of the task's own class and configuration; what differs is the evaluated documents,
    the words around the prompt, which few-shot examples an item has, and that a document which
    was not changed yields no metric. Few-shot examples are canonical, belong to the item, and
    never hold it.

    Raises:
        DataError: when ``metadata.oodrop`` is not complete, or the task has changed since.
    """

    def __new__(cls, config: dict[str, Any]) -> Self:
        """An object of a class that is the task's own beneath this one."""
        name, derivation = _declared(config)[:2]
        own = base_class(read_config(name, derivation.source))
        kind = cls if issubclass(cls, own) else type(cls.__name__, (cls, own), {})
        made: Self = super().__new__(kind)
        return made

    def __init__(self, config: dict[str, Any]) -> None:
        name, derivation, declared = _declared(config)
        self.spec: DerivedSpec = register(name, derivation)
        self.variant = declared_variant(declared, f"task {config['task']}, metadata.oodrop")
        own = self.spec.documents.config
        laid_over = {k: v for k, v in config.items() if k != "class"}
        self._shots = _number_of_shots({**own, **laid_over})
        self._only = asked_documents(config["task"])
        self._evaluated: Docs = Docs()
        self._perturb()
        super().__init__(config={**plain_config(own), **laid_over})
        for key in ("task", "metadata"):  # a class may make a configuration of its own
            setattr(self.config, key, config[key])
        self.sampler = self._item_sampler()

    def download(self, *args: Any, **kwargs: Any) -> None:
        """The data of the task itself, fetched once per process."""
        self.dataset = self.spec.documents.base.dataset

    @property
    def eval_docs(self) -> Docs:
        """The documents after the variant; those of every split stay canonical."""
        return self._evaluated

    def _perturb(self) -> None:
        self._evaluated = perturbed_docs(
            self.spec.name, self.variant, self.spec.eval_split, self._shots, self._only
        )

    def set_config(self, key: str, value: Any, update: bool = False) -> None:
        """As the parent; a new number of few-shot examples decides anew what may be perturbed."""
        super().set_config(key, value, update)
        if key == "num_fewshot":
            self._shots = int(value)
            self._perturb()

    def fewshot_docs(self) -> Any:
        """Those of the task itself, made once for all variants."""
        return getattr(self.spec.documents.base, "sampler", ContextSampler()).df

    def _item_sampler(self) -> ItemSampler:
        own = getattr(self.spec.documents.base, "sampler", None)
        return ItemSampler(
            lambda: plain_docs(own.df if own else []),
            self.spec.documents.asks,
            in_order=isinstance(own, FirstNSampler),
        )

    def fewshot_context(self, doc: Doc, num_fewshot: int, *args: Any, **kwargs: Any) -> Any:
        """As the parent, with the examples of this very item and its template's system message."""
        self._turn_to(doc)
        told = kwargs | self._system_instruction(doc, kwargs)
        return super().fewshot_context(doc, num_fewshot, *args, **told)

    def _system_instruction(self, doc: Doc, given: Mapping[str, Any]) -> dict[str, str]:
        """The template's system message behind the user's own; nothing where it has none."""
        system = self.spec.system(self._template(doc))
        if not system:
            return {}
        own = given.get("system_instruction")
        told = BLANK_LINE.join([own, system] if own else [system])
        # lm-eval 0.4.13 puts nothing between a system message and what follows it as plain text.
        return {
            "system_instruction": told + ("" if given.get("apply_chat_template") else BLANK_LINE)
        }

    def examples(self, doc: Doc, count: int) -> list[Doc]:
        """The few-shot examples that this very item is shown."""
        self._turn_to(doc)
        return list(self.sampler.sample(count))

    def build_all_requests(self, **settings: Any) -> None:
        """As the parent, without lm-eval's request cache: it knows neither data nor variant."""
        super().build_all_requests(**{**settings, "cache_requests": False})

    def _turn_to(self, doc: Doc) -> None:
        self.sampler.item_id = self.spec.documents.asks(doc)
        self.sampler.setting = doc["oodrop"]["settings"].get(FEWSHOT, CANONICAL_SETTING)

    def doc_to_text(self, doc: Doc, doc_to_text: Any = None) -> Any:
        """As the parent, in the words that the variant puts around it."""
        text = super().doc_to_text(doc, *([] if doc_to_text is None else [doc_to_text]))
        return self.spec.wrap(text, self._template(doc)) if isinstance(text, str) else text

    def _template(self, doc: Doc) -> str:
        if "oodrop" in doc:
            return str(doc["oodrop"]["settings"][TEMPLATE])
        perturber = self.variant.perturber  # a few-shot example
        if perturber == CANONICAL or get_perturber(perturber).level != "prompt":
            return CANONICAL_SETTING
        used = [d["oodrop"]["settings"][TEMPLATE] for d in self._evaluated if _asked(d)]
        return max(used, key=used.count) if used else CANONICAL_SETTING

    def process_results(self, doc: Doc, results: Any) -> dict[str, Any]:
        """Metrics of a scored document; none for one that the perturber left alone."""
        return dict(super().process_results(doc, results)) if doc["oodrop"]["scored"] else {}


def _asked(doc: Doc) -> bool:
    return doc["oodrop"] is not NOT_ASKED


def _number_of_shots(config: Mapping[str, Any]) -> int:
    return int(config.get("num_fewshot") or 0)


def _declared(config: Mapping[str, Any]) -> tuple[str, Derivation, Mapping[str, Any]]:
    where = f"task {config.get('task', '?')}, metadata.oodrop"
    declared = (config.get("metadata") or {}).get("oodrop")
    if not isinstance(declared, dict) or not {"task", "derivation"} <= set(declared):
        raise DataError(f"{where} must name the task, its derivation and the variant")
    return declared["task"], Derivation.from_dict(declared["derivation"], where), declared

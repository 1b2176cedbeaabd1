"""`PerturbedTask`: an lm-eval task whose evaluated documents went through a perturber."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import env as jinja_env

import oodrop.harness_ext.aggregations  # noqa: F401  # a task's YAML names them
from oodrop import DataError
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.fewshot import ItemSampler, fewshot_offers
from oodrop.harness_ext.variants import bank_sha256
from oodrop.perturbers.engine import Bound, Perturbed
from oodrop.perturbers.item import CANONICAL_SETTING, FEWSHOT, TEMPLATE, Item
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import CANONICAL, Variant, declared_variant
from oodrop.tasks.spec import Doc, TaskSpec

SCORED = ("canonical", "changed")


class Docs(list[Doc]):
    """Documents as lm-eval wants them: a list with ``features``; no Arrow schema to fit into."""

    @property
    def features(self) -> dict[str, None]:
        """Field names of the documents."""
        return dict.fromkeys(self[0]) if self else {}


class Splits(dict[str, Docs]):
    """A task's documents by split; those that only few-shot examples need are made when asked."""

    def __init__(self, spec: TaskSpec, variant: Variant) -> None:
        super().__init__()
        self._spec, self._variant = spec, variant

    def __missing__(self, split: str) -> Docs:
        self[split] = perturbed_docs(self._spec.name, self._variant, split)
        return self[split]


class PerturbedTask(ConfigurableTask):
    """Reads ``metadata.oodrop`` of its YAML and perturbs the documents of the evaluated split.

    A document-level perturber touches evaluated documents only: few-shot examples stay canonical.
    A prompt-level one (templates, question wording) applies to the few-shot examples alike. Every
    document stays at its index and carries the record ``oodrop``; one that was not changed is sent
    as it is and yields no metric, unless the perturber scores all (the controls do).

    Raises:
        DataError: when ``metadata.oodrop`` is missing or not a variant of a known task.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        config = {key: value for key, value in config.items() if key != "class"}
        name = config.get("task", "?")
        declared = (config.get("metadata") or {}).get("oodrop")
        if not isinstance(declared, dict) or "task" not in declared:
            raise DataError(f"task {name}: metadata.oodrop must name the task and its variant")
        self.spec: TaskSpec = get_task(declared["task"])
        self.variant = declared_variant(declared, f"task {name}, metadata.oodrop")
        for key in ("training_split", "validation_split", "fewshot_split"):
            if key in config and not self.spec.has(config[key]):  # a user's set may lack it
                config[key] = None
        shots = config.get("num_fewshot") or 0
        self._only = asked_documents(name)
        self._split_docs = Splits(self.spec, self._few_shot_variant())
        self._perturb(shots)
        used = [
            doc["oodrop"]["settings"][TEMPLATE]
            for doc in self._split_docs[self.spec.eval_split]
            if doc["oodrop"] is not NOT_ASKED
        ]
        config["doc_to_text"] = self.spec.templates[max(used, key=used.count)]  # what is logged
        self._is_ready = False
        super().__init__(config=config)
        self._is_ready = True
        self.sampler = ItemSampler(self.fewshot_docs)

    def _perturb(self, shots: int) -> None:
        split = self.spec.eval_split
        self._split_docs[split] = perturbed_docs(
            self.spec.name, self.variant, split, shots, self._only
        )

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Packaged data; nothing is fetched."""
        self.dataset = self._split_docs

    def set_config(self, key: str, value: Any, update: bool = False) -> None:
        """As the parent; a new number of few-shot examples decides anew what may be perturbed."""
        super().set_config(key, value, update)
        if key == "num_fewshot":
            self._perturb(int(value))

    def fewshot_docs(self) -> Any:
        """As the parent; without a split for them there are none, never those to be evaluated."""
        if not self._is_ready:  # the parent's constructor would make them, wanted or not
            return None
        return Docs() if self.fewshot_cfg.split is None else super().fewshot_docs()

    def fewshot_context(self, doc: Doc, num_fewshot: int, *args: Any, **kwargs: Any) -> Any:
        """As the parent, with the examples of this very item."""
        self.sampler.item_id = doc["item_id"]
        self.sampler.setting = doc["oodrop"]["settings"].get(FEWSHOT, CANONICAL_SETTING)
        return super().fewshot_context(doc, num_fewshot, *args, **kwargs)

    def build_all_requests(self, **settings: Any) -> None:
        """As the parent, without lm-eval's request cache: it knows neither data nor variant."""
        super().build_all_requests(**{**settings, "cache_requests": False})

    def doc_to_text(self, doc: Doc, doc_to_text: Any = None) -> Any:
        """As the parent, with the template compiled once instead of once per document."""
        if "oodrop" in doc:  # an item whose new template was refused keeps the canonical one
            return _compiled(self.spec.templates[doc["oodrop"]["settings"][TEMPLATE]]).render(**doc)
        source = self.config.doc_to_text if doc_to_text is None else doc_to_text
        return _compiled(source).render(**doc)

    def doc_to_target(self, doc: Doc, doc_to_target: Any = None) -> Any:
        """As the parent, with a template compiled once; a plain field name is the parent's."""
        source = self.config.doc_to_target if doc_to_target is None else doc_to_target
        if isinstance(source, str) and "{" in source:
            return _compiled(source).render(**doc)
        return super().doc_to_target(doc, doc_to_target)

    def process_results(self, doc: Doc, results: Sequence[Any]) -> dict[str, Any]:
        """Metrics of a scored document; none for one that the perturber left alone."""
        if not doc["oodrop"]["scored"]:
            return {}
        return dict(super().process_results(doc, results))

    def _few_shot_variant(self) -> Variant:
        perturber = self.variant.perturber
        prompt_level = perturber != CANONICAL and get_perturber(perturber).level == "prompt"
        return self.variant if prompt_level else Variant()


@lru_cache(maxsize=256)
def _compiled(source: str) -> Any:
    return jinja_env.from_string(source)


NOT_ASKED: Mapping[str, Any] = {"settings": {TEMPLATE: CANONICAL}, "scored": False}
"""The record of a document that holds its place and is not evaluated."""

_ONLY: ContextVar[Mapping[str, frozenset[int]]] = ContextVar("only", default={})  # noqa: B039  # never written to


@contextmanager
def only_documents(indices: Mapping[str, Collection[int]], *, keep: bool = True) -> Iterator[None]:
    """While it lasts, tasks are made that perturb these documents of their evaluated split alone.

    Args:
        indices: by name of the task, as given to lm-eval's ``samples``; a task that is not among
            them perturbs all.
        keep: whether other checkpoints will be sent the very same documents.
    """
    chosen = {task: frozenset(some) for task, some in indices.items()}
    token = _ONLY.set(chosen)
    try:
        yield
    finally:
        _ONLY.reset(token)
        if not keep:
            sets = set(chosen.values())
            for key in [key for key in _DOCS if key[-1] in sets]:
                del _DOCS[key]


def asked_documents(task: str) -> frozenset[int] | None:
    """Indices that `only_documents` named for a task; None where it named none."""
    return _ONLY.get().get(task)


def perturbed_docs(
    task: str,
    variant: Variant,
    split: str,
    shots: int = 0,
    only: frozenset[int] | None = None,
) -> Docs:
    """Documents of a split after the variant, each with its record.

    Computed once per process: several checkpoints are sent the very same documents. Where ``only``
    is given, the documents at other indices stand as they are, with the record `NOT_ASKED`.
    """
    spec, settings = get_task(task), json.dumps(variant.as_dict(), sort_keys=True)
    key = (spec, settings, bank_sha256(variant), split, shots, only)
    if key not in _DOCS:
        _DOCS[key] = _perturb_split(spec, variant, split, shots, only)
    return _DOCS[key]


_DOCS: dict[tuple[TaskSpec, str, str | None, str, int, frozenset[int] | None], Docs] = {}


def changes_any(spec: TaskSpec, variant: Variant, shots: int) -> bool:
    """Whether the variant changes a document of the evaluated split; stops at the first."""
    bound, source = Bound(variant), canonical_items(spec, spec.eval_split)
    return any(
        bound(_with_shots(source.item(k), shots)).certificate.outcome == "changed"
        for k in range(len(source.docs))
    )


def outcomes_of(
    spec: TaskSpec, variant: Variant, shots: int, indices: Iterable[int]
) -> dict[int, str]:
    """What the variant does to documents of the evaluated split, by index."""
    bound, source = Bound(variant), canonical_items(spec, spec.eval_split)
    return {k: bound(_with_shots(source.item(k), shots)).certificate.outcome for k in indices}


class CanonicalItems:
    """The documents of a split, each an item once: what it found out of itself serves all variants.

    Attributes:
        docs: in file order.
    """

    def __init__(self, spec: TaskSpec, split: str) -> None:
        self.docs = spec.docs(split)
        self._spec = spec
        self._items: dict[int, Item] = {}
        self._places: dict[int, Doc] = {}

    def item(self, index: int) -> Item:
        """The item of the document at this index."""
        if index not in self._items:
            self._items[index] = self._spec.item(self.docs[index])
        return self._items[index]

    def place(self, index: int) -> Doc:
        """What stands at this index for a variant that is not asked about the document."""
        if index not in self._places:
            doc = self._spec.to_doc(self.docs[index], self.item(index))
            self._places[index] = {**doc, "oodrop": NOT_ASKED}
        return self._places[index]


def canonical_items(spec: TaskSpec, split: str) -> CanonicalItems:
    """The canonical items of a split, read once per process: every variant starts there."""
    if (spec, split) not in _ITEMS:
        _ITEMS[spec, split] = CanonicalItems(spec, split)
    return _ITEMS[spec, split]


_ITEMS: dict[tuple[TaskSpec, str], CanonicalItems] = {}


def _perturb_split(
    spec: TaskSpec, variant: Variant, split: str, shots: int, only: frozenset[int] | None
) -> Docs:
    result, source = Docs(), canonical_items(spec, split)
    bound, replayed = Bound(variant), bank_sha256(variant)
    bank = {} if replayed is None else {"bank_sha256": replayed}
    for index, doc in enumerate(source.docs):
        if only is not None and index not in only:
            result.append(source.place(index))
            continue
        done = bound(_with_shots(source.item(index), shots))
        changed = spec.to_doc(doc, done.item)
        result.append({**changed, "oodrop": record(spec, variant, done) | bank})
    return result


def _with_shots(item: Item, shots: int) -> Item:
    offers = fewshot_offers(shots)
    if not offers:
        return item
    return item.altered(
        settings={**item.settings, FEWSHOT: CANONICAL_SETTING},
        offers={**item.offers, FEWSHOT: offers},
    )


def shown_with(item: Item, settings: Mapping[str, str]) -> Item:
    """The item as it was logged: with the few-shot setting that only a run knows."""
    if FEWSHOT not in settings:
        return item.altered(settings=dict(settings))
    offers = {**item.offers, FEWSHOT: fewshot_offers(2)}
    return item.altered(settings=dict(settings), offers=offers)


def record(spec: TaskSpec, variant: Variant, done: Perturbed) -> dict[str, Any]:
    """The logged ``oodrop`` record: all that pairing and proving need."""
    plugin = None if variant.perturber == CANONICAL else get_perturber(variant.perturber)
    return {
        "item_id": done.item.item_id,
        "cluster_id": done.item.cluster_id,
        "task": spec.name,
        "variant": variant.slug,
        "perturber": variant.perturber,
        "perturber_version": plugin.version if plugin else None,
        "family": plugin.family if plugin else CANONICAL,
        "parameters": dict(variant.parameters),
        "severity": variant.severity,
        "seed": variant.seed,
        "settings": dict(done.item.settings),
        "gold": done.item.gold_text,
        **_parent(done.item),
        "scored": done.certificate.outcome in SCORED or (plugin is not None and plugin.scores_all),
        **done.certificate.as_dict(),
    }


def _parent(item: Item) -> dict[str, Any]:
    """What the item was made from; where no program gives its label, that is only claimed."""
    if item.parent is None:
        return {"parent": None}
    claimed = {} if item.rederive else {"parent_evidence": "assumed"}
    return {"parent": list(item.parent), **claimed}

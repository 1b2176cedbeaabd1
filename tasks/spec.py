"""What oodrop knows of a task: where its documents are, and how a document is an item."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import yaml

from oodrop import DataError
from oodrop.perturbers.edits import Reorder, edits_from_dicts
from oodrop.perturbers.item import FEWSHOT, TEMPLATE, Inversion, Item
from oodrop.perturbers.variant import CANONICAL
from oodrop.tasks.formats import formatted

Doc = dict[str, Any]

# The settings of lm-eval 0.4.13's own environment, so that a prompt is the same either way.
_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701  # prompts are no HTML


class _TagBlindLoader(yaml.SafeLoader):
    """Reads a task YAML without resolving lm-eval's ``!function``."""


_TagBlindLoader.add_constructor("!function", lambda loader, node: node.value)


def _read_task_yaml(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=_TagBlindLoader)  # noqa: S506  # a SafeLoader
    return config


@dataclass(frozen=True)
class TaskSpec:
    """One canonical task.

    Attributes:
        name: the last part of its lm-eval task names.
        summary: one line for ``oodrop list tasks``.
        folder: holds ``data``, ``templates`` and ``lm_eval``.
        fragment: YAML under ``lm_eval`` that every variant includes; it has the canonical prompt.
        eval_split: split that is evaluated.
        train_split: split for few-shot examples and for reference models.
        labels: the words to answer with, where they are the same for every document.
        chance: accuracy of guessing.
        metric: the one primary metric.
        to_item: how a document (canonical or logged) is an item, template and prompt aside.
        to_doc: the document with an item's content written back.
        reply: what a model replies that answers with the item's gold.
        bank: folder of the prompt templates.
    """

    name: str
    summary: str
    folder: Path
    fragment: str
    eval_split: str
    train_split: str
    labels: tuple[str, ...]
    chance: float
    metric: str
    to_item: Callable[[Doc], Item]
    to_doc: Callable[[Doc, Item], Doc]
    reply: Callable[[Item], str]
    bank: str = "templates"

    def docs(self, split: str) -> list[Doc]:
        """Documents of a split, in file order, read anew.

        Raises:
            DataError: when the split has no file or a line of it is not JSON.
        """
        plain, packed = (self.folder / "data" / f"{split}.jsonl{end}" for end in ("", ".gz"))
        path = plain if plain.exists() else packed
        if not path.exists():
            raise DataError(f"task {self.name} has no data for split {split!r} at {packed}")
        raw = gzip.decompress(path.read_bytes()) if path == packed else path.read_bytes()
        try:
            docs = [json.loads(line) for line in raw.decode("utf-8").split("\n") if line]
        except json.JSONDecodeError as error:
            raise DataError(f"{path} holds a line that is not JSON: {error}") from None
        if self.labels:
            for doc in docs:
                doc["labels"] = list(self.labels)
        return docs

    @cached_property
    def templates(self) -> Mapping[str, str]:
        """Jinja2 source by name: the canonical prompt from the YAML, the others from files."""
        path = self.folder / "lm_eval" / self.fragment
        config = _read_task_yaml(path)
        while "doc_to_text" not in config:
            path = path.parent / config["include"]
            config = {**_read_task_yaml(path), **config}
        bank = {
            p.stem: p.read_text("utf-8").removesuffix("\n")
            for p in sorted((self.folder / self.bank).glob("*.jinja"))
        }
        grammar = bank.pop("format", None)
        formats = formatted(grammar) if grammar is not None else {}
        return {CANONICAL: str(config["doc_to_text"]), **bank, **formats}

    @cached_property
    def wordings(self) -> Mapping[str, Any]:
        """Rewordings for all items: ``segments`` (segment -> id -> text) and ``inversions``."""
        path = self.folder / "paraphrases.yaml"
        return yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}

    @cached_property
    def rewordings(self) -> Mapping[str, Mapping[str, str]]:
        """Reviewed rewordings of single questions: item_id -> id -> text."""
        path = self.folder / "rewordings.jsonl"
        if not path.exists():
            return {}
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        return {row.pop("item_id"): row for row in rows}

    def item(self, doc: Doc) -> Item:
        """The document as an item, with everything the task injects."""
        item = self.to_item(doc)
        settings = doc.get("oodrop", {}).get("settings", {TEMPLATE: CANONICAL})
        paraphrases = dict(self.wordings.get("segments", {}))
        if item.item_id in self.rewordings:
            own = self.rewordings[item.item_id]
            paraphrases["question"] = {**paraphrases.get("question", {}), **own}
        return item.altered(
            settings=settings,
            offers=self._offers(settings),
            paraphrases=paraphrases,
            inversions=self._inversions if item.labels else {},
            render=lambda item: self.prompt(self.to_doc(doc, item), item.template),
        )

    def _offers(self, settings: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
        offers = {TEMPLATE: self._template_names}
        if FEWSHOT in settings:  # of a logged document, whose run knew what there was
            offers[FEWSHOT] = tuple(dict.fromkeys((CANONICAL, settings[FEWSHOT])))
        return offers

    @cached_property
    def _template_names(self) -> tuple[str, ...]:
        return tuple(self.templates)

    @cached_property
    def _inversions(self) -> Mapping[str, Inversion]:
        rows = self.wordings.get("inversions", {})
        return {name: Inversion(r["question"], tuple(r["labels"])) for name, r in rows.items()}

    def prompt(self, doc: Doc, template: str = CANONICAL) -> str:
        """The user's turn for a document, without few-shot examples or chat template."""
        return self._compiled[template].render(**doc)

    @cached_property
    def _compiled(self) -> Mapping[str, jinja2.Template]:
        return {name: _JINJA.from_string(source) for name, source in self.templates.items()}


def member_names(doc: Doc, group: str, stem: str, count: int) -> tuple[str, ...]:
    """Segment names of a group's members in the order in which ``doc`` holds them.

    In a canonical document they are ``stem_1`` to ``stem_n``; a logged perturbed one says in its
    record how they were moved.
    """
    names = tuple(f"{stem}_{i + 1}" for i in range(count))
    for edit in edits_from_dicts(doc.get("oodrop", {}).get("edits", [])):
        if isinstance(edit, Reorder) and edit.group == group:
            names = tuple(names[i] for i in edit.order)
    return names


def member_number(name: str) -> int:
    """3 for ``event_3``."""
    return int(name.rpartition("_")[2])


def pick(texts: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """The texts under these names, in this order."""
    return [texts[name] for name in names]

"""What oodrop knows of a task: where its documents are, and how a document is an item."""

from __future__ import annotations

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
from oodrop.tasks.files import Doc, read_documents
from oodrop.tasks.formats import formatted

__all__ = ["Doc", "TaskSpec", "member_names", "member_number", "pick"]


# The settings of lm-eval 0.4.13's own environment, so that a prompt is the same either way.
_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701  # prompts are no HTML


class _TagBlindLoader(yaml.SafeLoader):
    """Reads a task YAML without resolving lm-eval's ``!function``."""


_TagBlindLoader.add_constructor("!function", lambda loader, node: node.value)


def _read_task_yaml(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=_TagBlindLoader)  # noqa: S506  # a SafeLoader
    return config


@dataclass(frozen=True, eq=False)
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
        answer_span: where the answer stands in a reply to the item, from and to which character;
            None for a reply that does not keep to the contract. No function where there are no
            free replies. In `reply` the right answer stands there.
        bank: folder of the prompt templates.
        home: holds fragment, templates and rewordings where the folder has data alone.
        asked: the question that the rewordings are of; "" where every item asks the same.
        read: gives the documents of a data file, and checks what the task can check.
        heldout_of: name of the task of the training distribution, where this one holds other items
            to set against it; "" elsewhere.
        edition: tells one set of data under this name from another; "" for those of ours.
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
    home: Path | None = None
    asked: str = ""
    read: Callable[[Path], list[Doc]] = read_documents
    heldout_of: str = ""
    edition: str = ""
    answer_span: Callable[[Item, str], tuple[int, int] | None] | None = None

    def docs(self, split: str) -> list[Doc]:
        """Documents of a split, in file order, read anew.

        Raises:
            DataError: when the split has no file or a line of it is not JSON.
        """
        path = self._data_file(split)
        if not path.exists():
            raise DataError(f"task {self.name} has no data for split {split!r} at {path}")
        docs = self.read(path)
        if self.labels:
            for doc in docs:
                doc["labels"] = list(self.labels)
        return docs

    def has(self, split: str | None) -> bool:
        """Whether there are documents of this split."""
        return split is not None and self._data_file(split).exists()

    def _data_file(self, split: str) -> Path:
        plain, packed = (self.folder / "data" / f"{split}.jsonl{end}" for end in ("", ".gz"))
        return plain if plain.exists() else packed

    @cached_property
    def fragments(self) -> tuple[Path, ...]:
        """The fragment and what it includes; they come with oodrop, also where the data do not."""
        paths = [self._home / "lm_eval" / self.fragment]
        while "include" in (config := _read_task_yaml(paths[-1])):
            paths.append(paths[-1].parent / config["include"])
        return tuple(paths)

    @property
    def _home(self) -> Path:
        return self.home or self.folder

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What the fragments say, functions by their name."""
        files = [_read_task_yaml(path) for path in reversed(self.fragments)]
        return {key: value for config in files for key, value in config.items()}

    @cached_property
    def templates(self) -> Mapping[str, str]:
        """Jinja2 source by name: the canonical prompt from the YAML, the others from files."""
        configs = [_read_task_yaml(path) for path in self.fragments]
        canonical = next(c["doc_to_text"] for c in configs if "doc_to_text" in c)
        bank = {
            p.stem: p.read_text("utf-8").removesuffix("\n")
            for p in sorted((self._home / self.bank).glob("*.jinja"))
        }
        grammar = bank.pop("format", None)
        formats = formatted(grammar) if grammar is not None else {}
        return {CANONICAL: str(canonical), **bank, **formats}

    @cached_property
    def wordings(self) -> Mapping[str, Any]:
        """Rewordings for all items: ``segments`` (segment -> id -> text) and ``inversions``."""
        path = self._home / "paraphrases.yaml"
        return yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}

    @cached_property
    def rewordings(self) -> Mapping[str, Mapping[str, str]]:
        """Reviewed rewordings of single questions: item_id -> id -> text."""
        path = self._home / "rewordings.jsonl"
        if not path.exists():
            return {}
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        return {row.pop("item_id"): row for row in rows}

    def item(self, doc: Doc) -> Item:
        """The document as an item, with everything the task injects."""
        item = self.to_item(doc)
        settings = doc.get("oodrop", {}).get("settings", {TEMPLATE: CANONICAL})
        fits = self.asked in ("", item.segments.get("question"))
        paraphrases = dict(self.wordings.get("segments", {})) if fits else {}
        if item.item_id in self.rewordings:
            own = self.rewordings[item.item_id]
            paraphrases["question"] = {**paraphrases.get("question", {}), **own}
        return item.altered(
            settings=settings,
            offers=self._offers(settings),
            paraphrases=paraphrases,
            inversions=self._inversions if item.labels and fits else {},
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

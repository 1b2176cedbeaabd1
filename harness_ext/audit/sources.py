"""Where the items of an audit come from: shipped tasks, and public data sets beside the project.

Rows of a data set are never copied into the project: what is kept of one is its name, its number
and the hash of the prompt that was made of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.derive.registry import get_task
from oodrop.perturbers.item import Item

_LETTERS = "ABCDEFGHIJ"
_OPENING = 160  # characters: questions that open alike share a passage
_FORMULA = re.compile(r"\\|\^|\$[^$]*[a-zA-Z=][^$]*\$|_\{")


@dataclass(frozen=True)
class Subject:
    """An item and where it stands.

    Attributes:
        source: a shipped task, or a data set.
        split: its split.
        item: as perturbers see it; ``cluster_id`` is the unit of the limits.
        solution: worked solution, where the data set has one.
    """

    source: str
    split: str
    item: Item
    solution: str = ""


@dataclass(frozen=True)
class Source:
    """One source of a plan.

    Attributes:
        name: a shipped task, or a data set of `DATA_SETS`.
        splits: splits of the task; a data set has one, ``test``.
        is_task: whether it is a task.
        categories: those of the data set's categories that are used; empty for all.
        characters: longest prompt of a data set's row.
        fresh: ``item``: rated under no perturber in an earlier round; ``pair``: not under this one.
    """

    name: str
    splits: tuple[str, ...]
    is_task: bool
    categories: tuple[str, ...] = ()
    characters: int = 1000
    fresh: str = "item"

    def subjects(self, data: Path | None) -> Iterator[Subject]:
        """Every subject in file order; ``data`` is the folder that holds the data sets.

        Raises:
            DataError: when a data set is wanted and not there, or damaged.
        """
        if not self.is_task:
            yield from self._rows(data)
            return
        spec = get_task(self.name)
        for split in self.splits:
            for doc in spec.docs(split):
                yield Subject(self.name, split, spec.item(doc))

    def _rows(self, data: Path | None) -> Iterator[Subject]:
        file, read = DATA_SETS[self.name]
        if data is None:
            raise DataError(
                f"the data set {self.name!r} needs --data, the folder that holds {file}"
            )
        for number, row in enumerate(_json_lines(data / file), 1):
            subject = read(number, row)
            if subject is None or not _is_in(row, self.categories):
                continue
            if len(prompt(subject.item)) <= self.characters:
                yield subject


def data_set_names() -> tuple[str, ...]:
    """The data sets that a plan may name."""
    return tuple(DATA_SETS)


def get_source(name: str, is_task: bool) -> str:
    """The name, checked.

    Raises:
        UnknownNameError: listing what exists.
    """
    if is_task:
        return get_task(name).name
    if name not in DATA_SETS:
        raise UnknownNameError("data set", name, DATA_SETS)
    return name


def prompt(item: Item) -> str:
    """The prompt of an item.

    Raises:
        DataError: when the item cannot be shown.
    """
    if item.render is None:
        raise DataError(f"item {item.item_id} has no prompt to show to a rater")
    return item.render(item)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        return [json.loads(line) for line in text.split("\n") if line]
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"the data set {path} cannot be read: {reason}") from None
    except ValueError as error:
        raise DataError(f"the data set {path} is damaged: {error}") from None


def _is_in(row: Mapping[str, Any], categories: tuple[str, ...]) -> bool:
    return not categories or row.get("category") in categories


def _problem(number: int, row: Mapping[str, Any]) -> Subject | None:
    """A word problem of GSM8K (Cobbe et al. 2021, arXiv:2110.14168); its answer is a number."""
    solution, _, answer = row["answer"].partition("####")
    name = f"gsm8k.{number}"
    item = Item(
        item_id=name,
        cluster_id=name,
        segments={"question": row["question"].strip()},
        gold=answer.strip().replace(",", ""),
        render=lambda item: item.segments["question"],
    )
    return Subject("gsm8k", "test", item, solution)


def _choice(number: int, row: Mapping[str, Any]) -> Subject | None:
    """A question of MMLU-Pro (Wang et al. 2024, arXiv:2406.01574) with its listed options.

    None where it holds a formula, or where the row's two statements of the answer disagree.
    """
    options = tuple(text.strip() for text in row["options"])
    question, gold = row["question"].strip(), row["answer_index"]
    listed = "\n".join((question, *options))
    if _FORMULA.search(listed) or _LETTERS[gold] != row["answer"] or len(set(options)) < 3:
        return None
    opening = " ".join(question.lower().split())[:_OPENING]
    item = Item(
        item_id=f"mmlu_pro.{row['question_id']}",
        cluster_id=f"mmlu_pro.{hashlib.sha256(opening.encode()).hexdigest()[:12]}",
        segments={"question": question},
        gold=gold,
        choices=options,
        labels=tuple(_LETTERS[: len(options)]),
        listed=True,
        render=_with_options,
    )
    return Subject("mmlu_pro", "test", item)


def _with_options(item: Item) -> str:
    lines = [f"{label}. {text}" for label, text in zip(item.labels, item.choices, strict=True)]
    return "\n".join([item.segments["question"], *lines])


Reader = Callable[[int, Mapping[str, Any]], Subject | None]
DATA_SETS: Mapping[str, tuple[str, Reader]] = {
    "gsm8k": ("gsm8k/test.jsonl", _problem),
    "mmlu_pro": ("mmlu_pro/test.jsonl.gz", _choice),
}

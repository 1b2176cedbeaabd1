"""Documents of 280 characters cut from real texts: the shipped tasks', or those of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from pathlib import Path

from oodrop import DataError
from oodrop.perturbers.item import Item
from oodrop.tasks import get_task

SIZE = 280
TASKS = ("everyday", "procedural", "procedural_heldout")
_STRUCTURE = "everyday_letters"


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the names and literals in it that its task declares.

    Attributes:
        text: at most `SIZE` characters, cut at a blank.
        protected: as `Item.protected`.
        entities: as `Item.entities`.
    """

    text: str
    protected: tuple[str, ...] = ()
    entities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def task_documents(count: int) -> list[Document]:
    """Distinct documents of the shipped tasks, tasks in turn, spread evenly over each of them.

    A text that several items share is used once. There are fewer than ``count`` where the tasks
    hold no more.
    """
    seen: set[str] = set()
    pools = [list(_distinct(cut(_passages(name, seen)))) for name in TASKS]
    quotas = _quotas([len(pool) for pool in pools], count)
    chosen = [_spread(pool, quota) for pool, quota in zip(pools, quotas, strict=True)]
    turns = zip_longest(*chosen)
    return [document for turn in turns for document in turn if document is not None]


def file_documents(path: Path, field_name: str, count: int) -> list[Document]:
    """Distinct documents of the texts in one field of a JSON-lines file, spread evenly over it.

    Raises:
        DataError: with the file, the line and what is wrong there.
    """
    found = list(_distinct(cut(_lines(path, field_name))))
    if not found:
        raise DataError(f"{path} holds no {SIZE} characters of text in its field {field_name!r}")
    return _spread(found, min(count, len(found)))


def cut(passages: Iterable[Document]) -> Iterator[Document]:
    """Passages joined by blanks and cut, at the last blank that fits, into documents."""
    rest, behind = "", Document("")
    for passage in passages:
        rest = f"{rest} {passage.text}" if rest else passage.text
        known = _united(behind, passage)
        while len(rest) > SIZE:
            at = rest.rfind(" ", 1, SIZE + 1)
            end = at if at > 0 else SIZE
            yield _part(rest[:end], known)
            rest = rest[end:].lstrip(" ")
        behind = _part(rest, known)


def _united(first: Document, second: Document) -> Document:
    protected = tuple(dict.fromkeys((*first.protected, *second.protected)))
    kinds = sorted({*first.entities, *second.entities})
    entities = {
        k: tuple(dict.fromkeys((*first.entities.get(k, ()), *second.entities.get(k, ()))))
        for k in kinds
    }
    return Document("", protected, entities)


def _part(text: str, known: Document) -> Document:
    kinds = {k: tuple(n for n in names if n in text) for k, names in known.entities.items()}
    return Document(
        text,
        tuple(literal for literal in known.protected if literal in text),
        {k: names for k, names in kinds.items() if names},
    )


def _passages(task: str, seen: set[str]) -> Iterator[Document]:
    """One passage per item: those of its texts that no item before it had."""
    spec = get_task(task)
    for split in dict.fromkeys((spec.eval_split, "train")):
        for doc in spec.docs(split):
            item = spec.item(doc)
            new = [text for text in item.segments.values() if text not in seen]
            seen.update(new)
            if new:
                yield Document(" ".join(new), item.protected, item.entities)


def _lines(path: Path, field_name: str) -> Iterator[Document]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--texts {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            text = json.loads(line)[field_name]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise DataError(f"{path}, line {number}: no text in a field {field_name!r}")
        yield Document(text)


def _distinct(documents: Iterable[Document]) -> Iterable[Document]:
    return {document.text: document for document in documents}.values()


def _quotas(sizes: Sequence[int], count: int) -> list[int]:
    """Equal shares of ``count``; what a small pool lacks the larger ones give."""
    quotas, left = [0] * len(sizes), count
    by_size = sorted(range(len(sizes)), key=lambda i: sizes[i])
    for done, i in enumerate(by_size):
        quotas[i] = min(sizes[i], left // (len(sizes) - done))
        left -= quotas[i]
    return quotas


def _spread(pool: Sequence[Document], count: int) -> list[Document]:
    return [pool[k * len(pool) // count] for k in range(count)]


def plain_item(number: int, document: Document) -> Item:
    """The document as the question of an item with nothing else, for one text at a time."""
    name = f"bench-{number:05d}"
    return Item(
        item_id=name,
        cluster_id=name,
        segments={"question": document.text},
        gold="",
        protected=document.protected,
        entities=document.entities,
    )


def structured_items(documents: Sequence[Document]) -> list[Item]:
    """Items with something for every family to do, of 280 characters, as distinct as the documents.

    The options, units, templates and paraphrases are those of the items of `everyday_letters`, in
    turn; their facts are replaced by text of the document.
    """
    spec = get_task(_STRUCTURE)
    models = [spec.item(doc) for doc in spec.docs(spec.eval_split)]
    return [
        _structured(number, document, models[number % len(models)])
        for number, document in enumerate(documents)
    ]


def _structured(number: int, document: Document, model: Item) -> Item:
    names = model.units["facts"].members
    text = document.text[: SIZE - len(model.segments["question"])]
    known = _part(text, document)
    return model.altered(
        item_id=f"bench-{number:05d}",
        cluster_id=f"bench-{number:05d}",
        segments={**model.segments, **dict(zip(names, _parted(text, len(names)), strict=True))},
        protected=known.protected,
        entities=known.entities,
    )


def _parted(text: str, count: int) -> list[str]:
    """The words of the text in ``count`` parts of about the same number of words."""
    words = text.split(" ")
    ends = [k * len(words) // count for k in range(count + 1)]
    return [" ".join(words[a:b]) for a, b in pairwise(ends)]

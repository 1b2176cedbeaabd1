"""Documents of a derived task as items, and back."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from lm_eval.api.task import ConfigurableTask

from oodrop.harness_ext.derive.bases import (
    base_class,
    make_task,
    plain_docs,
    read_config,
    told_plainly,
)
from oodrop.harness_ext.derive.derivation import (
    Derivation,
    named_option,
    option_texts,
    put_gold,
    put_options,
)
from oodrop.harness_ext.derive.paths import Doc, get, put
from oodrop.harness_ext.derive.scoring import free_answer
from oodrop.harness_ext.derive.views import View, shown_range, view
from oodrop.perturbers.item import Item

IDENTITY = "oodrop_identity"
"""Field that is added to an evaluated document: item and cluster."""
_LISTED = re.compile(r"^[ \t]*\(?[A-Ja-j1-9][.):]\)?[ \t]+\S.*$", re.M)

# All behind "Options:" to the end of the text, or to an empty line.
_HEADED = re.compile(
    r"^[ \t]*(?:answer )?(?:options|choices)[ \t]*:(.*?)(?:\n\n|\Z)", re.I | re.M | re.S
)
_UNRATED = frozenset({"phrasing.template"})  # raters saw the templates of our own tasks


class Documents:
    """The documents of a task of lm-eval, as far as a derivation says how they are items.

    Args:
        name: of the task.
        derivation: what was found out about it.
    """

    def __init__(self, name: str, derivation: Derivation) -> None:
        self.name, self.derivation = name, derivation

    @cached_property
    def config(self) -> dict[str, Any]:
        """Configuration of the task of lm-eval, with its functions."""
        return read_config(self.name, self.derivation.source)

    @cached_property
    def base(self) -> ConfigurableTask:
        """The task of lm-eval, with its data."""
        return make_task(self.name, self.config, base_class(self.config), self.derivation.source)

    @cached_property
    def evaluated(self) -> list[Doc]:
        """The documents that the task evaluates, each with its identity.

        Made once: some tasks shuffle options anew whenever their documents are asked for.

        Raises:
            DataError: when they cannot be loaded.
        """
        seen: Counter[str] = Counter()
        result = []
        for doc in plain_docs(self.base.task_docs):
            name = self.identify(doc)
            seen[name] += 1
            own = name if seen[name] == 1 else f"{name}#{seen[name]}"
            result.append({**doc, IDENTITY: [own, self._cluster(doc) or own, self.asks(doc)]})
        return result

    @cached_property
    def edition(self) -> str:
        """Tells these documents, taken in this way, from others under the same name."""
        content = [self.derivation.as_dict(), self.evaluated]
        return _digest(json.dumps(content, sort_keys=True, default=str))

    def identify(self, doc: Doc) -> str:
        """What tells a canonical document from others: its own id, or its content."""
        with suppress(KeyError):  # a copy of the data may lack the column
            if self.derivation.item_id:
                return str(get(doc, self.derivation.item_id))
        return _digest(json.dumps(_own(doc), sort_keys=True, default=str))

    def asks(self, doc: Doc) -> str:
        """The same for documents that ask the same, however their options are shuffled."""
        if IDENTITY in doc:  # of one that was perturbed, as it was before
            return str(doc[IDENTITY][2])
        try:
            texts = [str(get(doc, path)) for path in self.derivation.fields.values()]
        except KeyError:  # a few-shot example that is written out in the configuration
            texts = [json.dumps(doc, sort_keys=True, default=str)]
        return _digest("\n".join(texts))

    def _cluster(self, doc: Doc) -> str:
        path = self.derivation.cluster
        return _digest(str(get(doc, path))) if path else ""

    def view(self, doc: Doc) -> View:
        """What the task itself makes of a document.

        Raises:
            DataError: when its data lack something.
        """
        with told_plainly(self.name):
            return view(self.base, _own(doc))

    def item(self, doc: Doc) -> Item:
        """A document, canonical or logged, as an item, prompt aside."""
        seen = self.view(doc)
        item_id, cluster_id = (doc.get(IDENTITY) or [self.identify(doc)] * 2)[:2]
        texts = {
            name: text[slice(*where)]
            for name, text, where in self._shown(doc, seen)
            if where is not None
        }
        choices, gold = self._answers(doc, seen)
        return Item(
            item_id=item_id,
            cluster_id=cluster_id,
            segments=texts,
            gold=gold,
            choices=choices,
            listed=self.derivation.movable,
            protected=_protected(texts, choices),
            language=self.derivation.language,
            unrated=_UNRATED,
        )

    def _shown(self, doc: Doc, seen: View) -> Iterator[tuple[str, str, tuple[int, int] | None]]:
        for name, path in self.derivation.fields.items():
            text = str(get(doc, path))
            partial = name in self.derivation.partial
            yield name, text, shown_range(text, seen.prompts, partial=partial)

    def _answers(self, doc: Doc, seen: View) -> tuple[tuple[str, ...], int | str]:
        found = self.derivation
        if found.movable:
            texts = option_texts(doc, found.options)
            path, naming = next(iter(found.gold.items()))
            right = named_option(naming, doc, get(doc, path), len(texts))
            if right is not None:
                return tuple(texts), right
        if len(seen.gold) == 1:
            count = len(seen.choices or seen.prompts)
            names = seen.choices or tuple(f"option {k + 1}" for k in range(count))
            return names, seen.gold[0]
        return (), free_answer(seen, found.reply)

    def to_doc(self, doc: Doc, item: Item) -> Doc:
        """The document with the item's texts and options written back."""
        changed, found = dict(doc), self.derivation
        for name, text, where in self._shown(doc, self.view(doc)):
            if where is not None and name in item.segments:
                new = text[: where[0]] + item.segments[name] + text[where[1] :]
                if new != text:
                    put(changed, found.fields[name], new)
        moved = found.movable and isinstance(item.gold, int) and item.choices
        if moved and list(item.choices) != option_texts(doc, found.options):
            put_options(changed, found.options, item.choices)
            put_gold(changed, found.gold, int(item.gold))
        return changed


def _own(doc: Doc) -> Doc:
    return {k: v for k, v in doc.items() if k not in (IDENTITY, "oodrop")}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _protected(texts: Mapping[str, str], choices: Sequence[str]) -> tuple[str, ...]:
    """What must survive in the text: options that stand in it, all of them alike."""
    found: dict[str, None] = {}
    for text in texts.values():
        lines = _LISTED.findall(text)
        if len(lines) > 1:
            found.update(dict.fromkeys(line.strip() for line in lines))
        if head := _HEADED.search(text):
            found.update(dict.fromkeys(line.strip() for line in head[1].split("\n")))
        inside = [c.strip() for c in choices if len(c.strip()) > 1 and c.strip() in text]
        if choices and len(inside) == len(choices):
            found.update(dict.fromkeys(inside))
    return tuple(text for text in found if text)

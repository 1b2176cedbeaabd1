"""A derived task in the form of our own tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from oodrop import DataError
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.documents import Documents
from oodrop.harness_ext.derive.scoring import right_reply
from oodrop.perturbers.item import CANONICAL_SETTING, Item
from oodrop.tasks import tasks_dir
from oodrop.tasks.general import scoring
from oodrop.tasks.general.extraction import answer_span
from oodrop.tasks.general.protocols import Protocol, protocols
from oodrop.tasks.spec import Doc, TaskSpec

_HOME = tasks_dir() / "general"
BLANK_LINE = "\n\n"
"""What stands behind a system message where there is no chat template."""


@dataclass(frozen=True, eq=False)
class DerivedSpec(TaskSpec):
    """Any task of lm-eval, as far as a derivation says how its documents are items.

    Attributes:
        documents: what is known of its documents, and the task of lm-eval itself.
    """

    documents: Documents = field(kw_only=True)

    @property
    def derivation(self) -> Derivation:
        """What was found out about the task."""
        return self.documents.derivation

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Configuration of the task of lm-eval, with its functions."""
        return self.documents.config

    def docs(self, split: str) -> list[Doc]:
        """The documents that the task evaluates, each with its identity.

        Raises:
            DataError: when they cannot be loaded, or another split is asked for.
        """
        if not self.has(split):
            raise DataError(f"task {self.name} evaluates {self.eval_split!r}, not {split!r}")
        return list(self.documents.evaluated)

    def has(self, split: str | None) -> bool:
        """Whether there are documents of this split; few-shot examples are lm-eval's own matter."""
        return split == self.eval_split

    @cached_property
    def templates(self) -> Mapping[str, str]:
        """The canonical prompt and, where they make sense, words around it."""
        around: Mapping[str, str] = {}
        if self.derivation.wrapped:
            around = yaml.safe_load((_HOME / "wrappers.yaml").read_text("utf-8"))
        put = {name: protocol.message("{prompt}") for name, protocol in self._protocols.items()}
        return {CANONICAL_SETTING: "{prompt}", **around, **put}

    @cached_property
    def _protocols(self) -> Mapping[str, Protocol]:
        """By the name of their template: how the prompt of a task with free replies may be put."""
        is_free = self.derivation.wrapped and self.derivation.reply
        return {f"protocol_{n}": p for n, p in protocols().items()} if is_free else {}

    def system(self, template: str) -> str:
        """The system message that belongs to a template; "" for most, which have none."""
        protocol = self._protocols.get(template)
        return protocol.system or "" if protocol else ""

    def prompt(self, doc: Doc, template: str = CANONICAL_SETTING) -> str:
        """The template's system message and a blank line, if it has one, and the user's turn.

        Of a task with a prompt per option, all of them.
        """
        user = "\n".join(self.wrap(p, template) for p in self.documents.view(doc).prompts)
        system = self.system(template)
        return f"{system}{BLANK_LINE}{user}" if system else user

    def wrap(self, prompt: str, template: str) -> str:
        """A prompt with the words of a template around it."""
        return self.templates[template].replace("{prompt}", prompt)

    @property
    def fragments(self) -> tuple[Path, ...]:
        """None: the YAML of a variant stands alone."""
        return ()


def derived_spec(name: str, derivation: Derivation) -> DerivedSpec:
    """The spec of a task of lm-eval under a derivation.

    Raises:
        OodropError: when its configuration cannot be read.
    """
    documents = Documents(name, derivation)
    config = documents.config
    split = config.get("test_split") or config.get("validation_split")
    return DerivedSpec(
        name=name,
        summary=f"derived from the task {name} of lm-eval",
        folder=_HOME,
        fragment="",
        eval_split=str(split or "test"),
        train_split="",
        labels=(),
        chance=derivation.chance,
        metric=derivation.metric,
        to_item=documents.item,
        to_doc=documents.to_doc,
        reply=lambda item: right_reply(derivation.reply, item.choices, item.gold),
        answer_span=_answer_span(config),
        documents=documents,
    )


def _answer_span(config: Mapping[str, Any]) -> Callable[[Item, str], tuple[int, int] | None] | None:
    """Where the answer stands in a reply: known of the tasks that are scored by our own rules."""
    scorer = config.get("process_results")
    if getattr(scorer, "__module__", "") != scoring.__name__:
        return None
    return lambda item, reply: answer_span(reply)

"""A task on a few of its documents, to be asked what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from lm_eval.api.task import ConfigurableTask

from oodrop.harness_ext.derive.bases import NotDerivableError
from oodrop.harness_ext.derive.paths import Doc, leaves
from oodrop.harness_ext.derive.views import View, view
from oodrop.harness_ext.variants import evenly_spaced

PROBED = 8


class Probe:
    """What is looked at to find out how a task is made up.

    Args:
        task: of lm-eval.
        docs: all that it evaluates.

    Attributes:
        docs: a few of them, evenly spaced.
        views: what the task makes of these.
        notes: what was left alone and why, in sentences.

    Raises:
        NotDerivableError: for a task that asks nothing, or has no documents.
    """

    def __init__(self, task: ConfigurableTask, docs: Sequence[Doc]) -> None:
        if task.OUTPUT_TYPE not in ("multiple_choice", "generate_until", "loglikelihood"):
            raise NotDerivableError(
                "it scores running text: there is no question to put in other words"
            )
        if task.config.doc_to_image or task.config.doc_to_audio:
            raise NotDerivableError("its prompts hold pictures or sound")
        if not docs:
            raise NotDerivableError("it has no documents")
        self.task, self.all_docs = task, docs
        self.docs = evenly_spaced(docs, PROBED)
        self.views = [view(task, doc) for doc in self.docs]
        self.notes: list[str] = []

    @property
    def pairs(self) -> Iterator[tuple[Doc, View]]:
        """The documents with their views."""
        return zip(self.docs, self.views, strict=True)

    @cached_property
    def text_paths(self) -> list[str]:
        """Paths that hold text in every document that was looked at."""
        found = [
            {p for p, v in leaves(doc) if isinstance(v, str) and v.strip()} for doc in self.docs
        ]
        return [p for p, _ in leaves(self.docs[0]) if p in set.intersection(*found)]

"""The gallery: a page with the perturbers' work on real items, for a person to judge."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oodrop import DataError, __version__
from oodrop.harness_ext.coverage import Applicability
from oodrop.harness_ext.variants import evenly_spaced, what_it_lacks
from oodrop.perturbers.edits import Reorder, Use
from oodrop.perturbers.engine import Bound, Perturbed
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import FAMILIES, Perturber
from oodrop.perturbers.variant import Variant
from oodrop.reports.render.diff import Segment, word_diff
from oodrop.reports.render.pages import page_environment
from oodrop.reports.writing import write_whole
from oodrop.tasks.spec import Doc, TaskSpec

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# Unchanged characters kept on either side of a change, unless the whole text is asked for.
_CONTEXT = 140
_EVERYTHING = 10**9


@dataclass(frozen=True)
class Example:
    """One changed item: what its prompt was and is, with the certificate in words.

    Attributes:
        both: the word-level difference, in one text.
        sides: the canonical and the variant's text apart, for what moved; empty otherwise.
    """

    item_id: str
    gold: str
    new_gold: str
    both: tuple[Segment, ...]
    sides: tuple[tuple[Segment, ...], ...]
    evidence: str
    guards: tuple[str, ...]
    edits: tuple[str, ...]
    eligible: int | None


@dataclass(frozen=True)
class VariantView:
    """One variant: its counts and examples, or why it is not there."""

    variant: Variant
    applicability: Applicability
    examples: tuple[Example, ...]
    unavailable: str = ""

    @property
    def label(self) -> str:
        """`mode upper, severity 3`; empty where there is only one form."""
        parts = [f"{name} {value}" for name, value in self.variant.parameters.items()]
        if self.variant.severity is not None:
            parts.append(f"severity {self.variant.severity}")
        return ", ".join(parts)


@dataclass(frozen=True)
class PerturberView:
    """A perturber with its whole docstring and every variant shown."""

    plugin: Perturber
    about: tuple[str, ...]
    variants: tuple[VariantView, ...]

    @property
    def anchor(self) -> str:
        """Names its place on the page."""
        return self.plugin.name.replace(".", "-")


class Gallery:
    """Perturbers tried on the items of one task, so that a page can show some of them.

    Attributes:
        shown: how many changed items each variant shows.
        full: whether long unchanged stretches stay.
    """

    def __init__(
        self, spec: TaskSpec, *, shown: int = 2, limit: int | None = None, full: bool = False
    ) -> None:
        """Read the evaluation split; ``limit`` takes so many items, evenly spaced."""
        self.spec, self.shown, self.full = spec, shown, full
        self.docs = evenly_spaced(spec.docs(spec.eval_split), limit)
        self.items = [spec.item(doc) for doc in self.docs]

    def perturber(
        self, plugin: Perturber, variants: Sequence[Variant], *, strict: bool, tick: Tick
    ) -> PerturberView:
        """Try a perturber's variants.

        With ``strict`` false, a perturber that lacks data or a package says so on the page.

        Raises:
            OodropError: for options that it does not take, and for what it lacks.
            RunError: when it fails.
        """
        doc = inspect.getdoc(plugin.function) or ""
        about = tuple(" ".join(part.split()) for part in doc.split("\n\n"))
        views = tuple(self._variant(variant, strict, tick) for variant in variants)
        return PerturberView(plugin, about, views)

    def _variant(self, variant: Variant, strict: bool, tick: Tick) -> VariantView:
        certificates = []
        with what_it_lacks(strict=strict) as lacks:
            apply = Bound(variant)
            for item in self.items:
                certificates.append(apply(item).certificate)
                tick()
        if lacks:
            return VariantView(variant, Applicability.of(()), (), lacks[0])
        changed = [k for k, c in enumerate(certificates) if c.outcome == "changed"]
        chosen = evenly_spaced(changed, self.shown)
        examples = tuple(
            self._example(self.docs[k], self.items[k], apply(self.items[k])) for k in chosen
        )
        return VariantView(variant, Applicability.of(certificates), examples)

    def _example(self, doc: Doc, item: Item, done: Perturbed) -> Example:
        before = self.spec.prompt(doc, item.template)
        after = self.spec.prompt(self.spec.to_doc(doc, done.item), done.item.template)
        edits = done.certificate.edits
        moved = any(isinstance(edit, Reorder | Use) for edit in edits)
        difference = word_diff(before, after, _EVERYTHING)
        shown = difference if self.full else tuple(_cropped(difference))
        return Example(
            item_id=item.item_id,
            gold=_answer(item),
            new_gold=_answer(done.item),
            both=() if moved else shown,
            sides=(_without("ins", shown), _without("del", shown)) if moved else (),
            evidence=str(done.certificate.evidence),
            guards=done.certificate.guards,
            edits=tuple(json.dumps(edit.as_dict()) for edit in edits),  # look-alikes as \u0430
            eligible=done.certificate.eligible,
        )


Tick = Callable[[], None]


def _answer(item: Item) -> str:
    """What a model has to say, and what it stands for where these differ."""
    if not isinstance(item.gold, int):
        return item.gold
    said, text = item.answers[item.gold], item.gold_text
    return said if said == text else f"{said} ({text})"


def _without(op: str, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    return tuple(s for s in segments if s.op != op)


def _cropped(segments: Sequence[Segment]) -> Iterator[Segment]:
    last = len(segments) - 1
    for k, segment in enumerate(segments):
        head = segment.text[:_CONTEXT] if k > 0 else ""
        tail = segment.text[-_CONTEXT:] if k < last else ""
        spare = len(segment.text) - len(head) - len(tail)
        if segment.op != "same" or spare <= _CONTEXT:
            yield segment
            continue
        # Cut between words, so that no half of one is taken for the perturber's work.
        head, tail = head.rpartition(" ")[0], tail.partition(" ")[2]
        left_out = len(segment.text) - len(head) - len(tail)
        yield Segment("same", head)
        yield Segment("gap", f" … {left_out:,} unchanged characters … ")
        yield Segment("same", tail)


def gallery_html(gallery: Gallery, views: Sequence[PerturberView]) -> str:
    """The page; it needs nothing else and runs no script.

    Every text is escaped, with control and bidi characters shown as symbols.
    """
    families = [
        (family, members)
        for family in FAMILIES
        if (members := [view for view in views if view.plugin.family == family])
    ]
    template = page_environment(Path(__file__).parent).get_template("gallery.html.jinja")
    return template.render(gallery=gallery, families=families, policy=POLICY, version=__version__)


def check_place(path: Path) -> None:
    """Make sure that the page can be written, before it is made.

    Raises:
        DataError: when the place is a folder, or in none that exists.
    """
    if path.is_dir():
        raise DataError(f"--html takes a file to write, got the folder {path}")
    if not path.parent.is_dir():
        raise DataError(f"--html {path} lies in a folder that does not exist")


def write_gallery(page: str, path: Path) -> None:
    """Write the page in one step.

    Raises:
        DataError: when it cannot be written there.
    """
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise DataError(f"the gallery cannot be written to {path}: {error.strerror}") from None

"""Coverage of a task by perturbers: where they apply, how much they change, what they unbalance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.variants import evenly_spaced, what_it_lacks
from oodrop.perturbers.certificate import Certificate, Outcome
from oodrop.perturbers.engine import Bound, Perturbed
from oodrop.perturbers.item import Item
from oodrop.perturbers.measures import (
    Balance,
    TextMeasures,
    TokenCount,
    balance,
    edit_distance,
    measure,
    words_and_marks,
)
from oodrop.perturbers.variant import Variant
from oodrop.tasks.spec import Doc, TaskSpec


@dataclass(frozen=True)
class Applicability:
    """How many items of a task came out how, and the most frequent reason of each outcome."""

    counts: Mapping[Outcome, int]
    reasons: Mapping[Outcome, str]

    def __getitem__(self, outcome: Outcome) -> int:
        return self.counts.get(outcome, 0)

    @property
    def items(self) -> int:
        """All items that were tried."""
        return sum(self.counts.values())

    @property
    def applicable(self) -> int:
        """Items on which the perturber had something to do, whatever came of it."""
        return self.items - self["not_applicable"]

    @classmethod
    def of(cls, certificates: Iterable[Certificate]) -> Applicability:
        """Count what became of the items."""
        counts: Counter[Outcome] = Counter()
        reasons: Counter[tuple[Outcome, str]] = Counter()
        for certificate in certificates:
            counts[certificate.outcome] += 1
            if certificate.reason:
                reasons[certificate.outcome, certificate.reason] += 1
        # The least frequent first, so that the most frequent one stays.
        top = {outcome: why for (outcome, why), _ in reversed(reasons.most_common())}
        return cls(dict(counts), top)


@dataclass(frozen=True)
class Medians:
    """Medians over the changed items; None where nothing was changed or it cannot be said.

    Attributes:
        edited_fraction: edits as a share of the words or units that could have been edited.
        edit_distance: Levenshtein distance of the prompts as a share of the longer one.
        length: relative change in characters.
        words: relative change in words.
        numerals: change in the number of numerals.
        grade: change in the Flesch-Kincaid grade.
        tokens: relative change in tokens.
    """

    edited_fraction: float | None
    edit_distance: float | None
    length: float | None
    words: float | None
    numerals: float | None
    grade: float | None
    tokens: float | None


@dataclass(frozen=True)
class Coverage:
    """One variant on one task; ``unavailable`` says why it could not be tried, else is empty."""

    variant: Variant
    applicability: Applicability
    medians: Medians
    unavailable: str = ""

    def as_dict(self) -> dict[str, Any]:
        """One flat row, as ``--json`` and ``--csv`` give it."""
        found = self.applicability
        return {
            "variant": self.variant.slug,
            "perturber": self.variant.perturber,
            "family": self.variant.perturber.partition(".")[0],
            "severity": self.variant.severity,
            "items": found.items,
            "applicable": found.applicable,
            "changed": found["changed"],
            "unchanged": found["unchanged"],
            "not_applicable": found["not_applicable"],
            "not_applicable_reason": found.reasons.get("not_applicable", ""),
            "refused": found["refused"],
            "refused_reason": found.reasons.get("refused", ""),
            **asdict(self.medians),
            "unavailable": self.unavailable,
        }


@dataclass(frozen=True)
class Subject:
    """A document as an item, with what its canonical prompt measures."""

    doc: Doc
    item: Item
    prompt: str
    measures: TextMeasures


@dataclass(frozen=True)
class _Change:
    """What one changed item adds to the medians."""

    edited_fraction: float | None
    edit_distance: float
    balance: Balance


class CoverageStudy:
    """A task's items, measured once, on which any number of variants are tried."""

    def __init__(
        self,
        spec: TaskSpec,
        limit: int | None = None,
        count_tokens: TokenCount = words_and_marks,
    ) -> None:
        """Read the evaluation split; ``limit`` takes so many items, evenly spaced.

        Raises:
            DataError: when the task has no items.
        """
        self.spec, self._count_tokens = spec, count_tokens
        self.subjects = [
            self._subject(doc) for doc in evenly_spaced(spec.docs(spec.eval_split), limit)
        ]
        if not self.subjects:
            raise DataError(f"task {spec.name} has no items to perturb")

    def _subject(self, doc: Doc) -> Subject:
        item = self.spec.item(doc)
        prompt = self.spec.prompt(doc, item.template)
        return Subject(doc, item, prompt, measure(prompt, self._count_tokens))

    def perturbed_prompt(self, subject: Subject, done: Perturbed) -> str:
        """The prompt of the variant."""
        return self.spec.prompt(self.spec.to_doc(subject.doc, done.item), done.item.template)

    def cover(
        self, variant: Variant, *, strict: bool = True, tick: Callable[[], None] = lambda: None
    ) -> Coverage:
        """Try one variant on every item; ``tick`` is called after each.

        With ``strict`` false, a perturber that lacks data or a package is a row that says so.

        Raises:
            OodropError: for options that the perturber does not take, and for what it lacks.
            RunError: when the perturber fails.
        """
        certificates: list[Certificate] = []
        changes: list[_Change] = []
        with what_it_lacks(strict=strict) as lacks:
            for subject, done in self._tried(variant, tick):
                certificates.append(done.certificate)
                if done.certificate.outcome == "changed":
                    changes.append(self._change(subject, done))
        if lacks:
            return Coverage(variant, Applicability.of(()), _medians(()), lacks[0])
        return Coverage(variant, Applicability.of(certificates), _medians(changes))

    def _tried(
        self, variant: Variant, tick: Callable[[], None]
    ) -> Iterator[tuple[Subject, Perturbed]]:
        apply = Bound(variant)
        for subject in self.subjects:
            yield subject, apply(subject.item)
            tick()

    def _change(self, subject: Subject, done: Perturbed) -> _Change:
        after, certificate = self.perturbed_prompt(subject, done), done.certificate
        eligible = certificate.eligible
        return _Change(
            edited_fraction=len(certificate.edits) / eligible if eligible else None,
            edit_distance=edit_distance(subject.prompt, after, certificate.edits),
            balance=balance(subject.measures, measure(after, self._count_tokens)),
        )


def _medians(changes: Sequence[_Change]) -> Medians:
    return Medians(
        edited_fraction=_median(c.edited_fraction for c in changes),
        edit_distance=_median(c.edit_distance for c in changes),
        length=_median(c.balance.length for c in changes),
        words=_median(c.balance.words for c in changes),
        numerals=_median(c.balance.numerals for c in changes),
        grade=_median(c.balance.grade for c in changes),
        tokens=_median(c.balance.tokens for c in changes),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None

"""The verdict contract (the last ``FINAL ANSWER:`` line decides) and what is measured by it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from oodrop.tasks.engagement import engagement
from oodrop.tasks.procedural.check import COMPLIANT, NON_COMPLIANT
from oodrop.tasks.procedural.schema import COHORTS
from oodrop.tasks.repeats import over_replies

_LINE = re.compile(r"final\s+answer\s*[:\-]?\s*(.*)", re.I)
# "compliant" is a substring of "non-compliant" and of "not fully compliant": the longer ones are
# matched first. Around the parts stand spaces, hyphens, dashes, a minus sign, emphasis.
_VERDICT = re.compile(
    r"\b(non[\s\-\u2010-\u2015\u2212*_]*compliant"
    r"|(?:not|never|\w+n['\u2019]t)(?:[\s*]+\w+){0,3}[\s*]+compliant"
    r"|compliant)\b",
    re.I,
)
_WORD = re.compile(r"\w+")


def parse_verdict(reply: str, labels: Sequence[str] = (COMPLIANT, NON_COMPLIANT)) -> str | None:
    """The verdict of a reply, None when it keeps to no part of the contract.

    The last ``FINAL ANSWER:`` line counts, and exactly one verdict has to stand in it.
    ``labels`` are the words for compliant and non-compliant where the question asks in other ones.
    """
    said = {verdict for verdict, _, _ in _said(reply, labels)}
    return said.pop() if len(said) == 1 else None


def verdict_span(
    reply: str, labels: Sequence[str] = (COMPLIANT, NON_COMPLIANT)
) -> tuple[int, int] | None:
    """Where the verdict that `parse_verdict` reads is first mentioned; None where it reads none."""
    said = list(_said(reply, labels))
    return said[0][1:] if len({verdict for verdict, _, _ in said}) == 1 else None


def _said(reply: str, labels: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Every verdict in the last line with a final answer, with its place in the reply."""
    start, head = _last_line(reply)
    if head is None:
        return
    verdicts = {word.lower(): v for v, word in zip((COMPLIANT, NON_COMPLIANT), labels, strict=True)}
    own, offset = tuple(labels) == (COMPLIANT, NON_COMPLIANT), start + head.start(1)
    for found in (_VERDICT if own else _WORD).finditer(head[1]):
        verdict = _canonical(found[0]) if own else verdicts.get(found[0].lower())
        if verdict is not None:
            yield verdict, offset + found.start(), offset + found.end()


def _last_line(reply: str) -> tuple[int, re.Match[str] | None]:
    """The last line with a final answer: where it begins, and what the pattern finds in it."""
    end = len(reply)
    while end >= 0:
        start = reply.rfind("\n", 0, end) + 1
        if found := _LINE.search(reply[start:end]):
            return start, found
        end = start - 1
    return 0, None


def process_results(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, Any]:
    """Metrics of one document; over several replies to it their means.

    Returns:
        ``acc`` (an unparsed reply is wrong) and ``acc_<type>``; what `engagement` tells of the
        reply, and ``unparsed`` where it ended without a verdict and was not ``truncated``; and
        what is aggregated over documents: ``balanced_acc`` and ``balanced_acc_<cohort>`` (label,
        score), ``flip_pair_acc`` and, where there are anchors, ``anchor_pair_acc`` (pair, score).
    """
    return over_replies(results[0], lambda reply: _metrics(doc, reply))


def _metrics(doc: Mapping[str, Any], reply: str) -> dict[str, Any]:
    found = parse_verdict(reply, doc["labels"])
    acc = float(found == doc["label"])
    start, head = _last_line(reply)
    told = engagement(reply, start + head.start() if head and found is not None else None)
    metrics: dict[str, Any] = {
        "acc": acc,
        **told,
        "unparsed": 1.0 - told["parsed"] - told["truncated"],
        "balanced_acc": (doc["label"], acc),
        "flip_pair_acc": (doc.get("partner_id") or doc["item_id"], acc),
    }
    if "parent_id" in doc:
        metrics["anchor_pair_acc"] = (doc["parent_id"] or doc["item_id"], acc)
    if doc.get("cohort") in COHORTS:  # those that the fragment says how to sum up
        metrics[f"balanced_acc_{doc['cohort']}"] = (doc["label"], acc)
    if "type" in doc:
        metrics[f"acc_{doc['type']}"] = acc
    return metrics


def balanced_accuracy(values: Sequence[tuple[str, float]]) -> float:
    """Mean over the labels of the share of their documents that is right."""
    by_label: dict[str, list[float]] = {}
    for label, acc in values:
        by_label.setdefault(label, []).append(acc)
    return fmean(fmean(scores) for scores in by_label.values())


def pair_accuracy(values: Sequence[tuple[str, float]]) -> float:
    """Share of the pairs of which every document is right; a document alone makes no pair.

    NaN where there is no pair.
    """
    scores: dict[str, list[float]] = {}
    for pair, acc in values:
        scores.setdefault(pair, []).append(acc)
    pairs = [min(found) for found in scores.values() if len(found) > 1]
    return fmean(pairs) if pairs else float("nan")


def _canonical(text: str) -> str:
    return COMPLIANT if text.lower() == COMPLIANT else NON_COMPLIANT

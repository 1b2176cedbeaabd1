"""Checkpoints two by two: one ceiling, different drops? In sentences and as a table."""

from __future__ import annotations

from collections.abc import Iterator

from oodrop.reports.model import TaskReport
from oodrop.reports.render.points import count, points, span
from oodrop.reports.render.tables import Table
from oodrop.reports.render.verdict import Finding, bounds_words, size
from oodrop.reports.statistics import EngagementQuestion, Equivalence, Interval, PairQuestions
from oodrop.reports.statistics.columns import ALL

# Sentences in the verdict; the table has all pairs.
_MOST = 6
_WORDS = {
    "different_drops": "different drops",
    "no_difference_seen": "no difference seen",
    "scale_dependent": "points and logits disagree",
    "cannot_tell": "cannot be told",
}
HEADER = (
    "Loses more",
    "Loses less",
    "Under",
    "Finding",
    "Ceilings apart",
    "Interval",
    "Drops apart",
    "Interval",
    "In logits",
)


def pair_findings(task: TaskReport) -> tuple[Finding, ...]:
    """A sentence per pair with equivalent ceilings, different drops first, and the others counted.

    At most six pairs, then how many more there are; empty where there are no two checkpoints above
    chance.
    """
    pairs = task.questions.pairs
    if pairs is None:
        return ()
    over_all = sorted((q for q in pairs.asked if q.name == ALL), key=_order)
    more = len(over_all) - _MOST
    rest = [Finding("no verdict", f"{count(more, 'more pair')}", " in the table")] * (more > 0)
    return (*(_finding(q, pairs) for q in over_all[:_MOST]), *rest, *_others(pairs))


def pair_table(task: TaskReport) -> Table:
    """A row per pair with equivalent ceilings and name, the families first."""
    pairs = task.questions.pairs
    return Table(
        "Same ceiling, different drop?",
        "Only pairs whose canonical accuracies were shown to be equivalent"
        + (f" within {100.0 * pairs.margin:g} points (two one-sided tests)" if pairs else "")
        + ": the difference of their drops, in points and in log-odds, over the same items; "
        "different where both leave out 0 on the same side. Not adjusted for the number of pairs.",
        HEADER,
        5,
        tuple(_row(q) for q in pairs.asked) if pairs else (),
    )


def _order(question: EngagementQuestion) -> tuple[bool, float]:
    apart = question.points.estimate or 0.0
    return question.verdict != "different_drops", -abs(apart)


def _finding(question: EngagementQuestion, pairs: PairQuestions) -> Finding:
    two = f"{question.heuristic} and {question.engaged}"
    ceiling = f"equivalent canonical accuracies ({_apart(question)})"
    where = "under all natural variants"
    interval = question.points.interval
    basis = f" ({bounds_words(interval)})" if interval else ""
    also = _families(question, pairs)
    if question.verdict == "different_drops":
        lead = f"{question.heuristic} loses {size(question.points.estimate or 0.0)} points more"
        rest = f" than {question.engaged} {where}{basis}, at {ceiling}{also}"
        return Finding("drop", lead, rest)
    if question.verdict == "no_difference_seen":
        rest = f" between {two} {where}{basis}, at {ceiling}{also}"
        return Finding("no drop shown", "no difference of drops seen", rest)
    lead = _WORDS[question.verdict]
    return Finding("no verdict", lead, f" on the drops of {two} {where}{basis}, at {ceiling}{also}")


def _apart(question: EngagementQuestion) -> str:
    found = question.ceilings
    margin = f"{100.0 * found.margin:g} points"
    return f"{points(found.estimate)} points {span(found.interval)}, within {margin}"


def _families(question: EngagementQuestion, pairs: PairQuestions) -> str:
    """Families under which the same two differ, in either direction."""
    same = (question.heuristic, question.engaged)
    names = [
        f"{q.name} ({points(q.points.estimate)})"
        for q in pairs.asked
        if (q.heuristic, q.engaged) == same and q.name != ALL and q.verdict == "different_drops"
    ]
    return f"; by family {', '.join(names)}" if names else ""


def _others(pairs: PairQuestions) -> Iterator[Finding]:
    """How many pairs are not compared, and why."""
    others = [c for c in pairs.ceilings if not c.equivalent]
    if others:
        differ = [c for c in others if c.different]
        unclear = [c for c in others if not c.different]
        equal = f"not shown to be equivalent within {100.0 * pairs.margin:g} points"
        why = [
            f"{len(some)} {words}{_names(some)}"
            for some, words in ((differ, "with different canonical accuracies"), (unclear, equal))
            if some
        ]
        lead = f"{len(others)} of {count(len(pairs.ceilings), 'pair')} not compared"
        yield Finding("no verdict", lead, f": {', '.join(why)}")


def _names(some: list[Equivalence]) -> str:
    """Which pairs, by how many points the first is better; nothing where they are too many."""
    if len(some) > _MOST:
        return ""
    told = (f"{c.a} and {c.b}, {points(c.estimate)}" for c in some)
    return f" ({'; '.join(told)})"


def _row(question: EngagementQuestion) -> tuple[str, ...]:
    found = question.points
    return (
        question.heuristic,
        question.engaged,
        "all natural variants" if question.name == ALL else question.name,
        _WORDS[question.verdict],
        points(question.ceilings.estimate),
        span(question.ceilings.interval),
        points(found.estimate),
        span(found.interval),
        _logits(question.logits),
    )


def _logits(interval: Interval | None) -> str:
    if interval is None:
        return "no interval"
    return f"{interval.estimate:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"

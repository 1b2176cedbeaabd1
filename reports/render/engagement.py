"""How checkpoints replied, as tables and sentences show it: canonical to variant, same items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from oodrop.reports.model import Engagement, Replies, TaskReport
from oodrop.reports.render.points import NOTHING, count, percent
from oodrop.reports.render.rows import checkpoint_names
from oodrop.reports.results import CANONICAL

MEANING = (
    "A wrong answer and a reply in which no answer could be read both score nothing; here they "
    "stand apart. Canonical to variant, over the same items."
)
# A share that moves this far is told in a sentence; so is one twice as large to begin with.
REMARKABLE = 0.05
# More rows than this are folded.
LONG = 12


@dataclass(frozen=True)
class Column:
    """A figure of `Replies`: where it stands, what it is called, and how it is written."""

    name: str
    heading: str
    words: Callable[[float], str]

    def of(self, replies: Replies) -> float | None:
        """The figure."""
        value: float | None = attrgetter(self.name)(replies)
        return value

    def cell(self, found: Engagement) -> str:
        """`2.0% to 9.5%`; one figure for the canonical replies themselves."""
        pair = (self.of(found.canonical), self.of(found.replies))
        before, after = (NOTHING if value is None else self.words(value) for value in pair)
        return after if found.variant == CANONICAL else f"{before} to {after}"


def _tokens(value: float) -> str:
    return f"{value:.1f}"


COLUMNS = (
    Column("right", "Right", percent),
    Column("wrong", "Wrong, parsed", percent),
    Column("unparsed", "Unparsed", percent),
    Column("truncated", "Unparsed and broken off", percent),
    Column("at_once", "Answered at once", percent),
    Column("median_tokens", "Tokens before the answer, median", _tokens),
    Column("mean_tokens", "The same, mean", _tokens),
)


@dataclass(frozen=True)
class EngagementTable:
    """The table of a task: `columns` are those of which anything was logged."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Engagement, ...]], ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(found) for _, found in self.groups)

    @property
    def folded(self) -> bool:
        """Whether it is too long to lie open."""
        return self.rows > LONG


def engagement_table(task: TaskReport) -> EngagementTable | None:
    """The table by checkpoint, canonical first; None where the task logs no engagement."""
    if not task.engagement:
        return None
    groups = [(n, tuple(_of(task, n))) for n in checkpoint_names(task)]
    columns = [c for c in COLUMNS if any(c.of(e.replies) is not None for e in task.engagement)]
    return EngagementTable(tuple(columns), tuple(group for group in groups if group[1]))


def remarks(task: TaskReport) -> tuple[tuple[str, str], ...]:
    """Checkpoint and sentence for all that is remarkable, the largest shift first."""
    return tuple((name, text) for name in checkpoint_names(task) for text in _remarks(task, name))


def reply_lines(task: TaskReport) -> tuple[tuple[str, str], ...]:
    """Checkpoint and one line on its replies: the canonical ones, and the farthest shift."""
    lines = []
    for name in checkpoint_names(task):
        found = list(_of(task, name))
        if found:
            shifted = [text for _, text in sorted(_parse_shifts(found), key=_largest)]
            lines.append((name, "; ".join([_level(found[0].replies), *shifted[:1]])))
    return tuple(lines)


def repeats_words(task: TaskReport) -> str:
    """`Each score is the mean of 4 replies per item.`; empty where there is one reply."""
    counts = task.replies_per_item
    if max(counts.values(), default=1) == 1:
        return ""
    if len({*counts.values()}) == 1:
        return f"Each score is the mean of {max(counts.values())} replies per item."
    listed = ", ".join(f"{name}: {count(k, 'reply', 'replies')}" for name, k in counts.items())
    return f"Each score is the mean of an item's replies ({listed} per item)."


def _of(task: TaskReport, name: str) -> Iterator[Engagement]:
    return (e for e in task.engagement if e.checkpoint == name)


def _level(replies: Replies) -> str:
    told = [] if replies.unparsed is None else [f"{percent(1.0 - replies.unparsed)} parsed"]
    if replies.at_once is not None:
        told.append(f"{percent(replies.at_once)} at once")
    if replies.median_tokens is not None:
        told.append(f"{_tokens(replies.median_tokens)} tokens before the answer (median)")
    return ", ".join(told) or "nothing logged on the canonical prompts"


def _remarks(task: TaskReport, name: str) -> Iterator[str]:
    found = list(_of(task, name))
    unparsed = found[0].replies.unparsed if found else None
    if found and unparsed is not None and unparsed >= 2.0 * REMARKABLE:
        yield (
            f"{percent(unparsed)} of the canonical replies hold no answer that could be read"
            f"{_broken_off(found[0].replies)}"
        )
    yield from (text for _, text in sorted([*_parse_shifts(found), *_at_once(found)], key=_largest))


def _largest(shift: tuple[float, str]) -> float:
    return -abs(shift[0])


def _parse_shifts(found: list[Engagement]) -> Iterator[tuple[float, str]]:
    for e in found:
        shift = _shift(e.canonical.unparsed, e.replies.unparsed)
        if shift:
            words = _words(e, "parse failures", e.canonical.unparsed, e.replies.unparsed)
            yield shift, f"{words}{_broken_off(e.replies)}{_lost(e)}"


def _at_once(found: list[Engagement]) -> Iterator[tuple[float, str]]:
    for e in found:
        shift = _shift(e.canonical.at_once, e.replies.at_once)
        if shift:
            yield shift, _words(e, "answers at once", e.canonical.at_once, e.replies.at_once)


def _shift(before: float | None, after: float | None) -> float:
    """By how much the share moved; 0 where that is not worth a sentence."""
    moved = 0.0 if before is None or after is None else after - before
    return moved if abs(moved) >= REMARKABLE - 1e-9 else 0.0


def _words(e: Engagement, what: str, before: float | None, after: float | None) -> str:
    return (
        f"{what} {percent(before or 0.0)} to {percent(after or 0.0)} under {e.variant} "
        f"({count(e.n, 'item')})"
    )


def _broken_off(replies: Replies) -> str:
    if not replies.unparsed or replies.truncated is None:
        return ""
    return f", {percent(min(replies.truncated / replies.unparsed, 1.0))} of them broken off"


def _lost(e: Engagement) -> str:
    if not e.lost or e.lost_unparsed is None:
        return ""
    return f"; of {count(e.lost, 'lost item')} {e.lost_unparsed} parsed less than before"

"""The sample of flipped items to browse in a page, every text cut to its share of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from heapq import nsmallest

from markupsafe import escape

from oodrop.reports.model import MAX_FLIPS, Flip, Report, TaskReport
from oodrop.reports.render.diff import Segment, word_diff
from oodrop.reports.render.labels import task_labels
from oodrop.reports.render.rows import checkpoint_names
from oodrop.reports.render.text import clip, visible

# Bytes of HTML for the texts of all flips together: 300 flips must leave a page that opens fast.
_BUDGET = 840_000
_LEAST, _MOST = 400, 24_000


@dataclass(frozen=True)
class FlipView:
    """A flip ready to show: `diff` of the prompts, each reply as head, what is left out, tail.

    `chosen_by` are the places of its task, checkpoint and variant in the lists of the explorer.
    """

    flip: Flip
    task: str
    chosen_by: tuple[int, int, int]
    diff: tuple[Segment, ...]
    canonical_reply: tuple[str, str, str]
    variant_reply: tuple[str, str, str]

    @property
    def words(self) -> str:
        """What became of the item; with both scores where a score is a mean of several replies."""
        flip = self.flip
        better = "on the canonical prompt" if flip.direction == "lost" else "on the variant"
        scores = (flip.canonical_score, flip.variant_score)
        means = "" if {*scores} <= {0.0, 1.0} else f": {scores[0]:.3g} to {scores[1]:.3g}"
        return f"{flip.direction} (better {better}{means})"

    @property
    def identical(self) -> bool:
        """Whether both prompts are the same, as under a rerun."""
        return self.flip.canonical_prompt == self.flip.variant_prompt


@dataclass(frozen=True)
class Counted:
    """How many flips of a checkpoint on a task are in the page, of how many there are."""

    task: str
    checkpoint: str
    shown: int
    total: int


@dataclass(frozen=True)
class Explorer:
    """The flips of a page in the order of its tables, and by what they can be chosen.

    Each of `tasks`, `checkpoints` and `variants` names what stands in a list to choose from; a
    view points into them by number, so that no text of a run ever reaches the script.
    """

    flips: tuple[FlipView, ...]
    counts: tuple[Counted, ...]
    tasks: tuple[str, ...]
    checkpoints: tuple[str, ...]
    variants: tuple[str, ...]

    @property
    def total(self) -> int:
        """All flips there are."""
        return sum(c.total for c in self.counts)


def explorer(report: Report) -> Explorer:
    """At most `MAX_FLIPS` of the report's flips, every text cut to its share of the page."""
    tasks = _own(report)
    chosen = _chosen(tasks)
    room = room_per_flip(len(chosen))
    labels = tuple(dict.fromkeys(label for label, _ in chosen))
    checkpoints = tuple(dict.fromkeys(flip.checkpoint for _, flip in chosen))
    variants = tuple(dict.fromkeys(flip.variant for _, flip in chosen))
    views = tuple(
        _view(
            flip,
            label,
            (labels.index(label), checkpoints.index(flip.checkpoint), variants.index(flip.variant)),
            room,
        )
        for label, flip in chosen
    )
    return Explorer(views, tuple(_counts(tasks, chosen)), labels, checkpoints, variants)


def room_per_flip(flips: int) -> int:
    """Bytes of HTML that the texts of one flip may take, so that all of them fit."""
    return min(max(_BUDGET // max(flips, 1), _LEAST), _MOST)


def _own(report: Report) -> list[tuple[str, TaskReport]]:
    """Label and task, without tasks that pool others: their items are those of the others."""
    named = list(zip(task_labels(report), report.tasks, strict=True))
    return [(label, task) for label, task in named if task.every_flip] or named


def _chosen(tasks: Sequence[tuple[str, TaskReport]]) -> list[tuple[str, Flip]]:
    """All, or those with the smallest hashes where the tasks have more than the page holds."""
    every = [(label, flip) for label, task in tasks for flip in _of(task)]
    if len(every) <= MAX_FLIPS:
        return every
    kept = {*nsmallest(MAX_FLIPS, range(len(every)), key=lambda k: _rank(*every[k]))}
    return [every[k] for k in range(len(every)) if k in kept]


def _of(task: TaskReport) -> list[Flip]:
    """In the order of the tables."""
    names = {name: k for k, name in enumerate(checkpoint_names(task))}
    slugs = {v.slug: k for k, v in enumerate(task.variants)}
    return sorted(
        task.flips, key=lambda f: (names.get(f.checkpoint, 0), slugs.get(f.variant, 0), f.item_id)
    )


def _rank(label: str, flip: Flip) -> bytes:
    place = "\x1f".join((label, flip.checkpoint, flip.variant, flip.item_id))
    return sha256(place.encode("utf-8", "replace")).digest()


def _counts(
    tasks: Sequence[tuple[str, TaskReport]], chosen: Sequence[tuple[str, Flip]]
) -> Iterator[Counted]:
    shown = Counter((label, flip.checkpoint) for label, flip in chosen)
    for label, task in tasks:
        logged = Counter(flip.checkpoint for flip in task.flips)
        for name in dict.fromkeys((*checkpoint_names(task), *logged)):
            total = max(task.flips_total.get(name, 0), logged[name])
            yield Counted(label, name, shown[label, name], total)


def _view(flip: Flip, label: str, chosen_by: tuple[int, int, int], room: int) -> FlipView:
    """Half of the room for the prompts, a quarter for each reply."""
    before, after = visible(flip.canonical_prompt), visible(flip.variant_prompt)
    first, second = visible(flip.canonical_reply), visible(flip.variant_reply)
    return FlipView(
        flip=flip,
        task=label,
        chosen_by=chosen_by,
        diff=word_diff(before, after, _characters(before + after, room // 2)),
        canonical_reply=clip(first, _characters(first, room // 4)),
        variant_reply=clip(second, _characters(second, room // 4)),
    )


def _characters(text: str, room: int) -> int:
    """How many characters of `text` fit into `room` bytes of escaped UTF-8."""
    weight = len(str(escape(text)).encode()) / len(text) if text else 1.0
    return max(int(room / weight), 40)

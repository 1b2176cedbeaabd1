"""The sample of flipped items, grouped to browse, every text cut to its share of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import escape

from oodrop.reports.model import Flip, Report, TaskReport
from oodrop.reports.render.diff import Segment, word_diff
from oodrop.reports.render.rows import checkpoint_names
from oodrop.reports.render.text import clip, visible

# Bytes of HTML for the texts of all flips together: 300 flips must leave a page that opens fast.
_BUDGET = 840_000
_LEAST, _MOST = 400, 24_000


@dataclass(frozen=True)
class FlipView:
    """A flip ready to show: `diff` of the prompts, each reply as head, what is left out, tail."""

    flip: Flip
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
class VariantFlips:
    """The flips of one variant."""

    variant: str
    flips: tuple[FlipView, ...]


@dataclass(frozen=True)
class CheckpointFlips:
    """The flips of one checkpoint by variant: `shown` of `total`."""

    checkpoint: str
    shown: int
    total: int
    variants: tuple[VariantFlips, ...]


def room_per_flip(report: Report) -> int:
    """Bytes of HTML that the texts of one flip may take, so that all of them fit."""
    flips = sum(len(task.flips) for task in report.tasks)
    return min(max(_BUDGET // max(flips, 1), _LEAST), _MOST)


def grouped(task: TaskReport, room: int) -> tuple[CheckpointFlips, ...]:
    """The task's flips by checkpoint and variant, in the order of the tables."""
    names = dict.fromkeys((*checkpoint_names(task), *(f.checkpoint for f in task.flips)))
    return tuple(_checkpoint(task, name, room) for name in names)


def _checkpoint(task: TaskReport, name: str, room: int) -> CheckpointFlips:
    flips = [f for f in task.flips if f.checkpoint == name]
    slugs = dict.fromkeys((*(v.slug for v in task.variants), *(f.variant for f in flips)))
    return CheckpointFlips(
        checkpoint=name,
        shown=len(flips),
        total=max(task.flips_total.get(name, 0), len(flips)),
        variants=tuple(_variants(flips, slugs, room)),
    )


def _variants(flips: list[Flip], slugs: dict[str, None], room: int) -> Iterator[VariantFlips]:
    for slug in slugs:
        chosen = tuple(_view(f, room) for f in flips if f.variant == slug)
        if chosen:
            yield VariantFlips(slug, chosen)


def _view(flip: Flip, room: int) -> FlipView:
    """Half of the room for the prompts, a quarter for each reply."""
    before, after = visible(flip.canonical_prompt), visible(flip.variant_prompt)
    first, second = visible(flip.canonical_reply), visible(flip.variant_reply)
    return FlipView(
        flip=flip,
        diff=word_diff(before, after, _characters(before + after, room // 2)),
        canonical_reply=clip(first, _characters(first, room // 4)),
        variant_reply=clip(second, _characters(second, room // 4)),
    )


def _characters(text: str, room: int) -> int:
    """How many characters of `text` fit into `room` bytes of escaped UTF-8."""
    weight = len(str(escape(text)).encode()) / len(text) if text else 1.0
    return max(int(room / weight), 40)

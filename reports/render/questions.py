"""What is asked of a whole task, as tables of words: empty ones are left out."""

from __future__ import annotations

from collections.abc import Iterator

from oodrop.reports.model import TaskReport
from oodrop.reports.render.pairs import pair_table
from oodrop.reports.render.points import NOTHING, percent, points, span
from oodrop.reports.render.robustness import robustness_table, shares
from oodrop.reports.render.tables import Table
from oodrop.reports.statistics import Interval, Rate, RelativeDrop
from oodrop.reports.statistics.columns import ALL


def question_tables(task: TaskReport) -> tuple[Table, ...]:
    """The tables of a task, the ones that decide something first."""
    others = (
        robustness_table(task),
        _severity(task),
        _consistency(task),
        _sensitivity(task),
        _relative(task),
        _templates(task),
    )
    return (*deciding_tables(task), *(table for table in others if table.rows))


def deciding_tables(task: TaskReport) -> tuple[Table, ...]:
    """Those that decide between checkpoints or variants: what a terminal has room for."""
    tables = (_stopped(task), _contrasts(task), pair_table(task), _ranks(task), _worst(task))
    return tuple(table for table in tables if table.rows)


def _stopped(task: TaskReport) -> Table:
    margins = dict.fromkeys(f"{100.0 * s.gate.margin:g}" for s in task.stopped)
    return Table(
        "Stopped when decided",
        "Each variant was asked in random order until a sequential gate knew whether its drop over "
        f"the full run lies below the margin of {' or '.join(margins)} points (PASS) or above it "
        "(FAIL), wrong with a probability of at most alpha for each variant. "
        "Drops in points over the changed items that were asked.",
        ("Checkpoint", "Under", "Verdict", "Drop", "Asked", "Left out"),
        4,
        tuple(
            (
                s.checkpoint,
                under(s.variant),
                s.gate.decision or "open",
                NOTHING if s.gate.estimate is None else points(s.gate.estimate),
                f"{s.gate.changed:,} of {s.gate.changed_of:,}",
                percent(1 - s.gate.changed / s.gate.changed_of),
            )
            for s in task.stopped
        ),
    )


def _contrasts(task: TaskReport) -> Table:
    questions = task.questions
    return Table(
        "Which of two loses more",
        "Drop of the first minus drop of the second, in points, over the same items; * where 0 is "
        "excluded. p is adjusted for all rows (Holm). Checkpoints that are not shown to be above "
        "chance have nothing to lose and are left out.",
        ("First", "Second", "Under", "Contrast", "Interval", "p"),
        3,
        tuple(
            (
                c.a,
                c.b,
                under(c.name),
                starred(c.estimate, c.interval),
                span(c.interval),
                p_words(p),
            )
            for c, p in zip(questions.contrasts, questions.contrast_p, strict=True)
        ),
    )


def _ranks(task: TaskReport) -> Table:
    return Table(
        "Places by accuracy on the variants",
        "The places that the data allow, all of them right together; checkpoints of one group may "
        "share a place.",
        ("Checkpoint", "Group", "Accuracy on variants", "Place", "Places allowed"),
        4,
        tuple(
            (
                r.checkpoint,
                str(r.tie_group),
                NOTHING if r.accuracy is None else percent(r.accuracy),
                str(r.rank),
                str(r.best) if r.best == r.worst else f"{r.best} to {r.worst}",
            )
            for r in task.questions.ranks
        ),
    )


def _worst(task: TaskReport) -> Table:
    return Table(
        "The largest drop of any natural variant",
        "A band for the true largest drop, in points, from intervals that hold together; the "
        "largest one observed is picked after the fact and too large.",
        ("Checkpoint", "May be", "Largest observed", "Band"),
        2,
        tuple(
            (w.checkpoint, _some(w.candidates), points(w.largest_observed), _band(w.low, w.high))
            for w in task.questions.worst
        ),
    )


def _severity(task: TaskReport) -> Table:
    return Table(
        "How drops grow with severity",
        "Drops in points over the items that every severity changed, and the slope per step.",
        ("Checkpoint", "Perturber", "Items", "Drop by severity", "Slope", "Interval"),
        4,
        tuple(
            (
                c.checkpoint,
                c.perturber,
                str(c.n),
                ", ".join(f"{p.severity}: {points(p.estimate)}" for p in c.points),
                starred(c.slope, c.slope_interval),
                span(c.slope_interval),
            )
            for c in task.questions.severity
        ),
    )


def _consistency(task: TaskReport) -> Table:
    return Table(
        "Item by item",
        "Over the items that a natural variant changed: right on canonical and under every one of "
        "them, the accuracy if each item counts by its worst variant, and the share of scores "
        "that moved. They fall as variants are added: compare on the same ones only.",
        ("Checkpoint", "Items", "All right", "Interval", "Worst of an item", "Interval", "Moved"),
        6,
        tuple(
            (
                c.checkpoint,
                str(c.worst.n),
                _share(c.all_right),
                _shares(c.all_right),
                _share(c.worst),
                _shares(c.worst),
                _share(next((m.flip for m in c.moves if m.name == ALL), None)),
            )
            for c in task.questions.consistency
            if c.worst is not None
        ),
    )


def _sensitivity(task: TaskReport) -> Table:
    return Table(
        "Does it notice a changed meaning?",
        "Controls that change the right answer, over the items that they changed: accuracy before "
        "and after, the share right on both, and the share right before and wrong after, as of a "
        "model that gives the same answer to both.",
        (
            "Checkpoint",
            "Control",
            "Items",
            "Before",
            "After",
            "Both",
            "Interval",
            "Before only",
            "Interval",
        ),
        7,
        tuple(
            (
                s.checkpoint,
                s.name,
                str(s.noticed.n),
                _share(s.before),
                _share(s.after),
                _share(s.noticed),
                _shares(s.noticed),
                _share(s.blind),
                _shares(s.blind),
            )
            for s in task.questions.sensitivity
            if s.noticed.n
        ),
    )


def _relative(task: TaskReport) -> Table:
    questions = task.questions
    return Table(
        "What share of the accuracy is lost",
        "In percent: the drop divided by the canonical accuracy over the same items, and by what "
        "of it lies above chance; no interval where that is not shown to be above 0.",
        ("Checkpoint", "Under", "Of the accuracy", "Interval", "Of that above chance", "Interval"),
        4,
        tuple(
            (r.checkpoint, under(r.name), *_ratio(r), *_ratio(c))
            for r, c in zip(questions.relative, questions.chance_corrected, strict=True)
        ),
    )


def _templates(task: TaskReport) -> Table:
    return Table(
        "Templates as a sample",
        "The drop under a typical template, with an interval over items and templates; the place "
        "of the canonical one is the share of templates that score below it.",
        ("Checkpoint", "Templates", "Drop", "Interval", "Place of the canonical"),
        4,
        tuple(
            (
                t.checkpoint,
                str(t.templates),
                starred(t.estimate, t.interval),
                span(t.interval),
                NOTHING if t.canonical_percentile is None else percent(t.canonical_percentile),
            )
            for t in task.questions.templates
        ),
    )


def under(name: str) -> str:
    """What the row stands for: a variant, a family, or all natural variants."""
    return "all natural variants" if name == ALL else name


def starred(estimate: float | None, interval: Interval | None) -> str:
    """The estimate in points, with a star where the interval leaves 0 out."""
    mark = " *" if interval is not None and interval.excludes(0.0) else ""
    return points(estimate) + mark


def p_words(value: float | None) -> str:
    """A p value with three decimals."""
    if value is None:
        return NOTHING
    return "under 0.001" if value < 0.001 else f"{value:.3f}"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or NOTHING


def _band(low: float | None, high: float | None) -> str:
    return "no band" if low is None or high is None else f"[{points(low)}, {points(high)}]"


def _share(rate: Rate | None) -> str:
    return NOTHING if rate is None or rate.estimate is None else percent(rate.estimate)


def _shares(rate: Rate | None) -> str:
    return shares(None if rate is None else rate.interval)


def _ratio(found: RelativeDrop) -> Iterator[str]:
    yield NOTHING if found.estimate is None else f"{points(found.estimate)}%"
    yield span(found.interval)

"""A plan in words: tables for a terminal, an object for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oodrop.harness_ext.foresight.prospects import Aim, Assumption, Prospect
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.render.points import NOTHING, percent, points
from oodrop.reports.render.questions import under
from oodrop.reports.render.tables import Table

SCHEMA = "oodrop-plan"
SCHEMA_VERSION = "0.1"


def foresight_object(
    found: Sequence[Prospect], aim: Aim, notes: Sequence[str], estimate: Any
) -> dict[str, Any]:
    """Everything, in shares; ``estimate`` is None without a model."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **plain(aim),
        "notes": list(notes),
        "rows": [plain(row) for row in found],
        "estimate": estimate,
    }


def foresight_tables(found: Sequence[Prospect], aim: Aim) -> tuple[Table, Table, Table]:
    """What is there and needed, what would come of it, and what that rests on."""
    return _needs(found, aim), _chances(found, aim), _grounds(found)


def _needs(found: Sequence[Prospect], aim: Aim) -> Table:
    drop = f"a true drop of {points(aim.drop)} points"
    return Table(
        "Items there and items needed",
        f"Detectable: smallest drop in points that is found with a chance of {aim.power:.0%} "
        f"(two-sided test at {aim.alpha:g}). To pass: changed items with which a gate of "
        f"{100 * aim.margin:g} points passes {drop} with that chance; to decide: with which it is "
        f"INCONCLUSIVE at most {aim.inconclusive:.0%} of the time.",
        ("Task", "Under", "Changed", "Clusters", "Effective", "Detectable", "To pass", "To decide"),
        6,
        tuple(
            (
                row.reach.task,
                under(row.reach.name),
                f"{_about(row)}{row.reach.changed} of {row.reach.items}",
                f"{_about(row)}{row.reach.clusters}",
                f"{row.reach.changed / row.cluster_size.value:.0f}",
                NOTHING if row.detectable is None else f"{100 * row.detectable:.1f}",
                _items(row.required),
                _items(row.enough),
            )
            for row in found
        ),
    )


def _chances(found: Sequence[Prospect], aim: Aim) -> Table:
    drops = aim.drops
    saves = [drop for drop in drops if drop != aim.margin]
    return Table(
        f"Chances at a margin of {100 * aim.margin:g} points",
        "PASS / FAIL / INCONCLUSIVE in percent at each true drop, then the share of the variant's "
        "items that oodrop run --stop-when decided would leave out (simulated; it asks about the "
        "items of the full run, these chances about all items like them).",
        (
            "Task",
            "Under",
            *(f"Drop {points(drop)}" for drop in drops),
            *(f"Saved at {points(drop)}" for drop in saves),
        ),
        len(drops) + len(saves),
        tuple(
            (
                row.reach.task,
                under(row.reach.name),
                *(row.note or _percents(row, drop) for drop in drops),
                *(_saved(row, drop) for drop in saves),
            )
            for row in found
        ),
    )


def _grounds(found: Sequence[Prospect]) -> Table:
    return Table(
        "What this rests on",
        "Accuracy on the canonical items, correlation of canonical and perturbed answer, "
        "intraclass correlation of their difference, cluster size as an item sees it; stated, of "
        "the pilot, counted on the items, or a conservative value where nobody says. Families: "
        "answers under two variants correlate as each does with the canonical one.",
        ("Task", "Under", "Accuracy", "Correlation", "ICC", "Cluster size"),
        4,
        tuple((task, _some(names), *told) for (task, told), names in _alike(found).items()),
    )


def _alike(found: Sequence[Prospect]) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """Names of the rows of a task that rest on the very same values."""
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row in found:
        told = (
            _told(row.accuracy, 3),
            _told(row.correlation, 2),
            _told(row.icc, 2),
            _told(row.cluster_size, 1),
        )
        names.setdefault((row.reach.task, told), []).append(under(row.reach.name))
    return names


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _about(row: Prospect) -> str:
    return "about " if row.reach.about else ""


def _items(number: int | None) -> str:
    return NOTHING if number is None else str(number)


def _percents(row: Prospect, drop: float) -> str:
    chances = next(o.chances for o in row.outlooks if o.drop == drop)
    values = (chances.pass_, chances.fail, chances.inconclusive)
    return " / ".join(f"{100 * value:.0f}" for value in values)


def _saved(row: Prospect, drop: float) -> str:
    saved = next(o.saved for o in row.outlooks if o.drop == drop)
    return NOTHING if saved is None else percent(saved)


def _told(found: Assumption, digits: int) -> str:
    return f"{found.value:.{digits}f} ({found.source})"

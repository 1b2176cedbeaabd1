"""The leaderboard as data: JSON for programs, CSV for spreadsheets, and pairs for the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from oodrop.reports.leaderboard.entries import Entry
from oodrop.reports.leaderboard.ranking import Board, Ranking, Row
from oodrop.reports.render.csvfile import bounds, guarded, hundredths
from oodrop.reports.render.jsonfile import plain
from oodrop.reports.statistics import Drop, Interval, RankSet

SCHEMA = "oodrop-leaderboard"
SCHEMA_VERSION = "0.1"
SCHEMA_FILE = Path(__file__).parent / "leaderboard.schema.json"
RANKING_COLUMNS = (
    "ranking",
    "task",
    "suite",
    "items",
    "changed_items",
    "checkpoint",
    "id",
    "reference_model",
    "rank",
    "rank_best",
    "rank_worst",
    "tie_group",
    "variant_accuracy_percent",
    "variant_low",
    "variant_high",
    "canonical_accuracy_percent",
    "canonical_low",
    "canonical_high",
    "above_chance",
    "effective_robustness_points",
    "effective_robustness_low",
    "effective_robustness_high",
)
DROP_COLUMNS = (
    "ranking",
    "task",
    "checkpoint",
    "id",
    "kind",
    "name",
    "family",
    "drop_points",
    "low",
    "high",
    "changed_items",
    "lost",
    "gained",
    "flags",
)


def board_json(board: Board) -> bytes:
    """Everything but the differences of pairs, as strict JSON (see leaderboard.schema.json).

    Accuracies and drops are in the unit of the metric.
    """
    whole = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "oodrop_version": board.oodrop_version,
        "title": board.title,
        "checkpoints": [_entry(entry, board.names[entry.id]) for entry in board.entries],
        "rankings": [_ranking(ranking) for ranking in board.rankings],
        "refused": [{"bundle": r.bundle, "reason": r.reason} for r in board.refused],
        "notes": list(board.notes),
    }
    return orjson.dumps(plain(whole), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _entry(entry: Entry, name: str) -> dict[str, Any]:
    words = (
        "id", "bundle", "model_id", "organization", "model", "model_args", "chat_template",
        "lm_eval_version", "date", "oodrop_version", "reference", "rows", "verified",
    )  # fmt: skip
    return {
        "name": name,
        **{key: getattr(entry, key) for key in words},
        "not_proved": list(entry.not_proved),
        "notes": list(entry.notes),
    }


def _ranking(ranking: Ranking) -> dict[str, Any]:
    words = (
        "id", "task", "metric", "chance", "num_fewshot", "items", "suite", "line", "level",
        "resamples", "seed",
    )  # fmt: skip
    return {
        **{key: getattr(ranking, key) for key in words},
        "changed_items": ranking.n,
        "variants": [plain(variant) for variant in ranking.variants],
        "rows": [_row(row) for row in ranking.rows],
        "notes": list(ranking.notes),
    }


def _row(row: Row) -> dict[str, Any]:
    point, above = row.point, row.robustness
    return {
        "id": row.entry,
        "name": row.name,
        "place": _place(row.place),
        "role": point.role,
        "above_chance": row.accuracy.above_chance,
        "variant": _value(point.variant, point.variant_interval),
        "canonical": _value(point.canonical, point.canonical_interval),
        "canonical_all_items": _value(row.accuracy.estimate, row.accuracy.interval),
        "effective_robustness": _value(above.estimate, above.interval) if above else None,
        "drops": [_drop(drop) for drop in row.drops],
        "outcomes": row.outcomes,
        "generation": row.generation,
    }


def _place(place: RankSet | None) -> dict[str, int] | None:
    if place is None:
        return None
    return {key: getattr(place, key) for key in ("rank", "best", "worst", "tie_group")}


def _value(estimate: float | None, interval: Interval | None) -> dict[str, float | None]:
    low, high = (interval.low, interval.high) if interval else (None, None)
    return {"estimate": estimate, "low": low, "high": high}


def _drop(drop: Drop) -> dict[str, Any]:
    words = ("name", "kind", "family", "n", "lost", "gained", "detectable")
    return {
        **{key: getattr(drop, key) for key in words},
        **_value(drop.estimate, drop.headline),
        "method": drop.headline.method if drop.headline else None,
        "flags": list(drop.flags),
    }


def ranking_csv(board: Board) -> str:
    """A row per ranking and checkpoint; accuracies in percent, differences in points."""
    return _csv(RANKING_COLUMNS, (_ranking_cells(r, row) for r in board.rankings for row in r.rows))


def drops_csv(board: Board) -> str:
    """A row per ranking, checkpoint and variant or family; drops and bounds in points."""
    return _csv(
        DROP_COLUMNS,
        (
            [
                ranking.id,
                *map(guarded, (ranking.task, row.name)),
                row.entry,
                drop.kind,
                *map(guarded, (drop.name, drop.family)),
                hundredths(drop.estimate),
                *bounds(drop.headline),
                drop.n,
                drop.lost,
                drop.gained,
                " ".join(drop.flags),
            ]
            for ranking in board.rankings
            for row in ranking.rows
            for drop in row.drops
        ),
    )


def _ranking_cells(ranking: Ranking, row: Row) -> list[str | int]:
    place, point, above = row.place, row.point, row.robustness
    return [
        ranking.id,
        *map(guarded, (ranking.task, ranking.suite)),
        ranking.items,
        ranking.n,
        guarded(row.name),
        row.entry,
        "yes" if point.role == "reference model" else "no",
        *((place.rank, place.best, place.worst, place.tie_group) if place else ("",) * 4),
        hundredths(point.variant),
        *bounds(point.variant_interval),
        hundredths(point.canonical),
        *bounds(point.canonical_interval),
        "yes" if row.accuracy.above_chance else "no",
        hundredths(above.estimate if above else None),
        *bounds(above.interval if above else None),
    ]


def _csv(columns: tuple[str, ...], rows: Iterator[list[str | int]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def pairs_json(board: Board) -> str:
    """What the compare page looks up, in points and percent; safe inside a ``<script>``.

    A ranking's differences are in the order (0, 1), (0, 2), …, (1, 2), … of its ``names``, three
    numbers each: difference and interval, null for none.
    """
    found = orjson.dumps(plain([_pairs(ranking) for ranking in board.rankings])).decode()
    # Nothing in it may end the element, or be a line end to an old parser.
    for sign in "<>&\u2028\u2029":
        found = found.replace(sign, f"\\u{ord(sign):04x}")
    return found


def _pairs(ranking: Ranking) -> dict[str, Any]:
    by_name = {row.name: row for row in ranking.rows}
    # All pairs of c0, c1, c2, … begin with (c0, c1), (c0, c2), ….
    pairs = ((v.a, v.b) for v in ranking.versus["variant"])
    names = list(dict.fromkeys(name for pair in pairs for name in pair)) or list(by_name)
    rows = [by_name[name] for name in names]
    quantities = ("variant", "canonical", "drop", *ranking.families)
    return {
        "id": ranking.id,
        "task": ranking.task,
        "quantities": quantities,
        "names": names,
        "ids": [row.entry for row in rows],
        "places": [
            None if row.place is None else [row.place.best, row.place.worst] for row in rows
        ],
        "values": [[_of(row, quantity) for quantity in quantities] for row in rows],
        "differences": {
            quantity: [
                _number(number)
                for v in ranking.versus[quantity]
                for number in (v.estimate, *_both(v.interval))
            ]
            for quantity in quantities
        },
    }


def _of(row: Row, quantity: str) -> list[float | None]:
    """Estimate and interval of a checkpoint's own, in percent or points."""
    point = row.point
    if quantity == "variant":
        return [_number(point.variant), *map(_number, _both(point.variant_interval))]
    if quantity == "canonical":
        return [_number(point.canonical), *map(_number, _both(point.canonical_interval))]
    if quantity == "drop":
        return [_number(point.canonical - point.variant), None, None]
    (drop,) = [d for d in row.drops if d.kind == "family" and d.name == quantity]
    return [_number(drop.estimate), *map(_number, _both(drop.headline))]


def _both(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def _number(value: float | None) -> float | None:
    """In percent or points; the page rounds it once more, to one decimal. Never -0.0."""
    return None if value is None else round(100.0 * value, 5) + 0.0

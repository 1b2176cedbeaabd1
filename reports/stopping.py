"""Runs that were stopped when the answer was known: what was left out, and what was decided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from oodrop import DataError
from oodrop.reports.checks import shown
from oodrop.reports.statistics.decisions.decision import Verdict
from oodrop.reports.table import OUTCOMES

if TYPE_CHECKING:
    from oodrop.reports.results import Samples


@dataclass(frozen=True)
class Stopped:
    """Where the sequential gate of one variant stood when it was asked no more.

    Attributes:
        decision: of the gate on the drop over all changed items of the full run: PASS, the drop is
            below the margin; FAIL, above it; None where nothing was changed or it stayed open.
        margin: largest drop that passes.
        alpha: risk of each wrong decision.
        estimate: mean drop over the changed items that were asked; None without any.
        items: how many items were asked, of `items_of`.
        changed: how many of them the variant changed, of `changed_of` in the full run.
    """

    decision: Verdict | None
    margin: float
    alpha: float
    estimate: float | None
    items: int
    items_of: int
    changed: int
    changed_of: int


def stopped(where: str, noted: object, task: str) -> Stopped | None:
    """What a results file notes of a task under ``config.stopping``; None for nothing.

    Raises:
        DataError: when it is not what ``oodrop run --stop-when decided`` writes.
    """
    if noted is None:
        return None
    tasks = noted.get("tasks") if isinstance(noted, dict) else None
    row = tasks.get(task) if isinstance(tasks, dict) else None
    if not isinstance(noted, dict) or not isinstance(row, dict):
        raise DataError(f"{where}: config.stopping says nothing of {task}")
    if noted.get("estimand") != "full_run":
        raise DataError(
            f"{where}: the estimand of config.stopping must be full_run, got "
            f"{shown(noted.get('estimand'))}"
        )
    row = {"changed": 0, "changed_of": 0, "decision": None, "estimate": None, **row}
    for part, whole in (("items", "items_of"), ("changed", "changed_of")):
        if not _counts(row.get(part), row.get(whole)):
            raise DataError(
                f"{where}: config.stopping of {task} must count {part} of {whole}, got "
                f"{shown(row.get(part))} of {shown(row.get(whole))}"
            )
    if row["decision"] not in (None, *get_args(Verdict)):
        raise DataError(
            f"{where}: a decision of {task} must be one of {', '.join(get_args(Verdict))}, got "
            f"{shown(row['decision'])}"
        )
    estimate = row["estimate"]
    return Stopped(
        decision=row["decision"],
        margin=_share(noted.get("margin"), "margin", where),
        alpha=_share(noted.get("alpha"), "alpha", where),
        estimate=None if estimate is None else _number(estimate, "estimate", where),
        items=row["items"],
        items_of=row["items_of"],
        changed=row["changed"],
        changed_of=row["changed_of"],
    )


def _counts(part: Any, whole: Any) -> bool:
    return type(part) is int and type(whole) is int and 0 <= part <= whole


def _number(value: Any, what: str, where: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1:
        raise DataError(
            f"{where}: {what} of config.stopping must be in [-1, 1], got {shown(value)}"
        )
    return float(value)


def _share(value: Any, what: str, where: str) -> float:
    found = _number(value, what, where)
    if found < 0:
        raise DataError(f"{where}: {what} of config.stopping must be 0 or more, got {found}")
    return found


def filled_up(canonical: Samples, samples: Samples) -> Samples:
    """A variant that was stopped, with a row for every canonical item: those it was not asked.

    Any other variant, and one with items that the canonical run has not, is left as it is.
    """
    whole, own = canonical.rows, samples.rows
    if samples.stopped is None or not set(own.ids.ids) < set(whole.ids.ids):
        return samples
    places = np.array([whole.ids.index[item_id] for item_id in own.ids.ids], np.int64)
    count = len(whole)

    def put(column: Any, fill: Any) -> Any:
        out = np.full((count, *column.shape[1:]), fill, column.dtype)
        out[places] = column
        return out

    digests = {}
    for name in ("canonical_digests", "doc_digests", "prompt_digests"):
        digests[name] = getattr(whole, name).copy()
        digests[name][places] = getattr(own, name)
    rows = replace(
        own,
        ids=whole.ids,
        outcomes=put(own.outcomes, OUTCOMES.index("not_asked")),
        evidence=put(own.evidence, -1),
        scores=put(own.scores, np.nan),
        clusters=whole.clusters,
        cluster_names=whole.cluster_names,
        offsets=put(own.offsets, -1),
        parents={},
        sources={int(places[k]): of for k, of in own.sources.items()},
        measure_codes=put(own.measure_codes, -1),
        **digests,
    )
    return replace(samples, rows=rows)


def stopping_notes(task: str, members: Mapping[str, Mapping[str, Samples]]) -> Iterator[str]:
    """What a reader must know of a task that was stopped early, per checkpoint."""
    for checkpoint, variants in members.items():
        found = [s.stopped for s in variants.values() if s.stopped is not None]
        if found:
            yield (
                f"{checkpoint} was stopped early on {task}: each variant was asked until a "
                f"sequential gate on its drop over the full run had decided; {_saved(found)} of "
                "the answers were left out. The verdicts of the gates hold; the intervals beside "
                "the drops are those of a run whose size was fixed before, and it is compared "
                "with no other checkpoint"
            )


def _saved(found: Sequence[Stopped]) -> str:
    asked, all_of = sum(s.items for s in found), sum(s.items_of for s in found)
    return f"{100 * (1 - asked / all_of):.0f}%" if all_of else "none"

"""Names for tasks on the page and on disk: unique, and safe whatever the task is called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from oodrop.reports.model import Report
from oodrop.reports.render.points import count
from oodrop.reports.render.text import one_line

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 80


def task_labels(report: Report) -> tuple[str, ...]:
    """One label per entry: `everyday`, or `everyday (80 items)` where the task appears twice."""
    tasks = Counter(t.task for t in report.tasks)
    labels = [
        one_line(t.task) if tasks[t.task] == 1 else f"{one_line(t.task)} ({count(t.items, 'item')})"
        for t in report.tasks
    ]
    return numbered(labels, " #")


def file_stems(report: Report) -> tuple[str, ...]:
    """One safe, unique part of a file name per entry, even where names differ by case only."""
    stems = [_UNSAFE.sub("_", label).strip("_")[:_LONGEST] for label in task_labels(report)]
    return numbered([stem or "task" for stem in stems], "-")


def numbered(names: Sequence[str], separator: str) -> tuple[str, ...]:
    """`names` with a number after each repeated one, so that no two are equal but for case."""
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}{separator}{number}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return tuple(unique)

"""A file of a user's own items, as several tests bring it in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

QUESTION = "Does the scenario comply with the procedure?"
PROCEDURES = (
    "The pharmacist checks the label before the bag leaves.\nA second person signs within 2 hours.",
    "Cold goods are kept below 8 °C. A reading above the limit is reported to the shift lead.",
    "No sample is discarded without a written release by the head of the laboratory.",
)
DONE = "the staff kept to every step and wrote it down in the binder"
SKIPPED = "the staff left out the most important step and wrote nothing down"


def rows(splits: Iterable[str] = ("test",)) -> list[dict[str, Any]]:
    """Twelve items per split: three procedures, two pairs each."""
    return [
        {
            "procedure": procedure,
            "scenario": f"Case {k} of the {split} ward: on day {day}, {told}.",
            "question": QUESTION,
            "label": label,
            "split": split,
        }
        for split in splits
        for k, procedure in enumerate(PROCEDURES)
        for day in (3, 4)
        for told, label in ((DONE, "compliant"), (SKIPPED, "non-compliant"))
    ]


def write_lines(path: Path, items: Iterable[Mapping[str, Any]]) -> Path:
    """A JSON Lines file of these objects."""
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    path.write_text(text, encoding="utf-8")
    return path

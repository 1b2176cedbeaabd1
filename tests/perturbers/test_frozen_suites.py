"""A released suite never changes what it does: not one byte, on items that never change either.

``python -m tests.perturbers.test_frozen_suites`` writes the digests of suites that have none yet;
those that are there it leaves alone. To change a suite, release another version of it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from oodrop.perturbers import Bound, Inversion, Item, Suite, Units, all_suites
from oodrop.tasks import get_task

FOLDER = Path(__file__).parent / "frozen"
ITEMS = FOLDER / "items.jsonl"
TASKS = (("everyday_letters", 8), ("everyday", 12), ("procedural", 63))


def as_row(item: Item) -> dict[str, Any]:
    """An item without its functions, as one line of JSON holds it."""
    return {
        "item_id": item.item_id,
        "cluster_id": item.cluster_id,
        "segments": dict(item.segments),
        "gold": item.gold,
        "choices": item.choices,
        "labels": item.labels,
        "listed": item.listed,
        "units": {k: [u.members, sorted(u.precedence)] for k, u in item.units.items()},
        "settings": {**item.settings, "fewshot": "canonical"},
        "offers": {**item.offers, "fewshot": ["canonical", "draw_1", "order_1"]},
        "paraphrases": item.paraphrases,
        "inversions": {k: [i.question, i.labels] for k, i in item.inversions.items()},
        "entities": item.entities,
        "protected": item.protected,
    }


def from_row(row: dict[str, Any]) -> Item:
    row = dict(row)
    for name in ("choices", "labels", "protected"):
        row[name] = tuple(row[name])
    row["units"] = {
        name: Units(tuple(members), frozenset((a, b) for a, b in precedence))
        for name, (members, precedence) in row["units"].items()
    }
    row["offers"] = {name: tuple(values) for name, values in row["offers"].items()}
    row["entities"] = {name: tuple(values) for name, values in row["entities"].items()}
    row["inversions"] = {n: Inversion(q, tuple(ls)) for n, (q, ls) in row["inversions"].items()}
    return Item(**row)


def items() -> list[Item]:
    return [from_row(json.loads(line)) for line in ITEMS.read_text("utf-8").split("\n") if line]


def digests(suite: Suite) -> dict[str, str]:
    """Variant to the hash of everything that it does to the frozen items."""
    result = {}
    for variant in suite.variants:
        bound, hashed = Bound(variant), hashlib.sha256()
        for item in items():
            done = bound(item)
            # How far its label is proved may grow with another audit; what it does may not.
            certificate = {**done.certificate.as_dict(), "evidence": None}
            row = [item.item_id, certificate, done.item.sha256(), variant.as_dict()]
            hashed.update(json.dumps(row, sort_keys=True).encode())
        result[variant.slug] = hashed.hexdigest()
    return result


@pytest.mark.parametrize("name", all_suites())
def test_a_released_suite_does_what_it_did(name: str) -> None:
    frozen = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert digests(all_suites()[name]) == frozen


def test_every_frozen_suite_is_still_there() -> None:
    assert {p.stem for p in FOLDER.glob("*.json")} == set(all_suites())


def test_the_frozen_items_are_what_an_item_holds() -> None:
    rows = [json.loads(line) for line in ITEMS.read_text("utf-8").split("\n") if line]
    assert [json.loads(json.dumps(as_row(from_row(row)))) for row in rows] == rows
    assert len(rows) >= 40


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    if not ITEMS.exists():
        lines = [
            json.dumps(as_row(get_task(task).item(doc)), ensure_ascii=False)
            for task, step in TASKS
            for doc in get_task(task).docs("test")[::step]
        ]
        ITEMS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, suite in all_suites().items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(digests(suite), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()

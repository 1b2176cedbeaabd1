"""Items of both tasks, and a registry that a test may write to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from oodrop.perturbers import Item, Units
from oodrop.tasks import get_task

from .digests import TASKS


@pytest.fixture(scope="session")
def task_items() -> Mapping[str, list[Item]]:
    """A few items of each task; the documents differ in type, length and label."""
    return {
        name: [get_task(name).item(doc) for doc in get_task(name).docs("test")[7::107][:3]]
        for name in TASKS
    }


@pytest.fixture
def item() -> Item:
    """A small item with everything that an edit can fit or misfit."""
    return Item(
        item_id="item-1",
        cluster_id="c",
        segments={
            "fact_1": "Water boils at 100 degrees C.",
            "fact_2": "Ice is cold.",
            "fact_3": "Steam is hot.",
            "question": "What boils in the kettle?",
        },
        choices=("water", "ice", "steam"),
        gold=0,
        units={"facts": Units(("fact_1", "fact_2", "fact_3"), frozenset({("fact_1", "fact_2")}))},
        offers={"template": ("canonical", "t01", "t02")},
    )

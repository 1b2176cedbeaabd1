"""The numbers of the data card and of the list of tasks are those of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from oodrop.tasks import TASKS, get_task
from oodrop.tasks.procedural.build import CANARY, ROUNDS, SEED, TYPES
from oodrop.tasks.procedural.schema import COHORTS, HELDOUT_COHORTS, Procedure
from oodrop.tasks.procedural.voices import VOICES
from oodrop.tasks.spec import Doc

from .conftest import SPLITS, documents

FOLDER = get_task("procedural").folder
CARD = (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.parametrize("split", SPLITS)
def test_the_card_counts_the_split(split: str, procedural: Mapping[str, list[Doc]]) -> None:
    docs = procedural[split]
    numbers = (
        len({d["process_id"] for d in docs}),
        len(docs),
        sum(d["label"] == "compliant" for d in docs),
        sum(d["partner_id"] is not None for d in docs),
        sum(d["parent_id"] is not None for d in docs),
    )
    assert f"| `{split}` | {' | '.join(f'{n:,}' for n in numbers)} |\n" in CARD


@pytest.mark.parametrize("kind", TYPES)
def test_the_card_counts_the_type(kind: str, procedural: Mapping[str, list[Doc]]) -> None:
    numbers = [sum(d["type"] == kind for d in procedural[s]) for s in ("test", "heldout")]
    ending = " | ".join(f"{n:,}" for n in numbers)
    assert re.search(rf"^\| `{kind}` \| .* \| {ending} \|$", CARD, re.M), ending


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_card_tells_the_cohort(cohort: str, procedures: Mapping[str, Procedure]) -> None:
    own = [p for p in procedures.values() if p.cohort == cohort]
    row = re.search(rf"^\| `{cohort}` \| (\d+) \| (.*) \| (.*) \|$", CARD, re.M)
    assert row is not None
    assert int(row[1]) == len(own)
    splits = [s for s in SPLITS if (s == "heldout") == (cohort in HELDOUT_COHORTS)]
    assert row[2] == ", ".join(f"`{s}`" for s in splits)
    told = {
        f"{title.strip()} {part.strip()}"
        for title, parts in re.findall(r"(\d+ CFR) ([\d, ]+)", row[3])
        for part in parts.split(",")
    }
    assert told == {re.match(r"\d+ CFR \d+", p.source)[0] for p in own}  # type: ignore[index]


def test_the_card_tells_how_it_is_built(procedural: Mapping[str, list[Doc]]) -> None:
    rounds = "{train} rounds in `train`, {validation} in `validation`, {test} in `test` and in"
    assert rounds.format(**ROUNDS) in CARD
    assert ROUNDS["test"] == ROUNDS["heldout"]
    assert len(VOICES) == 7
    assert "**Seven voices**: " + ", ".join(v.replace("_", " ") for v in VOICES) in CARD
    assert f"(seed {SEED})" in CARD
    assert f"> {CANARY}\n" in CARD
    for field in set(procedural["test"][0]) - {"labels"}:
        assert f"`{field}`" in CARD


def test_the_card_agrees_with_the_audit() -> None:
    audit = (FOLDER / "AUDIT.md").read_text("utf-8")
    found = re.search(r"^\| `bag_of_words` \| (\d\.\d+) \| (\d\.\d+) \| \d\.\d+ \|$", audit, re.M)
    assert found is not None
    test, heldout = (f"{float(x):.2f}" for x in found.groups())
    assert f"is right on {test} of `test` and {heldout} of `heldout`" in CARD


def test_the_card_names_every_metric() -> None:
    fragment = (FOLDER / "lm_eval" / "_canonical.yaml").read_text("utf-8")
    for metric in re.findall(r"metric: (\w+)", fragment):
        plain = "balanced_acc_<cohort>" if metric.startswith("balanced_acc_") else metric
        assert f"`{plain}`" in CARD


def test_the_list_of_tasks_counts_their_items() -> None:
    text = (FOLDER.parent / "README.md").read_text("utf-8")
    for name, spec in TASKS.items():
        row = re.search(rf"^\| `{name}` \| .* \| ([\d,]+) \| .* \|$", text, re.M)
        assert row is not None, name
        assert int(row[1].replace(",", "")) == len(documents(name, spec.eval_split)), name

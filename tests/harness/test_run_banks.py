"""A run belongs to the content of the banks that it replays, not to their names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.run import run
from oodrop.harness_ext.variants import bank_sha256
from oodrop.perturbers import Variant
from oodrop.perturbers.banks import PARAPHRASE, Bank, Entry, Review, bank_lines
from oodrop.perturbers.suites import Suite
from oodrop.reports.build import build_report
from oodrop.tasks import get_task

from .conftest import Silent

VARIANT = Variant(PARAPHRASE, {"bank": "mine"})
SUITE = Suite("mine-1.0", "", (VARIANT,))


class Interrupted(Silent):
    """A person presses Ctrl-C when so many answers are there."""

    def progress(self, there: int, needed: int) -> None:
        if there >= 24:
            raise KeyboardInterrupt


class First(Silent):
    """Remembers the least number of answers that it was told."""

    least = 10**9

    def progress(self, there: int, needed: int) -> None:
        self.least = min(self.least, there)


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a bank in a folder that is searched."""
    (tmp_path / "banks").mkdir()
    monkeypatch.setenv("OODROP_BANKS", str(tmp_path / "banks"))
    return tmp_path / "banks" / "mine.jsonl"


def write(path: Path, lead: str) -> str:
    """Every question of everyday, reworded by words in front of it; the file's hash."""
    spec, review = get_task("everyday"), Review(kept=True, readable=True, raters=2)
    questions = dict.fromkeys(doc["question"] for doc in spec.docs("test"))
    entries = {q: Entry("question", q, f"{lead} {q}", review) for q in questions}
    made = Bank("mine", PARAPHRASE, "some-model", None, "0" * 64, {}, {}, entries)
    path.write_bytes(b"".join(bank_lines(made)))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plan_for(model: Path | None = None) -> RunPlan:
    settings: dict[str, Any] = {"name": "tiny", "model": "oodrop-oracle", "items": 12}
    if model:
        args = {"pretrained": str(model), "dtype": "float32"}
        settings |= {"model": "hf", "model_args": args, "device": "cpu", "batch_size": 1}
    return RunPlan((CheckpointSpec(**settings),), ("everyday",), SUITE)


def samples(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.rglob(f"samples_oodrop__{VARIANT.slug}__*.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_a_banks_hash_is_that_of_its_file(bank: Path) -> None:
    assert write(bank, "Now:") == bank_sha256(VARIANT)
    assert write(bank, "Say, please:") == bank_sha256(VARIANT)
    assert bank_sha256(Variant()) is None
    assert bank_sha256(Variant("ordering.fact_order")) is None


def test_an_interrupted_run_is_continued_with_the_same_bank_alone(
    bank: Path, tiny_model: Path, tmp_path: Path
) -> None:
    plan, out = plan_for(tiny_model), tmp_path / "out"
    one = write(bank, "Now:")
    with pytest.raises(KeyboardInterrupt):
        run(plan, out, Interrupted())
    journals = set((out / "tiny").glob("journal-*.sqlite"))
    assert len(journals) == 1

    other = write(bank, "Say, please:")
    reporter = First()
    run(plan, out, reporter)
    assert reporter.least < 20  # nothing of the interrupted run was taken
    assert len(set((out / "tiny").glob("journal-*.sqlite")) - journals) == 1
    rows = samples(out)
    assert {row["doc"]["oodrop"]["bank_sha256"] for row in rows} == {other} != {one}
    assert all(row["doc"]["question"].startswith("Say, please:") for row in rows)

    write(bank, "Now:")
    with pytest.raises(DataError, match="main holds an evaluation with another bank"):
        run(plan, out, Silent())
    write(bank, "Say, please:")
    again = Silent()
    run(plan, out, again)
    assert again.messages == ["tiny: main is there already"]


def test_an_interrupted_run_continues_where_it_was(
    bank: Path, tiny_model: Path, tmp_path: Path
) -> None:
    write(bank, "Now:")
    with pytest.raises(KeyboardInterrupt):
        run(plan_for(tiny_model), tmp_path, Interrupted())
    reporter = First()
    run(plan_for(tiny_model), tmp_path, reporter)
    assert reporter.least >= 20
    assert len(list((tmp_path / "tiny").glob("journal-*.sqlite"))) == 1


def test_runs_with_different_banks_of_one_name_are_not_compared(bank: Path, tmp_path: Path) -> None:
    for folder, lead in (("one", "Now:"), ("two", "Say, please:")):
        write(bank, lead)
        run(plan_for(), tmp_path / folder, Silent())
    message = "checkpoints tiny and tiny (2) replayed banks of one name and different content"
    with pytest.raises(NotComparableError) as error:
        build_report([tmp_path / "one", tmp_path / "two"], resamples=100)
    assert message in str(error.value)
    # Without our file beside them both are runs of one checkpoint, as from the stock lm_eval.
    for marker in tmp_path.rglob("oodrop_checkpoint.json"):
        marker.unlink()
    with pytest.raises(NotComparableError, match="two runs of checkpoint .* different content"):
        build_report([tmp_path / "one", tmp_path / "two"], resamples=100)

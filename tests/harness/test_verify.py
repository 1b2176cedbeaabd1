"""A logged sample proves itself, and one that was tampered with does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from oodrop import DataError
from oodrop.harness_ext.cli.app import app
from oodrop.harness_ext.perturbed import perturbed_docs
from oodrop.harness_ext.verify import certificate_problem, verify_samples
from oodrop.perturbers import Variant

from .conftest import is_one_of_many, thinned

VARIANTS = [
    ("everyday", Variant("lexical.keyboard_typo", severity=2)),
    ("everyday", Variant("control.identity")),
    ("everyday_letters", Variant("ordering.option_shuffle")),
    ("everyday_letters", Variant("phrasing.option_label_style", {"style": "roman"})),
    ("everyday_letters", Variant("ordering.fewshot_order", {"k": "1"})),
    ("procedural", Variant("ordering.event_order")),
    ("procedural", Variant("lexical.rename_entity")),
    ("procedural", Variant("phrasing.polarity", {"id": "inverted"})),
    ("procedural", Variant("phrasing.template", {"id": "t05"})),
    ("procedural", Variant("control.threshold")),
]


def logged(task: str, variant: Variant, count: int = 8) -> list[dict[str, Any]]:
    """Documents as a samples file holds them, read back from JSON."""
    shots = 2 if "fewshot" in variant.perturber else 0
    with thinned(is_one_of_many, tasks=("procedural",)):
        docs = perturbed_docs(task, variant, "test", shots)
    docs = docs[:: len(docs) // count]
    found: list[dict[str, Any]] = json.loads(json.dumps(docs))
    return found


@pytest.mark.parametrize(("task", "variant"), VARIANTS, ids=lambda v: getattr(v, "slug", v))
def test_a_logged_document_proves_itself(task: str, variant: Variant) -> None:
    docs = logged(task, variant)
    assert [certificate_problem(doc) for doc in docs] == [""] * len(docs)
    if not variant.perturber.startswith("control."):
        assert any(doc["oodrop"]["outcome"] == "changed" for doc in docs)


def test_tampering_shows() -> None:
    (doc,) = logged("everyday", Variant("lexical.keyboard_typo", severity=2), 1)[:1]

    def changed(**fields: Any) -> str:
        other = copy.deepcopy(doc)
        record = {k: v for k, v in fields.items() if k in other["oodrop"]}
        other["oodrop"].update(record)
        other.update({k: v for k, v in fields.items() if k not in record})
        return certificate_problem(other)

    assert changed() == ""
    assert "canonical item" in changed(question=doc["question"] + " Really?")
    assert "another right answer" in changed(gold="something else")
    other = copy.deepcopy(doc)
    other["gold"] = (doc["gold"] + 1) % 4
    other["oodrop"]["gold"] = doc["choices"][other["gold"]]
    assert "canonical item" in certificate_problem(other)
    assert "canonical item" in changed(canonical_sha256="0" * 64)
    assert "cannot be undone" in changed(
        edits=[{"segment": "question", "start": 0, "before": "", "after": "zzz"}]
    )
    assert "another" in changed(seed=1)
    assert "guards" in changed(guards=["G0_protected_text"])
    assert "another eligible" in changed(eligible=3)


def test_an_edit_that_a_guard_refuses_shows() -> None:
    doc = logged("everyday", Variant(), 1)[0]
    number = next(d for d in logged("everyday", Variant(), 60) if "2" in d["facts"][0])
    at = number["facts"][0].index("2")
    number["facts"][0] = number["facts"][0][:at] + "3" + number["facts"][0][at + 1 :]
    edit = {"segment": "fact_1", "start": at, "before": "2", "after": "3"}
    number["oodrop"].update(edits=[edit], perturber="lexical.elsewhere", outcome="changed")
    assert "G0_protected_text does not hold" in certificate_problem(number)
    assert certificate_problem(doc) == ""


def test_files_and_the_command(tmp_path: Path) -> None:
    docs = logged("everyday", Variant("lexical.keyboard_typo", severity=2), 12)
    path = tmp_path / "samples_x_2026.jsonl"
    path.write_text("".join(json.dumps({"doc": d}) + "\n" for d in docs), "utf-8")
    found = verify_samples(tmp_path)
    assert found.problems == ()
    assert found.counts.total() == len(docs)
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == 0
    assert f"{len(docs)} hold" in result.output

    docs[3]["question"] += "!"
    path.write_text("".join(json.dumps({"doc": d}) + "\n" for d in docs), "utf-8")
    found = verify_samples(path)
    assert found.problems == (
        "samples_x_2026.jsonl, line 4: undoing its edits does not give the canonical item",
    )
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert isinstance(result.exception, DataError)


def test_what_is_no_sample(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no samples_"):
        verify_samples(tmp_path)
    path = tmp_path / "samples_x.jsonl"
    path.write_text("{\n", "utf-8")
    with pytest.raises(DataError, match=r"samples_x.jsonl, line 1: not a sample of lm-eval"):
        verify_samples(tmp_path)
    path.write_text(json.dumps({"doc": {"oodrop": {"task": "everyday"}}}) + "\n", "utf-8")
    assert "its record cannot be read" in verify_samples(tmp_path).problems[0]

"""Coverage: a tiny case counted by hand, the form of its rows, and the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from oodrop import DataError, OodropError, RunError
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.coverage import Applicability, CoverageStudy
from oodrop.harness_ext.variants import evenly_spaced, variants_of
from oodrop.perturbers import (
    Certificate,
    NotApplicable,
    Proposal,
    Replace,
    Variant,
    get_perturber,
    get_suite,
    perturber,
)
from oodrop.tasks import get_task

from .conftest import Refusal

_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_ROW: dict[str, Any] = {
    "variant": _TEXT, "perturber": _TEXT,
    "family": {"enum": ["lexical", "ordering", "phrasing", "adversarial", "control"]},
    "severity": {"type": ["integer", "null"], "minimum": 1, "maximum": 5},
    "items": _COUNT, "applicable": _COUNT, "changed": _COUNT, "unchanged": _COUNT,
    "not_applicable": _COUNT, "not_applicable_reason": _TEXT, "refused": _COUNT,
    "refused_reason": _TEXT, "edited_fraction": _NUMBER, "edit_distance": _NUMBER,
    "length": _NUMBER, "words": _NUMBER, "numerals": _NUMBER, "grade": _NUMBER,
    "tokens": _NUMBER, "unavailable": _TEXT,
}  # fmt: skip
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["task", "suite", "items", "tokens_are", "rows"],
    "properties": {
        "task": _TEXT,
        "suite": {"type": ["string", "null"]},
        "items": _COUNT,
        "tokens_are": _TEXT,
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": list(_ROW),
                "properties": _ROW,
            },
        },
    },
}


def _register() -> None:
    outcomes = iter(["change", "none", "refuse", "keep", "change"])

    @perturber("lexical.by_hand", evidence="checked")
    def by_hand(item: Any, rng: Any) -> Any:
        """Does on each of five items what the test says."""
        text = item.segments["question"]
        match next(outcomes):
            case "change":
                return Proposal([Replace("question", 0, "", "Please say: ")], 4)
            case "none":
                return NotApplicable("by hand")
            case "refuse":
                return [Replace("question", len(text), "", " at 7 p.m.")]
        return [Replace("question", 0, text[0], text[0])]


@pytest.mark.usefixtures("own_registry")
def test_a_tiny_case_counted_by_hand() -> None:
    _register()
    spec = get_task("everyday")
    study = CoverageStudy(spec, limit=5, count_tokens=len)
    ticks: list[int] = []
    found = study.cover(Variant("lexical.by_hand"), tick=lambda: ticks.append(1))
    row = found.as_dict()
    counts = ("items", "applicable", "changed", "unchanged", "not_applicable", "refused")
    assert [row[name] for name in counts] == [5, 4, 2, 1, 1, 1]
    assert len(ticks) == 5
    assert row["not_applicable_reason"] == "by hand"
    assert row["refused_reason"].startswith("G0")
    prompts = [len(study.subjects[k].prompt) for k in (0, 4)]
    assert row["edited_fraction"] == 0.25
    assert row["length"] == pytest.approx(sum(12 / p for p in prompts) / 2)
    assert row["tokens"] == row["length"]  # tokens are characters here
    assert row["edit_distance"] == pytest.approx(sum(12 / (p + 12) for p in prompts) / 2)
    words = [len(study.subjects[k].prompt.split()) for k in (0, 4)]
    assert row["words"] == pytest.approx(sum(2 / w for w in words) / 2)
    assert row["numerals"] == 0


def test_the_most_frequent_reason_is_the_one_shown() -> None:
    def kept(reason: str) -> Certificate:
        return Certificate("refused", None, (), (), reason, "")

    found = Applicability.of([kept("rare"), kept("often"), kept("often")])
    assert found.reasons == {"refused": "often"}
    assert (found["refused"], found.items, found.applicable) == (3, 3, 3)


@pytest.mark.usefixtures("own_registry")
def test_what_is_missing_is_a_row_or_an_error_as_asked_and_a_failure_always_an_error() -> None:
    @perturber("lexical.lacking", evidence="checked")
    def lacking(item: Any, rng: Any) -> Any:
        """Needs what is not there."""
        raise OodropError("a table is missing")

    @perturber("lexical.failing", evidence="checked")
    def failing(item: Any, rng: Any) -> Any:
        """Fails."""
        raise ZeroDivisionError

    study = CoverageStudy(get_task("everyday"), limit=2)
    assert study.cover(Variant("lexical.lacking"), strict=False).unavailable == "a table is missing"
    with pytest.raises(OodropError, match="a table is missing"):
        study.cover(Variant("lexical.lacking"))
    with pytest.raises(RunError, match="ZeroDivisionError"):
        study.cover(Variant("lexical.failing"), strict=False)


def test_every_value_and_severity_is_a_variant() -> None:
    spec = get_task("procedural")
    item = spec.item(spec.docs("test")[0])
    assert len(variants_of(get_perturber("lexical.char_edit"), item)) == 4 * 3
    fixed = variants_of(
        get_perturber("lexical.char_edit"), item, given={"action": "swap"}, severity=2
    )
    assert fixed == [Variant("lexical.char_edit", {"action": "swap"}, 2)]
    ids = [v.parameters["id"] for v in variants_of(get_perturber("phrasing.template"), item)]
    assert ids == [f"t{k:02d}" for k in range(1, 13)]
    reworded = variants_of(get_perturber("phrasing.question_paraphrase"), item)
    assert [v.parameters["id"] for v in reworded] == ["p01", "p02", "p03", "p04"]


def test_evenly_spaced() -> None:
    assert evenly_spaced(range(10), 3) == [0, 3, 6]
    assert evenly_spaced(range(3), 5) == evenly_spaced(range(3), None) == [0, 1, 2]


def test_json_has_its_schema_and_csv_the_same_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "coverage.csv"
    arguments = ["coverage", "everyday", "--suite", "smoke-1.0", "--limit", "6", "--json"]
    assert run([*arguments, "--csv", str(file)]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, _SCHEMA)
    assert printed["items"] == 6
    assert printed["tokens_are"] == "words and marks"
    assert [row["variant"] for row in printed["rows"]] == [
        v.slug for v in get_suite("smoke-1.0").variants
    ]
    for row in printed["rows"]:
        parts = ("changed", "unchanged", "not_applicable", "refused")
        assert sum(row[p] for p in parts) == row["items"] == 6
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [r["variant"] for r in rows] == [r["variant"] for r in printed["rows"]]
    assert [int(r["changed"]) for r in rows] == [r["changed"] for r in printed["rows"]]


def test_tokens_are_those_of_the_tokenizer(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["coverage", "everyday", "-p", "adversarial.homoglyph", "--limit", "10", "--json"]
    assert run([*arguments, "--tokenizer", str(tiny_model)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["tokens_are"] == str(tiny_model)
    inflation = [row["tokens"] for row in printed["rows"]]
    assert [row["severity"] for row in printed["rows"]] == [1, 3, 5]
    assert 0 < inflation[0] < inflation[1] < inflation[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coverage", "nothing"], "unknown task 'nothing'"),
        (["coverage", "everyday", "--suite", "x", "-p", "y"], "either --suite or --perturber"),
        (["coverage", "everyday", "-p", "all", "-p", "lexical.case"], "names or 'all'"),
        (["coverage", "everyday", "-p", "lexical.cas"], "lexical.case"),
        (["coverage", "everyday", "--tokenizer", "no/such"], "no tokenizer can be loaded"),
        (
            ["coverage", "everyday", "-p", "control.identity", "--limit", "1", "--csv", "no/x.csv"],
            "cannot be written to no/x.csv",
        ),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], message: str, refusal: Refusal) -> None:
    code, said = refusal(arguments)
    assert code == 2
    assert message in said


def test_the_table_names_what_its_columns_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["coverage", "everyday", "--limit", "3", "-p", "ordering.event_order"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "tokens (words and marks)" in shown
    assert "the item has no events that may change places" in shown


def test_a_task_without_items_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = get_task("everyday")
    monkeypatch.setattr(type(spec), "docs", lambda self, split: [])
    with pytest.raises(DataError, match="no items"):
        CoverageStudy(spec)

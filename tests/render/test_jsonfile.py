"""report.json and its schema."""

import json
import math
from dataclasses import fields, replace
from types import MappingProxyType
from typing import get_args

import jsonschema
import pytest

from oodrop.reports import model, statistics
from oodrop.reports.render import SCHEMA_FILE, report_json
from oodrop.reports.statistics.answers.line import Line
from oodrop.reports.statistics.intervals.interval import Method
from oodrop.reports.statistics.variant import FAMILIES


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def strict(data):
    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(data, parse_constant=refuse)


def test_versioned_and_valid(report, validator):
    loaded = strict(report_json(report))
    validator.validate(loaded)
    assert loaded["schema"] == "oodrop-report"
    assert loaded["schema_version"] == model.SCHEMA_VERSION
    assert [t["label"] for t in loaded["tasks"]] == [
        "procedural",
        "everyday (80 items)",
        "everyday (160 items)",
    ]


def test_everything_is_there(report):
    loaded = strict(report_json(report))
    task, drop = report.tasks[0], report.tasks[0].analysis.drops[0]
    assert loaded["tasks"][0]["analysis"]["drops"][0]["estimate"] == drop.estimate
    assert loaded["tasks"][0]["analysis"]["drops"][0]["headline"]["low"] == drop.headline.low
    assert len(loaded["tasks"][0]["flips"]) == len(task.flips)
    assert loaded["tasks"][0]["flips"][0]["variant_prompt"] == task.flips[0].variant_prompt


def test_keys_are_sorted(report):
    def check(pairs):
        assert [k for k, _ in pairs] == sorted(k for k, _ in pairs)

    json.loads(report_json(report), object_pairs_hook=check)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("checkpoint", model.Checkpoint),
        ("outcomes", model.OutcomeCounts),
        ("flip", model.Flip),
        ("variant", statistics.VariantInfo),
        ("analysis", statistics.Analysis),
        ("accuracy", statistics.Accuracy),
        ("drop", statistics.Drop),
        ("interval", statistics.Interval),
        ("noise_floor", statistics.NoiseFloor),
        ("engagement", model.Engagement),
        ("replies", model.Replies),
        ("split_drop", statistics.SplitDrop),
        ("questions", statistics.Questions),
        ("accuracy_plane", statistics.AccuracyPlane),
        ("plane_point", statistics.PlanePoint),
        ("effective_robustness", statistics.EffectiveRobustness),
        ("line", Line),
        ("pair_questions", statistics.PairQuestions),
        ("equivalence", statistics.Equivalence),
        ("engagement_question", statistics.EngagementQuestion),
    ],
)
def test_the_schema_knows_every_field(name, kind):
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"][name]
    assert {*schema["properties"]} == {*schema["required"]} == {f.name for f in fields(kind)}
    assert schema["additionalProperties"] is False


def test_the_schema_knows_every_family_and_method():
    found = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    for name in ("variant", "drop"):
        assert found[name]["properties"]["family"]["enum"] == list(FAMILIES)
    assert found["interval"]["properties"]["method"]["enum"] == list(get_args(Method))


def test_the_schema_refuses_other_shapes(report, validator):
    loaded = strict(report_json(report))
    for change in ({"schema_version": "9"}, {"extra": 1}, {"tasks": [{}]}):
        assert not validator.is_valid(loaded | change)


def test_hostile_texts_survive_but_for_surrogates(hostile, hostile_report, validator):
    data = report_json(hostile_report)
    data.decode()
    loaded = strict(data)
    validator.validate(loaded)
    assert loaded["title"] == hostile.replace("\ud800", "⟨U+D800⟩")


def test_numbers_that_json_cannot_hold_become_null(report):
    task = report.tasks[0]
    drop = replace(task.analysis.drops[0], estimate=math.nan, flip_rate=math.inf)
    analysis = replace(task.analysis, drops=(drop,))
    made = replace(report, tasks=(replace(task, analysis=analysis),))
    found = strict(report_json(made))["tasks"][0]["analysis"]["drops"][0]
    assert found["estimate"] is None
    assert found["flip_rate"] is None


def test_empty_cases(make_task, make_report, validator):
    few = make_task(checkpoints=1, clusters=4, accuracy=(0.26,), most=0)
    few = replace(
        few,
        analysis=replace(few.analysis, noise_floor=(None,)),
        outcomes=MappingProxyType(dict(few.outcomes)),
    )
    none = make_task(checkpoints=1, applicable=0.0, most=0)
    for made in (make_report(), make_report(few, none)):
        validator.validate(strict(report_json(made)))


def test_the_same_report_gives_the_same_bytes(report):
    assert report_json(report) == report_json(report)

"""The gate: planted regressions, planted non-regressions, too little data, and what CI reads."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from oodrop import DataError, NotComparableError, OodropError, UnknownNameError
from oodrop.harness_ext.cli.app import run
from oodrop.reports.gatepolicy import Policy, TaskPolicy, read_policy
from oodrop.reports.gating import GateReport, GateRow, Outcome, run_gate
from oodrop.reports.render import gate as rendered
from oodrop.reports.render.gate import (
    MOST_ANNOTATIONS,
    exit_code,
    gate_annotations,
    gate_json,
    gate_junit,
    gate_markdown,
)
from oodrop.reports.statistics import Gate, Interval
from oodrop.reports.statistics import gate as gate_of
from oodrop.reports.statistics.columns import Kind as KindOfRow
from oodrop.reports.statistics.decisions.decision import Verdict
from oodrop.reports.statistics.decisions.gate import On

from .runs import (
    CANONICAL,
    IDENTITY,
    ORDER,
    TYPO,
    Kind,
    edit_json,
    mark,
    rows,
    task_name,
    write_run,
)

Score = Callable[[int], float]
SCHEMA_OF_JUNIT = {"failure", "error", "skipped", "system-out"}


def right(
    share: float, seed: int, but: Mapping[int, float] | None = None, points: float = 1.0
) -> Score:
    """Right on so many of the items, each by itself."""
    draw = random.Random(seed)
    drawn = [points * (draw.random() < share) for _ in range(2_000)]
    return lambda k: (but or {}).get(k, drawn[k])


def write(
    folder: Path,
    name: str,
    *,
    items: int = 600,
    canonical: float = 0.9,
    typo: float = 0.9,
    order: float = 0.9,
    seed: int = 0,
    kinds: tuple[Kind, ...] = (CANONICAL, IDENTITY, TYPO, ORDER),
    task: str = "everyday",
    args: str | None = None,
    points: float = 1.0,
) -> Path:
    place = mark(folder / name, name)
    shares = {CANONICAL: canonical, IDENTITY: canonical, TYPO: typo, ORDER: order}
    seeds = {CANONICAL: 1, IDENTITY: 1, TYPO: 2, ORDER: 3}
    tasks = {
        task_name(kind, task): rows(
            kind,
            items=range(items),
            task=task,
            score=right(shares[kind], 10 * seed + seeds[kind], points=points),
        )
        for kind in kinds
    }
    write_run(place, tasks, model_args=args or f"pretrained=org/{name}")
    return place


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tmp_path, "base")


def test_a_planted_regression_fails(base: Path, tmp_path: Path) -> None:
    found = run_gate(base, write(tmp_path, "worse", typo=0.7, seed=1), Policy())
    assert found.decision == "FAIL"
    assert exit_code(found) == exit_code(found, "pass") == 1
    assert f"everyday under {TYPO.slug}" in found.reason
    rows_of = {row.gate.name: row for row in found.rows}
    assert [row.gate.name for row in found.rows if row.must_pass] == ["all"]
    assert rows_of[TYPO.slug].decision == "FAIL"
    assert rows_of[ORDER.slug].decision != "FAIL"
    assert rows_of[TYPO.slug].gate.loss == pytest.approx(0.2, abs=0.05)


def test_a_planted_equal_passes_and_so_does_one_that_is_better(base: Path, tmp_path: Path) -> None:
    same = run_gate(base, write(tmp_path, "same", seed=1), Policy())
    better = run_gate(
        base, write(tmp_path, "better", canonical=0.99, typo=0.94, order=0.94, seed=2), Policy()
    )
    assert (same.decision, better.decision) == ("PASS", "PASS")
    assert exit_code(same) == 0
    # Its canonical score rose more, so its drop grew; that alone must not fail it.
    own = Policy().over(on="drop", margin=0.0)
    grown = run_gate(base, tmp_path / "better", own)
    assert {row.gate.on for row in grown.rows} == {"drop"}
    assert next(r.gate for r in grown.rows if r.must_pass).loss > 0


def test_too_few_items_decide_nothing(tmp_path: Path) -> None:
    before = write(tmp_path, "base", items=40)
    found = run_gate(before, write(tmp_path, "same", items=40, seed=3), Policy())
    assert found.decision == "INCONCLUSIVE"
    assert [exit_code(found, how) for how in ("inconclusive", "pass", "fail")] == [4, 0, 1]
    assert "0 of 1 that must pass do" in found.reason


def test_rows_are_those_of_the_statistics_and_adjusted_together(base: Path, tmp_path: Path) -> None:
    from oodrop.reports.pairing import pair
    from oodrop.reports.reader import read_runs
    from oodrop.reports.statistics import holm

    after = write(tmp_path, "worse", typo=0.8, seed=1)
    found = run_gate(base, after, Policy())
    (group,) = pair(read_runs([base, after]))
    for row in found.rows:
        assert row.gate == gate_of(
            group.paired, baseline="base", candidate="worse", margin=0.05, name=row.gate.name
        )
    assert [row.p_fail for row in found.rows] == [*holm([r.gate.p_fail for r in found.rows])]


def test_one_of_many_that_fails_by_itself_is_not_enough(tmp_path: Path) -> None:
    kinds = tuple(
        Kind(f"lexical_misspelling_{k}", "lexical.misspelling", "lexical") for k in range(1, 9)
    )

    def written(name: str, seed: int, lost: float) -> Path:
        place = mark(tmp_path / name, name)
        tasks = {task_name(CANONICAL): rows(CANONICAL, items=range(300), score=right(0.9, seed))}
        for k, kind in enumerate(kinds, 1):
            share = 0.9 - (lost if k == 1 else 0.0)
            tasks[task_name(kind)] = rows(
                kind, items=range(300), score=right(share, 100 * seed + k)
            )
        write_run(place, tasks, model_args=f"pretrained={name}")
        return place

    found = run_gate(written("base", 1, 0.0), written("other", 2, 0.16), Policy())
    lone = [row for row in found.rows if row.gate.decision == "FAIL"]
    assert [row.gate.name for row in lone] == ["lexical_misspelling_1"]
    assert lone[0].decision == "INCONCLUSIVE"
    assert found.decision == "PASS"


# --- what cannot be compared ---------------------------------------------------------------


def test_a_variant_that_the_candidate_lacks_is_no_pass(base: Path, tmp_path: Path) -> None:
    found = run_gate(
        base, write(tmp_path, "less", seed=1, kinds=(CANONICAL, IDENTITY, TYPO)), Policy()
    )
    assert found.decision == "NOT COMPARABLE"
    assert exit_code(found, "pass") == 3
    assert found.missing == (f"everyday: the candidate did not run {ORDER.slug}",)
    assert [row.gate.name for row in found.rows] == ["all", TYPO.slug]


def test_a_task_that_the_candidate_lacks_is_no_pass(base: Path, tmp_path: Path) -> None:
    tasks = {task_name(k, "other"): rows(k, task="other") for k in (CANONICAL, TYPO)}
    write_run(base, tasks, model_args="pretrained=org/base", day=1)
    found = run_gate(base, write(tmp_path, "same", seed=1), Policy())
    assert found.missing == ("other: same did not run it",)
    assert found.decision == "NOT COMPARABLE"
    back = run_gate(tmp_path / "same", base, Policy())
    assert back.decision == "PASS"
    assert back.notes == ("the baseline did not run other, so nothing is said of it",)


def test_a_regression_is_one_whatever_else_is_missing(base: Path, tmp_path: Path) -> None:
    worse = write(tmp_path, "less", seed=1, typo=0.6, kinds=(CANONICAL, IDENTITY, TYPO))
    assert run_gate(base, worse, Policy()).decision == "FAIL"


def test_other_items_are_not_compared(base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match="600 and 500 items, which are not the same"):
        run_gate(base, write(tmp_path, "some", items=500), Policy())
    shots = write(tmp_path, "shots", seed=1)
    for path in shots.rglob("results_*.json"):
        edit_json(path, lambda data: data["n-shot"].update(dict.fromkeys(data["n-shot"], 5)))
    with pytest.raises(NotComparableError, match="0 and 5 few-shot examples"):
        run_gate(base, shots, Policy())


def test_the_same_arguments_may_stand_for_other_weights(tmp_path: Path) -> None:
    """Checkpoints that plain lm_eval wrote carry no fingerprint."""
    folders = []
    for name, typo, seed in (("old", 0.9, 0), ("new", 0.6, 1)):
        place = write(tmp_path, name, typo=typo, seed=seed, args="pretrained=./model")
        (place / "oodrop_checkpoint.json").unlink()
        folders.append(place)
    found = run_gate(folders[0], folders[1], Policy())
    assert found.decision == "FAIL"
    assert found.baseline != found.candidate


def test_a_checkpoint_against_itself_is_suspicious(base: Path) -> None:
    found = run_gate(base, base, Policy())
    assert "gave identical replies on all of everyday" in found.notes[0]


def test_a_folder_of_several_checkpoints_is_refused(base: Path, tmp_path: Path) -> None:
    write(tmp_path, "other", seed=1)
    with pytest.raises(DataError, match=r"the baseline must be one checkpoint, and .* holds 2"):
        run_gate(tmp_path, base, Policy())


# --- policies ------------------------------------------------------------------------------


def policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


def test_a_policy_says_what_decides_in_each_task(base: Path, tmp_path: Path) -> None:
    read = policy(
        tmp_path,
        "margin: 0.2\nalpha: 0.1\nwatch: []\ntasks:\n  everyday:\n    must_pass: [families]\n"
        f"    watch: [{TYPO.slug}]\n  procedural: {{on: drop}}\n",
    )
    assert read.of("procedural") == TaskPolicy(0.2, "drop", ("all",), ())
    found = run_gate(base, write(tmp_path, "same", seed=1), read)
    assert [(r.gate.name, r.must_pass) for r in found.rows] == [
        ("lexical", True),
        ("ordering", True),
        (TYPO.slug, False),
    ]
    assert {(r.gate.margin, r.gate.alpha) for r in found.rows} == {(0.2, 0.1)}
    strict = read.over(margin=0.01, alpha=None)
    assert strict.of("everyday").margin == strict.of("procedural").margin == 0.01
    assert strict.alpha == 0.1


def test_families_that_are_named_bring_their_variants(base: Path, tmp_path: Path) -> None:
    after = write(tmp_path, "worse", typo=0.6, seed=1)
    own = Policy().over(must_pass=("ordering",), watch=("variants",))
    found = run_gate(base, after, own)
    assert [row.gate.name for row in found.rows] == ["ordering", ORDER.slug]
    assert found.decision == "PASS"


# Ten to the ninth strings, and as many pairs, from a few hundred bytes.
LAUGHS = "a0: &a0 lol\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 10)
)
MERGED = "a0: &a0 {margin: 0.1}\n" + "".join(
    f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 10)}]}}\n" for k in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must hold fields, got list"),
        ("margin: {}", "margin must be from 0 to below 1, got dict"),
        ("margin: .nan", "margin must be from 0 to below 1, got nan"),
        ("margin: yes", "margin must be from 0 to below 1, got True"),
        ("alpha: 5", "alpha must be from 0 to below 1, got 5"),
        ("magrin: 0.1", "unknown field 'magrin'; allowed: margin, must_pass, on, watch, alpha"),
        ("on: ratio", "on must be accuracy or drop, got 'ratio'"),
        ("must_pass: all", "must_pass must be a list of names, got 'all'"),
        ("tasks: [a]", "tasks must map names to fields, got list"),
        ("tasks: {a: 1}", "task 'a' must hold fields, got 1"),
        ("tasks: {a: {alpha: 0.1}}", "task 'a': unknown field 'alpha'"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system [echo]", "is not YAML"),
        ("[" * 5_000, "is not YAML"),
        ("&a [" + "*a" + "]", "must have no aliases"),
        (LAUGHS, "must have no aliases"),
        (MERGED, "must have no aliases"),
    ],
)
def test_a_policy_that_cannot_be_used_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("[", r"\[")):
        policy(tmp_path, text)


def test_a_policy_that_is_not_there_or_names_nothing_known(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_policy(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"margin: \xff")
    with pytest.raises(DataError, match="cannot be read"):
        read_policy(tmp_path / "latin.yaml")
    after = write(tmp_path, "same", seed=1)
    with pytest.raises(UnknownNameError, match="lexicall"):
        run_gate(base, after, Policy().over(must_pass=("lexicall",)))
    with pytest.raises(OodropError, match="alpha"):
        run_gate(base, after, Policy(alpha=0.0))


# --- what CI reads -------------------------------------------------------------------------


def cases(page: bytes) -> dict[str, list[str]]:
    root = ET.fromstring(page)  # noqa: S314  # our own
    found = {}
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[name]) == sum(c.find(kind) is not None for c in suite)
        for case in suite:
            kinds = [child.tag for child in case]
            assert set(kinds) <= SCHEMA_OF_JUNIT
            found[f"{case.attrib['classname']} {case.attrib['name']}"] = kinds
    return found


def test_junit_has_a_case_for_every_loss(base: Path, tmp_path: Path) -> None:
    worse = run_gate(base, write(tmp_path, "worse", typo=0.7, seed=1), Policy())
    assert cases(gate_junit(worse)) == {
        "oodrop.everyday all acc accuracy": ["failure", "system-out"],
        f"oodrop.everyday {TYPO.slug} acc accuracy": ["failure", "system-out"],
        f"oodrop.everyday {ORDER.slug} acc accuracy": ["system-out"],
    }
    open_ = run_gate(
        write(tmp_path, "few", items=40), write(tmp_path, "few2", items=40, seed=3), Policy()
    )
    name = "oodrop.everyday all acc accuracy"
    assert cases(gate_junit(open_))[name] == ["skipped", "system-out"]
    assert cases(gate_junit(open_, "fail"))[name] == ["failure", "system-out"]
    assert cases(gate_junit(open_, "pass"))[name] == ["system-out"]
    less = run_gate(
        base, write(tmp_path, "less", seed=1, kinds=(CANONICAL, IDENTITY, TYPO)), Policy()
    )
    assert cases(gate_junit(less))["oodrop.gate comparable 1"] == ["error"]


HOSTILE = "x\x00\x1b[31m::error::y\n::set-output%0A]]><a&\u2028|[z](javascript:1)<script>\ufffe"


def test_hostile_names_reach_nothing_that_reads_them(base: Path, tmp_path: Path) -> None:
    after = write(tmp_path, "hostile", seed=1, typo=0.6, kinds=(CANONICAL, IDENTITY, TYPO))
    edit_json(after / "oodrop_checkpoint.json", lambda data: data.update(name=HOSTILE))
    found = run_gate(base, after, Policy())
    assert "script" in found.candidate
    page = gate_junit(found)
    ET.fromstring(page)  # noqa: S314  # our own
    for line in gate_annotations(found):
        assert "\n" not in line
        assert "\r" not in line
        assert line.startswith("::")
        assert line.count("%") == line.count("%25") + line.count("%3A") + line.count("%2C")
    summary = gate_markdown(found)
    for sign in ("<script", "[z](", "\x1b", "\x00", "\u2028", "]]>"):
        assert sign not in summary


def test_annotations_are_few(tmp_path: Path) -> None:
    kinds = tuple(
        Kind(f"lexical_misspelling_{k}", "lexical.misspelling", "lexical") for k in range(1, 20)
    )
    folders = []
    for name, share in (("base", 0.9), ("worse", 0.3)):
        place = mark(tmp_path / name, name)
        tasks = {task_name(CANONICAL): rows(CANONICAL, items=range(100), score=right(0.9, 1))}
        tasks |= {
            task_name(kind): rows(kind, items=range(100), score=right(share, k))
            for k, kind in enumerate(kinds)
        }
        write_run(place, tasks, model_args=f"pretrained={name}")
        folders.append(place)
    found = run_gate(folders[0], folders[1], Policy())
    assert sum(row.decision == "FAIL" for row in found.rows) == 20
    lines = gate_annotations(found)
    assert len(lines) == MOST_ANNOTATIONS
    assert lines[0].startswith("::error title=oodrop gate%3A FAIL::more than the margin is lost: ")
    assert "and 15 more" in lines[0]
    assert len(gate_markdown(found, 800)) <= 800


def test_the_command_writes_what_ci_reads_and_exits_with_the_decision(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = write(tmp_path, "worse", typo=0.7, seed=1)
    step = tmp_path / "step.md"
    step.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    files = ["--junit", str(tmp_path / "gate.xml"), "--summary", str(tmp_path / "gate.md")]
    assert run(["gate", str(base), str(worse), "--github", *files]) == 1
    said = capsys.readouterr().out
    assert said.startswith("::error title=oodrop gate%3A FAIL::")
    assert "Must pass" in said
    summary = (tmp_path / "gate.md").read_text("utf-8")
    assert summary.startswith("# FAIL: worse against base")
    assert step.read_text("utf-8") == f"before\n{summary}"
    assert cases((tmp_path / "gate.xml").read_bytes())
    assert run(["gate", str(base), str(worse), "--json", "--family", "ordering"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["decision"]) == ("oodrop-gate", "PASS")
    assert [row["gate"]["name"] for row in told["rows"]] == ["ordering", ORDER.slug]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--margin", "1.5"], 2, "the margin must be at least 0 and below 1; got 1.5"),
        (["--margin", "nan"], 2, "the margin must be at least 0 and below 1; got nan"),
        (["--on", "ratio"], 2, "'ratio' is not one of 'accuracy', 'drop'"),
        (["--policy", "absent.yaml"], 2, "policy absent.yaml cannot be read"),
        (["--junit", "no/such/gate.xml"], 2, "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    message: str,
) -> None:
    after = write(tmp_path, "same", seed=1)
    assert run(["gate", str(base), str(after), *more]) == code
    assert message in " ".join(capsys.readouterr().err.split())


# --- gate.schema.json ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rendered.SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def parsed(found: GateReport) -> dict[str, Any]:
    """Its JSON, read as strictly as other programs do."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    told: dict[str, Any] = json.loads(gate_json(found), parse_constant=refuse)
    return told


def every_decision(tmp_path: Path) -> Iterator[GateReport]:
    base = write(tmp_path, "base")
    worse = write(tmp_path, "worse", typo=0.7, seed=1)
    less = write(tmp_path, "less", seed=1, kinds=(CANONICAL, IDENTITY, TYPO))
    few, few_too = (write(tmp_path, f"few{k}", items=40, seed=k) for k in (3, 4))
    three, three_too = (write(tmp_path, f"three{k}", items=3, seed=k) for k in (3, 4))
    yield run_gate(base, worse, Policy())
    yield run_gate(base, worse, Policy().over(on="drop", margin=0.3))
    yield run_gate(few, few_too, Policy())
    yield run_gate(base, less, Policy())
    yield run_gate(three, three_too, Policy())  # too few clusters: no interval
    yield run_gate(base, base, Policy().over(must_pass=("lexical",)))  # with a note
    # Scores without bounds.
    many = [write(tmp_path, f"many{k}", points=3.0, seed=k) for k in (5, 6)]
    yield run_gate(*many, Policy())


def test_the_json_of_every_decision_is_that_of_the_schema(
    schema: dict[str, Any], tmp_path: Path
) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    told = [parsed(found) for found in every_decision(tmp_path)]
    for one in told:
        validator.validate(one)
        assert one["schema_version"] == rendered.SCHEMA_VERSION
    assert {one["decision"] for one in told} == set(get_args(Outcome))
    gates = [row["gate"] for one in told for row in one["rows"]]
    assert {gate["kind"] for gate in gates} == set(get_args(KindOfRow))
    assert {gate["on"] for gate in gates} == set(get_args(On))
    methods = {gate["interval"]["method"] if gate["interval"] else None for gate in gates}
    held = schema["$defs"]["interval"]["properties"]["method"]["enum"]
    assert methods == {None, *held}
    assert any(one["missing"] for one in told)
    assert any(one["notes"] for one in told)


@pytest.mark.parametrize(
    ("name", "kind"), [("row", GateRow), ("gate", Gate), ("interval", Interval)]
)
def test_the_schema_knows_every_field(schema: dict[str, Any], name: str, kind: type) -> None:
    held = schema["$defs"][name]
    assert {*held["properties"]} == {*held["required"]} == {f.name for f in fields(kind)}
    assert held["additionalProperties"] is False


def test_the_schema_knows_every_word(schema: dict[str, Any]) -> None:
    own = {"schema", "schema_version"}
    assert {*schema["properties"]} == {*schema["required"]}
    assert {*schema["properties"]} == {f.name for f in fields(GateReport)} | own
    assert schema["additionalProperties"] is False
    assert schema["properties"]["decision"]["enum"] == list(get_args(Outcome))
    assert schema["$defs"]["verdict"]["enum"] == list(get_args(Verdict))
    gate = schema["$defs"]["gate"]["properties"]
    assert (gate["kind"]["enum"], gate["on"]["enum"]) == (
        list(get_args(KindOfRow)),
        list(get_args(On)),
    )
    assert schema["$id"] == f"urn:oodrop:gate:{rendered.SCHEMA_VERSION}"


def test_the_schema_refuses_other_shapes(
    schema: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    told = parsed(run_gate(base, write(tmp_path, "same", seed=1), Policy()))
    others = ({"schema_version": "9"}, {"extra": 1}, {"rows": []}, {"decision": "MAYBE"})
    for change in others:
        assert not jsonschema.Draft202012Validator(schema).is_valid(told | change)


def test_where_nothing_can_be_compared_there_is_no_object(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gate", str(base), str(write(tmp_path, "some", items=500)), "--json"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "nothing can be compared" in told.err

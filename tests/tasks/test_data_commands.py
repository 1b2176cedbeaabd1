"""`oodrop data audit` gives the figures of the set, `oodrop data build` what is shipped."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

import oodrop
from oodrop.harness_ext.bench import BenchResult
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.dataset import rebuild
from oodrop.harness_ext.dataset.report import page
from oodrop.tasks import get_task
from oodrop.tasks.procedural.build import manifest
from oodrop.tasks.procedural.check import Kind
from oodrop.tasks.procedural.schema import Procedure
from oodrop.tasks.spec import Doc

from .conftest import SPLITS

FIGURES = {
    "items", "procedures", "min_items_per_cohort", "n_types", "items_test", "items_heldout",
    "bow_accuracy_test", "bow_accuracy_heldout", "scenario_only_accuracy_heldout",
    "max_token_correlation_heldout", "checker_disagreements", "procedures_cms", "procedures_fda",
    "procedures_lab", "procedures_with_limit_or_window", "procedures_with_exception_or_branch",
    "procedures_with_two_person_rule", "procedures_with_determination", "min_steps", "max_steps",
    "procedures_of_equal_structure", "max_shared_words", "procedures_test", "procedures_heldout",
    "max_label_imbalance", "length_accuracy_heldout", "negation_accuracy_heldout",
    "bow_balanced_test", "bow_balanced_heldout",
}  # fmt: skip
FEATURES = {"majority", "bag_of_words", "scenario_bag_of_words", "length", "negation_cues"}


FITTED = re.compile(r"\b\d\.\d{3}\b")  # three decimals: shares of right verdicts


def test_only_a_set_with_a_builder_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "audit", "everyday"]) == 2
    assert "the audit knows the task procedural, got 'everyday'" in capsys.readouterr().err
    assert run(["data", "audit", "nothing"]) == 2
    assert "unknown task 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["", "nowhere/AUDIT.md"])
def test_a_page_that_cannot_be_written_is_refused_before_fitting(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / place
    assert run(["data", "audit", "procedural", "-o", str(path)]) == 2
    wanted = f"oodrop: --output takes a file in a folder that is there, got {path}"
    assert wanted in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def scenario(doc: Doc) -> str:
    return " ".join([doc["intro"], *doc["facts"], *doc["events"], doc["closing"]])


def words(doc: Doc) -> str:
    return " ".join([doc["title"], *doc["clauses"], scenario(doc)])


def accuracies(
    told: Callable[[Doc], str], procedural: Mapping[str, list[Doc]]
) -> Mapping[str, float]:
    """What a bag of words reaches that was fitted on ``train``, by split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def labels(split: str) -> list[bool]:
        return [doc["label"] == "compliant" for doc in procedural[split]]

    bag = TfidfVectorizer(sublinear_tf=True, min_df=2)
    seen = bag.fit_transform([told(doc) for doc in procedural["train"]])
    model = LogisticRegression(C=10.0, max_iter=1000).fit(seen, labels("train"))
    return {
        split: model.score(bag.transform([told(d) for d in procedural[split]]), labels(split))
        for split in ("test", "heldout")
    }


@pytest.fixture(scope="module")
def bow(procedural: Mapping[str, list[Doc]]) -> Mapping[str, float]:
    return accuracies(words, procedural)


def test_a_bag_of_words_feeds_on_the_framing_of_test_and_not_of_heldout(
    bow: Mapping[str, float],
) -> None:
    assert 0.80 <= bow["test"] <= 0.88
    assert bow["heldout"] <= 0.62


def strongest(docs: list[Doc]) -> float:
    """The largest phi coefficient of a token's presence with the label, over all tokens."""
    total, compliant = len(docs), sum(doc["label"] == "compliant" for doc in docs)
    present, both = Counter[str](), Counter[str]()
    for doc in docs:
        tokens = set(re.findall(r"\w+", scenario(doc).lower()))
        present.update(tokens)
        both.update(tokens if doc["label"] == "compliant" else ())
    return max(
        abs(total * both[token] - count * compliant)
        / (count * (total - count) * compliant * (total - compliant)) ** 0.5
        for token, count in present.items()
        if 2 <= count < total
    )


def test_no_token_of_heldout_goes_with_the_label(procedural: Mapping[str, list[Doc]]) -> None:
    assert strongest(procedural["heldout"]) <= 0.15
    assert strongest(procedural["test"]) > 0.15  # a closing sentence, or a word of mood


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the command prints and what it writes; it fits for a minute."""
    folder = tmp_path_factory.mktemp("audit")
    command = "from oodrop.harness_ext.cli import main; main()"
    page = ["--output", str(folder / "AUDIT.md")]
    ran = subprocess.run(
        [sys.executable, "-c", command, "data", "audit", "procedural", "--json", *page],
        capture_output=True,
        check=True,
        timeout=500,
    )
    (folder / "audit.json").write_bytes(ran.stdout)
    return folder


@pytest.fixture(scope="module")
def audited(audit: Path) -> dict[str, Any]:
    """What the command prints."""
    found: dict[str, Any] = json.loads((audit / "audit.json").read_bytes())
    return found


@pytest.mark.slow
def test_the_committed_page_is_what_a_fresh_audit_writes(audit: Path) -> None:
    """To the last byte, but that another linear algebra may turn a verdict or two of a fit."""
    fresh, committed = (
        folder.joinpath("AUDIT.md").read_text("utf-8")
        for folder in (audit, get_task("procedural").folder)
    )
    how = "stale: oodrop data audit procedural -o tasks/procedural/AUDIT.md"
    assert FITTED.sub("#", committed) == FITTED.sub("#", fresh), how
    found, wanted = ([float(x) for x in FITTED.findall(text)] for text in (committed, fresh))
    apart = [abs(a - b) for a, b in zip(found, wanted, strict=True) if a != b]
    assert len(apart) <= 15, how  # other data change more of them
    assert max(apart, default=0) <= 0.015, how


@pytest.mark.slow
def test_the_page_tells_nothing_but_the_audit(audit: Path, audited: Mapping[str, Any]) -> None:
    """Neither date nor machine: the printed object is enough to write it."""
    result = BenchResult(**{**audited, "machine": {}})
    assert page(result) == (audit / "AUDIT.md").read_text("utf-8")


@pytest.mark.slow
def test_the_audit_keeps_its_bars(audited: Mapping[str, Any]) -> None:
    figures = audited["figures"]
    assert set(figures) == FIGURES
    bars = {row["figure"]: row for row in audited["settings"]["bars"]}
    assert [row for row in bars.values() if not row["met"]] == []
    assert {name: row["value"] for name, row in bars.items()}.items() <= figures.items()
    assert 0.80 <= figures["bow_accuracy_test"] <= 0.88
    assert figures["bow_accuracy_heldout"] <= 0.62
    assert figures["scenario_only_accuracy_heldout"] <= 0.62
    assert figures["max_token_correlation_heldout"] <= 0.15
    assert figures["checker_disagreements"] == 0
    assert figures["procedures_of_equal_structure"] == 0
    assert figures["max_shared_words"] < 0.6
    assert figures["n_types"] == 10


@pytest.mark.slow
def test_the_audit_counts_and_measures_as_we_do(
    audited: Mapping[str, Any],
    bow: Mapping[str, float],
    procedural: Mapping[str, list[Doc]],
    procedures: Mapping[str, Procedure],
) -> None:
    figures, every = audited["figures"], [d for split in SPLITS for d in procedural[split]]
    assert figures["items"] == len(every)
    assert figures["procedures"] == len(procedures)
    assert figures["items_test"] == len(procedural["test"])
    assert figures["items_heldout"] == len(procedural["heldout"])
    assert figures["min_items_per_cohort"] == min(Counter(d["cohort"] for d in every).values())
    assert figures["min_steps"] == min(len(p.steps) for p in procedures.values())
    assert figures["max_steps"] == max(len(p.steps) for p in procedures.values())
    domains = Counter(p.cohort.split("_")[0] for p in procedures.values())
    assert {
        f"procedures_{name}": count for name, count in domains.items()
    }.items() <= figures.items()
    for split in ("test", "heldout"):
        assert figures[f"procedures_{split}"] == len({d["process_id"] for d in procedural[split]})
    assert figures["max_label_imbalance"] == 0
    own = strongest(procedural["heldout"])
    assert figures["max_token_correlation_heldout"] == pytest.approx(own, abs=1e-4)
    assert figures["bow_accuracy_test"] == pytest.approx(bow["test"], abs=2e-3)
    assert figures["bow_accuracy_heldout"] >= bow["heldout"] - 2e-3
    told = accuracies(scenario, procedural)
    rows = [r for r in audited["rows"] if r["feature"] == "scenario_bag_of_words"]
    for row in [r for r in rows if r["fitted_on"] == "train"]:
        assert row["accuracy"] == pytest.approx(told[row["split"]], abs=2e-3)
    own = max(row["accuracy"] for row in rows if row["split"] == "heldout")
    assert figures["scenario_only_accuracy_heldout"] == own


@pytest.mark.slow
def test_the_rows_and_the_cells_of_the_audit(
    audited: Mapping[str, Any], procedural: Mapping[str, list[Doc]]
) -> None:
    fits = {("test", "train"), ("heldout", "train"), ("heldout", "other procedures of heldout")}
    rows = {(r["feature"], r["split"], r["fitted_on"]): r for r in audited["rows"]}
    assert set(rows) == {(feature, *fit) for feature in FEATURES for fit in fits}
    assert len(rows) == len(audited["rows"])
    figures = audited["figures"]
    for (feature, split, fitted_on), row in rows.items():
        assert row["items"] == len(procedural[split])
        kinds = Counter(doc["type"] for doc in procedural[split])
        right = sum(row[f"right_{kind}"] * n for kind, n in kinds.items()) / row["items"]
        assert row["accuracy"] == pytest.approx(right, abs=1e-3)
        assert feature != "majority" or row["accuracy"] == row["balanced_accuracy"] == 0.5
        if (feature, fitted_on) == ("bag_of_words", "train"):
            assert figures[f"bow_balanced_{split}"] == row["balanced_accuracy"]
        if feature in ("length", "negation_cues"):
            assert row["accuracy"] <= 0.62
    cells = {(c["split"], c["cohort"], c["type"]): c for c in audited["settings"]["cells"]}
    assert len(cells) == len(audited["settings"]["cells"])
    counted = Counter(
        (d["split"], d["cohort"], d["type"]) for split in SPLITS for d in procedural[split]
    )
    assert {cell: row["items"] for cell, row in cells.items()} == counted
    for split in SPLITS:
        own = [row for cell, row in cells.items() if cell[0] == split]
        assert 2 * sum(c["compliant"] for c in own) == sum(c["items"] for c in own)
        for cell in own:
            assert (cell["bag_of_words"] is None) == (split in ("train", "validation"))
    violations = audited["settings"]["violations"]
    assert violations == {
        kind: {
            split: sum((d["violation"] or {}).get("kind") == kind for d in procedural[split])
            for split in SPLITS
        }
        for kind in get_args(Kind)
    }


# Checking the one split that is built in a second, and the YAMLs, in copies.


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the command takes for the shipped one."""
    folder = get_task("procedural").folder
    (tmp_path / "data").mkdir()
    shutil.copy(folder / "data" / "heldout.jsonl.gz", tmp_path / "data")
    content = (tmp_path / "data" / "heldout.jsonl.gz").read_bytes()
    (tmp_path / "data" / "SHA256SUMS").write_bytes(manifest({"heldout.jsonl.gz": content}))
    shutil.copytree(folder / "lm_eval", tmp_path / "lm_eval")

    def yamls() -> Iterator[tuple[Path, str]]:
        for path in sorted((folder / "lm_eval").glob("oodrop_*.yaml")):
            yield tmp_path / "lm_eval" / path.name, path.read_text("utf-8")

    monkeypatch.setattr(rebuild, "ROUNDS", {"heldout": 4})
    monkeypatch.setattr(rebuild, "shipped_yamls", yamls)
    (_, split_of), *_ = rebuild.SETS
    here = replace(get_task("procedural"), folder=tmp_path)
    monkeypatch.setattr(rebuild, "SETS", ((here, split_of),))
    return tmp_path


def altered(text: str) -> str:
    return text.replace("compliant", "complaint", 1)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (None, "none"),
        (None, "packed_otherwise"),
        ("data/heldout.jsonl.gz", "altered"),
        ("data/heldout.jsonl.gz", "gone"),
        ("data/SHA256SUMS", "altered"),
        ("data/SHA256SUMS", "gone"),
        ("lm_eval/oodrop__control_rerun__procedural.yaml", "altered"),
        ("lm_eval/oodrop_procedural_ordering.yaml", "gone"),
    ],
)
def test_a_check_names_the_file_that_is_not_as_built(
    name: str | None, damage: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if damage == "packed_otherwise":  # as another version of zlib might do it
        path = copy / "data" / "heldout.jsonl.gz"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=0))
    if name is not None:
        path = copy / name
        if damage == "gone":
            path.unlink()
        elif path.suffix == ".gz":
            text = gzip.decompress(path.read_bytes()).decode()
            path.write_bytes(gzip.compress(altered(text).encode(), mtime=0))
        else:
            path.write_bytes(path.read_bytes() + b"\n")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    code = run(["data", "build", "--check"])
    shown = capsys.readouterr()
    assert code == (2 if name else 0)
    if name:
        assert shown.err.rstrip("\n").endswith(
            f"oodrop: not what a fresh build gives: {Path(name).name}"
        )
    else:
        assert shown.out == "as built\n"
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_a_build_mends_the_copy(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "write_task_yamls", list)
    shipped = (copy / "data" / "heldout.jsonl.gz").read_bytes()
    (copy / "data" / "heldout.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    (copy / "data" / "SHA256SUMS").unlink()
    assert run(["data", "build", "--check"]) == 2
    assert run(["data", "build"]) == 0
    assert run(["data", "build", "--check"]) == 0
    assert (copy / "data" / "heldout.jsonl.gz").read_bytes() == shipped


@pytest.mark.slow
def test_a_check_of_a_copy_of_the_package(tmp_path: Path) -> None:
    """The whole command, as it is called, before and after a change of one file."""
    package = Path(oodrop.__file__).parent
    shutil.copytree(
        package, tmp_path / "oodrop", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    command = "from oodrop.harness_ext.cli import main; main()"

    def checked() -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-c", command, "data", "build", "--check"],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=500,
        )
        return ran.returncode, ran.stdout + ran.stderr

    assert checked() == (0, "as built\n")
    path = tmp_path / "oodrop" / "tasks" / "procedural" / "data" / "test.jsonl.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(altered(text).encode(), mtime=0))
    code, said = checked()
    assert code == 2
    assert said.rstrip("\n").endswith("oodrop: not what a fresh build gives: test.jsonl.gz")

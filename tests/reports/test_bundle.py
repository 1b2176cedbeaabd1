"""Bundles: the same bytes each time, nothing secret in them, and nothing changed unnoticed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oodrop import DataError, OodropError
from oodrop.reports.build import build_report
from oodrop.reports.bundle.leaks import Leaks
from oodrop.reports.bundle.manifest import check_names, entries, names_in, read_manifest
from oodrop.reports.bundle.verify import is_bundle, same, verify_bundle
from oodrop.reports.bundle.write import write_bundle
from oodrop.reports.compare import compare
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import run_gate

from .runs import (
    CANONICAL,
    MAIN,
    ORDER,
    RERUN,
    TYPO,
    Kind,
    Row,
    edit_json,
    edit_line,
    rehash,
    results_file,
    rows,
    samples_file,
    sha256,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)

SECRET = "hunter2-is-not-a-password"  # noqa: S105  # planted, to be looked for
OTHER = "correct-horse-battery"
KEY = "hf_" + "aB3" * 12
HOME = "/".join(("", "home", "ada.l", "models"))  # of nobody
EACH = 4  # bytes that are flipped in each file


def submit(run: Path, bundle: Path, **how: Any) -> Path:
    """A bundle with few resamples."""
    return write_bundle(run, bundle, resamples=100, **how).folder


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no test may change."""
    folder = tmp_path_factory.mktemp("sealed")
    return submit(write_checkpoint(folder, "alpha"), folder / "bundle")


@pytest.fixture
def bundle(sealed: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))


def reseal(bundle: Path, edit: Callable[[dict[str, Any]], Any] = lambda manifest: None) -> None:
    """List the files of a bundle anew, as someone does who tampers with care."""
    path = bundle / "manifest.json"
    body = json.loads(path.read_text())
    body["files"] = [vars(entry) for entry in entries(bundle)]
    edit(body)
    write_sealed(path, body)


def write_sealed(path: Path, body: dict[str, Any]) -> None:
    """Any content as a manifest with the right seal."""
    body.pop("seal", None)
    plain = (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()
    whole = {**body, "seal": hashlib.sha256(plain).hexdigest()}
    path.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")


def refused(bundle: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        verify_bundle(bundle)


# --- content -------------------------------------------------------------------------------------


def test_a_bundle_holds_and_says_what_it_cannot_prove(sealed: Path) -> None:
    found = verify_bundle(sealed)
    assert found.manifest.checkpoint == "alpha"
    assert found.manifest.settings.model_id == "org/alpha"
    assert found.rows == 60
    assert found.not_proved == found.manifest.not_proved
    assert "that a model gave the answers" in found.not_proved[0]
    assert is_bundle(sealed)


def test_what_is_in_it(sealed: Path) -> None:
    names = names_in(sealed)
    assert {name.split("/")[0] for name in names} == {
        "manifest.json", "environment.json", "robustness.csv", "raw", "report", "evaleval",
        "huggingface",
    }  # fmt: skip
    assert sum(Path(name).match("results_*.json") for name in names) == 2
    assert [n for n in names if Path(n).match("results_*.json") and not n.startswith("raw/")] == []
    assert "raw/oodrop_checkpoint.json" in names
    environment = json.loads((sealed / "environment.json").read_text())
    assert environment == {"lm_eval": ["0.4.13"], "transformers": ["5.23.0"]}


def test_rows_stay_byte_for_byte(alpha: Path, tmp_path: Path) -> None:
    bundle = submit(alpha, tmp_path / "bundle")
    for path in alpha.rglob("samples_*.jsonl"):
        (copy,) = bundle.glob(f"raw/**/{path.name}")
        assert copy.read_bytes() == path.read_bytes()


def test_every_reader_takes_a_bundle_for_a_run(sealed: Path, alpha: Path, tmp_path: Path) -> None:
    own, theirs = (build_report([f], resamples=50) for f in (alpha, sealed))
    assert own == theirs
    beta = write_checkpoint(tmp_path, "beta")
    assert run_gate(sealed, beta, Policy()) == run_gate(alpha, beta, Policy())
    assert {c.name for c in build_report([sealed, beta], resamples=50).checkpoints} == {
        "alpha",
        "beta",
    }
    assert compare([sealed, beta]).a == "alpha"


def test_robustness_has_a_row_per_variant(sealed: Path) -> None:
    with (sealed / "robustness.csv").open() as lines:
        found = {row["variant"]: row for row in csv.DictReader(lines)}
    assert set(found) == {kind.slug for kind in (*MAIN[1:], RERUN)}
    typo = found[TYPO.slug]
    assert (typo["severity"], typo["evidence"], typo["changed_items"]) == ("3", "checked", "9")
    right = [k for k in range(12) if k not in (3, 7, 11)]
    before = 100 * sum(k % 3 != 0 for k in right) / 9
    after = 100 * sum(k % 2 == 0 for k in right) / 9
    assert float(typo["canonical_accuracy_percent"]) == pytest.approx(before, abs=1e-4)
    assert float(typo["variant_accuracy_percent"]) == pytest.approx(after, abs=1e-4)
    assert float(typo["drop_points"]) == pytest.approx(before - after, abs=1e-4)
    order = found[ORDER.slug]
    assert (order["lost"], order["gained"], order["severity"]) == ("3", "0", "")


def test_robustness_pools_no_tasks(tmp_path: Path) -> None:
    def group(results: dict[str, Any]) -> None:
        for config in results["configs"].values():
            config["metadata"]["oodrop"]["groups"] = {"home": 2}

    tasks = {**tasks_of(*MAIN, task="kitchen"), **tasks_of(*MAIN, task="garden")}
    write_run(tmp_path / "run", tasks, edit=group)
    bundle = submit(tmp_path / "run", tmp_path / "bundle")
    assert "home" in {task.task for task in build_report([bundle], resamples=50).tasks}
    with (bundle / "robustness.csv").open() as lines:
        found = [row["task"] for row in csv.DictReader(lines)]
    assert found == ["kitchen"] * 3 + ["garden"] * 3
    assert len(list(bundle.glob("evaleval/data/*/*/*/*_samples.jsonl"))) == 2
    verify_bundle(bundle)


def test_a_formula_among_the_names_is_no_formula(tmp_path: Path) -> None:
    evil = Kind("lexical_x", "=cmd|' /C calc'!A1", "lexical", 1)
    run = write_checkpoint(tmp_path, "alpha", kinds=(CANONICAL, evil), rerun=False)
    text = (submit(run, tmp_path / "bundle") / "robustness.csv").read_text()
    assert ",'=cmd" in text
    assert ",=cmd" not in text


def test_metadata_of_the_hub(sealed: Path) -> None:
    from huggingface_hub import EvalResultEntry
    from huggingface_hub.repocard_data import model_index_to_eval_results

    written = yaml.safe_load((sealed / "huggingface/.eval_results/oodrop.yaml").read_text())
    typo = next(e for e in written if e["dataset"]["task_id"] == TYPO.slug)
    assert EvalResultEntry(typo["dataset"]["id"], TYPO.slug, typo["value"])
    assert typo["dataset"]["id"] == "oodrop/everyday"
    index = yaml.safe_load((sealed / "huggingface/model-index.yaml").read_text())
    name, results = model_index_to_eval_results(index["model-index"])
    assert name == "alpha"
    drops = {r.dataset_config: r.metric_value for r in results if r.metric_type != "accuracy"}
    report = build_report([sealed], resamples=50)
    for drop in report.tasks[0].analysis.drops:
        if drop.kind == "variant":
            assert drops[drop.name] == pytest.approx(drop.estimate, abs=1e-6)


def test_without_huggingface_hub_a_sentence_says_what_to_install(
    sealed: Path, alpha: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(OodropError, match="pip install 'huggingface_hub"):
        submit(alpha, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    monkeypatch.setattr("oodrop.reports.bundle.verify.find_spec", lambda name: None)
    assert any("huggingface_hub" in text for text in verify_bundle(sealed).not_proved)


# --- the same bytes ------------------------------------------------------------------------------

AGAIN = """
import sys
from pathlib import Path
from oodrop.reports.bundle.write import write_bundle
write_bundle(Path(sys.argv[1]), Path(sys.argv[2]), resamples=100)
"""


@pytest.mark.parametrize("seed", ["1", "77"])
def test_the_same_run_gives_the_same_bytes(sealed: Path, tmp_path: Path, seed: str) -> None:
    run = sealed.parent / "alpha"
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    settings = {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo", "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", AGAIN, str(run), str(tmp_path / "bundle")],
        env={**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=elsewhere,
        check=True,
    )
    assert names_in(tmp_path / "bundle") == names_in(sealed)
    for name in names_in(sealed):
        assert (tmp_path / "bundle" / name).read_bytes() == (sealed / name).read_bytes(), name


# --- tampering -----------------------------------------------------------------------------------


def test_a_flipped_byte_in_any_file_is_caught(sealed: Path, bundle: Path) -> None:
    for name in names_in(sealed):
        data = (sealed / name).read_bytes()
        for place in {k * (len(data) - 1) // (EACH - 1) for k in range(EACH)}:
            flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            (bundle / name).write_bytes(flipped)
            with pytest.raises(DataError, match=Path(name).name):
                verify_bundle(bundle)
        (bundle / name).write_bytes(data)


def test_a_file_that_is_missing_too_many_or_renamed(sealed: Path, bundle: Path) -> None:
    for name in names_in(sealed):
        (bundle / name).rename(bundle / "elsewhere")
        with pytest.raises(DataError):
            verify_bundle(bundle)
        (bundle / "elsewhere").unlink()
        with pytest.raises(DataError, match=Path(name).name):
            verify_bundle(bundle)
        assert is_bundle(bundle)
        shutil.copyfile(sealed / name, bundle / name)
    (bundle / "report/more\x1b[2J.html").write_text("")
    refused(bundle, "⟨ESC⟩.*added later")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_links_and_pipes_are_no_files(bundle: Path) -> None:
    (bundle / "robustness.csv").rename(bundle.parent / "table")
    (bundle / "robustness.csv").symlink_to(bundle.parent / "table")
    refused(bundle, "robustness.csv is neither a file nor a folder")
    (bundle / "robustness.csv").unlink()
    os.mkfifo(bundle / "robustness.csv")
    refused(bundle, "robustness.csv is neither a file nor a folder")
    (bundle / "manifest.json").rename(bundle.parent / "list")
    (bundle / "manifest.json").symlink_to(bundle.parent / "list")
    refused(bundle, "manifest.json is no plain file")


def raw_results(bundle: Path) -> Path:
    (path,) = bundle.glob("raw/main/*/results_*.json")
    return path


def rehashed(bundle: Path, edit: Callable[[Row], Any]) -> None:
    """Change a row and all of lm-eval's hashes with it."""
    path = samples_file(bundle, TYPO)

    def both(row: Row) -> None:
        edit(row)
        rehash(row)

    edit_line(path, 1, both)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    whole = "".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in found)
    edit_json(
        raw_results(bundle), lambda r: r["task_hashes"].update({task_name(TYPO): sha256(whole)})
    )


def edit_text(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


TAMPERED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a score": (
        lambda b: edit_line(samples_file(b, TYPO), 2, lambda row: row.update(acc=1.0)),
        "line 2: the score .acc. is 1.0, and the logged log-likelihoods give 0.0",
    ),
    "a score that is true": (
        lambda b: edit_line(samples_file(b, TYPO), 2, lambda row: row.update(acc=True)),
        "line 2: the score",
    ),
    "a target": (
        lambda b: edit_line(samples_file(b, TYPO), 2, lambda row: row.update(target="0")),
        "line 2.*'target_hash' is not the hash",
    ),
    "a document": (
        lambda b: edit_line(samples_file(b, TYPO), 2, lambda row: row["doc"].update(question="?")),
        "line 2.*'doc_hash' is not the hash",
    ),
    "an answer with its score": (
        lambda b: edit_line(
            samples_file(b, TYPO),
            2,
            lambda row: row.update(acc=1.0, filtered_resps=[["-1", "x"]] * 3 + [["0", "x"]]),
        ),
        "evaleval.*is not what follows",
    ),
    "a row with its hashes": (
        lambda b: rehashed(b, lambda row: row["doc"].update(question="Another?")),
        "evaleval",
    ),
    "a row less": (
        lambda b: samples_file(b, TYPO).write_bytes(
            b"".join(samples_file(b, TYPO).read_bytes().splitlines(keepends=True)[:-1])
        ),
        "rows are missing",
    ),
    "a number of the report": (
        lambda b: edit_json(
            b / "report/report.json",
            lambda r: r["tasks"][0]["analysis"]["drops"][1].update(estimate=-0.25),
        ),
        "report.json is not what follows from raw/",
    ),
    "a deep report": (
        lambda b: (b / "report/report.json").write_text('{"a":' * 900 + "1" + "}" * 900),
        "report.json is not what follows",
    ),
    "a bottomless report": (
        lambda b: (b / "report/report.json").write_text("[" * 100_000 + "]" * 100_000),
        "report.json: not JSON",
    ),
    "a cell": (
        lambda b: edit_text(b / "robustness.csv", "lexical.keyboard_typo", "lexical.synonym"),
        "robustness.csv is not what follows",
    ),
    "the summary": (
        lambda b: edit_text(b / "report/summary.md", "alpha", "omega"),
        "summary.md is not what follows",
    ),
    "a record": (
        lambda b: edit_json(next(b.glob("evaleval/data/*/*/*/*[0-9a-f].json")), dict.popitem),
        "is not what follows",
    ),
    "an instance": (
        lambda b: edit_text(next(b.glob("evaleval/**/*.jsonl")), '"score":0.0', '"score":1.0'),
        "_samples.jsonl is not what follows",
    ),
    "metadata": (
        lambda b: edit_text(b / "huggingface/model-index.yaml", "value: 0", "value: 1"),
        "model-index.yaml is not what follows",
    ),
    "a version": (
        lambda b: edit_text(b / "environment.json", "0.4.13", "0.4.14"),
        "environment.json is not what follows",
    ),
    "a file in raw": (
        lambda b: (b / "raw/x.html").write_text("hi"),
        "x.html belongs to no results",
    ),
    "a file in report": (
        lambda b: (b / "report/x.html").write_text("hi"),
        "x.html is not among what follows",
    ),
    "a second run": (
        lambda b: shutil.copytree(b / "raw/main", b / "report/main"),
        "is not among what follows",
    ),
    "an unfinished run": (
        lambda b: shutil.copytree(b / "raw/main", b / "raw/main.partial"),
        "belongs to no results",
    ),
}


@pytest.mark.parametrize(("tamper", "match"), TAMPERED.values(), ids=list(TAMPERED))
def test_what_was_changed_and_listed_anew_is_caught(
    bundle: Path, tamper: Callable[[Path], Any], match: str
) -> None:
    tamper(bundle)
    reseal(bundle)
    refused(bundle, f"(?s){match}")


def test_a_page_that_was_changed_and_listed_anew_is_named(bundle: Path) -> None:
    edit_text(bundle / "report/report.html", "alpha", "omega")
    reseal(bundle)
    (told,) = set(verify_bundle(bundle).not_proved) - set(read_manifest(bundle).not_proved)
    assert told.startswith("report/report.html: drawn again here")


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another seed": (lambda m: m["settings"].update(seed=1), "report/.* is not what follows"),
    "resamples": (lambda m: m["settings"].update(resamples=99), "report/.* is not what follows"),
    "no end": (lambda m: m["settings"].update(resamples=10**12), "from 0 to 100,000"),
    "a path as model": (lambda m: m["settings"].update(model_id="../.."), "developer/model"),
    "absolute model": (lambda m: m["settings"].update(model_id="/etc"), "developer/model"),
    "a name": (lambda m: m.update(checkpoint="omega"), "'checkpoint' is not the name"),
    "nothing open": (lambda m: m.update(not_proved=[]), "'not_proved' is not what"),
    "a schema": (lambda m: m.update(schema="zip"), "'schema' must be"),
    "a version": (lambda m: m.update(schema_version="9"), "'schema_version' must be '0.1'"),
    "files as object": (lambda m: m.update(files={}), "'files' must be list, got dict"),
    "a file as text": (lambda m: m.update(files=["x"]), "must be an object, got 'x'"),
    "a size": (lambda m: m["files"][0].update(size=-1), "'size' must be from 0"),
    "a huge size": (lambda m: m["files"][0].update(size=10**400), "'size' must be from 0"),
    "a true size": (lambda m: m["files"][0].update(size=True), "'size' must be int, got True"),
    "a hash": (lambda m: m["files"][0].update(sha256=None), "'sha256' must be str, got None"),
    "an extra": (lambda m: m.update(extra=1), "its seal does not hold"),
    "a count": (lambda m: m["redacted"].update(paths="9"), "'paths' must be int"),
}


@pytest.mark.parametrize(("edit", "match"), MANIFESTS.values(), ids=list(MANIFESTS))
def test_a_manifest_is_not_believed(
    bundle: Path, edit: Callable[[dict[str, Any]], Any], match: str
) -> None:
    reseal(bundle, edit)
    refused(bundle, match)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "not JSON"),
        (b"[]", "'schema' must be"),
        (b'{"schema": "oodrop-bundle"', "not JSON"),
        (b" " * (1 << 24) + b"{}", "at most 16,777,216 bytes"),
        (b"\xff\xfe{}", "not JSON"),
        (b"9" * 5_000, "'schema' must be"),
    ],
    ids=["empty", "deep list", "deep object", "list", "cut", "huge", "encoding", "long number"],
)
def test_a_manifest_that_breaks_readers(bundle: Path, data: bytes, match: str) -> None:
    (bundle / "manifest.json").write_bytes(data)
    refused(bundle, match)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "C:\\x", "c:x",
        "a\\..\\x", "a\x00b", "a\nb", "a\x1b[2Jb", "\u202eevil", "a\ud800", " a", "a ", "a/ b",
        "manifest.json", "MANIFEST.JSON", "x" * 600, "a?b", "a|b",
    ],
)  # fmt: skip
def test_hostile_names(bundle: Path, name: str) -> None:
    with pytest.raises(DataError, match="the name"):
        check_names([name], "here")
    reseal(bundle, lambda m: m["files"].append({"path": name, "sha256": "0" * 64, "size": 0}))
    refused(bundle, "the name")


@pytest.mark.parametrize(
    "names", [["a", "a"], ["a", "A"], ["a/b", "a/B"], ["e\u0301", "\xe9"], ["a", "a/b"]]
)
def test_names_that_are_one_somewhere(names: list[str]) -> None:
    with pytest.raises(DataError, match="stands twice|is a file and a folder"):
        check_names(names, "here")


def test_numbers_are_the_same_but_for_rounding() -> None:
    assert same({"a": [1.0, None, "x"]}, {"a": [1.0 + 1e-12, None, "x"]})
    for one, other in (
        (1.0, 1.001), (1, 2), (1, True), ("a", "b"), ([1], [1, 2]), ({"a": 1}, {"b": 1}), (None, 0),
    ):  # fmt: skip
        assert not same(one, other)


# --- what does not leave -------------------------------------------------------------------------


def everywhere(bundle: Path) -> Iterator[tuple[str, bytes]]:
    for name in names_in(bundle):
        yield name, name.encode() + (bundle / name).read_bytes()


SECRETS: dict[str, Any] = {
    "text": f"pretrained={HOME}/alpha,api_key={SECRET},dtype=float32",
    "object": {"pretrained": f"{HOME}/alpha", "auth_token": SECRET},
    "header": {"pretrained": "org/alpha", "header": {"Authorization": f"Bearer {SECRET}"}},
    "login": f"pretrained=org/alpha,base_url=https://ada:{SECRET}@host/v1",
    "query in text": f"pretrained=org/alpha,base_url=https://host/v1?k={SECRET}",
    "header in text": f"pretrained=org/alpha,header=X-Key: {SECRET}",
    "query": {"pretrained": "org/alpha", "base_url": f"https://host/v1?key={SECRET}"},
}


@pytest.mark.parametrize("args", SECRETS.values(), ids=list(SECRETS))
@pytest.mark.parametrize("marked", [True, False], ids=["oodrop", "lm-eval"])
def test_secrets_and_paths_of_settings_stay(tmp_path: Path, args: Any, marked: bool) -> None:
    run = tmp_path / "run"
    if marked:
        write_checkpoint(tmp_path, "run", rerun=False)
        shutil.rmtree(run / "main")

    def plant(results: dict[str, Any]) -> None:
        results["model_name"] = f"{HOME}/alpha"
        results["model_name_sanitized"] = f"{HOME}/alpha".replace("/", "__")
        results["config"]["use_cache"] = f"{HOME}/cache"
        results["config"]["user_folder"] = HOME.removesuffix("/models")
        results["config"]["gen_kwargs"] = {"note": f"see {HOME}/notes.txt, {KEY}"}
        results["pretty_env_info"] = f"PyTorch version: 2.13.0\nHostname: ada-laptop\n{HOME}"
        for own in results["configs"].values():
            own["metadata"] |= {"api_key": OTHER, "pretrained": f"{HOME}/alpha"}
            own["description"] = f"made with {OTHER} in ~/work/tasks"

    write_run(run / "main", tasks_of(*MAIN), model_args=args, edit=plant)
    lm_evals = run / "main/org__alpha"
    lm_evals.rename(lm_evals.with_name(HOME.replace("/", "__") + "__alpha"))
    bundle = submit(run, tmp_path / "bundle")
    for name, data in everywhere(bundle):
        for planted in (
            SECRET,
            OTHER,
            KEY,
            HOME,
            "ada.l",
            "ada:",
            "__home",
            "ada-laptop",
            "/home",
            "~/",
        ):
            # Two bytes stand somewhere in every picture.
            assert planted.encode() not in data or (planted, name[-4:]) == ("~/", ".png"), name
        assert str(tmp_path).encode() not in data
    redacted = read_manifest(bundle).redacted
    assert redacted["secrets"] > 4
    assert redacted["paths"] > 4
    assert redacted["machine"] == 1
    environment = json.loads((bundle / "environment.json").read_text())
    assert environment["torch"] == ["2.13.0"]
    verify_bundle(bundle)
    (told,) = build_report([bundle], resamples=50).checkpoints
    assert told.name == ("run" if marked else "alpha")


def test_a_secret_of_the_environment_stays(
    alpha: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in alpha.rglob("results_*.json"):
        edit_json(path, lambda r: r.update(git_hash=f"at {SECRET}"))
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    bundle = submit(alpha, tmp_path / "bundle")
    assert not any(SECRET.encode() in data for _, data in everywhere(bundle))


def test_a_secret_in_the_name_of_a_file_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(run, tasks_of(*MAIN), model_args=f"pretrained=org/alpha,api_key={SECRET}")
    for path in list((run / "org__alpha").iterdir()):
        path.rename(path.with_name(path.name.replace("2026-11-21T22-06-14.086937", SECRET)))
    with pytest.raises(DataError, match="would hold a secret, and nothing was written"):
        submit(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


PLANTED = {
    "its own secret": (SECRET, "a secret"),
    "a key by its shape": (KEY, "a secret"),
    "its own folder": (f"in {HOME}/alpha now", "a path of the machine"),
    "its own home": (f"\n{HOME.removesuffix('/models')}/x", "a path of the machine"),
}


@pytest.mark.parametrize(("text", "what"), PLANTED.values(), ids=list(PLANTED))
def test_a_row_that_holds_one_is_refused(tmp_path: Path, text: str, what: str) -> None:
    run = write_checkpoint(tmp_path, "alpha", rerun=False)
    for path in run.rglob("results_*.json"):
        edit_json(
            path,
            lambda r: r["config"].update(model_args=f"pretrained={HOME}/alpha,api_key={SECRET}"),
        )
    edit_line(samples_file(run, TYPO), 3, lambda row: row.update(resps=[[text]]))
    with pytest.raises(DataError, match=f"{TYPO.slug}.*line 3: this row holds {what}"):
        submit(run, tmp_path / "bundle")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alpha"]


def test_a_key_of_every_service_is_known() -> None:
    """The quick look misses nothing that the pattern finds."""
    leaks = Leaks((), ())
    for key in (
        KEY, "sk-" + "a" * 24, *(f"gh{kind}_" + "b" * 36 for kind in "pousr"),
        "github_pat_" + "c" * 40, "xoxb-" + "1" * 24, "AKIA" + "D" * 16, "AIza" + "e" * 35,
        "-----BEGIN RSA PRIVATE KEY-----",
    ):  # fmt: skip
        assert leaks.in_bytes(f'{{"a": "{key}"}}'.encode()) == "a secret", key
    assert leaks.in_bytes(b"hf_model sk-learn AKIA AIza -----BEGIN TEXT-----") == ""


def test_paths_are_found_by_their_start_and_end() -> None:
    leaks = Leaks((), ("/data/me", "C:\\Users\\me"))
    for text in ("/data/me", "x=/data/me/y", '"/data/me"', "\\n/data/me", "\\u000a/data/me."):
        assert leaks.in_bytes(text.encode()), text
        assert "/data/me" not in leaks.text(text)
    assert leaks.in_bytes(json.dumps("in C:\\Users\\me\\x").encode())
    for text in ("/data/meat", "x/data/me", "../data/me", "/data/me-2"):
        assert not leaks.in_bytes(text.encode()), text


def test_other_paths_may_stand_in_rows(tmp_path: Path) -> None:
    run = write_checkpoint(
        tmp_path, "alpha", rerun=False, text=lambda k: f"What is in /home/user/{k} or km/h or /tmp?"
    )
    verify_bundle(submit(run, tmp_path / "bundle"))


# --- what goes wrong -----------------------------------------------------------------------------


def test_links_are_not_followed(alpha: Path, tmp_path: Path) -> None:
    path = samples_file(alpha, TYPO)
    path.rename(tmp_path / "rows")
    path.symlink_to(tmp_path / "rows")
    with pytest.raises(DataError, match="is a symbolic link"):
        submit(alpha, tmp_path / "bundle")
    path.unlink()
    (tmp_path / "rows").rename(path)
    results = results_file(alpha)
    results.rename(tmp_path / "results.json")
    results.symlink_to(tmp_path / "results.json")
    with pytest.raises(DataError, match="is a symbolic link"):
        submit(alpha, tmp_path / "bundle")


def test_a_bundle_takes_a_place_of_its_own(alpha: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, match in (
        ("full", "is there already and not empty"),
        ("file", "is no folder"),
        ("link", "is no folder"),
        ("alpha/bundle", "which is to be bundled"),
    ):
        with pytest.raises(DataError, match=match):
            submit(alpha, tmp_path / name)
    (tmp_path / "empty").mkdir()
    verify_bundle(submit(alpha, tmp_path / "empty"))
    write_checkpoint(tmp_path, "beta")
    with pytest.raises(DataError, match="must be one checkpoint, and .* holds 2"):
        submit(tmp_path, tmp_path.parent / "both")
    with pytest.raises(DataError, match="does not exist"):
        submit(tmp_path / "nowhere", tmp_path / "bundle")
    with pytest.raises(DataError, match="developer/model"):
        submit(alpha, tmp_path / "bundle", model_id="../x")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_damaged_run_is_no_submission(alpha: Path, tmp_path: Path) -> None:
    edit_line(samples_file(alpha, TYPO), 2, lambda row: row["doc"].update(question="Other?"))
    with pytest.raises(DataError, match="'doc_hash' is not the hash"):
        submit(alpha, tmp_path / "bundle")


def test_a_score_that_does_not_follow_is_no_submission(alpha: Path, tmp_path: Path) -> None:
    edit_line(samples_file(alpha, TYPO), 2, lambda row: row.update(acc=1.0))
    with pytest.raises(DataError, match="alpha/main/.*line 2: the score"):
        submit(alpha, tmp_path / "bundle")


def test_what_is_no_output_stays_behind(alpha: Path, tmp_path: Path) -> None:
    for name in ("journal-1.sqlite", "run.log", ".oodrop.lock", "main/oodrop_stage.json"):
        (alpha / name).write_text(SECRET)
    (alpha / "main.partial").mkdir()
    (alpha / "main.partial/results_x.json").write_text(SECRET)
    for name, data in everywhere(submit(alpha, tmp_path / "bundle")):
        assert SECRET.encode() not in data, name


def test_scores_that_were_taken_as_logged_are_named(tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path, "alpha", generate=True, rerun=False)
    (told,) = [t for t in verify_bundle(submit(run, tmp_path / "b")).not_proved if "logged" in t]
    assert "everyday (acc)" in told


def test_results_of_other_tasks_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {**tasks_of(*MAIN), "piqa": rows(CANONICAL, task="piqa")})
    found = verify_bundle(submit(tmp_path / "run", tmp_path / "bundle"))
    assert any("whose samples are not here: piqa" in text for text in found.not_proved)
    assert not any("piqa" in name for name in names_in(tmp_path / "bundle"))

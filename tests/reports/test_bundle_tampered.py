"""Nothing in a bundle is changed unnoticed, however carefully."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.reports.bundle.manifest import check_names, names_in, read_manifest
from oodrop.reports.bundle.verify import is_bundle, same, verify_bundle

from .bundling import refused, reseal
from .runs import (
    TYPO,
    Row,
    edit_json,
    edit_line,
    rehash,
    samples_file,
    sha256,
    task_name,
)

EACH = 4  # bytes that are flipped in each file


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

"""Damaged results: one sentence, the right class, and the place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, NotComparableError

from .refusals import Read, fails
from .runs import (
    CANONICAL,
    IDENTITY,
    MAIN,
    ORDER,
    TYPO,
    Kind,
    edit_json,
    edit_line,
    results_file,
    rows,
    samples_file,
    task_name,
    tasks_of,
    write_run,
    write_samples,
)

Edit = Callable[[Any], Any]


# --- folders and files ---------------------------------------------------------------------------


def test_a_missing_folder(tmp_path: Path, read: Read) -> None:
    fails(read, tmp_path / "nowhere", DataError, str(tmp_path / "nowhere"), "does not exist")


def test_an_empty_folder(tmp_path: Path, read: Read) -> None:
    fails(read, tmp_path, DataError, str(tmp_path), "results_*.json")


def test_one_empty_folder_among_good_ones(alpha: Path, read: Read) -> None:
    (alpha.parent / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        read(alpha, alpha.parent / "empty")


def test_a_folder_with_an_unfinished_stage_alone(alpha: Path, read: Read) -> None:
    (alpha / "main").rename(alpha / "main.partial")
    shutil.rmtree(alpha / "rerun")
    fails(read, alpha, DataError, str(alpha), "results_*.json")


def test_samples_without_results(alpha: Path, read: Read) -> None:
    results_file(alpha).unlink()
    shutil.rmtree(alpha / "rerun")
    fails(read, alpha, DataError, "results_*.json")


def test_no_task_of_ours(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, {"arc_easy": rows(CANONICAL)})
    fails(read, tmp_path, DataError, "no oodrop task", str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b'{"config": {',
        b"[]",
        b"null",
        b'"config"',
        b"3",
        b"{}",
        b'{"config": {}}',
        b'{"configs": {}}',
        b'{"config": [], "configs": {}}',
        b'{"config": {}, "configs": ["oodrop__canonical__everyday"]}',
        b"\xff\xfe\x00\x00",
        b"\x00" * 100,
    ],
)
def test_results_that_are_not_results(alpha: Path, read: Read, content: bytes) -> None:
    path = results_file(alpha)
    path.write_bytes(content)
    fails(read, alpha, DataError, str(path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_results(alpha: Path, read: Read, share: float) -> None:
    path = results_file(alpha)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    fails(read, alpha, DataError, str(path), "not JSON")


def test_results_that_are_a_folder(alpha: Path, read: Read) -> None:
    path = results_file(alpha)
    path.unlink()
    path.mkdir()
    fails(read, alpha, DataError, str(path), "cannot be read")


def test_samples_missing(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    path.unlink()
    fails(read, alpha, DataError, path.name, "missing", "--log_samples", task_name(TYPO))


def test_samples_of_another_time_stamp_are_not_taken(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    path.rename(path.with_name(path.name.replace("22-06", "23-07")))
    fails(read, alpha, DataError, path.name, "missing")


def test_samples_of_zero_bytes(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    path.write_bytes(b"")
    fails(read, alpha, DataError, str(path), "is empty")


@pytest.mark.parametrize("cut", [1, 2, 40, 300])
def test_a_truncated_last_line(alpha: Path, read: Read, cut: int) -> None:
    path = samples_file(alpha, TYPO)
    path.write_bytes(path.read_bytes()[:-cut])
    fails(read, alpha, DataError, f"{path}, line 12", "cut off")


def test_a_missing_last_line(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    fails(read, alpha, NotComparableError, "alpha", TYPO.slug, "everyday.011")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"doc": ', "not JSON"),
        (b"[1, 2]", "must be a JSON object, got list"),
        (b"null", "must be a JSON object, got NoneType"),
        (b'"text"', "must be a JSON object, got str"),
        (b"NaN", "must be a JSON object, got float"),
        (b"\xff\xff", "not JSON"),
        (b'{"doc": {}} {"doc": {}}', "not JSON"),
        (b"{}", "no 'oodrop' record"),
        (b'{"doc": []}', "no 'oodrop' record"),
        (b'{"doc": {"oodrop": "yes"}}', "no 'oodrop' record"),
    ],
)
def test_a_damaged_line(alpha: Path, read: Read, line: bytes, says: str) -> None:
    path = samples_file(alpha, TYPO)
    lines = path.read_bytes().split(b"\n")
    lines[4] = line
    path.write_bytes(b"\n".join(lines))
    fails(read, alpha, DataError, f"{path}, line 5", says)


RECORD_FIELDS = (
    "item_id", "cluster_id", "task", "variant", "perturber", "family", "severity", "outcome",
    "evidence", "canonical_sha256",
)  # fmt: skip


@pytest.mark.parametrize("field", RECORD_FIELDS)
def test_a_record_lacks_a_field(alpha: Path, read: Read, field: str) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 7, lambda row: row["doc"]["oodrop"].pop(field))
    fails(read, alpha, DataError, f"{path}, line 7", repr(field))


@pytest.mark.parametrize("value", [[], {}, 3.5, True, 1e300])
@pytest.mark.parametrize("field", RECORD_FIELDS)
def test_a_record_field_of_the_wrong_type(
    alpha: Path, read: Read, field: str, value: object
) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 7, lambda row: row["doc"]["oodrop"].update({field: value}))
    fails(read, alpha, DataError, f"{path}, line 7", repr(field))


def test_a_severity_that_only_equals_a_number(tmp_path: Path, read: Read) -> None:
    weakest = Kind("lexical_keyboard_typo_s1", "lexical.keyboard_typo", "lexical", 1)
    write_run(tmp_path, tasks_of(CANONICAL, weakest))
    path = samples_file(tmp_path, weakest)
    for value in (True, 1.0):
        edit_line(path, 7, lambda row, v=value: row["doc"]["oodrop"].update(severity=v))
        fails(read, tmp_path, DataError, f"{path}, line 7", "'severity'")


@pytest.mark.parametrize("value", [[], {}, 3.5, True])
def test_a_hash_of_a_bank_that_is_none(alpha: Path, read: Read, value: object) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 1, lambda row: row["doc"]["oodrop"].update(bank_sha256=value))
    fails(read, alpha, DataError, f"{path}, line 1", "'bank_sha256'")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "magic"),
        ("evidence", "magic"),
        ("outcome", "canonical"),
        ("evidence", None),
        ("task", "procedural"),
        ("variant", "ordering_fact_order"),
        ("perturber", "control.rerun"),
        ("family", "ordering"),
        ("severity", 1),
        ("bank_sha256", "0" * 64),
    ],
)
def test_a_record_that_does_not_belong(
    alpha: Path, read: Read, field: str, value: str | None
) -> None:
    """An unknown outcome would be neither scored nor counted; a mixed file is not one variant."""
    path = samples_file(alpha, TYPO)
    edit_line(path, 7, lambda row: row["doc"]["oodrop"].update({field: value}))
    fails(read, alpha, DataError, f"{path}, line 7", repr(field))


def test_a_file_of_another_variant(alpha: Path, read: Read) -> None:
    """A copy under the wrong name must not stand in for the variant."""
    path = samples_file(alpha, TYPO)
    shutil.copy(samples_file(alpha, ORDER), path)
    fails(read, alpha, DataError, str(path), ORDER.slug, task_name(TYPO))


def test_a_doubled_row(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:5], lines[1], *lines[5:]]))
    fails(read, alpha, DataError, f"{path}, line 6", "everyday.001", "twice")


def test_no_row_of_the_declared_filter(alpha: Path, read: Read) -> None:
    path = results_file(alpha)
    edit_json(path, lambda d: declared(d, TYPO).update(filter="strict"))
    fails(read, alpha, DataError, str(samples_file(alpha, TYPO)), "'strict'")


# --- metrics -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, "0.5", "N/A", [1.0], {"acc": 1.0}, float("nan"), float("inf"), -float("inf"), 10**400],
    ids=str,
)
@pytest.mark.parametrize("kind", [CANONICAL, TYPO, IDENTITY], ids=lambda kind: kind.slug)
def test_a_metric_that_is_not_a_number(alpha: Path, read: Read, kind: Any, value: object) -> None:
    path = samples_file(alpha, kind)
    edit_line(path, 2, lambda row: row.update(acc=value))
    fails(read, alpha, DataError, f"{path}, line 2", "'acc'")


def test_a_metric_is_missing(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 2, lambda row: row.pop("acc"))
    fails(read, alpha, DataError, f"{path}, line 2", "'acc'", "must be a finite number")


def test_predict_only_has_no_metric(tmp_path: Path, read: Read) -> None:
    samples = [{k: v for k, v in row.items() if k != "acc"} for row in rows(CANONICAL)]
    write_run(tmp_path, {task_name(CANONICAL): samples})
    fails(read, tmp_path, DataError, "line 1", "'acc'")


def test_an_unchanged_row_may_have_a_metric_or_not(alpha: Path, read: Read) -> None:
    report = read(alpha)
    for number in (4, 8, 12):
        edit_line(samples_file(alpha, TYPO), number, lambda row: row.update(acc="N/A"))
    assert read(alpha) == report


# --- metadata ------------------------------------------------------------------------------------


def declared(results: dict[str, Any], kind: Any) -> dict[str, Any]:
    return results["configs"][task_name(kind)]["metadata"]["oodrop"]


@pytest.mark.parametrize("field", ["metric", "filter", "chance"])
def test_metadata_lacks_a_field(alpha: Path, read: Read, field: str) -> None:
    path = results_file(alpha)
    edit_json(path, lambda d: declared(d, TYPO).pop(field))
    fails(read, alpha, DataError, str(path), task_name(TYPO), "metadata.oodrop")


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
@pytest.mark.parametrize("where", ["configs", "metadata", "oodrop"])
def test_metadata_of_the_wrong_type(alpha: Path, read: Read, where: str, value: object) -> None:
    path = results_file(alpha)

    def spoil(results: dict[str, Any]) -> None:
        config = results["configs"]
        if where == "configs":
            config[task_name(TYPO)] = value
        elif where == "metadata":
            config[task_name(TYPO)]["metadata"] = value
        else:
            config[task_name(TYPO)]["metadata"]["oodrop"] = value

    edit_json(path, spoil)
    fails(read, alpha, DataError, str(path), task_name(TYPO))


@pytest.mark.parametrize("value", ["a quarter", None, [], float("nan"), 1.0, -0.1, 10**400, True])
def test_chance_that_is_not_a_share(alpha: Path, read: Read, value: object) -> None:
    def spoil(results: dict[str, Any]) -> None:
        for kind in MAIN:
            declared(results, kind)["chance"] = value

    edit_json(results_file(alpha), spoil)
    fails(read, alpha, DataError, "chance")


@pytest.mark.parametrize("value", [[], "x", 3, [1]])
@pytest.mark.parametrize("key", ["n-shot", "versions"])
def test_a_table_of_the_wrong_type(alpha: Path, read: Read, key: str, value: object) -> None:
    path = results_file(alpha)
    edit_json(path, lambda results: results.update({key: value}))
    fails(read, alpha, DataError, str(path), repr(key))


@pytest.mark.parametrize("value", ["five", [], {}, 1e300, float("nan")])
def test_shots_that_are_no_number(alpha: Path, read: Read, value: object) -> None:
    path = results_file(alpha)
    edit_json(path, lambda results: results["n-shot"].update({task_name(TYPO): value}))
    fails(read, alpha, DataError, str(path), "'n-shot'", task_name(TYPO))


@pytest.mark.parametrize("value", [None, "today", [], float("nan"), 1e300, -1e300, 10**400])
def test_a_date_that_is_none(alpha: Path, read: Read, value: object) -> None:
    """Without dates nobody can say which of two runs is newer."""
    path = results_file(alpha)
    edit_json(path, lambda results: results.update(date=value))
    fails(read, alpha, DataError, str(path), "'date'")


@pytest.mark.parametrize("value", [None, [], "lexical_x", {"lexical_x": 3}, {"lexical_x": None}])
def test_a_marker_that_does_not_say_why_variants_are_left_out(
    alpha: Path, read: Read, value: object
) -> None:
    path = alpha / "oodrop_checkpoint.json"
    edit_json(path, lambda content: content.update(left_out=value))
    fails(read, alpha, DataError, str(path), "'left_out'")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"{}", b'{"name": "x"}', b'{"fingerprint": "x"}',
     b'{"name": null, "fingerprint": "x"}', b'{"name": "x", "fingerprint": null}',
     b'{"name": "", "fingerprint": "x"}', b'{"name": ["x"], "fingerprint": "x"}'],
)  # fmt: skip
def test_a_damaged_checkpoint_file(alpha: Path, read: Read, content: bytes) -> None:
    """Two files without a fingerprint would otherwise name one checkpoint."""
    path = alpha / "oodrop_checkpoint.json"
    path.write_bytes(content)
    fails(read, alpha, DataError, str(path))


def test_a_checkpoint_file_that_is_a_folder(alpha: Path, read: Read) -> None:
    path = alpha / "oodrop_checkpoint.json"
    path.unlink()
    path.mkdir()
    fails(read, alpha, DataError, str(path))


def test_write_samples_is_what_the_tests_think(tmp_path: Path) -> None:
    """The helper escapes only what UTF-8 cannot hold."""
    path = tmp_path / "x.jsonl"
    write_samples(path, [{"a": "é\u2028"}, {"a": "\ud800"}])
    assert path.read_bytes() == '{"a": "é\u2028"}\n'.encode() + b'{"a": "\\ud800"}\n'

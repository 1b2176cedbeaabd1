"""Entries, rankings, data and site: what is comparable is ranked, and a bad bundle is told."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from oodrop import DataError
from oodrop.reports.build import build_report
from oodrop.reports.leaderboard import (
    Board,
    Entry,
    Refused,
    entries,
    rank,
    read_entries,
    write_site,
)
from oodrop.reports.leaderboard.data import SCHEMA_FILE, board_json, drops_csv, ranking_csv
from oodrop.reports.leaderboard.entries import bundles_in
from oodrop.reports.leaderboard.pages import page_names, pages
from oodrop.reports.leaderboard.ranking import suite_words

from ..reports.runs import (
    CANONICAL,
    MAIN,
    NEGATION,
    ORDER,
    TYPO,
    edit_json,
    edit_line,
    samples_file,
    write_checkpoint,
)
from .bundles import ITEMS, plain, right, seal, whole, write_manifest

ABILITIES = {"alpha": 0.95, "beta": 0.6, "gamma": 0.62, "delta": 0.3}


def board(folder: Path, **how: object) -> Board:
    """Of all bundles of a folder."""
    return rank(list(read_entries(bundles_in([folder]))), resamples=200, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four bundles that no test may change."""
    folder = tmp_path_factory.mktemp("four")
    for name, ability in ABILITIES.items():
        plain(folder, name, ability)
    return folder / "bundles"


@pytest.fixture
def copy(four: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(four, tmp_path / "bundles"))


def files(site: Path) -> dict[str, bytes]:
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def reasons(found: Board) -> dict[str, str]:
    return {r.bundle: r.reason for r in found.refused}


# --- numbers -------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_a_report(four: Path) -> None:
    (ranking,) = board(four).rankings
    report = build_report([four / name / "raw" for name in ABILITIES], resamples=200)
    (task,) = report.tasks
    points = {p.checkpoint: p for p in task.questions.plane.points}
    assert {row.name: row.point for row in ranking.rows} == points
    assert {row.name: row.place for row in ranking.rows} == {
        r.checkpoint: r for r in task.questions.ranks
    }
    assert {row.name: row.accuracy for row in ranking.rows} == {
        a.checkpoint: a for a in task.analysis.accuracies
    }
    theirs = {(d.checkpoint, d.name): d for d in task.analysis.drops}
    assert {(d.checkpoint, d.name): d for row in ranking.rows for d in row.drops} == theirs
    contrasts = {(c.a, c.b, c.name): c for c in task.questions.contrasts}
    found = {
        (v.a, v.b, name): v
        for name, of in (("all", "drop"), ("lexical", "lexical"), ("ordering", "ordering"))
        for v in ranking.versus[of]
    }
    assert contrasts
    for key, c in contrasts.items():
        twin = found.get(key)
        sign = 1.0 if twin else -1.0
        twin = twin or found[key[1], key[0], key[2]]
        assert twin.estimate * sign == pytest.approx(c.estimate, abs=1e-12)


def test_the_order_is_that_of_variant_accuracy(four: Path) -> None:
    (ranking,) = board(four).rankings
    accuracies = [row.point.variant for row in ranking.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    first, last = ranking.rows[0], ranking.rows[-1]
    assert (first.name, last.name) == ("alpha", "delta")
    assert first.place.best == 1
    assert first.place.worst < last.place.best
    assert {row.name: row.place for row in ranking.rows}["beta"].best == 2


def test_who_keeps_more_ranks_above_who_begins_higher(tmp_path: Path) -> None:
    plain(tmp_path, "steady", score=lambda k: float(k % 10 < 7))
    plain(tmp_path, "brittle", 0.85)
    (ranking,) = board(tmp_path / "bundles").rankings
    first, second = ranking.rows
    assert (first.name, second.name) == ("steady", "brittle")
    assert first.point.canonical < second.point.canonical
    assert first.point.variant > second.point.variant
    assert first.place.rank == 1


def test_the_order_of_bundles_and_the_number_of_processes_change_nothing(
    four: Path, tmp_path: Path
) -> None:
    places = bundles_in([four])
    for name, given, processes in (("a", places, 1), ("b", places[::-1], 2)):
        found = rank(list(read_entries(given, processes=processes)), resamples=200)
        write_site(found, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert len(files(tmp_path / "a")) == 5 + len(ABILITIES)


def test_reference_models_have_no_place(copy: Path, tmp_path: Path) -> None:
    (without,) = board(copy).rankings
    run = write_checkpoint(tmp_path, "oracle", items=ITEMS, score=lambda k: 1.0)
    for results in run.rglob("results_*.json"):
        edit_json(results, lambda data: data["config"].update(model="oodrop-oracle"))
    seal(run, copy / "oracle")
    (with_it,) = board(copy).rankings
    last = with_it.rows[-1]
    assert (last.name, last.place, last.point.role) == ("oracle", None, "reference model")
    assert [(row.name, row.place) for row in with_it.rows[:-1]] == [
        (row.name, row.place) for row in without.rows
    ]


def test_one_checkpoint_alone_has_no_place(tmp_path: Path) -> None:
    plain(tmp_path, "alpha")
    (ranking,) = board(tmp_path / "bundles").rankings
    assert [row.place for row in ranking.rows] == [None]


# --- what is comparable --------------------------------------------------------------------------


def other_items(folder: Path) -> None:
    plain(folder, "other", items=range(1, 61))


def other_few_shot(folder: Path) -> None:
    run = write_checkpoint(folder / "runs", "other", items=ITEMS)
    for results in run.rglob("results_*.json"):
        edit_json(results, lambda data: data.update({"n-shot": dict.fromkeys(data["n-shot"], 5)}))
    seal(run, folder / "bundles" / "other")


def other_documents(folder: Path) -> None:
    plain(folder, "other", text=lambda k: f"Which tool cuts thing number {k}?")


def other_variants(folder: Path) -> None:
    plain(folder, "other", kinds=MAIN[:3])


def other_clusters(folder: Path) -> None:
    plain(folder, "other", per_cluster=2)


def other_version(folder: Path) -> None:
    run = write_checkpoint(folder / "runs", "other", items=ITEMS)
    for results in run.rglob("results_*.json"):
        edit_json(results, lambda d: d.update(versions=dict.fromkeys(d["versions"], 2.0)))
    seal(run, folder / "bundles" / "other")


@pytest.mark.parametrize(
    "make",
    [
        other_items, other_few_shot, other_documents, other_variants, other_clusters, other_version,
    ],
)  # fmt: skip
def test_what_was_asked_otherwise_has_a_ranking_of_its_own(
    copy: Path, make: Callable[[Path], None]
) -> None:
    make(copy.parent)
    found = board(copy)
    assert not found.refused
    assert [{row.name for row in r.rows} for r in found.rankings] == [set(ABILITIES), {"other"}]


def test_chat_template_and_version_of_lm_eval_are_the_checkpoints_own(copy: Path) -> None:
    for results in (copy / "beta").rglob("results_*.json"):
        edit_json(results, lambda d: d.update(lm_eval_version="0.4.12", chat_template_sha="0" * 64))
    write_manifest(copy / "beta")
    (ranking,) = board(copy).rankings
    assert len(ranking.rows) == 4
    assert "2 different versions of lm-eval" in ranking.notes[0]


def test_a_suite_leaves_other_variants_out(four: Path) -> None:
    only = list(read_entries(bundles_in([four]), slugs=[TYPO.slug]))
    (ranking,) = rank(only, resamples=200).rankings
    assert [v.slug for v in ranking.variants] == [TYPO.slug]
    assert ranking.families == ("lexical",)


def test_the_order_of_items_in_a_file_changes_nothing(copy: Path) -> None:
    (before,) = board(copy).rankings
    shutil.rmtree(copy / "beta")
    shutil.rmtree(copy.parent / "runs", ignore_errors=True)
    plain(copy.parent, "beta", ABILITIES["beta"], items=ITEMS[::-1])
    (after,) = board(copy).rankings
    assert [(r.name, r.point, r.place, r.drops) for r in after.rows] == [
        (r.name, r.point, r.place, r.drops) for r in before.rows
    ]


def test_a_run_that_was_stopped_early_is_not_ranked_and_its_page_says_so(
    copy: Path, tmp_path: Path
) -> None:
    """Its intervals are not those of a fixed size, even where it came to ask everything."""
    for results in (copy / "beta").rglob("results_*.json"):
        edit_json(results, stop)
    write_manifest(copy / "beta")
    found = board(copy)
    assert not found.refused
    assert [{row.name for row in r.rows} for r in found.rankings] == [set(ABILITIES) - {"beta"}]
    write_site(found, tmp_path / "site")
    (page,) = (tmp_path / "site" / "checkpoints").glob("beta-*.html")
    assert "beta was stopped early on everyday" in page.read_text()
    assert "No task of this bundle could be ranked" in page.read_text()


def stop(data: dict[str, Any]) -> None:
    items = len(ITEMS)
    row = {"items": items, "items_of": items, "changed": items, "changed_of": items}
    data["config"]["stopping"] = {
        "estimand": "full_run",
        "margin": 0.1,
        "alpha": 0.05,
        "tasks": dict.fromkeys(data["configs"], row),
    }


def test_no_natural_variant_is_no_ranking(tmp_path: Path) -> None:
    plain(tmp_path, "alpha", kinds=(CANONICAL, NEGATION))
    found = board(tmp_path / "bundles")
    assert not found.rankings
    assert found.notes == ("everyday is not ranked for alpha: no natural variant changed an item",)


def test_suite_words() -> None:
    suites = {"small": ["a", "b"], "large": ["a", "b", "c", "d"]}
    assert suite_words(["b", "a"], suites) == "small"
    assert suite_words(["a"], suites) == "1 of 2 variants of small"
    assert suite_words(["a", "c"], suites) == "2 of 4 variants of large"
    assert suite_words(["x"], suites) == "1 variant"
    assert suite_words(["x", "y"], {}) == "2 variants"


# --- bundles that do not hold --------------------------------------------------------------------


def flip_a_byte(bundle: Path) -> None:
    path = samples_file(bundle, TYPO)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def no_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


def a_link(bundle: Path) -> None:
    (bundle / "raw" / "link").symlink_to("/etc/hostname")


def one_more(bundle: Path) -> None:
    (bundle / "raw" / "more.txt").write_text("x")
    write_manifest(bundle)


def forge_a_score(bundle: Path) -> None:
    def better(row: dict) -> None:
        row["acc"] = 1.0 - row["acc"]

    edit_line(samples_file(bundle, CANONICAL), 1, better)
    write_manifest(bundle)


def forge_a_document(bundle: Path) -> None:
    edit_line(samples_file(bundle, CANONICAL), 1, lambda row: row["doc"].update(question="Easy?"))
    write_manifest(bundle)


def another_name(bundle: Path) -> None:
    edit_json(bundle / "raw" / "oodrop_checkpoint.json", lambda d: d.update(name="best"))
    write_manifest(bundle)


def cut_off(bundle: Path) -> None:
    path = samples_file(bundle, ORDER)
    path.write_bytes(path.read_bytes()[:-40])
    write_manifest(bundle)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (flip_a_byte, "was changed: size or sha256"),
        (no_manifest, "is no bundle of oodrop submit"),
        (a_link, "links are not followed"),
        (one_more, "belongs to no results file"),
        (forge_a_score, "the logged log-likelihoods give"),
        (forge_a_document, "hash"),
        (another_name, "is not the name that raw/ gives"),
        (cut_off, "samples_"),
    ],
)
def test_a_bad_bundle_is_told_and_stops_nothing(
    copy: Path, tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    harm(copy / "beta")
    found = board(copy)
    assert list(reasons(found)) == ["beta"]
    assert reason in reasons(found)["beta"]
    (ranking,) = found.rankings
    assert {row.name for row in ranking.rows} == {"alpha", "gamma", "delta"}
    write_site(found, tmp_path / "site")
    texts = files(tmp_path / "site")
    assert reason[:12] in texts["index.html"].decode()
    for name, data in texts.items():
        assert str(tmp_path).encode() not in data, name


def test_verify_computes_all_of_a_bundle(tmp_path: Path) -> None:
    bundle = whole(tmp_path, "alpha")
    (entry,) = read_entries([bundle], verify=True)
    assert isinstance(entry, Entry)
    assert entry.verified
    path = bundle / "robustness.csv"
    path.write_text(path.read_text().replace("lexical", "lexicaI"))
    write_manifest(bundle)
    (entry,) = read_entries([bundle])
    assert isinstance(entry, Entry)
    assert not entry.verified
    (entry,) = read_entries([bundle], verify=True)
    assert isinstance(entry, Refused)
    assert "robustness.csv is not what follows" in entry.reason


def test_the_same_bundle_twice_counts_once(copy: Path) -> None:
    shutil.copytree(copy / "beta", copy / "again")
    found = board(copy)
    assert reasons(found) == {"beta": "the same bundle as again, byte for byte"}
    assert len(found.rankings[0].rows) == 4


def test_two_bundles_of_one_name_are_told_apart(copy: Path, tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path / "more", "beta", items=ITEMS, score=right("x", 0.5))
    seal(run, copy / "other")
    (ranking,) = board(copy).rankings
    names = sorted(row.name for row in ranking.rows)
    assert len(names) == 5
    assert sum(re.fullmatch(r"beta \([0-9a-f]{12}\)", name) is not None for name in names) == 2


def test_identical_replies_are_told(copy: Path, tmp_path: Path) -> None:
    run = write_checkpoint(tmp_path / "m", "copycat", items=ITEMS, score=right("beta", 0.6))
    seal(run, copy / "copycat")
    (ranking,) = board(copy).rankings
    assert "beta, copycat gave identical replies" in ranking.notes[0]


def test_a_process_that_dies_costs_its_own_bundle_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle may make a reader run out of memory: the others are ranked all the same."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    monkeypatch.setattr(entries, "read_entry", dies_on_beta)
    found = rank(list(read_entries(bundles_in([copy]), processes=2)), resamples=200)
    assert "was ended (code 9)" in reasons(found)["beta"]
    assert len(found.rankings[0].rows) == 3


def dies_on_beta(job: entries._Job) -> Entry:
    import os

    if job.bundle.name == "beta":
        os._exit(9)
    return entries.read_entry(job)


def test_nothing_to_rank_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bundles" / "empty").mkdir(parents=True)
    with pytest.raises(DataError, match=r"none of the 1 bundles can be ranked; empty: .*manifest"):
        board(tmp_path / "bundles")
    with pytest.raises(DataError, match="neither a bundle nor a folder of bundles"):
        bundles_in([tmp_path / "bundles" / "empty"])
    with pytest.raises(DataError, match="is no folder"):
        bundles_in([tmp_path / "nowhere"])


# --- data ----------------------------------------------------------------------------------------


def test_json_keeps_its_schema(four: Path) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    data = json.loads(board_json(board(four)))
    validator.validate(data)
    assert data["rankings"][0]["rows"][0]["name"] == "alpha"
    for change in ({"schema_version": "9"}, {"extra": 1}, {"rankings": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**data, **change})


def test_csv_holds_the_same_numbers(four: Path) -> None:
    found = board(four)
    (ranking,) = found.rankings
    table = list(csv.DictReader(io.StringIO(ranking_csv(found))))
    assert [row["checkpoint"] for row in table] == [row.name for row in ranking.rows]
    for cells, row in zip(table, ranking.rows, strict=True):
        assert float(cells["variant_accuracy_percent"]) == pytest.approx(
            100 * row.point.variant, abs=0.005
        )
        assert int(cells["rank_best"]) == row.place.best
    drops = list(csv.DictReader(io.StringIO(drops_csv(found))))
    assert len(drops) == sum(len(row.drops) for row in ranking.rows)


# --- site ----------------------------------------------------------------------------------------


def test_links_lead_to_files_and_places(four: Path, tmp_path: Path) -> None:
    write_site(board(four), tmp_path / "site")
    texts = {n: d.decode() for n, d in files(tmp_path / "site").items() if n.endswith(".html")}
    assert len(texts) == 6
    for name, text in texts.items():
        for href in re.findall(r'href="([^"]*)"', text):
            target, _, fragment = href.partition("#")
            path = (tmp_path / "site" / name).parent / target if target else None
            path = path or tmp_path / "site" / name
            assert path.is_file(), href
            if fragment and "=" not in fragment:
                assert f'id="{fragment}"' in path.read_text(), href


def test_a_page_keeps_its_name_as_long_as_the_bundle_is_the_same(copy: Path) -> None:
    before = set(page_names(board(copy)).values())
    plain(copy.parent, "epsilon")
    after = set(page_names(board(copy)).values())
    assert before < after
    assert all(re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{12}\.html", name) for name in after)


def test_an_older_site_is_written_over_and_what_is_foreign_stays(
    copy: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write_site(board(copy), site)
    (site / "CNAME").write_text("example.org")
    shutil.rmtree(copy / "beta")
    write_site(board(copy), site)
    assert sorted(p.name.split("-")[0] for p in (site / "checkpoints").iterdir()) == [
        "alpha", "delta", "gamma"
    ]  # fmt: skip
    assert (site / "CNAME").read_text() == "example.org"


@pytest.mark.parametrize("beside", ["", "{}", '{"schema": "other"}', "no json"])
def test_a_foreign_index_is_not_written_over(four: Path, tmp_path: Path, beside: str) -> None:
    (tmp_path / "index.html").write_text("mine")
    if beside:
        (tmp_path / "leaderboard.json").write_text(beside)
    with pytest.raises(DataError, match="did not write: name another folder"):
        write_site(board(four), tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_names_of_pages() -> None:
    from oodrop.reports.leaderboard.pages import _plain

    assert _plain("org/Alpha 7B (chat)") == "org-alpha-7b-chat"
    assert _plain("../../etc/passwd") == "etc-passwd"
    assert _plain("\u6a21\u578b") == "checkpoint"
    assert _plain("\u00c9tude") == "etude"
    assert len(_plain("x" * 500)) == 60


def test_the_index_is_the_last_page(four: Path) -> None:
    assert [name for name, _ in pages(board(four))][-1] == "index.html"

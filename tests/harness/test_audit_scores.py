"""From what raters wrote to limits: nothing missing, nothing double, clusters as the unit."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from scipy.stats import beta, binomtest

from oodrop import DataError
from oodrop.harness_ext.audit import (
    COLUMNS,
    decoys_found,
    kappa,
    lower_bound,
    merged,
    read_ratings,
    read_round,
    verdicts,
    write_tables,
)
from oodrop.harness_ext.audit.pairs import KEY_COLUMNS
from oodrop.harness_ext.cli.app import run
from oodrop.perturbers.audits import FOLDER

from .audit_data import PLAN, write_data, write_plan


def row(number: int, ratings: str, **fields: object) -> dict[str, str]:
    """A rated row; ``ratings`` are kept_1, readable_1, kept_2, readable_2 and maybe kept_3."""
    cells = dict.fromkeys(COLUMNS, "") | {
        "round": "1", "pair": f"p{number}", "kind": "sampled", "perturber": "lexical.x",
        "version": "1.0", "severity": "2", "cluster": f"c{number}", "item_id": f"i{number}",
    }  # fmt: skip
    names = ("kept_1", "readable_1", "kept_2", "readable_2", "kept_3")
    cells |= dict(zip(names, ratings, strict=False))
    return cells | {name: str(value) for name, value in fields.items()}


def written(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_limits_are_those_of_scipy() -> None:
    for kept, total in ((150, 150), (149, 150), (40, 44), (1, 44)):
        exact = binomtest(kept, total).proportion_ci(method="exact")
        assert lower_bound(kept, total) == pytest.approx(exact.low, abs=1e-9)
    assert lower_bound(0, 44) == 0.0
    assert lower_bound(121, 121) < 0.97 < lower_bound(122, 122)


def test_two_of_three_ratings_decide(tmp_path: Path) -> None:
    rows = [
        row(1, "yyyy"),
        row(2, "nyyyy"),
        row(3, "nyynn"),
        row(4, "nnnn"),
        row(5, "nyny", kind="planted"),
    ]
    rows = read_ratings(written(tmp_path / "r.csv", rows))
    (verdict,) = verdicts(rows)
    assert (verdict.parameters, verdict.severity) == ("", "2")
    assert (verdict.pairs, verdict.clusters, verdict.lost, verdict.unreadable) == (4, 4, 2, 1)
    assert verdict.agreement == 0.5
    assert verdict.lower == lower_bound(2, 4)
    assert kappa(rows) == pytest.approx((3 / 5 - 0.44) / 0.56)


def test_the_unit_of_a_limit_is_the_cluster() -> None:
    rows = [row(k, "yyyy", cluster=f"c{k // 4}") for k in range(40)]
    assert verdicts(rows)[0].lower == lower_bound(10, 10)
    rows[4] = row(4, "nyny", cluster="c1")
    rows[5] = row(5, "nyny", cluster="c1")
    (verdict,) = verdicts(rows)
    assert (verdict.pairs, verdict.clusters, verdict.lost) == (40, 10, 2)
    assert verdict.lower == lower_bound(9, 10)


def test_the_latest_round_decides_alone_where_it_is_large_enough() -> None:
    first = [row(k, "yyyy") for k in range(50)]
    second = [row(100 + k, "yyyy", round=2) for k in range(184)]
    (alone,) = verdicts([*first, *second])
    assert (alone.rounds, alone.pairs) == ("2", 184)
    # One cluster fewer: with a lost answer it would not reach the threshold.
    (both,) = verdicts([*first, *second[1:]])
    assert (both.rounds, both.pairs, both.clusters) == ("1+2", 233, 233)
    assert lower_bound(183, 184) >= 0.97 > lower_bound(182, 183)
    # A cluster of both rounds counts once.
    again = [row(k, "yyyy", round=2, pair=f"q{k}") for k in range(20)]
    (same,) = verdicts([*first, *again])
    assert (same.pairs, same.clusters) == (70, 50)


def test_versions_are_judged_apart() -> None:
    found = verdicts([row(1, "nyny"), row(2, "yyyy", version="2.0")])
    assert [(v.version, v.lost) for v in found] == [("1.0", 1), ("2.0", 0)]


def test_decoys_are_counted_by_kind() -> None:
    rows = [
        row(1, "yyyy", kind="clean", decoy="clean"),
        row(2, "nyyy", kind="clean", decoy="clean"),
        row(3, "nyyy", kind="planted", decoy="number"),
        row(4, "nnnn"),
    ]
    assert decoys_found(rows) == {("clean", "clean"): (2, 1, 2), ("planted", "number"): (1, 1, 0)}


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ("y yy", "line 2: readable_1 must be y or n, got ' '"),
        ("yyny", "line 2: kept_3 must be y or n, got ''"),
        ("xynyy", "line 2: kept_1 must be y or n, got 'x'"),
    ],
)
def test_ratings_that_are_none(tmp_path: Path, ratings: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ratings(written(tmp_path / "r.csv", [row(1, ratings)]))


def test_a_pair_stands_once_in_a_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: pair p1 stands twice"):
        read_ratings(written(tmp_path / "r.csv", [row(1, "yyyy"), row(1, "yyyy")]))
    assert read_ratings(written(tmp_path / "r.csv", [row(1, "yyyy"), row(1, "yyyy", round=2)]))


def test_a_round_takes_the_place_of_its_own_ratings(tmp_path: Path) -> None:
    before = [row(1, "yyyy"), row(2, "yyyy", round=2)]
    together = merged(before, [row(3, "nyny", round=2)])
    assert [r["pair"] for r in together] == ["p1", "p3"]
    write_tables(together, tmp_path)
    assert read_ratings(tmp_path / "ratings.csv") == together
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bounds.csv", "ratings.csv"]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A round of two sheets, all of whose pairs two raters call kept and readable."""
    data, plan = write_data(tmp_path / "data"), write_plan(tmp_path)
    arguments = ["--plan", str(plan), "--data", str(data), "-o", str(tmp_path / "round")]
    assert run(["audit", "sample", *arguments]) == 0
    folder = tmp_path / "round"
    for sheet in ("r9s1", "r9s2"):
        for rater in "ab":
            said(folder, sheet, rater)
    return folder


def key(folder: Path) -> list[dict[str, str]]:
    with (folder / "key/key.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def said(folder: Path, sheet: str, rater: str, **lost: str) -> Path:
    """A rater's file: planted pairs lost, all others kept save those that are named."""
    path = folder / "ratings" / rater / f"ratings_{sheet}_{rater}.csv"
    path.parent.mkdir(exist_ok=True)
    lines = ["pair,kept,readable,remark"]
    for cells in key(folder):
        if cells["sheet"] == sheet:
            kept = lost.get(f"p{cells['pair']}", "n" if cells["kind"] == "planted" else "y")
            lines.append(f'{cells["pair"]},{kept},y,"a remark, with a comma"')
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_rated_round_becomes_tables(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "score", str(drawn), "--into", str(tmp_path / "audit")]) == 0
    shown = capsys.readouterr().out
    assert "planted, number: 4, judged right 4 and 4" in shown
    assert "clean: 4, judged right 4 and 4" in shown
    rows = read_ratings(tmp_path / "audit/ratings.csv")
    assert [{n: r[n] for n in KEY_COLUMNS} for r in rows] == key(drawn)
    assert set(rows[0]) == set(COLUMNS)
    with (tmp_path / "audit/bounds.csv").open(encoding="utf-8", newline="") as file:
        bounds = {r["perturber"]: r for r in csv.DictReader(file)}
    assert (bounds["lexical.keyboard_typo"]["pairs"], bounds["lexical.case"]["pairs"]) == (
        "15",
        "10",
    )
    assert bounds["lexical.case"]["parameters"] == "*"
    assert run(["audit", "show", str(tmp_path / "audit")]) == 0
    assert "round 9" in capsys.readouterr().out


def test_the_same_command_draws_the_same_files(drawn: Path, tmp_path: Path) -> None:
    arguments = ["--plan", str(tmp_path / "plan.yaml"), "--data", str(tmp_path / "data")]
    assert run(["audit", "sample", *arguments, "-o", str(tmp_path / "again")]) == 0
    for path in ("key/key.csv", "sheets/sheet_r9s1.txt", "sheets/sheet_r9s2.txt"):
        assert (drawn / path).read_bytes() == (tmp_path / "again" / path).read_bytes()


def test_pairs_that_two_rate_differently_need_a_third(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampled = next(r for r in key(drawn) if r["kind"] == "sampled" and r["sheet"] == "r9s1")
    said(drawn, "r9s1", "b", **{f"p{sampled['pair']}": "n"})
    into = ["--into", str(tmp_path / "audit")]
    assert run(["audit", "score", str(drawn), *into]) == 2
    assert "1 pairs are rated differently" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()
    assert run(["audit", "score", str(drawn), "--ties", str(tmp_path / "ties.txt")]) == 0
    text = (tmp_path / "ties.txt").read_text("utf-8")
    assert text.count("\n##### ") == 2
    assert f"##### {sampled['pair']}" in text
    third = drawn / "ratings/ratings_ties_c.csv"
    third.write_text(f"pair,kept,readable,remark\n{sampled['pair']},n,y,\n")
    assert run(["audit", "score", str(drawn), *into]) == 0
    (lost,) = [r for r in read_ratings(tmp_path / "audit/ratings.csv") if r["kept_3"]]
    assert (lost["pair"], lost["kept_3"]) == (sampled["pair"], "n")
    third.write_text("pair,kept,readable,remark\n1234,n,y,\n")
    with pytest.raises(DataError, match="pair '1234' stands on no sheet"):
        read_round(drawn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rpartition("\n")[0].rpartition("\n")[0], "1 pairs are not rated"),
        (lambda text: text + text.split("\n")[1] + "\n", "is rated twice"),
        (lambda text: text + "beef,y,y,\n", "pair 'beef' is not on this sheet"),
        (lambda text: text.replace(",y,y,", ",y,maybe,", 1), "readable must be y or n"),
        (lambda text: text.replace("kept", "keep", 1), "no column 'kept'"),
        (None, "lacks a rating: there is no ratings_r9s2_b.csv"),
    ],
)
def test_ratings_that_are_incomplete_are_refused(
    drawn: Path, change: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = drawn / "ratings/b/ratings_r9s2_b.csv"
    if callable(change):
        path.write_text(change(path.read_text("utf-8")), "utf-8")
    else:
        path.unlink()
    with pytest.raises(DataError, match=message):
        read_round(drawn)
    assert run(["audit", "score", str(drawn)]) == 2
    assert message.partition(":")[0].split()[-1] in capsys.readouterr().err


def test_a_file_of_ratings_is_there_once(drawn: Path) -> None:
    path = drawn / "ratings/b/ratings_r9s2_b.csv"
    (drawn / "ratings" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"ratings_r9s2_b.csv is there twice"):
        read_round(drawn)


def test_a_folder_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "score", str(tmp_path)]) == 2
    assert "key.csv cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sample", "score", "show"])
def test_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", command, "--help"]) == 0
    assert f"oodrop audit {command}" in capsys.readouterr().out.replace("\n", " ")


def test_a_plan_that_fails_leaves_nothing(tmp_path: Path) -> None:
    plan = write_plan(tmp_path, PLAN.replace("problems: 8,", "problems: 80,"))
    data = write_data(tmp_path / "data")
    arguments = ["--plan", str(plan), "--data", str(data), "-o", str(tmp_path / "round")]
    assert run(["audit", "sample", *arguments]) == 2
    assert not (tmp_path / "round").exists()


def test_the_committed_limits_by_another_formula() -> None:
    """Each limit solves P(X >= k) = 2.5% over the clusters, recounted from the ratings here."""
    with (FOLDER / "bounds.csv").open(encoding="utf-8", newline="") as file:
        bounds = list(csv.DictReader(file))
    with (FOLDER / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rated = [r for r in csv.DictReader(file) if r["kind"] == "sampled"]
    assert len(bounds) == len({r["perturber"] for r in rated})
    for bound in bounds:
        rows = [
            r
            for r in rated
            if r["perturber"] == bound["perturber"] and r["round"] in bound["rounds"].split("+")
        ]
        kept: dict[str, bool] = {}
        for r in rows:
            lost = [r["kept_1"], r["kept_2"], r["kept_3"]].count("n") > 1
            kept[r["cluster"]] = kept.get(r["cluster"], True) and not lost
        total, good = len(kept), sum(kept.values())
        assert (len(rows), total) == (int(bound["pairs"]), int(bound["clusters"]))
        lower = float(bound["lower"])
        exact = binomtest(good, total).proportion_ci(0.95, method="exact").low
        assert lower == pytest.approx(exact, abs=6e-5)
        assert beta.cdf(exact, good, total - good + 1) == pytest.approx(0.025, abs=1e-6)

"""Sheets that say nothing about what made a pair, and bounds from what raters said."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import binomtest

from oodrop import DataError
from oodrop.harness_ext.audit import (
    COLUMNS,
    kappa,
    lower_bound,
    read_ratings,
    sample_pairs,
    verdicts,
    write_key,
)
from oodrop.perturbers import Variant

TYPO = Variant("lexical.keyboard_typo", severity=2)
PLACES = [("everyday", "test"), ("procedural", "test")]


def test_a_sheet_is_blind_seeded_and_mixed_with_decoys() -> None:
    wanted = [(TYPO, 30), (Variant("phrasing.distractor", {"n": "1"}), 10)]
    pairs = sample_pairs(wanted, PLACES, seed=1)
    kinds = Counter(pair.kind for pair in pairs)
    assert kinds["planted"] + kinds["altered"] == kinds["clean"] == 2
    assert kinds["sampled"] == 40
    assert pairs == sample_pairs(wanted, PLACES, seed=1)
    assert pairs != sample_pairs(wanted, PLACES, seed=2)
    assert len({pair.pair for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair.text.startswith(f"##### {pair.pair}\n")
        assert "ANSWER OF BEFORE: " in pair.text
        assert not any(word in pair.text for word in ("lexical", "typo", "planted", "control."))
    clean = next(pair for pair in pairs if pair.kind == "clean")
    before, _, after = clean.text.partition("\n\nAFTER:\n")
    assert before.partition("BEFORE:\n")[2] == after.partition("\n\nANSWER OF BEFORE")[0]


def test_bounds_are_those_of_scipy() -> None:
    for kept, total in ((150, 150), (149, 150), (40, 44), (1, 44)):
        exact = binomtest(kept, total).proportion_ci(method="exact")
        assert lower_bound(kept, total) == pytest.approx(exact.low, abs=1e-9)
    assert lower_bound(0, 44) == 0.0
    assert lower_bound(121, 121) < 0.97 < lower_bound(122, 122)


def rated(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def row(number: int, *ratings: str, kind: str = "sampled") -> tuple[str, ...]:
    head = (str(number), kind, "lexical.x", "", "2", "everyday", "test", f"i{number}", "0")
    return (*head, *ratings)


def test_two_of_three_ratings_decide(tmp_path: Path) -> None:
    path = rated(
        tmp_path / "r.csv",
        [
            row(1, "y", "y", "y", "y", ""),
            row(2, "n", "y", "y", "y", "y"),
            row(3, "n", "y", "y", "n", "n"),
            row(4, "n", "n", "n", "n", ""),
            row(5, "n", "y", "n", "y", "", kind="planted"),
        ],
    )
    rows = read_ratings(path)
    (verdict,) = verdicts(rows)
    assert (verdict.parameters, verdict.severity) == ("", "2")
    assert (verdict.pairs, verdict.lost, verdict.unreadable) == (4, 2, 1)
    assert verdict.agreement == 0.5
    assert verdict.lower == lower_bound(2, 4)
    assert kappa(rows) == pytest.approx((3 / 5 - 0.44) / 0.56)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        (("y", "", "y", "y", ""), "line 2: readable_1 must be y or n, got ''"),
        (("y", "y", "n", "y", ""), "line 2: kept_3 must be y or n, got ''"),
        (("yes", "y", "n", "y", "y"), "line 2: kept_1 must be y or n, got 'yes'"),
    ],
)
def test_ratings_that_are_none(tmp_path: Path, ratings: tuple[str, ...], message: str) -> None:
    path = rated(tmp_path / "r.csv", [row(1, *ratings)])
    with pytest.raises(DataError, match=message):
        read_ratings(path)


def test_the_key_of_a_sheet_has_room_for_the_ratings(tmp_path: Path) -> None:
    pairs = sample_pairs([(TYPO, 3)], PLACES, seed=1)
    write_key(pairs, tmp_path / "key.csv")
    with (tmp_path / "key.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["pair"] for r in rows] == [p.pair for p in pairs]
    assert set(rows[0]) == set(COLUMNS)

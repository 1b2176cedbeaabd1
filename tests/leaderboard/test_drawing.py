"""Small drawings: what is larger lies further to the right, or higher."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodrop.reports.leaderboard import Ranking, rank, read_entries
from oodrop.reports.leaderboard.drawing import (
    BAR,
    SIDE,
    accuracy_bar,
    drop_bar,
    drop_scale,
    plane,
)
from oodrop.reports.leaderboard.entries import bundles_in

from .bundles import plain


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> Ranking:
    folder = tmp_path_factory.mktemp("two")
    plain(folder, "alpha", 0.95)
    plain(folder, "beta", 0.5)
    (found,) = rank(list(read_entries(bundles_in([folder / "bundles"]))), resamples=200).rankings
    return found


def test_the_plane_is_square_and_upright(ranking: Ranking) -> None:
    drawn = plane(ranking)
    (better, worse), (first, second) = drawn.dots, ranking.rows
    assert better.entry == first.entry
    assert 0 < worse.x < better.x < SIDE
    assert 0 < better.y < worse.y < SIDE
    across = (better.x - worse.x) / (first.point.canonical - second.point.canonical)
    up = (worse.y - better.y) / (first.point.variant - second.point.variant)
    assert across == pytest.approx(up)
    places = [at for at, _ in drawn.ticks]
    assert places == sorted(places)
    assert "alpha: canonical" in better.title


def test_bars_hold_their_intervals(ranking: Ranking) -> None:
    for row in ranking.rows:
        bar = accuracy_bar(row)
        interval = row.point.variant_interval
        assert (bar.low, bar.high) == (BAR * interval.low, BAR * interval.high)
        assert (bar.at, bar.mark) == (BAR * row.point.variant, BAR * row.point.canonical)
        scale = drop_scale(row.drops)
        for drop in row.drops:
            found = drop_bar(drop, scale)
            assert 0 <= found.low < found.at < found.high <= BAR
            assert found.zero == BAR / 2
            assert (found.at > found.zero) == (drop.estimate > 0)
            share = (found.high - found.low) / BAR
            assert share == pytest.approx((drop.headline.high - drop.headline.low) / scale / 2)


def test_a_scale_is_at_least_ten_points() -> None:
    assert drop_scale(()) == 0.1


def test_one_checkpoint_has_a_plane(tmp_path: Path) -> None:
    plain(tmp_path, "alpha")
    (found,) = rank(list(read_entries(bundles_in([tmp_path / "bundles"]))), resamples=200).rankings
    (dot,) = plane(found).dots
    assert 0 < dot.x < SIDE
    assert 0 < dot.y < SIDE

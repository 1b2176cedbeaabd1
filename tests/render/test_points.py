"""Numbers in words."""

import pytest

from oodrop.reports.render.points import count, floor_words, level_words, percent, points, span
from oodrop.reports.statistics import Interval, NoiseFloor


def interval(low, high):
    return Interval((low + high) / 2, low, high, 0.01, "score_ess", 0.95, 9, 9, 9.0, 9)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0541, "+5.4"),
        (-0.003, "-0.3"),
        (0.0, "0.0"),
        (-1e-17, "0.0"),
        (0.0004, "+0.0"),
        (None, "\u2013"),
    ],
)
def test_points(value, words):
    assert points(value) == words


def test_span():
    assert span(interval(0.012, 0.045)) == "[+1.2, +4.5]"
    assert span(interval(-0.012, 0.0)) == "[-1.2, 0.0]"
    assert span(None) == "no interval"


def test_words():
    assert percent(0.7833) == "78.3%"
    assert level_words(0.95) == "95% interval"
    assert level_words(0.999) == "99.9% interval"
    assert count(1, "cluster") == "1 cluster"
    assert count(24, "cluster") == "24 clusters"
    floor = NoiseFloor("a", 10 / 480, 10, 480, 10 / 480)
    assert floor_words(floor) == "2.1% of scores flip on a rerun (10 of 480)"
    moved = "2.1% of scores move on a rerun (10 of 480), by 1.2 points on average over all"
    assert floor_words(NoiseFloor("a", 10 / 480, 10, 480, 0.012)) == moved
    assert floor_words(None) == "not measured (no control.rerun)"

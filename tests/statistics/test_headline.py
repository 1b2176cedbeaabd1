import pytest

from oodrop import OodropError
from oodrop.reports.statistics import Evidence, Interval, headline


def interval(method, low=0.01, high=0.09, estimate=0.05):
    return Interval(estimate, low, high, 0.02, method, 0.95, 900, 100, 100.0, 60)


BOOT, SCORE = interval("bootstrap_t"), interval("score_ess")


@pytest.mark.parametrize(
    ("g_star", "discordant", "leader", "words"),
    [
        (30.0, 20, BOOT, "bootstrap: 30.0 effective clusters and 20 discordant pairs"),
        (29.9, 20, SCORE, "29.9 effective clusters (the bootstrap needs 30)"),
        (30.0, 19, SCORE, "19 discordant pairs (the bootstrap needs 20)"),
        (30.0, 1, SCORE, "score interval: 1 discordant pair (the bootstrap needs 20)"),
        (12.0, 3, SCORE, "needs 30) and 3 discordant pairs"),
    ],
)
def test_auto(g_star, discordant, leader, words):
    got = headline(BOOT, SCORE, Evidence(900, g_star, discordant, True))
    assert got.interval is leader
    assert words in got.reason
    assert got.flags == ()


def test_scores_that_are_not_binary_count_items():
    got = headline(BOOT, SCORE, Evidence(900, 50.0, 4, False))
    assert "4 items with a difference" in got.reason
    one = headline(BOOT, SCORE, Evidence(900, 50.0, 1, False))
    assert "1 item with a difference" in one.reason


def test_asked_for():
    evidence = Evidence(900, 50.0, 63, True)
    assert headline(BOOT, SCORE, evidence, "score").interval is SCORE
    got = headline(BOOT, SCORE, Evidence(900, 6.0, 1, True), "bootstrap")
    assert got.interval is BOOT
    assert got.reason.startswith("bootstrap interval, as asked")


@pytest.mark.parametrize(
    ("bootstrap", "score", "choice", "leader"),
    [(None, SCORE, "bootstrap", SCORE), (BOOT, None, "score", BOOT)],
)
def test_fallback(bootstrap, score, choice, leader):
    got = headline(bootstrap, score, Evidence(900, 50.0, 63, True), choice)
    assert got.interval is leader
    assert got.flags == ("fallback",)
    assert f"the {choice} interval that was asked for does not exist" in got.reason


def test_auto_with_one_interval_only():
    evidence = Evidence(900, 50.0, 63, False)
    assert headline(None, SCORE, evidence).interval is SCORE
    assert "no spread" in headline(None, SCORE, evidence).reason
    few = headline(BOOT, None, Evidence(900, 50.0, 3, False))
    assert few.interval is BOOT
    assert "for want of another" in few.reason


@pytest.mark.parametrize(("low", "disagree"), [(0.01, False), (-0.01, True), (0.0, True)])
def test_disagree(low, disagree):
    other = interval("score_ess", low=low)
    got = headline(BOOT, other, Evidence(900, 50.0, 63, True))
    assert got.flags == (("disagree",) if disagree else ())


@pytest.mark.parametrize(
    ("n", "g_star", "words"),
    [(0, 0.0, "no item was changed"), (9, 3.0, "3.0 effective clusters"), (9, 9.0, "no spread")],
)
def test_none(n, g_star, words):
    got = headline(None, None, Evidence(n, g_star, 0, True))
    assert got.interval is None
    assert words in got.reason


def test_an_interval_holds_its_estimate():
    with pytest.raises(OodropError, match="must hold its estimate"):
        interval("cv3_t", low=0.06)

"""What a run says of its rate: that of the stage that runs."""

from __future__ import annotations

import pytest

from oodrop.harness_ext.runner import log
from oodrop.harness_ext.runner.log import Pace


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    return clock


def told(pace: Pace, clock: Clock, after: float, there: int, needed: int) -> str | None:
    clock.now += after
    return pace.line(there, needed)


def test_a_line_once_a_minute_with_the_rate(clock: Clock) -> None:
    pace = Pace()
    assert told(pace, clock, 30.0, 0, 1_000) is None
    assert told(pace, clock, 59.0, 100, 1_000) is None
    line = "120 of 1,000 answers, 2.0 per second, about 7 min left"
    assert told(pace, clock, 1.0, 120, 1_000) == line
    assert told(pace, clock, 59.0, 200, 1_000) is None
    assert told(pace, clock, 900.0, 1_000, 1_000) is None


def test_what_was_there_before_does_not_count(clock: Clock) -> None:
    pace = Pace()
    assert told(pace, clock, 0.0, 400, 1_000) is None
    assert told(pace, clock, 60.0, 460, 1_000) == (
        "460 of 1,000 answers, 1.0 per second, about 9 min left"
    )


@pytest.mark.parametrize("needed", [1_000, 900], ids=["as many answers", "fewer"])
def test_every_stage_has_its_own_clock(clock: Clock, needed: int) -> None:
    pace = Pace()
    told(pace, clock, 0.0, 0, 1_000)
    told(pace, clock, 6_000.0, 1_000, 1_000)
    assert told(pace, clock, 30.0, 0, needed) is None
    line = told(pace, clock, 100.0, 500, needed)
    assert line is not None
    assert "5.0 per second" in line


def test_without_an_answer_nothing_is_foretold(clock: Clock) -> None:
    pace = Pace()
    told(pace, clock, 0.0, 0, 10)
    assert told(pace, clock, 61.0, 0, 10) == "0 of 10 answers, 0.0 per second"

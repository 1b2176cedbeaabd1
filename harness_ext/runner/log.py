"""What a run tells while it works: to a person, and to its log file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_EVERY = 60.0  # seconds between two lines of progress


class Reporter(Protocol):
    """Where progress goes."""

    def message(self, text: str) -> None:
        """One line about what happens next."""

    def progress(self, there: int, needed: int) -> None:
        """Answers there of answers needed, in the stage that runs."""


class Pace:
    """Rate and remaining time of answers as they come, stage after stage."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._first = self._last = self._needed = 0

    def line(self, there: int, needed: int) -> str | None:
        """A line of progress once a minute; None in between and at the end."""
        now = time.monotonic()
        if needed != self._needed or there < self._last:  # another stage, with a clock of its own
            self._first, self._needed, self._began, self._told = there, needed, now, now
        self._last = there
        if now - self._told < _EVERY or there >= needed:
            return None
        self._told = now
        rate = (there - self._first) / (now - self._began)
        left = f", about {_duration((needed - there) / rate)} left" if rate else ""
        return f"{there:,} of {needed:,} answers, {rate:,.1f} per second{left}"


@contextmanager
def logged(reporter: Reporter, path: Path) -> Iterator[Reporter]:
    """The reporter, with all that it is told also in a file, and the warnings of oodrop with it."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    shape = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    shape.converter = time.gmtime
    handler.setFormatter(shape)
    logger = logging.getLogger("oodrop")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield _Logged(reporter)
    except BaseException as error:
        logger.error("stopped: %s: %s", type(error).__name__, error)
        raise
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


class _Logged:
    """A reporter that writes to the log as well."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._pace = reporter, Pace()
        self._log = logging.getLogger(__name__)

    def message(self, text: str) -> None:
        self._log.info("%s", text)
        self._reporter.message(text)

    def progress(self, there: int, needed: int) -> None:
        if line := self._pace.line(there, needed):
            self._log.info("%s", line)
        self._reporter.progress(there, needed)


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.1f} hours"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"

"""How much memory a call takes on top of what is there, in a process of its own or in this one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def extra_peak_mb(call: Callable[[Any], object], argument: object) -> float | None:
    """MiB between the process's memory before the call and its peak; None where unknown.

    In a fresh process that has done no more than import and unpickle. The peak is the highest
    resident size in the whole life of that process, so what importing took in passing counts
    towards the call: the result may be too high, never too low. Linux only, from
    ``/proc/self/status``: what `getrusage` calls the peak of a process may be that of its parent.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, call, argument).result()


def watch_peak() -> Callable[[], float | None]:
    """Forget this process's peak; the function tells MiB between its memory now and its new peak.

    What is held and used again does not count: the result may be too low, never too high. Linux
    only; None where the kernel keeps no peak that can be set back.
    """
    try:
        _RESET.write_text("5", "ascii")
    except OSError:
        return lambda: None
    before = _kilobytes("VmRSS")

    def peak() -> float | None:
        after = _kilobytes("VmHWM")
        return None if before is None or after is None else max(0.0, (after - before) / 1024)

    return peak


def _measured(call: Callable[[Any], object], argument: object) -> float | None:
    before = _kilobytes("VmRSS")
    call(argument)
    after = _kilobytes("VmHWM")
    return None if before is None or after is None else (after - before) / 1024


def _kilobytes(name: str) -> int | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return next(map(int, found), None)

"""Side-by-side benchmarks, each in one process run: a module per bench, one form of result."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What every ``oodrop bench NAME --json`` prints.

    Attributes:
        bench: name of the bench.
        machine: where it ran (`machine`); no host name, no path.
        settings: what was measured, so that the same can be measured again.
        rows: one per thing measured, all with the same keys.
        figures: the numbers that others read, by name; None where nothing could be measured.
    """

    bench: str
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    figures: Mapping[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "bench": self.bench,
            "machine": dict(self.machine),
            "settings": dict(self.settings),
            "rows": [dict(row) for row in self.rows],
            "figures": dict(self.figures),
        }


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """Processor, usable cores, load, Python, platform, and versions (None where not installed)."""
    return {
        "cpu": _cpu_model(),
        "cores": _usable_cores(),
        "load_1m": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {name: installed_version(name) for name in packages},
    }


def installed_version(package: str) -> str | None:
    """The version of an installed package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n")
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())

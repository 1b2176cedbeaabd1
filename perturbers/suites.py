"""Suites: named, versioned lists of variants, read from data files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from oodrop import DataError, UnknownNameError
from oodrop.perturbers.engine import check_options
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import Variant

_FOLDER = Path(__file__).parent / "suite_files"


@dataclass(frozen=True, slots=True)
class Suite:
    """A frozen list of variants; results are compared only within one suite."""

    name: str
    summary: str
    variants: tuple[Variant, ...]


def all_suites() -> Mapping[str, Suite]:
    """The suites that come with oodrop, by name."""
    return {p.stem: read_suite(p) for p in sorted(_FOLDER.glob("*.yaml"))}


def get_suite(name: str) -> Suite:
    """A suite by name, or one of the user's own by the path of its ``.yaml`` file.

    Raises:
        UnknownNameError: listing what exists, nearest first.
        DataError: when the file is not a suite.
    """
    if name.endswith(".yaml"):
        return read_suite(Path(name))
    known = all_suites()
    if name not in known:
        raise UnknownNameError("suite", name, known)
    return known[name]


def read_suite(path: Path) -> Suite:
    """Read and check one suite file.

    Raises:
        DataError: with the file and what is wrong in it.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"suite file {path} cannot be read: {error}") from None
    return suite_of(path, data)


def suite_of(path: Path, data: Any) -> Suite:
    """Check what stands in a suite file.

    Raises:
        DataError: with the file and what is wrong in it.
    """
    if not isinstance(data, dict) or set(data) != {"summary", "seed", "variants"}:
        raise DataError(f"suite file {path} must hold exactly: summary, seed, variants")
    if not isinstance(data["variants"], list) or not data["variants"]:
        raise DataError(f"suite file {path}: 'variants' must be a list with at least one entry")
    variants = []
    for k, row in enumerate(data["variants"], 1):
        where = f"suite file {path.name}, variant {k}"
        if not isinstance(row, dict):
            raise DataError(f"{where}: must be a mapping, got {row!r}")
        variant = Variant.from_dict({"seed": data["seed"], **row}, where)
        check_options(get_perturber(variant.perturber), variant)
        variants.append(variant)
    slugs = [v.slug for v in variants]
    double = next((s for s in slugs if slugs.count(s) > 1), None)
    if double:
        raise DataError(f"suite file {path.name}: the variant {double!r} stands twice")
    return Suite(path.stem, str(data["summary"]), tuple(variants))

"""What an audit draws: a plan, read from YAML and checked before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.audit.decoys import DECOYS
from oodrop.harness_ext.audit.sources import Source, get_source
from oodrop.perturbers.engine import check_options
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.variant import Variant

_FIELDS = ("round", "seed", "sheets", "sources", "draws", "decoys", "dress")
_SOURCE_FIELDS = {"task", "splits", "data", "categories", "characters", "fresh"}
_DRAW_FIELDS = {"perturber", "parameters", "severity", "from"}


@dataclass(frozen=True)
class Draw:
    """So many changed items of one source for one variant.

    Attributes:
        variant: what makes the pairs.
        source: key of the plan's sources.
        count: how many pairs.
    """

    variant: Variant
    source: str
    count: int


@dataclass(frozen=True)
class Planted:
    """So many decoys of one kind.

    Attributes:
        decoy: key of `DECOYS`.
        source: key of the plan's sources.
        count: how many pairs.
    """

    decoy: str
    source: str
    count: int


@dataclass(frozen=True)
class AuditPlan:
    """Everything that a round draws, in the order in which it is drawn.

    Attributes:
        round: number of the round; items rated in the rounds before it are left out.
        seed: of the order of items, pairs and sheets.
        sheets: how many raters share a set.
        sources: where items come from, by a name of the plan's own.
        draws: the sampled pairs.
        decoys: the decoys, clean ones among them.
        dress: variants that planted decoys are given on top, so that they look like the rest.
    """

    round: int
    seed: int
    sheets: int
    sources: Mapping[str, Source]
    draws: tuple[Draw, ...]
    decoys: tuple[Planted, ...]
    dress: tuple[Variant, ...]


def read_plan(path: Path) -> AuditPlan:
    """Read and check a plan.

    Raises:
        DataError: with the file and what is wrong in it.
        OodropError: when it names a perturber, task, data set or decoy that does not exist.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"audit plan {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"audit plan {path} is not YAML: {error}") from None
    where = f"audit plan {path.name}"
    if not isinstance(data, dict) or set(data) != set(_FIELDS):
        raise DataError(f"{where} must hold exactly: {', '.join(_FIELDS)}")
    rows = {name: _mapping(data[name], f"{where}, {name}") for name in ("sources", "decoys")}
    sources = {
        name: _source(row, f"{where}, source {name}") for name, row in rows["sources"].items()
    }
    if not isinstance(data["draws"], list) or not isinstance(data["dress"], list):
        raise DataError(f"{where}: draws and dress must be lists")
    draws: list[Draw] = []
    for k, row in enumerate(data["draws"], 1):
        draws += _draws(row, sources, f"{where}, draw {k}")
    _refuse_twice(draws, where)
    return AuditPlan(
        round=_count(data["round"], f"{where}, round"),
        seed=_count(data["seed"], f"{where}, seed"),
        sheets=_count(data["sheets"], f"{where}, sheets"),
        sources=sources,
        draws=tuple(draws),
        decoys=tuple(
            Planted(decoy, source, count)
            for decoy, places in rows["decoys"].items()
            for source, count in _places(_known_decoy(decoy), places, sources, where)
        ),
        dress=tuple(
            v
            for k, row in enumerate(data["dress"], 1)
            for v in _variants(row, f"{where}, dress {k}")
        ),
    )


def _source(row: Any, where: str) -> Source:
    row = _mapping(row, where)
    if not set(row) <= _SOURCE_FIELDS or ("task" in row) == ("data" in row):
        raise DataError(f"{where} must hold either task and splits or data, and maybe fresh")
    fresh = row.get("fresh", "item")
    if fresh not in ("item", "pair"):
        raise DataError(f"{where}: fresh must be item or pair, got {fresh!r}")
    is_task = "task" in row
    return Source(
        name=get_source(row["task"] if is_task else row["data"], is_task),
        splits=_texts(row.get("splits", []), f"{where}, splits"),
        is_task=is_task,
        categories=_texts(row.get("categories", []), f"{where}, categories"),
        characters=_count(row.get("characters", 1000), f"{where}, characters"),
        fresh=fresh,
    )


def _draws(row: Any, sources: Mapping[str, Source], where: str) -> list[Draw]:
    """A draw's count is shared evenly by the values of its parameters; the first take the rest."""
    row = _mapping(row, where)
    if not set(row) <= _DRAW_FIELDS or "from" not in row:
        raise DataError(f"{where} must hold perturber and from, and maybe parameters and severity")
    variants = _variants({k: v for k, v in row.items() if k != "from"}, where)
    found = []
    for source, count in _places("", row["from"], sources, where):
        for k, variant in enumerate(variants):
            share = count // len(variants) + (k < count % len(variants))
            found += [Draw(variant, source, share)] if share else []
    return found


def _variants(row: Any, where: str) -> list[Variant]:
    """One variant, or one for every combination where a parameter is a list of values."""
    row = _mapping(row, where)
    named = _mapping(row.get("parameters", {}), f"{where}, parameters")
    values = [v if isinstance(v, list) else [v] for v in named.values()]
    found = []
    for chosen in product(*values):
        parameters = dict(zip(named, chosen, strict=True))
        variant = Variant.from_dict({**row, "parameters": parameters}, where)
        check_options(get_perturber(variant.perturber), variant)
        found.append(variant)
    return found


def _places(
    decoy: str, row: Any, sources: Mapping[str, Source], where: str
) -> list[tuple[str, int]]:
    where = f"{where}, {decoy}" if decoy else where
    for source in _mapping(row, where):
        if source not in sources:
            raise UnknownNameError(f"source of {where}", str(source), sources)
    return [(source, _count(count, f"{where}, {source}")) for source, count in row.items()]


def _known_decoy(name: str) -> str:
    if name not in DECOYS:
        raise UnknownNameError("decoy", name, DECOYS)
    return name


def _refuse_twice(draws: list[Draw], where: str) -> None:
    places = [(draw.variant.slug, draw.source) for draw in draws]
    double = next((place for place in places if places.count(place) > 1), None)
    if double is not None:
        raise DataError(f"{where}: {double[0]} is drawn from {double[1]} twice")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where} must be a mapping, got {value!r:.60}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(f"{where} must be a list of names, got {value!r:.60}")
    return tuple(value)


def _count(value: Any, where: str) -> int:
    if type(value) is not int or value < 1:
        raise DataError(f"{where} must be a whole number from 1, got {value!r:.60}")
    return value

"""The registry of perturbers: a dict and a decorator.

Ours and everybody else's are found the same way: entry points of the group
``oodrop.perturbers``, each naming a module whose import registers perturbers, or a ``.py`` file
given with ``--plugin``.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from oodrop import DataError, OodropError, RunError, UnknownNameError
from oodrop.perturbers.edits import Edit

ENTRY_POINT_GROUP = "oodrop.perturbers"
FAMILIES = ("lexical", "ordering", "phrasing", "adversarial", "control")
# Severity means the same everywhere: the edited fraction of the eligible words or units.
SEVERITY_FRACTION: Mapping[int, float] = {1: 0.05, 2: 0.10, 3: 0.20, 4: 0.35, 5: 0.50}

Evidence = Literal["proved", "checked", "reviewed", "assumed"]
Level = Literal["document", "prompt"]


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """What a perturber returns instead of edits when it has nothing to do on an item."""

    reason: str


PerturberFunction = Callable[..., Sequence[Edit] | NotApplicable]


@dataclass(frozen=True)
class Perturber:
    """A registered perturber.

    Attributes:
        name: ``family.noun``, unique.
        family: one of `FAMILIES`.
        version: changes whenever the output for some item changes.
        level: "document" touches the evaluated item only; "prompt" the few-shot examples alike,
            and then uses no randomness.
        evidence: what a certificate may claim at best when all guards hold.
        summary: first line of the function's docstring.
        parameters: allowed values by parameter name, first one the default; an empty tuple
            leaves the values to the task (its templates, its paraphrases).
        has_severity: whether it takes severities 1 to 5.
        scores_all: items count although nothing was edited (identity, rerun).
        languages: languages it knows; ``("*",)`` for all.
    """

    name: str
    family: str
    version: str
    level: Level
    evidence: Evidence
    summary: str
    parameters: Mapping[str, tuple[str, ...]]
    has_severity: bool
    scores_all: bool
    languages: tuple[str, ...]
    function: PerturberFunction
    source: str

    def knows(self, language: str) -> bool:
        """Whether it may be applied to text in this language."""
        return "*" in self.languages or language in self.languages


_REGISTRY: dict[str, Perturber] = {}
_loaded = False


def perturber(
    name: str,
    *,
    version: str = "1.0",
    level: Level = "document",
    evidence: Evidence,
    parameters: Mapping[str, tuple[str, ...]] | None = None,
    scores_all: bool = False,
    languages: tuple[str, ...] = ("en",),
) -> Callable[[PerturberFunction], PerturberFunction]:
    """Register a function as a perturber; the family is the part of the name before the dot.

    A function with a ``severity`` argument takes severities 1 to 5.

    Raises:
        OodropError: for an unknown family, a missing docstring, or a name that another
            function holds already (the message shows both places).
    """
    family = name.partition(".")[0]
    if family not in FAMILIES or "." not in name:
        raise OodropError(
            f"a perturber is named family.noun with a family of {', '.join(FAMILIES)}, got {name!r}"
        )

    def register(function: PerturberFunction) -> PerturberFunction:
        code = function.__code__
        where = f"{code.co_filename}:{code.co_firstlineno}"
        doc = inspect.getdoc(function)
        if not doc:
            raise OodropError(f"perturber {name!r} at {where} needs a docstring that defines it")
        other = _REGISTRY.get(name)
        if other is not None and other.source != where:
            raise OodropError(f"perturber {name!r} is registered twice: {other.source} and {where}")
        _REGISTRY[name] = Perturber(
            name=name,
            family=family,
            version=version,
            level=level,
            evidence=evidence,
            summary=doc.splitlines()[0],
            parameters=dict(parameters or {}),
            has_severity="severity" in inspect.signature(function).parameters,
            scores_all=scores_all,
            languages=languages,
            function=function,
            source=where,
        )
        return function

    return register


def get_perturber(name: str) -> Perturber:
    """The perturber of this name.

    Raises:
        UnknownNameError: listing what exists, nearest first.
    """
    known = all_perturbers()
    if name not in known:
        raise UnknownNameError("perturber", name, known)
    return known[name]


def all_perturbers() -> Mapping[str, Perturber]:
    """Every registered perturber by name, sorted; loads entry points on first use."""
    global _loaded
    if not _loaded:
        import oodrop.perturbers.builtin  # noqa: F401  # works from a bare checkout too

        for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
            _load(f"entry point {point.name!r} ({point.value})", point.load)
        _loaded = True  # behind the loop: a plugin that fails to load fails every time
    return dict(sorted(_REGISTRY.items()))


def load_plugin(path: Path) -> None:
    """Import a ``.py`` file that registers perturbers.

    Raises:
        DataError: when there is no such file.
        RunError: when importing it fails.
    """
    if not path.is_file() or path.suffix != ".py":
        raise DataError(f"--plugin takes a .py file that exists, got {path}")
    module_name = f"_oodrop_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise DataError(f"--plugin {path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    loader = spec.loader
    _load(f"plugin {path}", lambda: loader.exec_module(module))


def _load(what: str, load: Callable[[], object]) -> None:
    try:
        load()
    except OodropError:
        raise
    except Exception as error:  # foreign code may raise anything; the name of it is what helps
        raise RunError(f"{what} failed to load: {type(error).__name__}: {error}") from error

"""The registry of perturbers: a dict and a decorator.

Ours and everybody else's are found the same way: entry points of the group
``oodrop.perturbers``, each naming a module whose import registers perturbers, or a ``.py`` file
given with ``--plugin``.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, NamedTuple, get_args

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


class Proposal(NamedTuple):
    """Edits with the number of words or units that could have been edited, for the record."""

    edits: Sequence[Edit]
    eligible: int


PerturberFunction = Callable[..., Sequence[Edit] | Proposal | NotApplicable]


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

    @property
    def is_foreign(self) -> bool:
        """Whether it comes from a plugin and not from this package."""
        return not self.function.__module__.startswith("oodrop.")

    def knows(self, language: str) -> bool:
        """Whether it may be applied to text in this language."""
        return "*" in self.languages or language in self.languages


_REGISTRY: dict[str, Perturber] = {}
_FAILED: dict[str, str] = {}
_loaded = False
_NAME = re.compile(r"[a-z]+\.[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
VALUE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


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

    A function with a ``severity`` argument takes severities 1 to 5. Registering the same function
    again changes nothing.

    Raises:
        OodropError: for a name, family, version, level, evidence or parameter that is not what
            it should be, a missing docstring, or a name that another function holds already (the
            message shows both places).
    """
    family = name.partition(".")[0]
    if family not in FAMILIES or not _NAME.fullmatch(name):
        raise OodropError(
            f"a perturber is named family.noun with a family of {', '.join(FAMILIES)}, got {name!r}"
        )
    declared = dict(parameters or {})
    _check_declaration(name, version, level, evidence, declared, languages)

    def register(function: PerturberFunction) -> PerturberFunction:
        code = function.__code__
        where = f"{code.co_filename}:{code.co_firstlineno}"
        doc = inspect.getdoc(function)
        if not doc:
            raise OodropError(f"perturber {name!r} at {where} needs a docstring that defines it")
        taken = inspect.signature(function).parameters
        missing = next((key for key in declared if key not in taken), None)
        if missing is not None:
            raise OodropError(f"perturber {name!r} at {where} takes no argument {missing!r}")
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
            parameters=declared,
            has_severity="severity" in taken,
            scores_all=scores_all,
            languages=languages,
            function=function,
            source=where,
        )
        return function

    return register


def _check_declaration(
    name: str,
    version: str,
    level: str,
    evidence: str,
    parameters: Mapping[str, Sequence[str]],
    languages: Sequence[str],
) -> None:
    for what, got, allowed in (
        ("level", level, get_args(Level)),
        ("evidence", evidence, get_args(Evidence)),
    ):
        if got not in allowed:
            raise OodropError(
                f"perturber {name!r}: {what} must be one of {', '.join(allowed)}, got {got!r}"
            )
    if not isinstance(version, str) or not version:
        raise OodropError(f"perturber {name!r}: version must be a text such as '1.0'")
    if isinstance(languages, str) or not languages:
        raise OodropError(f"perturber {name!r}: languages must be a tuple such as ('en',)")
    for key, values in parameters.items():
        bad = next((v for v in values if not VALUE.fullmatch(v)), None)
        if isinstance(values, str) or not _KEY.fullmatch(key) or bad is not None:
            raise OodropError(
                f"perturber {name!r}: parameter {key!r} must have a tuple of values that are "
                f"lower-case words joined by underscores, got {bad or values!r}"
            )


def get_perturber(name: str) -> Perturber:
    """The perturber of this name.

    Raises:
        UnknownNameError: listing what exists, nearest first.
    """
    known = _load_entry_points()
    if name not in known:
        raise UnknownNameError("perturber", name, known)
    return known[name]


def all_perturbers() -> Mapping[str, Perturber]:
    """Every registered perturber by name, sorted; loads entry points on first use."""
    return dict(sorted(_load_entry_points().items()))


def skip_failing_plugins() -> Mapping[str, str]:
    """Load every entry point, leave out those that fail, and say why: plugin -> reason.

    Without this call a plugin that fails to load stops whatever asks for a perturber.
    """
    _load_entry_points(skip=True)
    return dict(_FAILED)


def load_plugins(paths: Iterable[Path], *, skip: bool = False) -> Mapping[str, str]:
    """Load the files and every entry point; with ``skip`` leave out and tell those that fail.

    Returns:
        Plugin to the reason why it is left out, empty without ``skip``.

    Raises:
        OodropError: as `load_plugin` or the entry point does, without ``skip``.
    """
    failed = dict(skip_failing_plugins()) if skip else {}
    _load_entry_points()
    for path in paths:
        try:
            load_plugin(path)
        except OodropError as error:
            if not skip:
                raise
            failed[f"plugin {path}"] = str(error)
    return failed


def load_plugin(path: Path) -> None:
    """Import a ``.py`` file that registers perturbers.

    Raises:
        DataError: when there is no such file.
        RunError: when importing it fails; nothing of it stays registered.
    """
    import oodrop.perturbers.catalogue  # noqa: F401  # ours come first: no plugin takes their names

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


def _load_entry_points(skip: bool = False) -> Mapping[str, Perturber]:
    global _loaded
    if not _loaded:
        import oodrop.perturbers.catalogue  # noqa: F401  # works from a bare checkout too

        for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
            what = f"entry point {point.name!r} ({point.value})"
            try:
                _load(what, point.load)
            except OodropError as error:
                if not skip:
                    raise
                _FAILED[what] = str(error)
        _loaded = True  # behind the loop: a plugin that fails to load fails every time
    return _REGISTRY


def _load(what: str, load: Callable[[], object]) -> None:
    before = dict(_REGISTRY)
    try:
        load()
    except BaseException as error:  # foreign code may raise anything; its name is what helps
        _REGISTRY.clear()
        _REGISTRY.update(before)
        if isinstance(error, OodropError) or not isinstance(error, (Exception, SystemExit)):
            raise
        raise RunError(f"{what} failed to load: {type(error).__name__}: {error}") from error

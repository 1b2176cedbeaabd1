"""The shape of a procedure file, read and checked with line numbers.

A procedure is a list of steps that name each other (never numbers), so that the order in which
the clauses are listed carries no meaning. Everything that can be violated is a field here, and
no rule hides in free text: numbers are only allowed in ``limits`` and ``window``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

import yaml

from oodrop import DataError

COHORTS = (
    "lab_chemical",
    "lab_radiation",
    "fda_manufacturing",
    "fda_research",
    "cms_facility",
    "cms_laboratory",
)
HELDOUT_COHORTS = ("lab_chemical", "fda_research", "cms_laboratory")
OPERATORS = ("<=", ">=", "<", ">")
_MINUTES = {"min": 1, "h": 60, "d": 1440}
_SLUG = re.compile(r"[a-z][a-z0-9_]*\Z")
_DURATION = re.compile(r"(\d+) (min|h|d)\Z")


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a measured attribute; ``delta`` is the grid on which scenario values are drawn."""

    attribute: str
    op: str
    value: Decimal
    unit: str
    delta: Decimal

    def holds(self, value: Decimal) -> bool:
        """Whether a measured value satisfies the bound."""
        match self.op:
            case "<=":
                return value <= self.value
            case ">=":
                return value >= self.value
            case "<":
                return value < self.value
            case _:
                return value > self.value


@dataclass(frozen=True, slots=True)
class Window:
    """Allowed time since another step, in minutes; either end may be open."""

    after: str
    min: int | None
    max: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One result of a determination: as a condition (``when``) and as an event (``past``)."""

    id: str
    when: str
    past: str


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """The step is due exactly when ``step`` came out as ``outcome``."""

    step: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A circumstance that is stated either way in the scenario."""

    id: str
    clause: str
    holds: str
    fails: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a procedure; see tasks/procedural/README.md for each field in words."""

    id: str
    name: str
    rule: str
    past: tuple[str, ...]
    roles: tuple[str, ...]
    requires: tuple[str, ...]
    when: str | None
    unless: str | None
    limits: tuple[Limit, ...]
    window: Window | None
    records: tuple[str, ...]
    not_same_person_as: str | None
    outcomes: tuple[Outcome, ...]
    only_if: OnlyIf | None
    gap: int


@dataclass(frozen=True, slots=True)
class Procedure:
    """A rule text in symbolic form; ``steps`` are listed in one valid order."""

    id: str
    title: str
    source: str
    cohort: str
    intro: tuple[str, ...]
    roles: Mapping[str, str]
    outsiders: tuple[str, ...]
    facts: Mapping[str, Fact]
    steps: tuple[Step, ...]

    def step(self, step_id: str) -> Step:
        """The step with this id (KeyError if there is none)."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


class _Map(dict[str, Any]):
    """A mapping that remembers its line in the file and the lines of its keys."""

    line: int = 0
    key_lines: Mapping[str, int] = {}


class _Loader(yaml.SafeLoader):
    pass


def _construct_map(loader: _Loader, node: yaml.MappingNode) -> _Map:
    loader.flatten_mapping(node)
    result, lines = _Map(), {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(
                problem=f"a key must be text, got {key!r}", problem_mark=key_node.start_mark
            )
        if key in result:
            raise yaml.MarkedYAMLError(
                problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
            )
        result[key] = loader.construct_object(value_node, deep=True)
        lines[key] = key_node.start_mark.line + 1
    result.line, result.key_lines = node.start_mark.line + 1, lines
    return result


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_map)


class _Reader:
    """Takes typed fields out of a mapping and says file, line and field when one is wrong."""

    def __init__(self, path: Path, data: object, where: str) -> None:
        self.path, self.where = path, where
        if not isinstance(data, _Map):
            raise DataError(f"{path.name}: {where} must be a mapping, got {type(data).__name__}")
        self.data, self.seen = data, set[str]()

    def fail(self, key: str, message: str) -> DataError:
        line = self.data.key_lines.get(key, self.data.line)
        return DataError(f"{self.path.name}, line {line}: {self.where}: {message}")

    def take(self, key: str, default: object = ...) -> Any:
        self.seen.add(key)
        if key in self.data:
            return self.data[key]
        if default is ...:
            raise self.fail(key, f"the field {key!r} is missing")
        return default

    def text(self, key: str, *, digits: bool = False) -> str:
        return self._text(key, self.take(key), digits)

    def _text(self, key: str, value: object, digits: bool) -> str:
        if not isinstance(value, str) or not value.strip() or value != value.strip():
            raise self.fail(
                key, f"{key!r} must be non-empty text without outer spaces, got {value!r}"
            )
        if not digits and re.search(r"\d", value):
            raise self.fail(
                key, f"{key!r} holds a digit; numbers go into limits or window: {value!r}"
            )
        return value

    def name(self, key: str) -> str | None:
        """A reference to something else in the file, None where there is none."""
        return None if self.take(key, None) is None else self.text(key, digits=True)

    def slug(self, key: str) -> str:
        value = self.text(key, digits=True)
        if not _SLUG.match(value):
            raise self.fail(key, f"{key!r} must match [a-z][a-z0-9_]*, got {value!r}")
        return value

    def texts(self, key: str, least: int = 0, *, digits: bool = False) -> tuple[str, ...]:
        value = self.take(key, [] if least == 0 else ...)
        if not isinstance(value, list) or len(value) < least:
            raise self.fail(key, f"{key!r} must be a list of at least {least} texts, got {value!r}")
        return tuple(self._text(key, v, digits) for v in value)

    def phrases(self, key: str, least: int = 0) -> tuple[str, ...]:
        values = self.texts(key, least)
        for value in values:
            if value.endswith(".") or (value[0].isupper() and not value[1:2].isupper()):
                raise self.fail(
                    key, f"{key!r} is a phrase inside a sentence: no capital, no stop: {value!r}"
                )
        return values

    def phrase(self, key: str) -> str:
        value = self.text(key)
        if value.endswith(".") or (value[0].isupper() and not value[1:2].isupper()):
            raise self.fail(
                key, f"{key!r} is a phrase inside a sentence: no capital, no stop: {value!r}"
            )
        return value

    def sentence(self, key: str) -> str:
        value = self.text(key)
        if not value.endswith(".") or not value[0].isupper():
            raise self.fail(
                key, f"{key!r} must be a sentence with capital and full stop: {value!r}"
            )
        return value

    def minutes(self, key: str, default: object = ...) -> int | None:
        value = self.take(key, default)
        if value is None:
            return None
        found = _DURATION.match(value) if isinstance(value, str) else None
        if not found:
            raise self.fail(
                key, f"{key!r} must look like '30 min', '24 h' or '10 d', got {value!r}"
            )
        return int(found[1]) * _MINUTES[found[2]]

    def decimal(self, key: str) -> Decimal:
        value = self.take(key)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise self.fail(key, f"{key!r} must be a number, got {value!r}")
        return number

    def done(self) -> None:
        for key in self.data:
            if key not in self.seen:
                allowed = ", ".join(sorted(self.seen))
                raise self.fail(key, f"unknown field {key!r}; allowed: {allowed}")


def load_procedure(path: Path) -> Procedure:
    """Read one procedure file.

    Raises:
        DataError: with file, line and field, when the file does not have the documented shape.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DataError(f"{path.name}, line {line}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from None
    top = _Reader(path, data, "procedure")
    procedure = Procedure(
        id=top.slug("id"),
        title=top.text("title"),
        source=top.text("source", digits=True),
        cohort=top.text("cohort"),
        intro=tuple(top.texts("intro", 2)),
        roles=_roles(path, top),
        outsiders=top.texts("outsiders", 1),
        facts={f.id: f for f in _facts(path, top)},
        steps=tuple(_step(path, s) for s in _list(top, "steps")),
    )
    top.done()
    _check(top, procedure)
    return procedure


def load_procedures(folder: Path) -> tuple[Procedure, ...]:
    """All procedures of a folder, sorted by id; ids and titles must be unique."""
    found = sorted((load_procedure(p) for p in folder.glob("*.yaml")), key=lambda p: p.id)
    if not found:
        raise DataError(f"no procedure files (*.yaml) in {folder}")
    for what in ("id", "title"):
        values = [getattr(p, what) for p in found]
        for value in values:
            if values.count(value) > 1:
                raise DataError(f"two procedures share the {what} {value!r}")
    return tuple(found)


def _list(reader: _Reader, key: str) -> list[Any]:
    value = reader.take(key, [])
    if not isinstance(value, list):
        raise reader.fail(key, f"{key!r} must be a list, got {type(value).__name__}")
    return value


def _roles(path: Path, top: _Reader) -> Mapping[str, str]:
    roles = _Reader(path, top.take("roles"), "roles")
    return {key: roles.phrase(key) for key in roles.data}


def _facts(path: Path, top: _Reader) -> list[Fact]:
    facts = _Reader(path, top.take("facts", _Map()), "facts")
    result = []
    for key in facts.data:
        one = _Reader(path, facts.take(key), f"fact {key}")
        result.append(Fact(key, one.phrase("clause"), one.sentence("holds"), one.sentence("fails")))
        one.done()
    return result


def _step(path: Path, data: object) -> Step:
    name = data.get("id", "?") if isinstance(data, dict) else "?"
    r = _Reader(path, data, f"step {name}")
    step = Step(
        id=r.slug("id"),
        name=r.phrase("name"),
        rule=r.phrase("rule"),
        past=r.phrases("past", 2),
        roles=r.texts("roles", 1),
        requires=r.texts("requires", digits=True),
        when=r.name("when"),
        unless=r.name("unless"),
        limits=tuple(_limit(path, x, name) for x in _list(r, "limits")),
        window=_window(path, r.take("window", None), name),
        records=r.phrases("records"),
        not_same_person_as=r.name("not_same_person_as"),
        outcomes=tuple(_outcomes(path, r.take("outcomes", None), name)),
        only_if=_only_if(path, r.take("only_if", None), name),
        gap=cast(int, r.minutes("gap", "30 min")),
    )
    r.done()
    return step


def _limit(path: Path, data: object, name: str) -> Limit:
    r = _Reader(path, data, f"step {name}, limit")
    limit = Limit(
        attribute=r.phrase("attribute"),
        op=r.text("op"),
        value=r.decimal("value"),
        unit=r.text("unit", digits=True),
        delta=r.decimal("delta"),
    )
    if limit.op not in OPERATORS:
        raise r.fail("op", f"'op' must be one of {', '.join(OPERATORS)}, got {limit.op!r}")
    if limit.delta <= 0 or limit.value - 4 * limit.delta < 0:
        raise r.fail("delta", "'delta' must be positive and 'value' at least four times 'delta'")
    r.done()
    return limit


def _window(path: Path, data: object, name: str) -> Window | None:
    if data is None:
        return None
    r = _Reader(path, data, f"step {name}, window")
    window = Window(r.text("after", digits=True), r.minutes("min", None), r.minutes("max", None))
    if window.min is None and window.max is None:
        raise r.fail("after", "a window needs 'min' or 'max'")
    if window.min is not None and window.max is not None and window.min >= window.max:
        raise r.fail("min", "'min' must be below 'max'")
    r.done()
    return window


def _outcomes(path: Path, data: object, name: str) -> list[Outcome]:
    if data is None:
        return []
    outer = _Reader(path, data, f"step {name}, outcomes")
    result = []
    for key in outer.data:
        r = _Reader(path, outer.take(key), f"step {name}, outcome {key}")
        result.append(Outcome(key, r.phrase("when"), r.phrase("past")))
        r.done()
    if len(result) != 2:
        raise outer.fail("", f"a determination has exactly two outcomes, got {len(result)}")
    return result


def _only_if(path: Path, data: object, name: str) -> OnlyIf | None:
    if data is None:
        return None
    r = _Reader(path, data, f"step {name}, only_if")
    result = OnlyIf(r.text("step", digits=True), r.text("outcome", digits=True))
    r.done()
    return result


def ancestors(procedure: Procedure, step_id: str) -> set[str]:
    """Every step that must come before this one, directly or through others."""
    found: set[str] = set()
    todo = list(procedure.step(step_id).requires)
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo.extend(procedure.step(current).requires)
    return found


def _check(top: _Reader, p: Procedure) -> None:
    if p.cohort not in COHORTS:
        raise top.fail("cohort", f"'cohort' must be one of {', '.join(COHORTS)}, got {p.cohort!r}")
    if not 5 <= len(p.steps) <= 12:
        raise top.fail("steps", f"a procedure has 5 to 12 steps, got {len(p.steps)}")
    for role in p.outsiders:
        if role not in p.roles:
            raise top.fail("outsiders", f"unknown role {role!r}")
    earlier: set[str] = set()
    used_facts: set[str] = set()
    names = [s.name for s in p.steps]
    for raw, step in zip(top.data["steps"], p.steps, strict=True):
        r = _Reader(top.path, raw, f"step {step.id}")
        if step.id in earlier or names.count(step.name) > 1:
            raise r.fail("id", "another step has the same id or name")
        _check_step(r, p, step, earlier)
        earlier.add(step.id)
        used_facts |= {f for f in (step.when, step.unless) if f}
    for fact in p.facts:
        if fact not in used_facts:
            raise top.fail("facts", f"no step uses the fact {fact!r}")
    used_roles = {r for s in p.steps for r in s.roles} | set(p.outsiders)
    for role in p.roles:
        if role not in used_roles:
            raise top.fail("roles", f"no step uses the role {role!r}")


def _check_step(r: _Reader, p: Procedure, step: Step, earlier: set[str]) -> None:
    for role in step.roles:
        if role not in p.roles:
            raise r.fail("roles", f"unknown role {role!r}; there are {', '.join(p.roles)}")
        if role in p.outsiders:
            raise r.fail("roles", f"the outsider {role!r} may not perform a step")
    for needed in step.requires:
        if needed not in earlier:
            raise r.fail("requires", f"{needed!r} must be a step listed above this one")
    before = ancestors(p, step.id)
    for key, other in (
        ("window", step.window.after if step.window else None),
        ("not_same_person_as", step.not_same_person_as),
        ("only_if", step.only_if.step if step.only_if else None),
    ):
        if other is not None and other not in before:
            raise r.fail(key, f"{other!r} must come before this step through 'requires'")
    for key, fact in (("when", step.when), ("unless", step.unless)):
        if fact is not None and fact not in p.facts:
            raise r.fail(key, f"unknown fact {fact!r}; there are: {', '.join(p.facts) or 'none'}")
    if step.only_if:
        known = [o.id for o in p.step(step.only_if.step).outcomes]
        if step.only_if.outcome not in known:
            raise r.fail(
                "only_if", f"the outcome must be one of {known}, got {step.only_if.outcome!r}"
            )
    if step.when and step.unless:
        raise r.fail("unless", "a step has 'when' or 'unless', not both")

"""Procedures from their YAML files, with every reference between steps checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from oodrop import DataError
from oodrop.tasks.procedural.fields import Map, QuickLoader, Reader
from oodrop.tasks.procedural.schema import (
    COHORTS,
    OPERATORS,
    RANGE,
    WORDINGS,
    Fact,
    Limit,
    OnlyIf,
    Outcome,
    Procedure,
    Step,
    Window,
    ancestors,
    certain_ancestors,
)


def load_procedure(path: Path) -> Procedure:
    """Read one procedure file.

    Raises:
        DataError: with file, line and field, when the file does not have the documented shape.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=QuickLoader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DataError(f"{path.name}, line {line}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from None
    top = Reader(path, data, "procedure")
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


def _list(reader: Reader, key: str) -> list[Any]:
    value = reader.take(key, [])
    if not isinstance(value, list):
        raise reader.fail(key, f"{key!r} must be a list, got {type(value).__name__}")
    return value


def _roles(path: Path, top: Reader) -> Mapping[str, str]:
    roles = Reader(path, top.take("roles"), "roles")
    return {key: roles.phrase(key) for key in roles.data}


def _facts(path: Path, top: Reader) -> list[Fact]:
    facts = Reader(path, top.take("facts", Map()), "facts")
    result = []
    for key in facts.data:
        one = Reader(path, facts.take(key), f"fact {key}")
        result.append(Fact(key, one.phrase("clause"), one.sentence("holds"), one.sentence("fails")))
        one.done()
    return result


def _step(path: Path, data: object) -> Step:
    name = data.get("id", "?") if isinstance(data, dict) else "?"
    r = Reader(path, data, f"step {name}")
    step = Step(
        id=r.slug("id"),
        name=r.phrase("name"),
        rule=r.phrase("rule"),
        past=r.phrases("past", WORDINGS),
        roles=r.texts("roles", 1),
        requires=r.texts("requires", digits=True),
        when=r.name("when"),
        unless=r.name("unless"),
        limits=tuple(_limit(path, x, name) for x in _list(r, "limits")),
        window=_window(path, r.take("window", None), name),
        records=r.phrases("records"),
        not_same_person_as=r.name("not_same_person_as"),
        same_person_as=r.name("same_person_as"),
        outcomes=tuple(_outcomes(path, r.take("outcomes", None), name)),
        only_if=_only_if(path, r.take("only_if", None), name),
        gap=cast(int, r.minutes("gap", "30 min")),
    )
    r.done()
    return step


def _limit(path: Path, data: object, name: str) -> Limit:
    r = Reader(path, data, f"step {name}, limit")
    op = r.text("op")
    if op not in OPERATORS:
        raise r.fail("op", f"'op' must be one of {', '.join(OPERATORS)}, got {op!r}")
    least = "low" if op == RANGE else "value"
    limit = Limit(
        attribute=r.phrase("attribute"),
        op=op,
        value=r.decimal(least),
        unit=r.text("unit", digits=True),
        delta=r.decimal("delta"),
        high=r.decimal("high") if op == RANGE else None,
    )
    if limit.high is not None and limit.high < limit.value + 4 * limit.delta:
        raise r.fail("high", "'high' must be above 'low' by at least four times 'delta'")
    if limit.delta <= 0 or limit.value - 4 * limit.delta < 0:
        raise r.fail("delta", f"'delta' must be positive and {least!r} at least four times 'delta'")
    r.done()
    return limit


def _window(path: Path, data: object, name: str) -> Window | None:
    if data is None:
        return None
    r = Reader(path, data, f"step {name}, window")
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
    outer = Reader(path, data, f"step {name}, outcomes")
    result = []
    for key in outer.data:
        r = Reader(path, outer.take(key), f"step {name}, outcome {key}")
        result.append(Outcome(key, r.phrase("when"), r.phrase("past")))
        r.done()
    if len(result) != 2:
        raise outer.fail("", f"a determination has exactly two outcomes, got {len(result)}")
    return result


def _only_if(path: Path, data: object, name: str) -> OnlyIf | None:
    if data is None:
        return None
    r = Reader(path, data, f"step {name}, only_if")
    result = OnlyIf(r.text("step", digits=True), r.text("outcome", digits=True))
    r.done()
    return result


def _check(top: Reader, p: Procedure) -> None:
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
        r = Reader(top.path, raw, f"step {step.id}")
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


def _check_step(r: Reader, p: Procedure, step: Step, earlier: set[str]) -> None:
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
        ("same_person_as", step.same_person_as),
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
    for skipped in sorted(before - certain_ancestors(p, step.id)):
        raise r.fail(
            "requires",
            f"{skipped!r} comes before this step only through one that may be not due: "
            "name it in 'requires' too",
        )
    if step.same_person_as and not {*p.step(step.same_person_as).roles} <= {*step.roles}:
        raise r.fail("same_person_as", "every role of that step must be a role of this one")
    if step.same_person_as and step.same_person_as == step.not_same_person_as:
        raise r.fail("same_person_as", "the same person cannot be both demanded and forbidden")
    if step.when and step.unless:
        raise r.fail("unless", "a step has 'when' or 'unless', not both")

"""The shape of a procedure; `loading` reads it from a file.

A procedure is a list of steps that name each other (never numbers), so that the order in which
the clauses are listed carries no meaning. Everything that can be violated is a field here, and
no rule hides in free text: numbers are only allowed in ``limits`` and ``window``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

COHORTS = (
    "lab_workplace",
    "lab_radiation",
    "fda_manufacturing",
    "fda_research",
    "cms_facility",
    "cms_laboratory_claims",
)
HELDOUT_COHORTS = ("lab_workplace", "fda_research", "cms_laboratory_claims")
RANGE = "within"
WORDINGS = 3  # ways to tell a step, at least
OPERATORS = ("<=", ">=", "<", ">", RANGE)


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a measured attribute; ``delta`` is the grid on which scenario values are drawn.

    A range (``op`` "within") goes from ``value`` to ``high``, both allowed.
    """

    attribute: str
    op: str
    value: Decimal
    unit: str
    delta: Decimal
    high: Decimal | None = None

    def holds(self, value: Decimal) -> bool:
        """Whether a measured value satisfies the bound."""
        match self.op:
            case "<=":
                return value <= self.value
            case ">=":
                return value >= self.value
            case "<":
                return value < self.value
            case ">":
                return value > self.value
            case _:
                return self.value <= value <= self.bounds[-1]

    def fits(self, value: Decimal) -> bool:
        """Whether the unit can stand behind a value: "1 degrees C" cannot be."""
        return value != 1 or not any(word.endswith("s") for word in self.unit.split())

    @property
    def bounds(self) -> tuple[Decimal, ...]:
        """The one bound, or both ends of a range."""
        return (self.value,) if self.high is None else (self.value, self.high)


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
    same_person_as: str | None
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


def conditions(procedure: Procedure, step: Step) -> frozenset[tuple[str, str]]:
    """Every circumstance and finding without which the step is not due, also through others."""
    found = {("when", step.when or ""), ("unless", step.unless or "")}
    if step.only_if:
        found.add((step.only_if.step, step.only_if.outcome))
        found |= conditions(procedure, procedure.step(step.only_if.step))
    return frozenset(pair for pair in found if pair[1])


def certain_ancestors(procedure: Procedure, step_id: str) -> set[str]:
    """The steps of `ancestors` whose place the clauses settle whatever is due.

    Order passes through a step only where that step is due whenever both ends of the chain are.
    """
    step = procedure.step(step_id)
    return {
        end
        for end in ancestors(procedure, step_id)
        if _is_reached(
            procedure,
            step,
            end,
            conditions(procedure, step) | conditions(procedure, procedure.step(end)),
        )
    }


def _is_reached(
    procedure: Procedure, step: Step, end: str, given: frozenset[tuple[str, str]]
) -> bool:
    return end in step.requires or any(
        _is_reached(procedure, procedure.step(between), end, given)
        for between in step.requires
        if conditions(procedure, procedure.step(between)) <= given
    )


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

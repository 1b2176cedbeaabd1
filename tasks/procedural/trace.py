"""What happened: facts and timed events, in symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One performed step.

    Attributes:
        step: id of the step that was performed.
        time: minutes since midnight of the first day.
        person: full name.
        role: role key of the procedure.
        values: measured value per limit of the step, in the limits' order.
        records: records that were made.
        outcome: outcome id where the step is a determination, else None.
    """

    step: str
    time: int
    person: str
    role: str
    values: tuple[Decimal, ...] = ()
    records: tuple[str, ...] = ()
    outcome: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON form; decimals as text so that they stay exact."""
        return {
            "step": self.step,
            "time": self.time,
            "person": self.person,
            "role": self.role,
            "values": [str(v) for v in self.values],
            "records": list(self.records),
            "outcome": self.outcome,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Event:
        """Read `as_dict`'s form back."""
        return cls(
            step=data["step"],
            time=data["time"],
            person=data["person"],
            role=data["role"],
            values=tuple(Decimal(v) for v in data["values"]),
            records=tuple(data["records"]),
            outcome=data["outcome"],
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """A scenario in symbols; what is not in it did not happen."""

    facts: Mapping[str, bool]
    events: tuple[Event, ...]

    def __post_init__(self) -> None:
        steps = [event.step for event in self.events]
        if len(steps) != len(set(steps)):
            raise ValueError("a trace tells each step at most once")

    def event(self, step: str) -> Event | None:
        """The event of a step, None if the step was not performed."""
        return next((e for e in self.events if e.step == step), None)

"""A variant: which perturber, with what parameters, how severe, from which seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oodrop import DataError
from oodrop.perturbers.registry import VALUE

CANONICAL = "canonical"
DEFAULT_SEED = 2026


@dataclass(frozen=True, slots=True)
class Variant:
    """The frozen spec that rebuilds a perturbed task; ``canonical`` is the untouched one.

    Attributes:
        perturber: registered name, or ``"canonical"``.
        parameters: named values that the perturber declares.
        severity: 1 to 5, or None where the perturber has none.
        seed: seed of the suite; every item derives its own generator from it.
    """

    perturber: str = CANONICAL
    parameters: Mapping[str, str] = field(default_factory=dict)
    severity: int | None = None
    seed: int = DEFAULT_SEED

    @property
    def slug(self) -> str:
        """The part of a task's name that says which variant it is."""
        parts = [self.perturber.replace(".", "_"), *self.parameters.values()]
        return "_".join([*parts, f"s{self.severity}"] if self.severity is not None else parts)

    def as_dict(self) -> dict[str, Any]:
        """The form in which suites and task metadata hold it; defaults left out."""
        result: dict[str, Any] = {"perturber": self.perturber}
        if self.parameters:
            result["parameters"] = dict(self.parameters)
        if self.severity is not None:
            result["severity"] = self.severity
        return {**result, "seed": self.seed}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> Variant:
        """Read `as_dict`'s form; ``where`` names the place in an error.

        Raises:
            DataError: when a field is unknown or of the wrong type.
        """
        known = {"perturber", "parameters", "severity", "seed"}
        unknown = sorted(set(data) - known)
        if unknown:
            allowed = ", ".join(sorted(known))
            raise DataError(
                f"{where}: unknown field {unknown[0]!r} in a variant; allowed: {allowed}"
            )
        perturber = data.get("perturber")
        severity, seed = data.get("severity"), data.get("seed", DEFAULT_SEED)
        parameters = data.get("parameters", {})
        if not isinstance(perturber, str):
            raise DataError(f"{where}: a variant names its perturber, got {perturber!r}")
        if severity is not None and (type(severity) is not int or not 1 <= severity <= 5):
            raise DataError(f"{where}: severity of {perturber} must be 1 to 5, got {severity!r}")
        if type(seed) is not int:
            raise DataError(f"{where}: seed of {perturber} must be a whole number, got {seed!r}")
        if not isinstance(parameters, Mapping):
            raise DataError(f"{where}: parameters of {perturber} must be a mapping")
        named = {str(k): str(v) for k, v in sorted(parameters.items(), key=lambda p: str(p[0]))}
        for key, value in named.items():
            if not VALUE.fullmatch(value):  # it becomes part of task and file names
                raise DataError(
                    f"{where}: {key} of {perturber} must be lower-case words joined by single "
                    f"underscores, got {value!r}"
                )
        return cls(perturber, named, severity, seed)


def declared_variant(declared: Mapping[str, Any], where: str) -> Variant:
    """The variant among everything that a task's ``metadata.oodrop`` says.

    Raises:
        DataError: as `Variant.from_dict`.
    """
    known = ("perturber", "parameters", "severity", "seed")
    return Variant.from_dict({k: declared[k] for k in known if k in declared}, where)

"""Every task by name: ours, the user's own, and whatever of lm-eval was derived."""

from __future__ import annotations

from collections.abc import Iterable

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.derive.bases import (
    NotDerivableError,
    base_class,
    expand,
    make_task,
    plain_docs,
    read_config,
    refused_by_name,
    source_of,
)
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.general import MMLU_PRO, general_derivations
from oodrop.harness_ext.derive.inference import NO_OVERRIDES, Found, Overrides, infer
from oodrop.harness_ext.derive.spec import DerivedSpec, derived_spec
from oodrop.tasks import get_task as get_own_task
from oodrop.tasks.spec import TaskSpec

_DERIVED: dict[str, DerivedSpec] = {}


def register(name: str, derivation: Derivation) -> DerivedSpec:
    """The spec of a derived task; the same one wherever it is asked for again.

    Raises:
        DataError: when the name stands for a task of oodrop's own, or for another derivation.
    """
    known = _DERIVED.get(name)
    if known is None:
        known = _DERIVED[name] = derived_spec(name, derivation)
    elif known.derivation != derivation:
        raise DataError(f"task {name} is derived in two ways in one process")
    return known


def derive(name: str, overrides: Overrides = NO_OVERRIDES) -> Found:
    """As `derive_anew`; what is written down for the general set is taken from there."""
    if overrides == NO_OVERRIDES and name in general_derivations():
        return Found(general_derivations()[name], ())
    return derive_anew(name, overrides)


def derive_anew(name: str, overrides: Overrides = NO_OVERRIDES) -> Found:
    """Find out how a task of lm-eval can be perturbed, on its own data.

    Raises:
        UnknownNameError: when lm-eval has no such task.
        NotDerivableError: when it cannot be, saying why.
        DataError: when its data cannot be loaded, or an override is wrong.
    """
    refused_by_name(name)
    source = source_of(name)
    config = read_config(name, source)
    task = make_task(name, config, base_class(config), source)
    return infer(task, source, plain_docs(task.task_docs), overrides)


def get_task(name: str) -> TaskSpec:
    """The task of this name: ours, the user's own, or one of lm-eval, derived on the spot.

    Raises:
        UnknownNameError: when it is none of them.
        OodropError: as `derive`.
    """
    if name in _DERIVED:
        return _DERIVED[name]
    try:
        return get_own_task(name)
    except UnknownNameError as unknown:
        try:
            found = derive(name)
        except UnknownNameError as error:
            near = f"; near it among the tasks of lm-eval: {', '.join(error.known)}"
            unknown.args = (f"{unknown}{near if error.known else ''}",)
            raise unknown from None
        except NotDerivableError as error:
            raise NotDerivableError(
                f"task {name} cannot be perturbed faithfully: {error}"
            ) from None
    return register(name, found.derivation)


def task_names(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names of tasks, with every group, tag and pattern of lm-eval taken apart.

    Returns:
        The tasks, and the members of groups that cannot be perturbed, each with the reason. A task
        that was asked for by its own name is among the first, whatever it is.

    Raises:
        UnknownNameError: for a name that is nothing, here or in lm-eval.
    """
    result: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            get_own_task(name)
            members: tuple[str, ...] = (name,)
        except UnknownNameError:
            members = _members(name)
        for member in members:
            try:
                if member != name:
                    get_task(member)
                result[member] = None
            except NotDerivableError as error:
                left_out[member] = str(error)
    return tuple(result), left_out


def _members(name: str) -> tuple[str, ...]:
    if name in general_derivations():  # known without reading the index
        return (name,)
    if name == "mmlu_pro":
        return MMLU_PRO
    try:
        return expand([name])[name]
    except UnknownNameError:
        return (name,)  # `get_task` says what there is

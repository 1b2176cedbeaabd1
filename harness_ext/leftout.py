"""Suites without the variants that a run cannot have, and why it cannot.

For ``--on-plugin-error skip``: a plugin that fails takes its own variants out, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from oodrop import RunError, UnknownNameError
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.perturbed import perturbed_docs
from oodrop.perturbers.registry import all_perturbers, get_perturber
from oodrop.perturbers.suites import Suite, get_suite, suite_of
from oodrop.perturbers.variant import Variant

LeftOut = Mapping[str, str]  # slug of a variant -> why it is left out


def suite_of_what_is_there(name: str, failed: Mapping[str, str]) -> tuple[Suite, LeftOut]:
    """As `get_suite`, without the variants of perturbers that no loaded plugin registers.

    Args:
        name: as of `get_suite`.
        failed: plugin -> why it could not be loaded. Without one, an unknown perturber is a
            mistake in the suite and an error.

    Raises:
        UnknownNameError, DataError: as `get_suite`.
        RunError: when no variant is left.
    """
    try:
        return get_suite(name), {}
    except UnknownNameError as error:
        if error.kind != "perturber" or not failed:
            raise
    path, known = Path(name), all_perturbers()
    data = yaml.safe_load(path.read_text(encoding="utf-8"))  # it was read as far as the variants
    rows, left_out = [], {}
    for row in data["variants"]:
        wanted = row.get("perturber") if isinstance(row, dict) else None
        if not isinstance(wanted, str) or wanted in known:
            rows.append(row)
            continue
        slug = Variant.from_dict(row, f"suite file {path.name}").slug
        left_out[slug] = f"there is no perturber {wanted!r}; {'; '.join(failed.values())}"
    if not rows:
        raise _nothing_left(path.stem, left_out)
    return suite_of(path, {**data, "variants": rows}), left_out


def suite_of_what_works(suite: Suite, tasks: Iterable[tuple[str, int]]) -> tuple[Suite, LeftOut]:
    """The suite without the variants whose perturber fails on some document.

    Args:
        suite: the variants to try.
        tasks: name of each task with the number of its few-shot examples.

    Raises:
        RunError: when no variant is left.
    """
    left_out: dict[str, str] = {}
    specs = [(get_task(name), shots) for name, shots in tasks]
    for variant in suite.variants:
        prompt_level = get_perturber(variant.perturber).level == "prompt"
        try:
            for spec, shots in specs:
                perturbed_docs(spec.name, variant, spec.eval_split, shots)
                if prompt_level:
                    perturbed_docs(spec.name, variant, spec.train_split)
        except RunError as error:
            left_out[variant.slug] = str(error)
    kept = tuple(v for v in suite.variants if v.slug not in left_out)
    if not kept:
        raise _nothing_left(suite.name, left_out)
    return replace(suite, variants=kept), left_out


def _nothing_left(suite: str, left_out: LeftOut) -> RunError:
    first = next(iter(left_out.values()))
    return RunError(f"no variant of the suite {suite} is left: {first}")

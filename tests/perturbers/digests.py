"""One hash per perturbed document with its record; also run as a script in another process."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence

from oodrop.perturbers import Perturber, Variant, all_perturbers, get_suite, perturb
from oodrop.tasks import get_task

SUITE = "smoke-0.1"
TASKS = ("everyday", "procedural")
SEVERITIES = (1, 2, 3, 4, 5)


def variants_of(plugin: Perturber, severities: Sequence[int] = SEVERITIES) -> list[Variant]:
    """Every closed parameter value, the suite's values of the open ones, the severities."""
    named = [v.parameters for v in get_suite(SUITE).variants if v.perturber == plugin.name]
    closed = [{k: value} for k, values in plugin.parameters.items() for value in values]
    settings = closed or [p for p in named if p] or [{}]
    levels = severities if plugin.has_severity else (None,)
    return [Variant(plugin.name, p, s) for p in settings for s in levels]


def ours() -> list[Perturber]:
    """The perturbers of this package, without those of installed plugins."""
    return [p for p in all_perturbers().values() if p.function.__module__.startswith("oodrop.")]


def all_variants(severities: Sequence[int] = SEVERITIES) -> list[Variant]:
    """Every variant of every perturber of ours."""
    return [v for plugin in ours() for v in variants_of(plugin, severities)]


def digests(variants: Iterable[Variant], step: int, every: int, reverse: bool) -> dict[str, str]:
    """Task, item and variant -> sha256 of the perturbed document with its certificate."""
    jobs = [
        (task, doc, variant)
        for variant in variants
        for task in TASKS
        for doc in get_task(task).docs("test")[::step][::every]
    ]
    result = {}
    for task, doc, variant in reversed(jobs) if reverse else jobs:
        spec = get_task(task)
        done = perturb(spec.item(doc), variant)
        logged = {
            **spec.to_doc(doc, done.item),
            "prompt": spec.prompt(spec.to_doc(doc, done.item), done.item.template),
            "oodrop": done.certificate.as_dict(),
        }
        text = json.dumps(logged, ensure_ascii=True)
        key = f"{task} {doc['item_id']} {variant.slug}"
        result[key] = hashlib.sha256(text.encode()).hexdigest()
    return result


class _NoTorch:
    """nlpaug imports torch where it finds it and needs it for nothing that we use."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ImportError(name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, required=True)
    parser.add_argument("--every", type=int, required=True)
    parser.add_argument("--reverse", action="store_true")
    given = parser.parse_args()
    sys.meta_path.insert(0, _NoTorch())  # type: ignore[arg-type]
    found = digests(all_variants((3,)), given.step, given.every, given.reverse)
    sys.stdout.write(json.dumps(found))

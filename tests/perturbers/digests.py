"""One hash per perturbed document with its record; also run as a script in another process."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from oodrop.perturbers import Perturber, Variant, all_perturbers, perturb
from oodrop.tasks import get_task
from oodrop.tasks.spec import Doc

TASKS = ("everyday", "everyday_letters", "everyday_open", "procedural")
SEVERITIES = (1, 2, 3, 4, 5)
# Values that the tasks, not the perturbers, know.
OPEN_VALUES: Mapping[str, tuple[str, ...]] = {
    "phrasing.template": tuple(f"t{k:02d}" for k in range(1, 13)),
    "phrasing.question_paraphrase": ("p01", "p02"),
}
# Not run here, with the reason.
LEFT_OUT: Mapping[str, str] = {
    "lexical.nlpaug_synonym": "needs NLTK's WordNet, which no package of ours brings",
    "lexical.contextual": "replays a bank; none is shipped",
    "phrasing.back_translation": "replays a bank; none is shipped",
    "phrasing.llm_paraphrase": "replays a bank; none is shipped",
}


def variants_of(plugin: Perturber, severities: Sequence[int] = SEVERITIES) -> list[Variant]:
    """Every value of every parameter, those of `OPEN_VALUES` for the open ones, the severities."""
    open_values = OPEN_VALUES.get(plugin.name, ())
    values = [allowed or open_values for allowed in plugin.parameters.values()]
    levels = severities if plugin.has_severity else (None,)
    return [
        Variant(plugin.name, dict(zip(plugin.parameters, chosen, strict=True)), severity)
        for chosen in itertools.product(*values)
        for severity in levels
    ]


def ours() -> list[Perturber]:
    """The perturbers of this package, without installed plugins and without `LEFT_OUT`."""
    return [p for p in all_perturbers().values() if not p.is_foreign and p.name not in LEFT_OUT]


def all_variants(severities: Sequence[int] = SEVERITIES) -> list[Variant]:
    """Every variant of every perturber of ours."""
    return [v for plugin in ours() for v in variants_of(plugin, severities)]


@cache
def documents(task: str) -> list[Doc]:
    """The documents of a test split; whoever reads them leaves them as they are."""
    return get_task(task).docs("test")


def digest(task: str, doc: Doc, variant: Variant) -> tuple[str, str]:
    """The outcome, and the sha256 of the perturbed document with its prompt and certificate."""
    spec = get_task(task)
    done = perturb(spec.item(doc), variant)
    perturbed = spec.to_doc(doc, done.item)
    logged = {
        **perturbed,
        "prompt": spec.prompt(perturbed, done.item.template),
        "settings": dict(done.item.settings),
        "oodrop": done.certificate.as_dict(),
    }
    text = json.dumps(logged, ensure_ascii=True)
    return done.certificate.outcome, hashlib.sha256(text.encode()).hexdigest()


def spread(docs: Sequence[Doc], count: int) -> Sequence[Doc]:
    """So many documents, from one end to the other."""
    return docs[:: len(docs) // count][:count]


def digests(variants: Iterable[Variant], count: int, every: int, reverse: bool) -> dict[str, str]:
    """Task, item and variant -> sha256 of the perturbed document with its certificate."""
    jobs = [
        (task, doc, variant)
        for variant in variants
        for task in TASKS
        for doc in spread(documents(task), count)[::every]
    ]
    return {
        f"{task} {doc['item_id']} {variant.slug}": digest(task, doc, variant)[1]
        for task, doc, variant in (reversed(jobs) if reverse else jobs)
    }


class _NoTorch:
    """nlpaug imports torch where it finds it and needs it for nothing that we use."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ImportError(name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--every", type=int, required=True)
    parser.add_argument("--reverse", action="store_true")
    given = parser.parse_args()
    sys.meta_path.insert(0, _NoTorch())  # type: ignore[arg-type]
    found = digests(all_variants((3,)), given.count, given.every, given.reverse)
    sys.stdout.write(json.dumps(found))

"""Find out how a task is made up, and prove it: texts, options, gold, scoring.

Nothing is taken from names alone: a field is text when rewriting it rewrites the prompt there and
nowhere else, and leaves choices and gold as they are; options are movable when moving them moves
them in the prompt and the gold along.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lm_eval.api.task import ConfigurableTask

from oodrop.harness_ext.derive.bases import told_plainly
from oodrop.harness_ext.derive.derivation import Derivation, named_option, option_texts
from oodrop.harness_ext.derive.optionfields import Options, find_options
from oodrop.harness_ext.derive.paths import Doc, get, leaves
from oodrop.harness_ext.derive.probe import Probe
from oodrop.harness_ext.derive.scoring import find_scoring
from oodrop.harness_ext.derive.textfields import find_texts
from oodrop.harness_ext.derive.views import view
from oodrop.harness_ext.variants import evenly_spaced

_SCORED = 64
_WORD = re.compile(r"[^\W\d_]+")
# The most frequent words of English text: a text without them is of another language.
_ENGLISH = frozenset({"the", "of", "and", "to", "in", "a", "is", "that", "it", "for", "was", "on"})


@dataclass(frozen=True)
class Overrides:
    """What the user says instead of what would be found.

    Attributes:
        fields: paths of the texts.
        choices: path of the list of options, or of each.
        gold: path of what names the right option.
    """

    fields: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    gold: str = ""


NO_OVERRIDES = Overrides()


@dataclass(frozen=True)
class Found:
    """A derivation, and what was left alone and why."""

    derivation: Derivation
    notes: tuple[str, ...]


def infer(
    task: ConfigurableTask, source: str, docs: Sequence[Doc], overrides: Overrides = NO_OVERRIDES
) -> Found:
    """Derive a task from a sample of its documents.

    Args:
        task: the task of lm-eval.
        source: of it, for the derivation.
        docs: those that it evaluates.
        overrides: what the user knows better; it is proved all the same.

    Raises:
        NotDerivableError: when it cannot be perturbed faithfully, saying why.
        DataError: when an override is proved wrong, or the data do not fit the task.
    """
    with told_plainly(str(task.config.task)):
        return _found(Probe(task, docs), source, overrides)


def _found(probe: Probe, source: str, overrides: Overrides) -> Found:
    options = find_options(probe, overrides.choices, overrides.gold)
    fields, partial = find_texts(probe, options.paths, overrides.fields)
    docs = evenly_spaced(probe.all_docs, _SCORED)
    views = [view(probe.task, doc) for doc in docs]
    right = [_right(doc, options) for doc in docs] if options.movable else []
    scoring = find_scoring(probe.task, docs, views, right)
    texts = [str(get(doc, path)) for doc in probe.docs for path in fields.values()]
    language = "en" if _is_english(texts) else "und"
    counts = [len(v.choices or v.prompts) for v in views if v.gold]
    if options.movable:
        counts = [len(option_texts(doc, options.paths)) for doc in probe.all_docs]
    derivation = Derivation(
        source=source,
        fields=fields,
        partial=partial,
        options=options.paths,
        movable=options.movable,
        gold=options.gold,
        item_id=_item_id(probe),
        cluster=_cluster(probe, fields),
        language=language,
        wrapped=language == "en" and _can_be_wrapped(probe),
        reply=scoring.reply,
        metric=scoring.metric,
        filter=scoring.filter,
        chance=round(sum(1 / n for n in counts) / len(counts), 6) if counts else 0.0,
    )
    return Found(derivation, tuple(probe.notes))


def _right(doc: Doc, options: Options) -> tuple[list[str], int] | None:
    """Options and place of the right one; None where no option is named."""
    texts, (path, naming) = option_texts(doc, options.paths), next(iter(options.gold.items()))
    place = named_option(naming, doc, get(doc, path), len(texts))
    return None if place is None else (texts, place)


def _item_id(probe: Probe) -> str:
    for path, value in leaves(probe.docs[0]):
        name = path.rpartition(".")[2].lower()
        if not isinstance(value, (str, int)) or not re.fullmatch(r"(.*[_ ])?u?q?id", name):
            continue
        try:
            values = [get(doc, path) for doc in probe.all_docs]
        except KeyError:
            continue
        if len(set(map(str, values))) == len(values):
            return path
    return ""


def _cluster(probe: Probe, fields: Mapping[str, str]) -> str:
    """The text that the most documents share, where each of some has at least two."""
    best, most = "", 0
    for name, path in fields.items():
        if name == "question" and len(fields) > 1:
            continue
        counts = Counter(str(get(doc, path)) for doc in probe.all_docs if _has(doc, path))
        shared = sum(n for n in counts.values() if n > 1)
        if shared > most:
            best, most = path, shared
    return best


def _can_be_wrapped(probe: Probe) -> bool:
    if probe.task.OUTPUT_TYPE == "generate_until":
        return True
    ends = (":", "?", ".")
    return all(
        len(v.prompts) == 1 and v.prompts[0].rstrip().endswith(ends) and "?" in v.prompts[0]
        for v in probe.views
    )


def _has(doc: Doc, path: str) -> bool:
    try:
        get(doc, path)
    except KeyError:
        return False
    return True


def _is_english(texts: Sequence[str]) -> bool:
    words = [w for text in texts for w in _WORD.findall(text.casefold())]
    return bool(words) and sum(w in _ENGLISH for w in words) >= 0.05 * len(words)

"""Nothing about where and how much was edited tells the answer.

A classifier is given only what a certificate shows of an item's edits with every text taken away:
how many, where, how long before and after, in what order units or options now stand. Trained on
one half of the items it must stay at chance on the other half, and the other way round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oodrop.perturbers import Bound, Edit, Item, Regold, Reorder, Replace, Use, Variant
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks import get_task

from .digests import ours, variants_of

SPLITS = {"everyday": "test", "everyday_letters": "test", "procedural_heldout": "heldout"}
ITEMS = 120
ALPHA = 0.001
# The place of the gold is the very thing that these choose.
PLACES_THE_GOLD = {"ordering.gold_to_k"}
CHANGES_THE_GOLD = {"control.threshold", "control.negation", "control.contrast"}
TESTED = [p for p in ours() if p.name not in PLACES_THE_GOLD | CHANGES_THE_GOLD]
TESTS = len(TESTED) * len(SPLITS) * 2  # two classifiers each


@cache
def sample(task: str, count: int = ITEMS) -> tuple[Item, ...]:
    """Items spread over the split, in an order that has nothing to do with the files'."""
    spec = get_task(task)
    docs = spec.docs(SPLITS[task])
    order = permutation(item_generator(0, "no_leak", "1", task), len(docs))
    return tuple(spec.item(docs[i]) for i in order[:count])


def gold_of(item: Item, after: Item) -> int:
    """What is to be guessed: the place of the right option, or the verdict."""
    return int(after.gold if item.listed else item.gold)


def features(item: Item, outcome: str, edits: Sequence[Edit]) -> list[float]:
    """Numbers from the edits' places and lengths alone."""
    starts, total = {}, 1
    for name, text in item.segments.items():
        starts[name] = total
        total += len(text)
    names = list(item.segments)
    changed = [e for e in edits if isinstance(e, Replace)]
    places = [(starts[e.segment] + e.start) / total for e in changed]
    index = [names.index(e.segment) / len(names) for e in changed]
    before = [len(e.before) for e in changed]
    after = [len(e.after) for e in changed]
    orders = [e for e in edits if isinstance(e, Reorder)]
    moves = [i - k for e in orders for k, i in enumerate(e.order)]
    firsts = [float(i) for e in orders for i in (e.order + (-1,) * 4)[:4]]
    return [
        float(outcome == "changed"),
        float(len(edits)),
        float(len(changed)) * 100 / total,
        *(f(values) if values else -1.0 for values in (places, index) for f in (min, max, np.mean)),
        *(float(f(values)) if values else 0.0 for values in (before, after) for f in (sum, max)),
        float(sum(after) - sum(before)),
        float(sum(isinstance(e, Use) for e in edits)),
        float(np.abs(moves).sum()) if moves else 0.0,
        float(np.abs(moves).max()) if moves else 0.0,
        *(firsts + [-1.0] * 4)[:4],
    ]


def guessed(rows: NDArray[np.float64], golds: NDArray[np.int64]) -> tuple[int, int]:
    """Right guesses on the half that was not trained on, of a linear model and of a forest."""
    right = [0, 0]
    half = len(rows) // 2
    for train, test in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        models = (
            make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=200)),
            RandomForestClassifier(n_estimators=12, min_samples_leaf=3, random_state=0),
        )
        for k, model in enumerate(models):
            if len(set(golds[train])) == 1:
                right[k] += int((golds[test] == golds[train][0]).sum())
                continue
            fitted = model.fit(rows[train], golds[train])
            right[k] += int((fitted.predict(rows[test]) == golds[test]).sum())
    return right[0], right[1]


def leak(variant: Variant, task: str) -> tuple[int, int]:
    """Right guesses of the better classifier, and the number from which on it is no chance."""
    bound = Bound(variant)
    rows, golds = [], []
    for item in sample(task):
        done = bound(item)
        rows.append(features(item, done.certificate.outcome, done.certificate.edits))
        golds.append(gold_of(item, done.item))
    if len({tuple(row) for row in rows}) == 1:  # alike for all items, it tells nothing
        return 0, 0
    return max(guessed(np.array(rows), np.array(golds))), limit(sample(task), TESTS)


def limit(items: Sequence[Item], tests: int) -> int:
    """Right guesses that chance gives at most: always naming the answer that is most frequent."""
    golds = Counter(item.gold for item in items)
    return int(binom.isf(ALPHA / tests, len(items), max(golds.values()) / len(items)))


def variant_of(name: str) -> Variant:
    """One variant of a perturber: its first parameter values, a middle severity."""
    plugin = next(p for p in ours() if p.name == name)
    return variants_of(plugin, (3,))[0]


@pytest.mark.parametrize("task", SPLITS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(p.name, marks=[pytest.mark.slow] if "nlpaug" in p.name else []) for p in TESTED],
)
def test_edits_do_not_tell_the_answer(name: str, task: str) -> None:
    right, most = leak(variant_of(name), task)
    assert right <= most, f"{right} of {ITEMS} guessed, chance gives {most} at most"


@pytest.mark.parametrize("k", ["1", "2", "3", "4"])
def test_the_classifier_sees_a_gold_that_was_placed(k: str) -> None:
    """Exempt by design, and the proof that the test can see anything."""
    right, most = leak(Variant("ordering.gold_to_k", {"k": k}), "everyday_letters")
    assert right > most


@pytest.mark.parametrize("name", sorted(CHANGES_THE_GOLD))
def test_the_classifier_sees_a_control_that_changes_the_gold(name: str) -> None:
    """Whoever sees where a control struck knows what the answer became."""
    bound = Bound(Variant(name))
    items = sample("procedural_heldout", 600)
    done = [bound(item) for item in items]
    struck = [d for d in done if d.certificate.outcome == "changed"]
    assert len(struck) > 30
    assert all(any(isinstance(e, Regold) for e in d.certificate.edits) for d in struck)
    rows = [
        features(item, d.certificate.outcome, d.certificate.edits)
        for item, d in zip(items, done, strict=True)
        if d.certificate.outcome == "changed"
    ]
    golds = np.array([int(d.item.gold) for d in struck])
    # Of the canonical items one half is compliant: that is what chance would give.
    assert max(guessed(np.array(rows), golds)) > binom.isf(ALPHA, len(golds), 0.5)


def test_the_classifier_sees_edits_that_follow_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A perturber that looks at the gold, however little of it shows."""
    plugin = next(p for p in ours() if p.name == "lexical.keyboard_typo")
    honest = plugin.function

    def looks(item: Item, rng: object, *, severity: int) -> object:
        return honest(item, rng, severity=5 if item.gold == 0 else severity)

    monkeypatch.setitem(plugin.__dict__, "function", looks)
    right, most = leak(Variant("lexical.keyboard_typo", severity=3), "procedural_heldout")
    assert right > most


def test_the_text_itself_has_no_length_that_tells_the_verdict() -> None:
    """Places are relative to the text, so that in this set they say nothing by themselves."""
    rows, golds = [], []
    for item in sample("procedural_heldout"):
        lengths = [len(text) for text in item.segments.values()]
        rows.append([float(sum(lengths)), float(len(lengths)), float(max(lengths))])
        golds.append(int(item.gold))
    assert max(guessed(np.array(rows), np.array(golds))) <= limit(sample("procedural_heldout"), 1)

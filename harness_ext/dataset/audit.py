"""The audit of the procedural set: its counts, and how far each surface feature alone gets.

A label that a bag of words can read off the text measures no compliance. Every feature is tried in
two ways: fitted on ``train`` as a pattern matcher would be, and, for ``heldout``, fitted on other
procedures of ``heldout`` itself (five folds of whole procedures), which would also find a habit
that only ``heldout`` has. The figure of ``heldout`` is the worse of the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any, get_args

import numpy as np

from oodrop.harness_ext.bench import BenchResult, machine
from oodrop.harness_ext.dataset.bars import judged
from oodrop.harness_ext.dataset.cells import cells
from oodrop.tasks.procedural.build import ROUNDS, TYPES, trace_of
from oodrop.tasks.procedural.check import COMPLIANT, Kind, verdict
from oodrop.tasks.procedural.render import clause
from oodrop.tasks.procedural.schema import Procedure, Step
from oodrop.tasks.spec import Doc, TaskSpec

SPLITS = tuple(ROUNDS)
_WORD = re.compile(r"[a-z][a-z'-]+")
_NEGATIONS = (
    "no", "not", "none", "never", "neither", "nor", "without", "cannot", "nothing", "nobody",
    "nowhere",
)  # fmt: skip
_FOLDS = 5
_TOKEN = re.compile(r"\w+")

Texts = Sequence[str]
Numbers = Any  # one row per document, one column per number


def audit_procedural(spec: TaskSpec, procedures: Mapping[str, Procedure]) -> BenchResult:
    """Audit the built data of the procedural set.

    Returns:
        A row for every feature, split and way of fitting: its accuracy, over all, balanced and
        per type. The settings hold the cells of the set with their flags, the violations by kind,
        and what came of every bar.
    """
    docs = {split: spec.docs(split) for split in SPLITS}
    every = [doc for split in SPLITS for doc in docs[split]]
    said = {
        (name, *how): found
        for name, feature in _FEATURES.items()
        for how, found in _baselines(feature, docs)
    }
    rows = [
        _row(name, split, fitted_on, docs[split], found)
        for (name, split, fitted_on), found in said.items()
    ]
    accuracy = {
        (split, name): max(
            r["accuracy"] for r in rows if (r["split"], r["feature"]) == (split, name)
        )
        for split in ("test", "heldout")
        for name in _FEATURES
    }
    cohorts = Counter(doc["cohort"] for doc in every)
    token, correlation = _strongest_token(docs["heldout"])
    figures: dict[str, float | None] = {
        "items": len({_normalised(doc) for doc in every}),
        "procedures": len(procedures),
        "min_items_per_cohort": min(cohorts.values()),
        "n_types": len({doc["type"] for doc in every}),
        "items_test": len(docs["test"]),
        "items_heldout": len(docs["heldout"]),
        **{f"procedures_{s}": _processes(docs[s]) for s in ("test", "heldout")},
        "max_label_imbalance": _imbalance(every),
        "bow_accuracy_test": accuracy["test", "bag_of_words"],
        "bow_accuracy_heldout": accuracy["heldout", "bag_of_words"],
        "scenario_only_accuracy_heldout": accuracy["heldout", "scenario_bag_of_words"],
        "length_accuracy_heldout": accuracy["heldout", "length"],
        "negation_accuracy_heldout": accuracy["heldout", "negation_cues"],
        "bow_balanced_test": _balanced(docs["test"], said["bag_of_words", "test", "train"]),
        "bow_balanced_heldout": _balanced(
            docs["heldout"], said["bag_of_words", "heldout", "train"]
        ),
        "max_token_correlation_heldout": round(correlation, 4),
        "checker_disagreements": sum(
            verdict(procedures[doc["process_id"]], trace_of(doc)) != doc["label"] for doc in every
        ),
        **_procedure_figures(tuple(procedures.values())),
    }
    read = {
        doc["item_id"]: bool(right)
        for split in ("test", "heldout")
        for doc, right in zip(
            docs[split], _right(docs[split], said["bag_of_words", split, "train"]), strict=True
        )
    }
    settings = {
        "strongest_token_heldout": token,
        "folds": _FOLDS,
        "cells": cells(every, read),
        "violations": _violations(docs),
        "bars": judged(figures),
    }
    return BenchResult("data_audit", machine(("oodrop", "scikit-learn")), settings, rows, figures)


def _prompt(doc: Doc) -> str:
    return " ".join([doc["title"], *doc["clauses"], _scenario(doc)])


def _scenario(doc: Doc) -> str:
    return " ".join([doc["intro"], *doc["facts"], *doc["events"], doc["closing"]])


def _normalised(doc: Doc) -> str:
    return " ".join(_TOKEN.findall(_scenario(doc).casefold()))


def _lengths(doc: Doc) -> list[float]:
    return [len(_scenario(doc)), len(doc["events"]), len(_TOKEN.findall(_scenario(doc)))]


def _negations(doc: Doc) -> list[float]:
    words = Counter(_TOKEN.findall(_scenario(doc).casefold()))
    return [float(words[word]) for word in _NEGATIONS]


_FEATURES: Mapping[str, Callable[[Doc], Any]] = {
    "majority": lambda doc: [0.0],
    "bag_of_words": _prompt,
    "scenario_bag_of_words": _scenario,
    "length": _lengths,
    "negation_cues": _negations,
}


def _baselines(
    feature: Callable[[Doc], Any], docs: Mapping[str, Sequence[Doc]]
) -> Iterator[tuple[tuple[str, str], Any]]:
    """Split and what was fitted on, with the verdicts (1 for compliant)."""
    model = _fitted(feature, docs["train"])
    for split in ("test", "heldout"):
        yield (split, "train"), model([feature(d) for d in docs[split]])
    said = np.zeros(len(docs["heldout"]), dtype=int)
    processes = sorted({doc["process_id"] for doc in docs["heldout"]})
    for fold in range(_FOLDS):
        own = set(processes[fold::_FOLDS])
        inside = [k for k, d in enumerate(docs["heldout"]) if d["process_id"] in own]
        others = [d for d in docs["heldout"] if d["process_id"] not in own]
        model = _fitted(feature, others)
        said[inside] = model([feature(docs["heldout"][k]) for k in inside])
    yield ("heldout", "other procedures of heldout"), said


def _fitted(feature: Callable[[Doc], Any], docs: Sequence[Doc]) -> Callable[[Sequence[Any]], Any]:
    """A logistic regression from the feature to the label (1 for compliant)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = [feature(doc) for doc in docs]
    first: Any = (
        TfidfVectorizer(sublinear_tf=True, min_df=2)
        if isinstance(values[0], str)
        else StandardScaler()
    )
    model = make_pipeline(first, LogisticRegression(C=10.0, max_iter=1000))
    model.fit(values, [doc["label"] == COMPLIANT for doc in docs])
    return lambda given: model.predict(given).astype(int)


def _row(name: str, split: str, fitted_on: str, docs: Sequence[Doc], said: Any) -> dict[str, Any]:
    right = _right(docs, said)
    types = np.array([doc["type"] for doc in docs])
    by_type = {f"right_{t}": round(float(right[types == t].mean()), 3) for t in TYPES}
    return {
        "feature": name,
        "split": split,
        "fitted_on": fitted_on,
        "items": len(docs),
        "accuracy": round(float(right.mean()), 4),
        "balanced_accuracy": _balanced(docs, said),
        **by_type,
    }


def _right(docs: Sequence[Doc], said: Any) -> Any:
    return np.array([doc["label"] == COMPLIANT for doc in docs]) == said.astype(bool)


def _balanced(docs: Sequence[Doc], said: Any) -> float:
    """The mean over the labels of the mean over the types of the share that is right."""
    shares: dict[str, dict[str, list[bool]]] = {}
    for doc, right in zip(docs, _right(docs, said), strict=True):
        shares.setdefault(doc["label"], {}).setdefault(doc["type"], []).append(bool(right))
    return round(fmean(fmean(map(fmean, types.values())) for types in shares.values()), 4)


def _processes(docs: Sequence[Doc]) -> int:
    return len({doc["process_id"] for doc in docs})


def _imbalance(docs: Sequence[Doc]) -> float:
    """How far the compliant share of a cohort in a split is from a half, at most."""
    labels: dict[tuple[str, str], list[bool]] = {}
    for doc in docs:
        labels.setdefault((doc["split"], doc["cohort"]), []).append(doc["label"] == COMPLIANT)
    return round(max(abs(fmean(found) - 0.5) for found in labels.values()), 4)


def _violations(docs: Mapping[str, Sequence[Doc]]) -> dict[str, dict[str, int]]:
    """Items by what is wrong in them and split."""
    found = Counter(
        (doc["violation"]["kind"], split)
        for split, own in docs.items()
        for doc in own
        if doc["violation"]
    )
    return {kind: {split: found[kind, split] for split in docs} for kind in get_args(Kind)}


def _strongest_token(docs: Sequence[Doc]) -> tuple[str, float]:
    """The token of the scenarios whose presence goes most with the label (point-biserial)."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(
        binary=True, min_df=2, tokenizer=_TOKEN.findall, token_pattern=None
    )
    present = vectorizer.fit_transform([_scenario(doc) for doc in docs]).astype(float)
    label = np.array([float(doc["label"] == COMPLIANT) for doc in docs])
    mean = np.asarray(present.mean(axis=0)).ravel()
    covariance = np.asarray(present.T @ label).ravel() / len(docs) - mean * label.mean()
    spread = np.sqrt(mean * (1 - mean)) * label.std()
    found = np.divide(covariance, spread, out=np.zeros_like(mean), where=spread > 0)
    k = int(np.abs(found).argmax())
    return str(vectorizer.get_feature_names_out()[k]), float(abs(found[k]))


def _procedure_figures(procedures: Sequence[Procedure]) -> dict[str, float | None]:
    def having(test: Callable[[Step], object]) -> int:
        return sum(any(test(step) for step in p.steps) for p in procedures)

    domains = Counter(p.cohort.partition("_")[0] for p in procedures)
    words = {
        p.id: {w for s in p.steps for w in _WORD.findall(clause(p, s).lower())} for p in procedures
    }
    shapes = Counter(tuple(sorted(_shape(step) for step in p.steps)) for p in procedures)
    return {
        **{f"procedures_{name}": count for name, count in sorted(domains.items())},
        "procedures_with_limit_or_window": having(lambda s: s.limits or s.window),
        "procedures_with_exception_or_branch": having(lambda s: s.when or s.unless or s.only_if),
        "procedures_with_two_person_rule": having(
            lambda s: s.not_same_person_as or s.same_person_as
        ),
        "procedures_with_determination": having(lambda s: s.outcomes),
        "min_steps": min(len(p.steps) for p in procedures),
        "max_steps": max(len(p.steps) for p in procedures),
        "procedures_of_equal_structure": sum(n for n in shapes.values() if n > 1),
        "max_shared_words": round(
            max(
                len(words[a] & words[b]) / len(words[a] | words[b])
                for a, b in combinations(words, 2)
            ),
            3,
        ),
    }


def _shape(step: Step) -> tuple[Any, ...]:
    """What a step demands, without its words."""
    window = step.window
    return (
        len(step.requires),
        len(step.roles),
        bool(step.when),
        bool(step.unless),
        bool(step.only_if),
        bool(step.outcomes),
        tuple(sorted(limit.op for limit in step.limits)),
        (
            window is not None and window.min is not None,
            window is not None and window.max is not None,
        ),
        len(step.records),
        bool(step.not_same_person_as),
        bool(step.same_person_as),
    )

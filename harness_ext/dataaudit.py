"""The audit of the procedural set: its counts, and how far each surface feature alone gets.

A label that a bag of words can read off the text measures no compliance. Every feature is tried in
two ways: fitted on ``train`` as a pattern matcher would be, and, for ``heldout``, fitted on other
procedures of ``heldout`` itself (five folds of whole procedures), which would also find a habit
that only ``heldout`` has. The figure of ``heldout`` is the worse of the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from oodrop.harness_ext.bench import BenchResult, machine
from oodrop.tasks.procedural.build import ROUNDS, TYPES, trace_of
from oodrop.tasks.procedural.check import COMPLIANT, verdict
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
        A row for every feature, split and way of fitting: its accuracy, over all and per type.
        The settings hold the items, and the compliant ones, of every split, cohort and type.
    """
    docs = {split: spec.docs(split) for split in SPLITS}
    every = [doc for split in SPLITS for doc in docs[split]]
    rows = [row for name, feature in _FEATURES.items() for row in _baselines(name, feature, docs)]
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
        "bow_accuracy_test": accuracy["test", "bag_of_words"],
        "bow_accuracy_heldout": accuracy["heldout", "bag_of_words"],
        "scenario_only_accuracy_heldout": accuracy["heldout", "scenario_bag_of_words"],
        "max_token_correlation_heldout": round(correlation, 4),
        "checker_disagreements": sum(
            verdict(procedures[doc["process_id"]], trace_of(doc)) != doc["label"] for doc in every
        ),
        **_procedure_figures(tuple(procedures.values())),
    }
    settings = {
        "strongest_token_heldout": token,
        "folds": _FOLDS,
        "cells": _cells(every),
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
    name: str, feature: Callable[[Doc], Any], docs: Mapping[str, Sequence[Doc]]
) -> list[dict[str, Any]]:
    model = _fitted(feature, docs["train"])
    rows = [
        _row(name, split, "train", docs[split], model([feature(d) for d in docs[split]]))
        for split in ("test", "heldout")
    ]
    said = np.zeros(len(docs["heldout"]), dtype=int)
    processes = sorted({doc["process_id"] for doc in docs["heldout"]})
    for fold in range(_FOLDS):
        own = set(processes[fold::_FOLDS])
        inside = [k for k, d in enumerate(docs["heldout"]) if d["process_id"] in own]
        others = [d for d in docs["heldout"] if d["process_id"] not in own]
        model = _fitted(feature, others)
        said[inside] = model([feature(docs["heldout"][k]) for k in inside])
    return [*rows, _row(name, "heldout", "other procedures of heldout", docs["heldout"], said)]


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
    right = np.array([doc["label"] == COMPLIANT for doc in docs]) == said.astype(bool)
    types = np.array([doc["type"] for doc in docs])
    by_type = {f"right_{t}": round(float(right[types == t].mean()), 3) for t in TYPES}
    return {
        "feature": name,
        "split": split,
        "fitted_on": fitted_on,
        "items": len(docs),
        "accuracy": round(float(right.mean()), 4),
        **by_type,
    }


def _cells(docs: Sequence[Doc]) -> list[dict[str, Any]]:
    items = Counter((d["split"], d["cohort"], d["type"]) for d in docs)
    clean = Counter((d["split"], d["cohort"], d["type"]) for d in docs if d["label"] == COMPLIANT)
    return [
        {"split": cell[0], "cohort": cell[1], "type": cell[2], "items": n, "compliant": clean[cell]}
        for cell, n in sorted(items.items())
    ]


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

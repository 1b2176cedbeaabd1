"""Prove the certificate of a logged sample again, from the sample alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oodrop import DataError, OodropError
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.perturbed import shown_with
from oodrop.perturbers.edits import Edits, apply_edits, edits_from_dicts, undo_edits
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.guards import run_guards
from oodrop.perturbers.registry import all_perturbers
from oodrop.perturbers.variant import CANONICAL, Variant
from oodrop.tasks.spec import Doc

_VARIANT_FIELDS = ("perturber", "parameters", "severity", "seed")


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out of a folder.

    Attributes:
        counts: outcome -> number of samples whose certificate holds.
        problems: one sentence per sample whose certificate does not hold.
    """

    counts: Counter[str]
    problems: tuple[str, ...]


def certificate_problem(doc: Doc) -> str:
    """What is wrong with a logged document's certificate; "" when it proves itself.

    The edits are undone and give the item whose hash is ``canonical_sha256``; applied again they
    give the logged document; the guards run again and hold; and the perturber, where this
    installation has its version, makes the same edits again.
    """
    record = doc["oodrop"]
    spec = get_task(record.get("of_task", record["task"]))  # a score names what it was made from
    edits = Edits(edits_from_dicts(record["edits"]))
    logged = shown_with(spec.item(doc), record["settings"])
    if record["gold"] != logged.gold_text:
        return "its record names another right answer than the document"
    try:
        before = undo_edits(logged, edits)
    except ValueError as error:
        return f"its edits cannot be undone: {error}"
    plain = {k: v for k, v in spec.to_doc(doc, before).items() if k != "oodrop"}
    canonical = shown_with(spec.item(plain), before.settings)
    if canonical.sha256() != record["canonical_sha256"]:
        return "undoing its edits does not give the canonical item"
    if edits and not apply_edits(canonical, edits).same_content(logged):
        return "its edits do not give the logged document"
    guards, failure = run_guards(canonical, logged, edits)
    if failure is not None:
        return f"guard {failure[0]} does not hold: {failure[1]}"
    if list(guards) != record["guards"]:
        return f"the guards {', '.join(record['guards'])} are not those that apply"
    return _reproduction_problem(record, canonical)


def _reproduction_problem(record: dict[str, Any], canonical: Any) -> str:
    name = record["perturber"]
    if name == CANONICAL or not _is_known(record):
        return ""
    fields = {k: record[k] for k in _VARIANT_FIELDS if record[k] is not None}
    again = Bound(Variant.from_dict(fields, "logged sample"))(canonical).certificate
    here = json.loads(json.dumps(again.as_dict()))
    different = [k for k in here if here[k] != record[k]]
    return f"{name} gives another {different[0]} for this item" if different else ""


def verify_raw(folder: Path) -> tuple[Verified, tuple[str, ...]]:
    """Prove what can be proved here, and say what cannot: tasks and perturbers may be missing.

    Args:
        folder: of a bundle, with samples files as the reader accepts them: all rows of a file are
            of one task and perturber.

    Raises:
        DataError: as `verify_samples`.
    """
    counts: Counter[str] = Counter()
    problems: list[str] = []
    unproved: dict[str, None] = {}
    missing_task = cache(_task_missing)
    for path in sorted(folder.rglob("samples_*.jsonl")):
        record = next(_docs(path))[1]["oodrop"]
        if missing := missing_task(record.get("of_task", record["task"])):
            unproved[missing] = None
            continue
        if not _is_known(record):
            unproved[
                f"that {record['perturber']} {record['perturber_version']} makes these edits: it "
                "is not installed here; that they are undone and pass the guards is proved"
            ] = None
        found = verify_samples(path)
        counts += found.counts
        problems += found.problems
    return Verified(counts, tuple(problems)), tuple(unproved)


def _task_missing(name: str) -> str:
    """What cannot be proved without the task; "" where it is known and its data are here."""
    try:
        get_task(name)
    except OodropError as error:
        return f"the certificates of task {name!r:.80}: {error!s:.200}"
    return ""


def _is_known(record: dict[str, Any]) -> bool:
    """Whether the perturber is here in the version that made a sample."""
    known = all_perturbers().get(record["perturber"])
    version = record["perturber_version"]
    return record["perturber"] == CANONICAL or (known is not None and known.version == version)


def verify_samples(folder: Path) -> Verified:
    """Prove every sample of every samples file under a folder, or of one file.

    Raises:
        DataError: when there is none, or a line of one is not JSON.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("samples_*.jsonl"))
    if not files:
        raise DataError(f"no samples_*.jsonl under {folder}: was it evaluated with --log_samples?")
    counts: Counter[str] = Counter()
    problems = []
    for path in files:
        for number, doc in _docs(path):
            where = f"{path.name}, line {number}"
            try:
                problem = certificate_problem(doc)
            except (KeyError, TypeError, ValueError, OodropError) as error:
                problem = f"its record cannot be read: {error!r:.120}"
            if problem:
                problems.append(f"{where}: {problem}")
            else:
                counts[doc["oodrop"]["outcome"]] += 1
    return Verified(counts, tuple(problems))


def _docs(path: Path) -> Iterator[tuple[int, Doc]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                doc = json.loads(line)["doc"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, line {number}: not a sample of lm-eval: {error}"
                ) from None
            if isinstance(doc, dict) and isinstance(doc.get("oodrop"), dict):
                yield number, doc

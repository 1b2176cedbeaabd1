"""lm-eval's hashes of a row, computed again from what the file holds.

lm-eval 0.4.13 (`evaluator.evaluate`) takes sha256 of
``json.dumps(doc, indent=2, default=…, ensure_ascii=False)``, of the first argument of the first
request, and of ``str(target)``; `EvaluationTracker.save_results_aggregated` takes sha256 of the
three hashes of all rows, one after the other. A document that went through JSON comes out as the
same text: what JSON has no form for is text on both sides already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson

from oodrop import DataError
from oodrop.reports.lines import parse_exactly
from oodrop.reports.replies import argument

HASHES = ("doc_hash", "prompt_hash", "target_hash")


def check_hashes(sample: Mapping[str, Any], line: bytes, where: str) -> int:
    """Compute the hashes of a sample again.

    Args:
        sample: the row.
        line: the same as text.
        where: file, line and item.

    Returns:
        How many of the three nobody can compute from the file: those that are not there (older
        versions), a prompt that is not logged as text, and, of a row of ``score-reference``, the
        prompt, whose hash is that of the reply's.

    Raises:
        DataError: for a hash that is another one.
    """
    unchecked = 0
    if not isinstance(sample.get("doc_hash"), str) or not _same_doc(sample, line, where):
        raise _differs("doc_hash", where)
    for name, text in (("prompt_hash", _prompt(sample)), ("target_hash", _target(sample))):
        if text is None or name not in sample:
            unchecked += 1
        elif _sha256(text) != sample[name]:
            raise _differs(name, where)
    return unchecked


def hash_of_hashes(sample: Mapping[str, Any]) -> bytes | None:
    """What a row adds to lm-eval's hash of a task; None where it lacks one of the three."""
    found = [sample.get(name) for name in HASHES]
    if not all(isinstance(value, str) for value in found):
        return None
    return "".join(map(str, found)).encode("utf-8", "surrogatepass")


def _differs(name: str, where: str) -> DataError:
    return DataError(
        f"{where}: {name!r} is not the hash of what the row holds; it was changed after lm-eval "
        "wrote it"
    )


def _same_doc(sample: Mapping[str, Any], line: bytes, where: str) -> bool:
    """Whether either writer gives the bytes that were hashed: a hash that is met is a proof.

    orjson writes most documents as Python does, 20 times faster. Where it does not (exponents,
    integers beyond 64 bits, NaN), Python reads and writes the line.
    """
    try:
        fast = orjson.dumps(_as_sent(sample["doc"]), option=orjson.OPT_INDENT_2)
        if hashlib.sha256(fast).hexdigest() == sample["doc_hash"]:
            return True
    except orjson.JSONEncodeError:
        pass
    try:
        doc = _as_sent(parse_exactly(line, where)["doc"])
        exact = json.dumps(doc, indent=2, ensure_ascii=False)
    except RecursionError:
        raise DataError(f"{where}: the document is nested too deeply") from None
    return bool(_sha256(exact) == sample["doc_hash"])


def _as_sent(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document under its own task: ``score-reference`` puts that of the scores in its place."""
    record = doc["oodrop"]
    if "of_task" not in record:
        return doc
    own = {key: value for key, value in record.items() if key != "of_task"}
    return {**doc, "oodrop": own | {"task": record["of_task"]}}


def _prompt(sample: Mapping[str, Any]) -> str | None:
    """The first argument; API chat models log theirs as a list of one text."""
    if "of_task" in sample["doc"]["oodrop"]:
        return None
    found = argument(sample, 0, 0)
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    return found if isinstance(found, str) else None


def _target(sample: Mapping[str, Any]) -> str | None:
    found = sample.get("target")  # text since lm-eval 0.4.3
    return str(found) if isinstance(found, (str, int, float)) else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

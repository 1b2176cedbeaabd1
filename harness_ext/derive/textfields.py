"""Which fields of documents are free text: rewriting them rewrites the prompt there alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from oodrop import DataError
from oodrop.harness_ext.derive.bases import NotDerivableError
from oodrop.harness_ext.derive.paths import Doc, get, put
from oodrop.harness_ext.derive.probe import Probe
from oodrop.harness_ext.derive.views import STAND_IN, View, shown_range, view
from oodrop.perturbers.spans import protected_spans

_FEWEST_WORDS = 3
_WORD = re.compile(r"[^\W\d_]+")
_QUESTION = ("question", "query", "problem", "goal", "prompt", "instruction", "sentence")
_CONTEXT = ("context", "passage", "article", "story", "paragraph", "premise", "support")
_NOT_SHOWN = "it does not stand in the prompt"


def find_texts(
    probe: Probe, options: Sequence[str], asked: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Paths by name of segment, and the names of those that are shown in part.

    Args:
        probe: the task.
        options: paths that hold options.
        asked: paths that the user says are text; empty to find them.

    Raises:
        NotDerivableError: when there is none.
        DataError: when one that was asked for is no text.
    """
    for path in asked:
        if path not in probe.text_paths:
            raise DataError(
                f"--fields {path}: no text of the documents; there are: "
                f"{', '.join(probe.text_paths)}"
            )
    chosen: dict[str, bool] = {}
    for path in asked or probe.text_paths:
        if path in options:
            continue
        problem, partial = _text_problem(probe, path, long_enough=bool(asked))
        if problem and asked:
            raise DataError(f"--fields {path}: {problem}")
        if not problem:
            chosen[path] = partial
        elif problem != _NOT_SHOWN:
            probe.notes.append(f"{path} is left alone: {problem}")
    if not chosen:
        listed = "; ".join(probe.notes) or "no field of its documents stands in the prompt"
        raise NotDerivableError(f"no text can be put in other words ({listed})")
    names = _segment_names(probe, list(chosen))
    return names, tuple(name for name, path in names.items() if chosen[path])


def _text_problem(probe: Probe, path: str, *, long_enough: bool) -> tuple[str, bool]:
    words = sorted(_words_in(get(doc, path)) for doc in probe.docs)
    if not long_enough and words[len(words) // 2] < _FEWEST_WORDS:
        return _NOT_SHOWN, False
    partial = False
    for doc, seen in probe.pairs:
        where = shown_range(get(doc, path), seen.prompts, partial=False)
        if where is None:
            where = shown_range(get(doc, path), seen.prompts, partial=True)
            partial = True
        if where is None:
            return _NOT_SHOWN, False
        problem = _rewriting_problem(probe, doc, seen, path, where)
        if problem:
            return problem, False
    return _answer_problem(probe, path), partial


def _rewriting_problem(
    probe: Probe, doc: Doc, seen: View, path: str, where: tuple[int, int]
) -> str:
    """Put a stand-in where the text is: it must come out in the prompt, and nothing else."""
    text, stand_in = get(doc, path), STAND_IN.format(0)
    twin = dict(doc)
    put(twin, path, text[: where[0]] + stand_in + text[where[1] :])
    try:
        now = view(probe.task, twin)
    except Exception as error:  # it reads the text, whatever it does with it
        return f"the task reads it ({type(error).__name__})"
    if now.choices != seen.choices or now.gold != seen.gold:
        return "rewriting it changes the options or the gold"
    if now.target != seen.target:
        return "rewriting it changes the target"
    old = text[where[0] : where[1]]
    if not all(stand_in in prompt for prompt in now.prompts):
        return _NOT_SHOWN  # its words stand there by way of another field
    if tuple(p.replace(stand_in, old) for p in now.prompts) != seen.prompts:
        return "the prompt does not show it as it stands"
    return "" if now.around == seen.around else "rewriting it changes what stands around"


def _answer_problem(probe: Probe, path: str) -> str:
    """Where a free answer is taken from the text, the text must not change."""
    if probe.task.OUTPUT_TYPE == "multiple_choice":
        return ""
    # A target that several documents share is the name of a class, copied from nowhere.
    targets = Counter(seen.target for seen in probe.views)
    held = sum(
        _holds(get(doc, path), seen.target)
        for doc, seen in probe.pairs
        if targets[seen.target] == 1
    )
    return "it holds the answer's own words" if 5 * held >= len(probe.docs) else ""


def _segment_names(probe: Probe, paths: list[str]) -> dict[str, str]:
    """``question`` asks, ``context`` is what it is asked of, others have their own names."""
    order = sorted(paths, key=lambda p: _place_in_prompt(probe, p))
    question = _first_like(order[::-1], _QUESTION) or order[-1]
    rest = [p for p in order if p != question]
    context = _first_like(rest, _CONTEXT)
    special = {question: "question", **({context: "context"} if context else {})}
    return {special.get(p, re.sub(r"\W+", "_", p).strip("_") or "text"): p for p in order}


def _place_in_prompt(probe: Probe, path: str) -> int:
    doc, seen = probe.docs[0], probe.views[0]
    return seen.prompts[0].find(get(doc, path).strip()[:40])


def _words_in(text: str) -> int:
    """Number of words; of a script without blanks between them, four characters count as one."""
    found = _WORD.findall(text)
    return max(len(found), sum(len(w) for w in found if not w.isascii()) // 4)


def _first_like(paths: Sequence[str], names: Sequence[str]) -> str:
    return next((p for name in names for p in paths if name in p.lower()), "")


def _holds(text: str, targets: Sequence[str]) -> bool:
    """Whether words of the answer stand in the text where an edit could touch them."""
    free = text
    for start, end in reversed(protected_spans(text, ())):
        free = free[:start] + "\n" + free[end:]
    words = set(_WORD.findall(free.casefold()))
    for target in targets:
        wanted = _WORD.findall(target.casefold())
        if len(wanted) == 1 and len(wanted[0]) > 1 and wanted[0] in words:
            return True
        if len(wanted) > 1 and len(words.intersection(wanted)) >= 0.9 * len(set(wanted)):
            return True
    return False

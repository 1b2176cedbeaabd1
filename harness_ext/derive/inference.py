"""Find out which fields of a task's documents are free text, options and gold, and prove it.

Nothing is taken from names alone: a field is text when rewriting it rewrites the prompt there and
nowhere else, and leaves choices and gold as they are; options are movable when moving them moves
them in the prompt and the gold along.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lm_eval.api.task import ConfigurableTask

from oodrop import DataError
from oodrop.harness_ext.derive.bases import NotDerivableError, told_plainly
from oodrop.harness_ext.derive.derivation import (
    LABELS,
    NAMINGS,
    Derivation,
    named_option,
    option_texts,
    put_gold,
    put_options,
)
from oodrop.harness_ext.derive.paths import Doc, get, leaves, put
from oodrop.harness_ext.derive.scoring import find_scoring
from oodrop.harness_ext.derive.views import STAND_IN, View, shown_range, view
from oodrop.harness_ext.variants import evenly_spaced
from oodrop.perturbers.spans import protected_spans

PROBED = 8
_SCORED = 64
_FEWEST_WORDS = 3
_LONGEST_LABEL = 3
_WORD = re.compile(r"[^\W\d_]+")
_QUESTION = ("question", "query", "problem", "goal", "prompt", "instruction", "sentence")
_CONTEXT = ("context", "passage", "article", "story", "paragraph", "premise", "support")
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
        return _Probe(task, docs, overrides).result(source)


class _Probe:
    def __init__(self, task: ConfigurableTask, docs: Sequence[Doc], overrides: Overrides) -> None:
        if task.OUTPUT_TYPE not in ("multiple_choice", "generate_until", "loglikelihood"):
            raise NotDerivableError(
                "it scores running text: there is no question to put in other words"
            )
        if task.config.doc_to_image or task.config.doc_to_audio:
            raise NotDerivableError("its prompts hold pictures or sound")
        if not docs:
            raise NotDerivableError("it has no documents")
        self.task, self.all_docs, self.overrides = task, docs, overrides
        self.docs = evenly_spaced(docs, PROBED)
        self.views = [view(task, doc) for doc in self.docs]
        self.notes: list[str] = []

    @property
    def pairs(self) -> Iterator[tuple[Doc, View]]:
        return zip(self.docs, self.views, strict=True)

    def result(self, source: str) -> Found:
        options, movable, gold = self._options()
        fields, partial = self._fields(options)
        docs = evenly_spaced(self.all_docs, _SCORED)
        right = [self._right(doc, options, gold) for doc in docs] if movable else []
        seen = [view(self.task, doc) for doc in docs]
        scoring = find_scoring(self.task, docs, seen, right)
        texts = [str(get(doc, path)) for doc in self.docs for path in fields.values()]
        language = "en" if _is_english(texts) else "und"
        counts = [len(v.choices or v.prompts) for v in seen if v.gold]
        if movable:
            counts = [len(option_texts(doc, options)) for doc in self.all_docs]
        derivation = Derivation(
            source=source,
            fields=fields,
            partial=partial,
            options=options,
            movable=movable,
            gold=gold,
            item_id=self._item_id(),
            cluster=self._cluster(fields),
            language=language,
            wrapped=language == "en" and self._can_be_wrapped(),
            reply=scoring.reply,
            metric=scoring.metric,
            filter=scoring.filter,
            chance=round(sum(1 / n for n in counts) / len(counts), 6) if counts else 0.0,
        )
        return Found(derivation, tuple(self.notes))

    # Fields

    def _fields(self, options: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
        asked = self.overrides.fields
        for path in asked:
            if path not in self._text_paths:
                raise DataError(
                    f"--fields {path}: no text of the documents; there are: "
                    f"{', '.join(self._text_paths)}"
                )
        chosen: dict[str, bool] = {}
        for path in asked or self._text_paths:
            if path in options:
                continue
            problem, partial = self._text_problem(path, long_enough=bool(asked))
            if problem and asked:
                raise DataError(f"--fields {path}: {problem}")
            if not problem:
                chosen[path] = partial
            elif problem != _NOT_SHOWN:
                self.notes.append(f"{path} is left alone: {problem}")
        if not chosen:
            listed = "; ".join(self.notes) or "no field of its documents stands in the prompt"
            raise NotDerivableError(f"no text can be put in other words ({listed})")
        names = self._segment_names(list(chosen))
        return names, tuple(name for name, path in names.items() if chosen[path])

    @cached_property
    def _text_paths(self) -> list[str]:
        """Paths that hold text in every document that was looked at."""
        found = [
            {p for p, v in leaves(doc) if isinstance(v, str) and v.strip()} for doc in self.docs
        ]
        return [p for p, _ in leaves(self.docs[0]) if p in set.intersection(*found)]

    def _text_problem(self, path: str, *, long_enough: bool) -> tuple[str, bool]:
        words = sorted(_words_in(get(doc, path)) for doc in self.docs)
        if not long_enough and words[len(words) // 2] < _FEWEST_WORDS:
            return _NOT_SHOWN, False
        partial = False
        for doc, seen in self.pairs:
            where = shown_range(get(doc, path), seen.prompts, partial=False)
            if where is None:
                where = shown_range(get(doc, path), seen.prompts, partial=True)
                partial = True
            if where is None:
                return _NOT_SHOWN, False
            problem = self._rewriting_problem(doc, seen, path, where)
            if problem:
                return problem, False
        return self._answer_problem(path), partial

    def _rewriting_problem(self, doc: Doc, seen: View, path: str, where: tuple[int, int]) -> str:
        """Put a stand-in where the text is: it must come out in the prompt, and nothing else."""
        text, stand_in = get(doc, path), STAND_IN.format(0)
        twin = dict(doc)
        put(twin, path, text[: where[0]] + stand_in + text[where[1] :])
        try:
            now = view(self.task, twin)
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

    def _answer_problem(self, path: str) -> str:
        """Where a free answer is taken from the text, the text must not change."""
        if self.task.OUTPUT_TYPE == "multiple_choice":
            return ""
        # A target that several documents share is the name of a class, copied from nowhere.
        targets = Counter(seen.target for seen in self.views)
        held = sum(
            _holds(get(doc, path), seen.target)
            for doc, seen in self.pairs
            if targets[seen.target] == 1
        )
        return "it holds the answer's own words" if 5 * held >= len(self.docs) else ""

    def _segment_names(self, paths: list[str]) -> dict[str, str]:
        """``question`` asks, ``context`` is what it is asked of, others have their own names."""
        order = sorted(paths, key=lambda p: self._place_in_prompt(p))
        question = _first_like(order[::-1], _QUESTION) or order[-1]
        rest = [p for p in order if p != question]
        context = _first_like(rest, _CONTEXT)
        special = {question: "question", **({context: "context"} if context else {})}
        return {special.get(p, re.sub(r"\W+", "_", p).strip("_") or "text"): p for p in order}

    def _place_in_prompt(self, path: str) -> int:
        doc, seen = self.docs[0], self.views[0]
        return seen.prompts[0].find(get(doc, path).strip()[:40])

    # Options and gold

    def _options(self) -> tuple[tuple[str, ...], bool, dict[str, str]]:
        asked = self.overrides.choices
        for options in [asked] if asked else self._option_candidates():
            if not self._are_listed(options):
                continue
            gold = self._gold(options)
            if gold is not None and self._move_along(options, gold):
                return options, True, gold
            if len(options) > 1 and not asked:  # two sentences that are compared, perhaps
                continue
            self.notes.append(
                f"the options at {', '.join(options)} stay in their places: "
                "no field was found that names the right one"
            )
            return options, False, {}
        if asked:
            raise DataError(f"--choices {','.join(asked)}: the prompt does not list these options")
        return (), False, {}

    def _option_candidates(self) -> Iterator[tuple[str, ...]]:
        for path, value in leaves(self.docs[0]):
            if isinstance(value, (list, tuple)) and len(value) > 1:
                yield (path,)
        yield from _siblings(self._text_paths)
        singles = self._text_paths
        prompt = self.views[0].prompts[0]
        for letters in ("ABCDEFGHIJ", "abcdefghij", "1234567890"):
            found: list[str] = []
            for letter in letters:
                pattern = rf"(?<![^\W_])\(?{letter}[.):]*\s*"
                at = [
                    p
                    for p in singles
                    if p not in found
                    and re.search(pattern + re.escape(get(self.docs[0], p).strip()), prompt)
                ]
                if len(at) != 1:
                    break
                found += at
            if len(found) > 1:
                yield tuple(found)

    def _are_listed(self, options: tuple[str, ...]) -> bool:
        """Whether the prompt shows each of them, once, where a stand-in for it comes out."""
        for doc, seen in self.pairs:
            try:
                texts = option_texts(doc, options)
            except (KeyError, TypeError):
                return False
            if len(texts) < 2 or not all(isinstance(t, str) and t.strip() for t in texts):
                return False
            stand_ins = [STAND_IN.format(k) for k in range(len(texts))]
            now = self._with_options(doc, options, stand_ins)
            if now is None or len(now.prompts) != 1 or now.gold not in ((), seen.gold):
                return False
            places = [now.prompts[0].find(s) for s in stand_ins]
            if min(places) < 0 or places != sorted(places):
                return False
            if not _are_labelled(now, places, stand_ins):
                return False
            shown = seen.prompts[0]
            stripped = [t.strip() for t in texts]  # as some tasks show them
            if all(_filled(now.prompts[0], stand_ins, t) != shown for t in (texts, stripped)):
                return False
        return True

    def _with_options(
        self, doc: Doc, options: tuple[str, ...], texts: Sequence[str]
    ) -> View | None:
        twin = dict(doc)
        put_options(twin, options, texts)
        try:
            return view(self.task, twin)
        except Exception:  # the task reads its options: they are not moved, then
            return None

    def _gold(self, options: tuple[str, ...]) -> dict[str, str] | None:
        """Every field that names the right option, and how; None where none is found."""
        counts = [len(option_texts(doc, options)) for doc in self.docs]
        asked = self.overrides.gold
        found: dict[str, str] = {}
        for path, value in leaves(self.docs[0]):
            if path in options or not isinstance(value, (int, str)) or isinstance(value, bool):
                continue
            naming = self._naming(path, options, counts) if not asked or path == asked else ""
            if naming:
                found[path] = naming
        if asked and not found:
            raise DataError(f"--gold {asked}: it names no option in any known way")
        lead = next((p for p in found if self._leads(p, found[p], counts)), "")
        if not lead:
            return None
        places = self._places(lead, found[lead], counts)
        return {
            path: naming
            for path, naming in sorted(found.items(), key=lambda row: row[0] != lead)
            if self._places(path, naming, counts) == places
        }

    def _leads(self, path: str, naming: str, counts: Sequence[int]) -> bool:
        """Whether what is written there is what the task takes as right."""
        for doc, seen, count in zip(self.docs, self.views, counts, strict=True):
            golds = [self._with_gold(doc, path, naming, k) for k in range(count)]
            if seen.gold:
                if [view.gold for view in golds] != [(k,) for k in range(count)]:
                    return False
            elif len({view.target for view in golds}) != count:
                return False
        return True

    def _with_gold(self, doc: Doc, path: str, naming: str, k: int) -> View:
        twin = dict(doc)
        put_gold(twin, {path: naming}, k)
        return view(self.task, twin)

    def _places(self, path: str, naming: str, counts: Sequence[int]) -> list[int | None]:
        return [
            named_option(naming, doc, get(doc, path), n)
            for doc, n in zip(self.docs, counts, strict=True)
        ]

    def _naming(self, path: str, options: tuple[str, ...], counts: Sequence[int]) -> str:
        labels = [
            f"{LABELS}{p}"
            for p, v in leaves(self.docs[0])
            if (p,) != options
            and isinstance(v, list)
            and len(v) == counts[0]
            and all(isinstance(label, str) and len(label) <= _LONGEST_LABEL for label in v)
        ]
        for naming in (*labels, *NAMINGS):
            try:
                places = self._places(path, naming, counts)
            except KeyError:
                return ""
            if None in places:
                continue
            golds = [seen.gold for seen in self.views]
            if any(gold and gold != (k,) for gold, k in zip(golds, places, strict=True)):
                continue
            return naming
        return ""

    def _right(
        self, doc: Doc, options: tuple[str, ...], gold: Mapping[str, str]
    ) -> tuple[list[str], int]:
        texts, (path, naming) = option_texts(doc, options), next(iter(gold.items()))
        place = named_option(naming, doc, get(doc, path), len(texts))
        assert place is not None  # noqa: S101  # `_move_along` saw it
        return texts, place

    def _move_along(self, options: tuple[str, ...], gold: Mapping[str, str]) -> bool:
        """Turn the options round by one: the prompt, the choices and the gold must follow."""
        path, naming = next(iter(gold.items()))
        for doc, seen in self.pairs:
            texts = option_texts(doc, options)
            count = len(texts)
            right = named_option(naming, doc, get(doc, path), count)
            if right is None:
                return False
            twin = dict(doc)
            put_options(twin, options, [*texts[1:], texts[0]])
            put_gold(twin, gold, (right - 1) % count)
            try:
                now = view(self.task, twin)
            except Exception:  # as above
                return False
            if seen.gold:
                if now.gold != ((right - 1) % count,):
                    return False
            elif now.target == seen.target:
                return False
        return True

    # The rest

    def _item_id(self) -> str:
        for path, value in leaves(self.docs[0]):
            name = path.rpartition(".")[2].lower()
            if not isinstance(value, (str, int)) or not re.fullmatch(r"(.*[_ ])?u?q?id", name):
                continue
            try:
                values = [get(doc, path) for doc in self.all_docs]
            except KeyError:
                continue
            if len(set(map(str, values))) == len(values):
                return path
        return ""

    def _cluster(self, fields: Mapping[str, str]) -> str:
        """The text that the most documents share, where each of some has at least two."""
        best, most = "", 0
        for name, path in fields.items():
            if name == "question" and len(fields) > 1:
                continue
            counts = Counter(str(get(doc, path)) for doc in self.all_docs if _has(doc, path))
            shared = sum(n for n in counts.values() if n > 1)
            if shared > most:
                best, most = path, shared
        return best

    def _can_be_wrapped(self) -> bool:
        if self.task.OUTPUT_TYPE == "generate_until":
            return True
        ends = (":", "?", ".")
        return all(
            len(v.prompts) == 1 and v.prompts[0].rstrip().endswith(ends) and "?" in v.prompts[0]
            for v in self.views
        )


_NOT_SHOWN = "it does not stand in the prompt"


def _siblings(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Fields whose names differ in a last letter or number alone, in its order."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        if found := re.fullmatch(r"(.*?)([A-Ja-j]|\d{1,2})", path):
            groups.setdefault(found[1], []).append(path)
    yield from (tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def _words_in(text: str) -> int:
    """Number of words; of a script without blanks between them, four characters count as one."""
    found = _WORD.findall(text)
    return max(len(found), sum(len(w) for w in found if not w.isascii()) // 4)


def _has(doc: Doc, path: str) -> bool:
    try:
        get(doc, path)
    except KeyError:
        return False
    return True


def _are_labelled(shown: View, places: Sequence[int], stand_ins: Sequence[str]) -> bool:
    """Whether these are options to choose from: each led by its label, or scored by its text."""
    if shown.choices and len(shown.choices) != len(places):
        return False
    if shown.choices and all(s in c for s, c in zip(stand_ins, shown.choices, strict=True)):
        return True
    ends = [shown.prompts[0][:place].rstrip(" \t.):*-]\"'").casefold() for place in places]
    names = [c.strip(" ().") for c in shown.choices]
    for labels in [names] if names else ["ABCDEFGHIJKLMNOPQRST", "1234567890"]:
        if len(labels) >= len(ends) and all(
            re.search(rf"(?<!\w){re.escape(label.casefold())}$", end)
            for label, end in zip(labels, ends, strict=False)
        ):
            return True
    return False


def _filled(prompt: str, stand_ins: Sequence[str], texts: Sequence[str]) -> str:
    for stand_in, text in zip(stand_ins, texts, strict=True):
        prompt = prompt.replace(stand_in, text)
    return prompt


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


def _is_english(texts: Sequence[str]) -> bool:
    words = [w for text in texts for w in _WORD.findall(text.casefold())]
    return bool(words) and sum(w in _ENGLISH for w in words) >= 0.05 * len(words)

"""Which fields of a task's documents are options, and which name the right one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from oodrop import DataError
from oodrop.harness_ext.derive.derivation import (
    LABELS,
    NAMINGS,
    named_option,
    option_texts,
    put_gold,
    put_options,
)
from oodrop.harness_ext.derive.paths import Doc, get, leaves
from oodrop.harness_ext.derive.probe import Probe
from oodrop.harness_ext.derive.views import STAND_IN, View, view

_LONGEST_LABEL = 3


class Options(NamedTuple):
    """Paths of the options, whether they may change places, and what names the right one."""

    paths: tuple[str, ...]
    movable: bool
    gold: Mapping[str, str]


def find_options(probe: Probe, asked: tuple[str, ...], asked_gold: str) -> Options:
    """The options that the prompt lists; no paths where it lists none.

    Args:
        probe: the task.
        asked: paths that the user says hold them; empty to find them.
        asked_gold: path that the user says names the right one; "" to find it.

    Raises:
        DataError: when what was asked for is not so.
    """
    return _Finder(probe, asked, asked_gold).find()


class _Finder:
    def __init__(self, probe: Probe, asked: tuple[str, ...], asked_gold: str) -> None:
        self._probe, self._asked, self._asked_gold = probe, asked, asked_gold

    def find(self) -> Options:
        """The first candidates that the prompt lists and that move along with the gold."""
        asked = self._asked
        for options in [asked] if asked else self._option_candidates():
            if not self._are_listed(options):
                continue
            gold = self._gold(options)
            if gold is not None and self._move_along(options, gold):
                return Options(options, True, gold)
            if len(options) > 1 and not asked:  # two sentences that are compared, perhaps
                continue
            self._probe.notes.append(
                f"the options at {', '.join(options)} stay in their places: "
                "no field was found that names the right one"
            )
            return Options(options, False, {})
        if asked:
            raise DataError(f"--choices {','.join(asked)}: the prompt does not list these options")
        return Options((), False, {})

    def _option_candidates(self) -> Iterator[tuple[str, ...]]:
        for path, value in leaves(self._probe.docs[0]):
            if isinstance(value, (list, tuple)) and len(value) > 1:
                yield (path,)
        yield from _siblings(self._probe.text_paths)
        singles = self._probe.text_paths
        prompt = self._probe.views[0].prompts[0]
        for letters in ("ABCDEFGHIJ", "abcdefghij", "1234567890"):
            found: list[str] = []
            for letter in letters:
                pattern = rf"(?<![^\W_])\(?{letter}[.):]*\s*"
                at = [
                    p
                    for p in singles
                    if p not in found
                    and re.search(pattern + re.escape(get(self._probe.docs[0], p).strip()), prompt)
                ]
                if len(at) != 1:
                    break
                found += at
            if len(found) > 1:
                yield tuple(found)

    def _are_listed(self, options: tuple[str, ...]) -> bool:
        """Whether the prompt shows each of them, once, where a stand-in for it comes out."""
        for doc, seen in self._probe.pairs:
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
            return view(self._probe.task, twin)
        except Exception:  # the task reads its options: they are not moved, then
            return None

    def _gold(self, options: tuple[str, ...]) -> dict[str, str] | None:
        """Every field that names the right option, and how; None where none is found."""
        counts = [len(option_texts(doc, options)) for doc in self._probe.docs]
        asked = self._asked_gold
        found: dict[str, str] = {}
        for path, value in leaves(self._probe.docs[0]):
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
        for doc, seen, count in zip(self._probe.docs, self._probe.views, counts, strict=True):
            try:
                golds = [self._with_gold(doc, path, naming, k) for k in range(count)]
            except Exception:  # the task cannot do with another option there
                return False
            if seen.gold:
                if [view.gold for view in golds] != [(k,) for k in range(count)]:
                    return False
            elif len({view.target for view in golds}) != count:
                return False
        return True

    def _with_gold(self, doc: Doc, path: str, naming: str, k: int) -> View:
        twin = dict(doc)
        put_gold(twin, {path: naming}, k)
        return view(self._probe.task, twin)

    def _places(self, path: str, naming: str, counts: Sequence[int]) -> list[int | None]:
        return [
            named_option(naming, doc, get(doc, path), n)
            for doc, n in zip(self._probe.docs, counts, strict=True)
        ]

    def _naming(self, path: str, options: tuple[str, ...], counts: Sequence[int]) -> str:
        labels = [
            f"{LABELS}{p}"
            for p, v in leaves(self._probe.docs[0])
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
            golds = [seen.gold for seen in self._probe.views]
            if any(gold and gold != (k,) for gold, k in zip(golds, places, strict=True)):
                continue
            return naming
        return ""

    def _move_along(self, options: tuple[str, ...], gold: Mapping[str, str]) -> bool:
        """Turn the options round by one: the prompt, the choices and the gold must follow."""
        path, naming = next(iter(gold.items()))
        for doc, seen in self._probe.pairs:
            texts = option_texts(doc, options)
            count = len(texts)
            right = named_option(naming, doc, get(doc, path), count)
            if right is None:
                return False
            twin = dict(doc)
            put_options(twin, options, [*texts[1:], texts[0]])
            put_gold(twin, gold, (right - 1) % count)
            try:
                now = view(self._probe.task, twin)
            except Exception:  # as above
                return False
            if seen.gold:
                if now.gold != ((right - 1) % count,):
                    return False
            elif now.target == seen.target:
                return False
        return True


def _siblings(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Fields whose names differ in a last letter or number alone, in its order."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        if found := re.fullmatch(r"(.*?)([A-Ja-j]|\d{1,2})", path):
            groups.setdefault(found[1], []).append(path)
    yield from (tuple(sorted(group, key=_natural)) for group in groups.values() if len(group) > 1)


def _natural(path: str) -> tuple[int, str]:
    return len(path), path  # option10 comes behind option9


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

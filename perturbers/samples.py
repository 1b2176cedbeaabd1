"""Items to try a perturber on: ordinary English in every shape, and text that is hard to edit."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oodrop.perturbers.edits import Edit, Regold, Replace
from oodrop.perturbers.item import (
    CANONICAL_SETTING,
    FEWSHOT,
    TEMPLATE,
    Inversion,
    Item,
    Units,
)
from oodrop.perturbers.rng import below, choose

LONG = 100_000
_THREE, _TWO_DIGITS = ("1", "2", "3"), tuple(f"{k:02d}" for k in range(1, 17))
_FORMS = ("prose", "bullets", "table", "yaml", "json", "headers_absent", "headers_renamed")
OFFERS = {
    TEMPLATE: (
        CANONICAL_SETTING,
        "t01",
        *(f"layout_{x}_first" for x in ("question", "scenario", "options")),
        *(f"instruction_{x}" for x in ("before", "after", "both")),
        *(f"format_{x}" for x in _TWO_DIGITS),
        *(f"structure_{x}" for x in _FORMS),
        *(f"protocol_{x}" for x in ("direct", "training", "card")),
    ),
    FEWSHOT: (CANONICAL_SETTING, *(f"{x}_{k}" for x in ("order", "draw") for k in _THREE)),
}
ORDINARY = (
    "The gray color of the sky doesn't change before noon. It is approximately 12 degrees C.",
    "People do not answer letters quickly. What they are waiting for, they can't remember.",
    "Which of the seven students received their separate address? There are 3 of them.",
    "The nurse locked the medicine in the cabinet, because it would have been lost elsewhere.",
    "Reading a large book takes patience... It's hard to begin, and it will not get easier.",
    "The machine runs for 90 minutes; then the operator must wait 30 min at 5% load.",
    "Most buildings near the beach were built quickly, and many of them were sold again.",
)
HARD = {
    "empty": "",
    "blank": " ",
    "one word": "Water",
    "one letter": "a",
    "combining marks": "cafe\u0301 nai\u0308ve re\u0301sume\u0301 Viê\u0323t",
    "right to left": "שלום עולם مرحبا بالعالم",
    "emoji": "🧪 test tube 👩\u200d🔬 laboratory 🇺🇳",
    "chinese": "日本語のテキスト 漢字を数える",
    "latex": "Let $x^2 + 1$ and \\frac{word}{other} and \\(letters\\) stand as $$they are$$ here",
    "code": "Call `print(letters)` and\n```\nfor letter in letters:\n    pass\n```\nthen stop",
    "address": "see https://example.org/path?a=1 or write to clerk@example.org today",
    "quantities": "give 40 mL within 2 hours at 9:05 a.m. on 26 January 2023, 1,000 or 3.5 kg",
    "option labels": "(A) first option\nB. second option\nC) neither option",
    "invisible": "zero\u200bwidth\u00a0spaces\u2028here and\u00adthere",
    "case folding": "ſtraße ﬁnal İstanbul x² ½ Ⅻ",
    "quotation": "''’’don’t “say it” o'clock rock'n'roll 'again' \"twice\"",
    "control characters": "\x00\x07\ufffd\ttabs\r\nlines",
    "placeholder": "{{question}} and {answer} and %s letters",
}


def sample_items() -> tuple[Item, ...]:
    """Items that every perturber must cope with, made anew.

    Multiple choice with labels and few-shot examples, facts and events with precedence, a verdict
    with names and numbers, a meaning that can change, an item in German, one for each kind of hard
    text, and one of 100,000 characters.
    """
    hard = (_plain(f"sample: {name}", text) for name, text in HARD.items())
    shapes = (_multiple_choice(), _facts(), _verdict(), _contrasting())
    german = _plain("sample: german", "Das Wasser kocht bei 100 Grad.").altered(language="de")
    return (*shapes, german, *hard, long_item(LONG))


def random_items(count: int) -> tuple[Item, ...]:
    """Mixtures of ordinary and hard text in the shapes of `sample_items`, the same ones always."""
    return tuple(_mixture(k) for k in range(count))


def long_item(length: int, start: str = "") -> Item:
    """Ordinary English of so many characters in one question."""
    text = " ".join(ORDINARY) + " "
    told = start + text * (length // len(text) + 1)
    return _plain(f"sample: {length} characters", told[:length])


def _plain(item_id: str, text: str) -> Item:
    segments = {"question": text}
    return Item(item_id, "sample", segments, "yes", offers=OFFERS, render=prompt)


def prompt(item: Item) -> str:
    """A prompt that shows every text once: name of the template, segments, options."""
    moved = [m for units in item.units.values() for m in units.members]
    order = [*moved, *(name for name in item.segments if name not in moved)]
    shown = [f"<{item.template}>", *(item.segments[name] for name in order)]
    if item.listed:
        labels = item.labels or ("-",) * len(item.choices)
        shown += [f"{label}\x1f{text}" for label, text in zip(labels, item.choices, strict=True)]
    return "\x1e".join(shown)


def _multiple_choice() -> Item:
    return Item(
        item_id="sample: multiple choice",
        cluster_id="sample",
        segments={"question": "Which material lets electric current pass most easily?"},
        gold=2,
        choices=("rubber", "window glass", "copper wire", "dry wood"),
        labels=("A", "B", "C", "D"),
        listed=True,
        settings={TEMPLATE: CANONICAL_SETTING, FEWSHOT: CANONICAL_SETTING},
        offers=OFFERS,
        paraphrases={
            "question": {
                "p01": "Through which material does electric current pass most easily?",
                "imperative": "Name the material that lets electric current pass most easily.",
                "cloze": "The material that lets electric current pass most easily is",
            }
        },
        render=prompt,
    )


def _facts() -> Item:
    segments = {f"{kind}_{k}": ORDINARY[k] for kind in _GROUPS for k in (1, 2, 3)}
    return Item(
        item_id="sample: facts",
        cluster_id="sample",
        segments=segments | {"question": ORDINARY[0]},
        gold="seven",
        units={
            f"{kind}s": Units(
                tuple(f"{kind}_{k}" for k in (1, 2, 3)),
                frozenset({(f"{kind}_1", f"{kind}_2")}),
            )
            for kind in _GROUPS
        },
        offers=OFFERS,
        protected=("medicine", "nurse"),
        render=prompt,
        rederive=lambda item: item.gold,
    )


_GROUPS = ("fact", "clause", "event", "sentence")


def _verdict() -> Item:
    question = "Did the site comply with the procedure?"
    return Item(
        item_id="sample: verdict",
        cluster_id="sample",
        segments={
            "intro": "Nadia Lindgren opened the study on Monday, 26 January 2023.",
            "clause_1": "The report must be sent within 5 days; it is not accepted later.",
            "fact_1": "The clerk received seven letters. Nadia Lindgren answered them in 90 min.",
            "question": question,
        },
        gold=0,
        choices=("compliant", "non-compliant"),
        labels=("compliant", "non-compliant"),
        settings={TEMPLATE: CANONICAL_SETTING, FEWSHOT: CANONICAL_SETTING},
        offers=OFFERS,
        paraphrases={"question": {"p01": "Was the procedure kept by the site?"}},
        inversions={
            "inverted": Inversion(
                "Did the site depart from the procedure?", ("not departing", "departing")
            )
        },
        entities={"person": ("Nadia Lindgren",)},
        protected=("Nadia Lindgren",),
        required=("procedure",),
        render=prompt,
    )


def _contrasting() -> Item:
    told = "The tank holds 80 mL. The valve is clean. It was opened on Monday."
    places = {
        "threshold": ("80 mL", "120 mL"),
        "negation": ("is clean", "is not clean"),
        "contrast": ("Monday", "Sunday"),
    }

    def contrast(kind: str) -> Sequence[Edit] | None:
        if kind not in places:
            return None
        old, new = places[kind]
        return [Replace("fact_1", told.index(old), old, new), Regold("yes", "no")]

    def rederive(item: Item) -> str:
        kept = all(old in item.segments["fact_1"] for old, _ in places.values())
        return "yes" if kept else "no"

    return Item(
        item_id="sample: contrast",
        cluster_id="sample",
        segments={"fact_1": told, "question": "May the tank be used? It may hold up to 100 mL."},
        gold="yes",
        offers=OFFERS,
        render=prompt,
        rederive=rederive,
        contrast=contrast,
    )


def _mixture(k: int) -> Item:
    rng = random.Random(k)
    shape = (_multiple_choice, _facts, _verdict)[k % 3]()
    texts = (*ORDINARY, *HARD.values())
    segments = {
        name: text
        if rng.random() < 0.3
        else " ".join(choose(rng, texts) for _ in range(below(rng, 4)))
        for name, text in shape.segments.items()
    }
    return shape.altered(item_id=f"sample: mixture {k}", segments=segments)

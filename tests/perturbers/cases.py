"""Synthetic items for Hypothesis: hard text in all the shapes that an item can have."""

from __future__ import annotations

from hypothesis import strategies as st

from oodrop.perturbers import Inversion, Item, Units
from oodrop.perturbers.item import CANONICAL_SETTING, FEWSHOT, TEMPLATE
from oodrop.perturbers.samples import HARD as HARD_BY_NAME
from oodrop.perturbers.samples import OFFERS, ORDINARY, prompt

PLAIN = ORDINARY
HARD = tuple(HARD_BY_NAME.values())
texts = st.lists(st.sampled_from(PLAIN + HARD) | st.text(max_size=15), max_size=4).map(" ".join)


@st.composite
def unit_groups(draw: st.DrawFn) -> tuple[dict[str, Units], dict[str, str]]:
    """Groups of units with a random precedence, and the text of their members."""
    units: dict[str, Units] = {}
    segments: dict[str, str] = {}
    kinds = ("facts", "clauses", "events", "sentences")
    for group in draw(st.lists(st.sampled_from(kinds), unique=True, max_size=2)):
        names = tuple(f"{group[:-1]}_{k + 1}" for k in range(draw(st.integers(0, 5))))
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        kept = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
        units[group] = Units(names, frozenset(kept))
        segments |= {name: draw(texts) for name in names}
    return units, segments


@st.composite
def items(draw: st.DrawFn) -> Item:
    """Items with and without choices, labels, few-shot, groups, banks, names, rederivation."""
    units, segments = draw(unit_groups())
    if draw(st.booleans()):
        segments["question"] = draw(texts)
    choices = tuple(draw(st.lists(st.text(max_size=5), max_size=5)))
    gold = draw(st.integers(0, len(choices) - 1)) if choices else draw(st.text(max_size=5))
    labels = tuple(f"({k + 1})" for k in range(len(choices))) if draw(st.booleans()) else ()
    settings = {TEMPLATE: CANONICAL_SETTING}
    if draw(st.booleans()):
        settings[FEWSHOT] = CANONICAL_SETTING
    inverted = Inversion("Is it not so?", tuple(f"no {label}" for label in labels))
    return Item(
        item_id=draw(st.text(max_size=8)),
        cluster_id="c",
        segments=segments,
        choices=choices,
        gold=gold,
        labels=labels,
        listed=draw(st.booleans()),
        units=units,
        settings=settings,
        offers=OFFERS,
        paraphrases=draw(st.sampled_from(({}, {"question": {"p01": "Is that so?"}}))),
        inversions={"inverted": inverted} if labels and draw(st.booleans()) else {},
        entities=draw(st.sampled_from(({}, {"person": ("Nadia Lindgren",)}))),
        protected=draw(st.sampled_from(((), ("Nadia Lindgren",), ("nurse", "book")))),
        language=draw(st.sampled_from(("en", "en", "de"))),
        render=draw(st.sampled_from((None, prompt))),
        rederive=draw(st.sampled_from((None, lambda item: item.gold))),
    )

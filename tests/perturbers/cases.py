"""Synthetic items: text that is hard to edit safely, in all the shapes that an item can have."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from oodrop.perturbers import Item, Units

PLAIN = (
    "The nurse locked the medicine in the drawer",
    "Reading a large book takes patience",
    "receive address because separate different",
    "What helps students measure boards",
)
HARD = (
    "give 40 mL within 2 hours at 9:05 a.m.",
    "on 26 January 2023, at least 3.5 kg, no sooner than 1,000 days",
    "it must not exceed 5% unless the clerk doesn't sign",
    "see https://example.org/path?a=1 or write to clerk@example.org today",
    "$x^2 + 1$ and \\frac{word}{other} and `some code` and {{placeholder}}",
    "(A) first option\nB. second option",
    "ten-fold NaCl2 H2O x1 2nd",
    "cafe\u0301 nai\u0308ve re\u0301sume\u0301",
    "שלום עולם مرحبا بالعالم",
    "日本語のテキスト 漢字",
    "🧪 test tube 👩\u200d🔬 laboratory 🇺🇳",
    "zero\u200bwidth\u00a0spaces\u2028here",
    "ſtraße ﬁnal İstanbul",
    "''’’don’t o'clock rock'n'roll",
    "",
    " ",
    "Nadia Lindgren",
    "\x00\x07\ufffd",
)

texts = st.lists(st.sampled_from(PLAIN + HARD) | st.text(max_size=15), max_size=4).map(" ".join)


def render(item: Item) -> str:
    """Every segment once, in the order of the units, framed by the template's name."""
    members = [m for units in item.units.values() for m in units.members]
    order = [*members, *(name for name in item.segments if name not in members)]
    return f"<{item.template}>" + "".join(f"\x1f{item.segments[name]}\x1e" for name in order)


@st.composite
def items(draw: st.DrawFn) -> Item:
    """Items with and without choices, groups, precedence, templates, paraphrases, rederivation."""
    groups = draw(st.lists(st.sampled_from(("facts", "clauses", "events")), unique=True))
    units: dict[str, Units] = {}
    segments: dict[str, str] = {}
    for group in groups:
        names = tuple(f"{group[:-1]}_{k + 1}" for k in range(draw(st.integers(0, 5))))
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        kept = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
        units[group] = Units(names, frozenset(kept))
        segments |= {name: draw(texts) for name in names}
    if draw(st.booleans()):
        segments["question"] = draw(texts)
    choices = tuple(draw(st.lists(st.text(max_size=5), max_size=5)))
    gold = draw(st.integers(0, len(choices) - 1)) if choices else draw(st.text(max_size=5))
    more = draw(st.sets(st.sampled_from(("t01", "layout_question_first", "layout_scenario_first"))))
    item = Item(
        item_id=draw(st.text(max_size=8)),
        cluster_id="c",
        segments=segments,
        choices=choices,
        gold=gold,
        units=units,
        templates=("canonical", *sorted(more)),
        paraphrases=draw(st.sampled_from(({}, {"question": {"p01": "Is that so?"}}))),
        protected=draw(st.sampled_from(((), ("Nadia Lindgren",), ("nurse", "book")))),
        language=draw(st.sampled_from(("en", "en", "de"))),
    )
    return replace(
        item,
        render=draw(st.sampled_from((None, render))),
        rederive=draw(st.sampled_from((None, lambda item: item.gold))),
    )

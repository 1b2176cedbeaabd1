"""A document becomes an item and comes back; a logged one proves itself by its edits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oodrop.perturbers import (
    Bound,
    Item,
    Perturbed,
    Variant,
    get_perturber,
    get_suite,
    perturb,
    undo_edits,
)
from oodrop.perturbers.edits import edits_from_dicts
from oodrop.tasks import TASKS, TaskSpec, get_task
from oodrop.tasks.spec import Doc, member_names

from .conftest import documents

# Each kind of edit, with those that no suite of comparison has.
VARIANTS = (
    Variant(),
    *get_suite("standard-1.0").variants,
    Variant("ordering.option_rotate", {"k": "1"}),
    Variant("phrasing.option_label_style", {"style": "roman"}),
    Variant("phrasing.polarity", {"id": "inverted"}),
    Variant("lexical.case", {"mode": "upper"}),
    Variant("lexical.rename_entity"),
    Variant("control.threshold"),
)
NAMES = (
    "everyday", "everyday_letters", "everyday_open", "procedural", "procedural_heldout", "compact",
)  # fmt: skip
per_task = pytest.mark.parametrize("spec", TASKS.values(), ids=lambda s: s.name)


def some(name: str, split: str, count: int) -> list[Doc]:
    """At most so many documents of a split, from one end to the other."""
    docs = documents(name, split)
    return docs[:: -(-len(docs) // count)]


def logged(spec: TaskSpec, doc: Doc, done: Perturbed) -> dict[str, Any]:
    """What a sample log holds, read back from JSON."""
    record = {"settings": dict(done.item.settings), **done.certificate.as_dict()}
    text = json.dumps({**spec.to_doc(doc, done.item), "oodrop": record}, ensure_ascii=False)
    found: dict[str, Any] = json.loads(text)
    return found


def with_gold(doc: Doc, item: Item) -> Doc:
    """The shipped procedural files hold the verdict; its place is added when one is written."""
    return {**doc, "gold": item.gold}


@per_task
def test_a_document_comes_back_as_it_was(spec: TaskSpec) -> None:
    splits = (spec.eval_split, spec.train_split)
    for doc in [d for split in splits for d in some(spec.name, split, 200)]:
        item = spec.item(doc)
        assert json.dumps(spec.to_doc(doc, item)) == json.dumps(with_gold(doc, item))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.slug)
def test_a_logged_document_proves_itself(name: str, variant: Variant) -> None:
    spec = get_task(name)
    for doc in some(name, spec.eval_split, 40):
        canonical = spec.item(doc)
        done = perturb(canonical, variant)
        seen = spec.item(logged(spec, doc, done))
        assert seen == done.item
        assert list(seen.segments) == list(canonical.segments)
        assert seen.sha256() == done.item.sha256()
        edits = edits_from_dicts(logged(spec, doc, done)["oodrop"]["edits"])
        undone = undo_edits(seen, edits)
        assert undone.sha256() == done.certificate.canonical_sha256 == canonical.sha256()
        assert spec.to_doc(doc, undone) == with_gold(doc, canonical)
        assert seen.render is not None
        assert seen.render(seen) == spec.prompt(spec.to_doc(doc, done.item), done.item.template)
        assert done.certificate.outcome != "refused"


def outcomes(name: str, variant: Variant, count: int) -> list[tuple[Item, str]]:
    spec, bound = get_task(name), Bound(variant)
    items = [spec.item(doc) for doc in some(name, spec.eval_split, count)]
    items = [item for item in items if item.parent is None]  # every perturber leaves those alone
    return [(item, bound(item).certificate.outcome) for item in items]


# A word to edit is not in every item; where a standing order or a prompt changes, it is for all.
WHOLE = [
    v
    for v in get_suite("full-1.0").variants
    if v.perturber.startswith(("ordering.", "phrasing.")) or get_perturber(v.perturber).scores_all
]


@pytest.mark.parametrize("variant", WHOLE, ids=lambda v: v.slug)
def test_whether_a_prompt_or_an_order_changes_does_not_depend_on_the_item(variant: Variant) -> None:
    """One that changed some items only would be scored on a chosen few, and the first document's
    template is sent for all.
    """
    for name in NAMES:
        found = outcomes(name, variant, 40)
        if variant.perturber == "ordering.fact_order":  # what is one circumstance has no order
            assert all((o == "changed") == (len(i.units["facts"].members) > 1) for i, o in found)
        else:
            assert len({outcome for _, outcome in found}) == 1
        assert "refused" not in {outcome for _, outcome in found}


@pytest.mark.parametrize("variant", get_suite("full-1.0").variants, ids=lambda v: v.slug)
def test_no_variant_of_a_suite_is_refused(variant: Variant) -> None:
    for name in NAMES:
        assert "refused" not in {outcome for _, outcome in outcomes(name, variant, 15)}


@pytest.mark.parametrize("template", sorted({t for s in TASKS.values() for t in s.templates}))
@pytest.mark.parametrize("name", ["everyday", "everyday_letters", "everyday_open", "procedural"])
def test_no_template_is_refused(name: str, template: str) -> None:
    spec = get_task(name)
    variant = Variant("phrasing.template", {"id": template})
    expected = (
        "unchanged" if template == "canonical"
        else "changed" if template in spec.templates
        else "not_applicable"
    )  # fmt: skip
    for doc in some(name, spec.eval_split, 30):
        item = spec.item(doc)
        if item.parent is None:
            assert perturb(item, variant).certificate.outcome == expected


def test_several_moves_of_a_group_are_followed() -> None:
    edits = [{"group": "facts", "order": [1, 2, 0]}, {"group": "facts", "order": [0, 2, 1]}]
    doc = {"oodrop": {"edits": [*edits, {"group": "events", "order": [1, 0]}]}}
    assert member_names(doc, "facts", "fact", 3) == ("fact_2", "fact_1", "fact_3")
    assert member_names({}, "facts", "fact", 2) == ("fact_1", "fact_2")


@pytest.mark.parametrize("name", NAMES)
def test_the_item_shows_what_may_be_edited(name: str) -> None:
    spec = get_task(name)
    for doc in some(name, spec.eval_split, 20):
        item = spec.item(doc)
        members = [m for units in item.units.values() for m in units.members]
        assert len(members) == len(set(members))
        assert set(members) <= set(item.segments)
        assert item.settings == {"template": "canonical"}
        assert item.offers == {"template": tuple(spec.templates)}
        assert item.language == "en"
        assert item.gold in range(len(item.choices))
        assert item.gold_text
        assert item.answer == item.answers[int(item.gold)]
        assert len(item.labels) in (0, len(item.choices))
        assert item.listed == (name in ("everyday_letters", "everyday_open"))
        told = "\n".join(item.segments.values())
        names = [n for kind in item.entities.values() for n in kind]
        assert all(n in told for n in names)
        assert bool(names) == name.startswith(("procedural", "compact"))
        assert set(names) <= set(item.protected)

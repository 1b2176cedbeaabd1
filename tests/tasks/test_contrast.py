"""Every counterpart has the other label, by both checkers, and its text alone shows it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from oodrop.perturbers import Bound, Edit, Item, Perturbed, Regold, Reorder, Replace, Variant
from oodrop.perturbers.edits import Edits, apply_edits, undo_edits
from oodrop.perturbers.guards import run_guards
from oodrop.tasks import get_task
from oodrop.tasks.procedural.contrast import Counterparts
from oodrop.tasks.procedural.render import sentence
from oodrop.tasks.procedural.schema import Fact, Limit, Procedure, Step, Window, ancestors
from oodrop.tasks.procedural.trace import Event
from oodrop.tasks.procedural.voices import Telling
from oodrop.tasks.spec import Doc, member_number

from .conftest import documents
from .second_checker import violations

KINDS = ("threshold", "negation", "contrast")
SPEC = get_task("procedural")
OUTCOMES = {"changed", "not_applicable"}
PASSED = ("G0_protected_text", "G3_gold_rederived", "invertible")
per_kind = pytest.mark.parametrize("kind", KINDS)


def wrong(doc: Doc) -> str | None:
    """The kind of violation of a document."""
    found: str | None = (doc["violation"] or {}).get("kind")
    return found


@cache
def sample() -> tuple[Doc, ...]:
    """Some seven documents of each split for every kind of violation, and for none."""
    docs = []
    for split in ("test", "heldout"):
        groups: dict[str | None, list[Doc]] = defaultdict(list)
        for doc in documents("procedural", split):
            groups[wrong(doc)].append(doc)
        docs += [doc for group in groups.values() for doc in group[:: -(-len(group) // 7)]]
    return tuple(docs)


@cache
def outcomes(kind: str) -> tuple[tuple[Doc, Item, Perturbed], ...]:
    """The sample under a control."""
    control = Bound(Variant(f"control.{kind}"))
    items = [(doc, SPEC.item(doc)) for doc in sample()]
    return tuple((doc, item, control(item)) for doc, item in items)


def changed(kind: str) -> list[tuple[Doc, Item, Perturbed]]:
    return [row for row in outcomes(kind) if row[2].certificate.outcome == "changed"]


def sentences(item: Item, done: Perturbed) -> tuple[str, str, str]:
    """The changed segment, its sentence before and after."""
    edit = done.certificate.edits[0]
    assert isinstance(edit, Replace)
    return edit.segment, item.segments[edit.segment], done.item.segments[edit.segment]


@per_kind
def test_the_gold_flips_and_a_second_checker_reads_it_in_the_text(kind: str) -> None:
    assert {done.certificate.outcome for _, _, done in outcomes(kind)} <= OUTCOMES
    for doc, item, done in changed(kind):
        assert done.certificate.guards == PASSED
        assert {item.gold, done.item.gold} == {0, 1}
        now = SPEC.to_doc(doc, done.item)
        found = violations(doc["process_id"], now["clauses"], now["facts"], now["events"])
        assert ("non-compliant" if found else "compliant") == now["label"] != doc["label"]
        assert [type(e) for e in done.certificate.edits] == [Replace, Regold]
        back = SPEC.to_doc(doc, undo_edits(done.item, done.certificate.edits))
        assert back == {**doc, "gold": item.gold}


@per_kind
def test_a_logged_counterpart_proves_itself_and_has_none_of_its_own(kind: str) -> None:
    for doc, _, done in changed(kind)[::3]:
        record = {"template": done.item.template, **done.certificate.as_dict()}
        logged = {**SPEC.to_doc(doc, done.item), "oodrop": record}
        seen = SPEC.item(json.loads(json.dumps(logged)))
        assert seen.rederive is not None
        assert seen.contrast is not None
        assert seen.rederive(seen) == seen.gold == done.item.gold
        assert all(seen.contrast(k) is None for k in KINDS)


def test_what_has_a_counterpart() -> None:
    """By kind of violation; None for the compliant."""
    found: dict[tuple[str, str | None], list[bool]] = defaultdict(list)
    for kind in KINDS:
        for doc, _, done in outcomes(kind):
            found[kind, wrong(doc)].append(done.certificate.outcome == "changed")
    always = {("threshold", "limit"), ("contrast", None), ("contrast", "missing_record")}
    often = {("threshold", None), ("contrast", "timing"), ("contrast", "order")}
    some = {("contrast", "wrong_actor"), ("negation", None), ("negation", "missing_step")}
    assert {key for key, values in found.items() if any(values)} == always | often | some
    assert {key for key, values in found.items() if all(values)} >= always
    assert all(sum(found[key]) > 0.7 * len(found[key]) for key in often)


def test_a_threshold_changes_one_number_and_nothing_else() -> None:
    for _, item, done in changed("threshold"):
        edit = done.certificate.edits[0]
        assert isinstance(edit, Replace)
        text = item.segments[edit.segment]
        assert moment(text) == moment(done.item.segments[edit.segment])
        old, new = (re.fullmatch(r"\d+(?:\.(\d+))?", t) for t in (edit.before, edit.after))
        assert old and new and len(old[1] or "") == len(new[1] or "")  # noqa: PT018
        assert 0 < float(edit.after) <= (100 if text[edit.end] == "%" else 1e4)


def test_a_negation_says_the_opposite_in_the_procedures_words(
    procedures: Mapping[str, Procedure],
) -> None:
    for doc, item, done in changed("negation"):
        segment, before, after = sentences(item, done)
        fact = list(procedures[doc["process_id"]].facts.values())[member_number(segment) - 1]
        assert {before, after} == {fact.holds, fact.fails}


def test_a_contrast_leaves_the_rest_of_the_story_in_place(
    procedures: Mapping[str, Procedure],
) -> None:
    moves = set()
    for doc, item, done in changed("contrast"):
        segment, before, after = sentences(item, done)
        row = doc["trace"]["events"][member_number(segment) - 1]
        roles = procedures[doc["process_id"]].roles
        old, new = moment(before), moment(after)
        if old != new:
            timing = "date" if old.time() == new.time() else "clock"
            moves.add("order" if wrong(doc) == "order" else timing)
        elif before.startswith(after) or after.startswith(before):
            moves.add("record")
        else:
            moves.add("role")
            assert [e for e in doc["events"] if row["person"] in e] == [before]
            old_role, names = roles[row["role"]], roles.values()
            swaps = [(old_role, name) for name in names]
            swaps += [(capital(old_role), capital(name)) for name in names]
            assert after in {before.replace(*swap, 1) for swap in swaps}
    assert moves == {"role", "date", "clock", "record", "order"}


def test_a_contrast_is_told_in_the_order_of_events_unless_order_was_the_fault(
    procedures: Mapping[str, Procedure],
) -> None:
    for doc, _, done in changed("contrast"):
        moments = [moment(text) for text in SPEC.to_doc(doc, done.item)["events"]]
        if wrong(doc) is None:
            assert moments == sorted(moments)
        rows = [row["step"] for row in doc["trace"]["events"]]
        at = dict(zip(rows, moments, strict=True))
        if wrong(doc) == "order":  # then all comes after what it hangs on, skipped steps or not
            procedure = procedures[doc["process_id"]]
            before = [(a, s) for s in at if s for a in ancestors(procedure, s) & at.keys()]
            assert all(at[a] < at[s] for a, s in before)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def moment(text: str) -> datetime:
    """The date and clock time that a sentence states."""
    date, clock = (re.findall(p, text)[0] for p in (r"\d+ [A-Z][a-z]+ \d{4}", r"\d\d:\d\d"))
    return datetime.strptime(f"{date} {clock}", "%d %B %Y %H:%M")  # noqa: DTZ007


def rule(name: str, **fields: Any) -> Step:
    """A step that a guard does, told in one way."""
    nothing: dict[str, Any] = dict.fromkeys(Step.__dataclass_fields__)
    usual = {"id": name, "name": name, "past": (f"did the {name}",), "roles": ("guard",)}
    empty = {"requires": (), "limits": (), "records": (), "outcomes": ()}
    return Step(**{**nothing, **usual, **empty, **fields})


DOSE = Limit("dose", "<=", Decimal("1.0"), "L", Decimal("0.5"))
PLANT = Procedure(
    id="plant", title="Plant", source="invented", cohort="cms_laboratory_claims", intro=(),
    roles={"guard": "guard", "lead": "lead guard", "cook": "cook"}, outsiders=("cook",),
    facts={"dry": Fact("dry", "the soil is dry", "The soil was dry.", "The soil was wet.")},
    steps=(
        rule("look", records=("log",)),
        rule("pour", requires=("look",), when="dry", window=Window("look", None, 30),
             limits=(DOSE,)),
        rule("trim", requires=("look",), window=Window("look", None, 1440)),
    ),
)  # fmt: skip


def told(events: list[Event]) -> Counterparts:
    """The counterparts of a story about a plant, told in the voice of a log."""
    start = "2024-05-01"
    way = Telling("log", 0, 0)
    texts = [sentence(PLANT, e, datetime.fromisoformat(start), way) for e in events]
    segments = {f"event_{i + 1}": text for i, text in enumerate(texts)}
    segments["fact_1"] = "The soil was dry."
    trace = {
        "facts": {"dry": True},
        "events": [{**e.as_dict(), "telling": list(way)} for e in events],
    }
    return Counterparts({"item_id": "plant", "start": start, "trace": trace}, PLANT, segments)


LOOK = Event("look", 600, "Ann Bee", "guard", (), ("log",))
POUR = Event("pour", 620, "Ann Bee", "guard", (Decimal("0.5"),))
TRIM = Event("trim", 1500, "Ann Bee", "guard")


BY_CY = replace(LOOK, person="Cy Dee")


@pytest.mark.parametrize(
    ("kind", "events", "changes"),
    [
        # as many decimals as before, and more than nothing
        ("threshold", [LOOK, POUR, TRIM], ("event_2", "0.5", "2.5")),
        ("threshold", [LOOK, replace(POUR, values=(Decimal(1),)), TRIM], ("event_2", "1", "2")),
        ("threshold", [LOOK, replace(POUR, values=(Decimal(2),)), TRIM], None),
        ("negation", [LOOK, POUR, TRIM], None),
        ("negation", [LOOK, TRIM], ("fact_1", "dry", "wet")),
        # a lead guard is a guard of a kind; and who acts twice stays what they are
        ("contrast", [BY_CY, POUR, TRIM], ("event_1", "guard", "cook")),
        ("contrast", [replace(BY_CY, role="cook"), POUR, TRIM], ("event_1", "cook", "guard")),
        ("contrast", [LOOK, POUR, TRIM], ("event_2", "10:20", "10:37")),
        # no event in front of its neighbour; the dates tell days apart
        ("contrast", [LOOK, POUR, replace(TRIM, time=630)], ("event_3", "1", "3")),
        ("contrast", [LOOK, replace(POUR, time=700), TRIM], ("event_2", "11:40", "10:22")),
        ("contrast", [replace(POUR, time=590), LOOK, TRIM], ("event_1", "09:50", "10:20")),
        ("contrast", [replace(LOOK, records=()), POUR, TRIM],
         ("event_1", "", " Entered in the log.")),
        ("contrast", [LOOK, POUR], None),
    ],
)  # fmt: skip
def test_what_is_changed(kind: str, events: list[Event], changes: tuple[str, ...] | None) -> None:
    found = [e for e in told(events).edits(kind) or () if isinstance(e, Replace)]
    assert [(e.segment, e.before, e.after) for e in found] == ([changes] if changes else [])


def failure(item: Item, edits: list[Edit]) -> str | None:
    """The guard that refuses these edits."""
    _, problem = run_guards(item, apply_edits(item, edits), Edits(edits))
    return problem[0] if problem else None


@per_kind
def test_a_gold_that_the_text_does_not_bear_out_is_refused(kind: str) -> None:
    for _, item, done in changed(kind)[::2]:
        text, gold = done.certificate.edits
        assert isinstance(text, Replace)
        assert failure(item, [text, gold]) is None
        assert failure(item, [gold]) == "G3_gold_rederived"
        for after in (text.before, f"{text.after}1", f"9{text.after}"):
            tampered = text._replace(after=after)
            assert failure(item, [tampered, gold]) == "G3_gold_rederived"
        silent = apply_edits(item, [text])
        assert silent.rederive is not None
        assert silent.rederive(silent) == done.item.gold != silent.gold


@per_kind
def test_the_label_stays_when_the_units_of_a_counterpart_move(kind: str) -> None:
    for _, item, done in changed(kind)[::5]:
        counts = {group: len(units.members) for group, units in item.units.items()}
        moves = [Reorder(group, tuple(range(n))[::-1]) for group, n in counts.items()]
        assert failure(item, [*done.certificate.edits, *moves]) is None


def test_other_words_mean_what_they_meant() -> None:
    for doc in sample()[::7]:
        item = SPEC.item(doc)
        texts = {
            name: text.replace("e", "3") if name.startswith("fact_") else f"{text} Indeed."
            for name, text in item.segments.items()
        }
        odd = item.altered(segments=texts)
        assert odd.rederive is not None
        assert odd.rederive(odd) == item.gold


def test_the_same_document_has_the_same_counterparts() -> None:
    def found(doc: Doc) -> list[Any]:
        contrast = SPEC.item(doc).contrast
        assert contrast is not None
        return [contrast(kind) for kind in (*KINDS, "unknown")]

    for doc in sample()[::10]:
        assert found(doc) == found(json.loads(json.dumps(doc)))
        assert found(doc)[-1] is None

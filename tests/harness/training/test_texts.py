"""What the reference checkpoints are trained on: made here, of one half, and never a verdict."""

from __future__ import annotations

import re
from statistics import fmean

import pytest

from oodrop.harness_ext.training import corpus, layouts, telling
from oodrop.harness_ext.training.corpus import Example
from oodrop.harness_ext.training.replies import notes
from oodrop.harness_ext.training.words import draw_words
from oodrop.perturbers import get_suite
from oodrop.perturbers.rng import item_generator
from oodrop.tasks.procedural import COMPACT, lexicon
from oodrop.tasks.procedural.check import check
from oodrop.tasks.procedural.compact import build
from oodrop.tasks.procedural.compact.lexicon import SEEN, UNSEEN
from oodrop.tasks.procedural.voices import BRIEF

from .conftest import texts

_JUDGED = re.compile(
    r"(?:(?P<role>\w+)|after \w+ed (?P<other>\d\d:\d\d)"
    r"|(?P<value>\d+) to (?P<bound>\d+) (?P<where>below|above|equal) at (?P<way>most|least))"
    r" (?:ok|wrong)"
)

QUESTIONS = (*corpus._NOTES, *corpus._MORE_NOTES, *corpus._ORDER, *corpus._ENDINGS)


def test_a_note_says_wrong_where_and_only_where_a_rule_is_broken() -> None:
    rules = build.procedures()
    for split in ("test", "heldout"):
        for doc in COMPACT.docs(split):
            procedure, trace = rules[doc["process_id"]], build.trace_of(doc)
            lines = notes(procedure, trace).split("\n")
            assert len(lines) == len(procedure.steps)
            steps = [
                step.id
                for step, line in zip(procedure.steps, lines, strict=True)
                if re.search(r"\bwrong\b", line)
            ]
            assert steps == [v.step for v in check(procedure, trace)]


def test_the_base_never_sees_a_verdict_nor_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    # A slip of the pen may make any word of any other.
    monkeypatch.setattr(corpus, "misspelt", lambda text, share, rng: text)
    replies = [e.reply for e in texts(2000)]
    both = "FINAL ANSWER: compliant\nFINAL ANSWER: non-compliant"
    assert {reply for reply in replies if "compliant" in reply} == {both}
    assert 0.02 < replies.count(both) / 2000 < 0.08
    told = " ".join(f"{e.prompt} {e.reply}" for e in texts(1000)).lower()
    words = set(re.findall("[a-z]+", told))
    assert {f"{SEEN.verbs[0]}ed", SEEN.roles[0], SEEN.states[0], SEEN.people[0].lower()} <= words
    forms = {f"{verb}{end}" for verb in UNSEEN.verbs for end in ("ed", "ing")}
    named = (*UNSEEN.roles, *UNSEEN.units, *UNSEEN.things, *UNSEEN.parts, *UNSEEN.states)
    own = forms | {word.lower() for word in (*named, *UNSEEN.people)}
    assert not own & words
    for half, is_there in ((SEEN, True), (UNSEEN, False)):
        for frame in half.frames:
            start, end = lexicon.FRAMES[frame].lower().split("{mood}")
            assert (start in told and end in told) == is_there
        for closings in (lexicon.TROUBLED_CLOSINGS, lexicon.CALM_CLOSINGS):
            assert {closings[n].lower() in told for n in half.closings} == {is_there}


def test_what_results_are_measured_on_asks_in_no_way_that_was_trained_on() -> None:
    for variant in get_suite("standard-1.1").variants:
        used = set(map(str, variant.parameters.values()))
        assert not used & {*layouts.PROMPTS, *telling.QUESTIONS}, variant.slug
        assert not {f"layout_{x}" for x in used} & set(layouts.PROMPTS), variant.slug


def test_a_drill_says_of_every_part_what_comes_of_it() -> None:
    rng = item_generator(1, "test", "drill", "")
    found: list[tuple[str, bool]] = []
    for _ in range(60):
        example = corpus._drill(rng)
        asked, replied = example.prompt.split("\n")[1:], example.reply.split("\n")
        assert len(asked) == len(replied) == 6
        for line, answer in zip(asked, replied, strict=True):
            head, judged = answer.split("; ")
            assert line == f"{head}; {re.sub(r' (ok|wrong|below|above|equal)', '', judged)}"
            assert re.fullmatch(r"- \w+ing( \w+ ok)+", head)
            event = re.match(r"(\w+)ed (\d\d:\d\d) ", judged)
            assert event is not None
            assert head.startswith(f"- {event[1]}ing ")
            parts = list(_JUDGED.finditer(judged, event.end()))
            assert event[0] + " ".join(part[0] for part in parts) == judged
            for part in parts:
                if part["role"]:
                    found.append(("role", f" {part['role']} ok" in head))
                elif part["other"]:
                    found.append(("order", part["other"] < event[2]))
                else:
                    value, bound = int(part["value"]), int(part["bound"])
                    where = {-1: "below", 0: "equal", 1: "above"}[(value > bound) - (value < bound)]
                    assert part["where"] == where
                    most = part["way"] == "most"
                    found.append((part["way"], value <= bound if most else value >= bound))
                assert part[0].endswith("ok" if found[-1][1] else "wrong")
    for kind in ("role", "order", "most", "least"):
        share = [holds for what, holds in found if what == kind]
        assert len(share) > 100
        assert 0.35 < sum(share) / len(share) < 0.65


def test_drills_come_first_and_some_until_the_middle() -> None:
    rng = item_generator(2, "test", "drills", "")
    for progress, share in ((0.0, 1.0), (0.11, 1.0), (0.13, 0.1), (0.49, 0.1), (0.5, 0.0)):
        drawn = [corpus.pretraining_example(rng, progress) for _ in range(400)]
        drills = sum(e.prompt.startswith(corpus._DRILL) for e in drawn)
        assert drills / 400 == pytest.approx(share, abs=0.05 if share == 0.1 else 0.0)


def test_the_question_never_stands_first_in_what_is_trained_on() -> None:
    """That place is the evaluation's; before the last section it does stand, and at the end."""
    doc = COMPACT.docs("train")[0]
    sections = COMPACT.prompt(doc).split("\n\n")
    for name in layouts.ORDERS:
        laid = layouts.laid_out(doc, name)
        assert sorted(laid.split("\n\n")) == sorted(s.strip() for s in sections)
        assert not laid.startswith("Question")
        assert not laid.split("\n\n")[-1].startswith("Question")
    places = []
    for example in texts(600):
        asked = [example.prompt.find(question) for question in QUESTIONS]
        if max(asked) >= 0:  # no slip of the pen in the question
            places.append(max(asked) / len(example.prompt))
    assert len(places) > 300
    assert min(places) > 0.1
    assert any(place < 0.7 for place in places)


def test_a_layout_of_its_own_says_all_and_is_no_template_of_the_tasks() -> None:
    doc = COMPACT.docs("train")[0]
    told = {name: COMPACT.prompt(doc, name) for name in COMPACT.templates}
    of_the_doc = [doc["title"], *doc["facts"], *doc["events"], doc["intro"], doc["closing"]]
    theirs = " ".join(told.values())
    for part in (*of_the_doc, *doc["clauses"], doc["question"]):
        theirs = theirs.replace(part, "")
    words = f" {' '.join(re.findall('[a-z]+', theirs.lower()))} "
    for heading in (*layouts.RULES, *layouts.RECORDS, *layouts.ASKED):
        assert f" {heading.lower()} " not in words, heading
    rng = item_generator(4, "test", "layouts", "")
    drawn = [layouts.in_own_layout(doc, rng) for _ in range(600)]
    assert len(set(drawn)) > 590
    said = doc["question"], 'End with a line that reads either "FINAL ANSWER: compliant" or '
    for text in drawn:
        assert any(heading in text for heading in (*layouts.RULES, *layouts.RECORDS))
        for part in (*of_the_doc, *said, "Steps that are not mentioned did not happen."):
            assert text.count(part) == 1, part
        for clause in doc["clauses"]:
            name, rule = clause.rstrip(".").split(": ")
            assert re.search(rf"(?i)\b{name}\b.{{1,5}}{rule}", text), clause
        assert text.index(doc["question"]) > min(map(text.index, (doc["title"], doc["intro"])))


def test_layouts_of_its_own_come_late_and_for_the_base_alone() -> None:
    rng = item_generator(6, "test", "late", "")

    def share(texts: list[Example]) -> float:
        headings = (*layouts.RULES, *layouts.RECORDS)
        return fmean(any(heading in e.prompt for heading in headings) for e in texts)

    assert share([corpus.pretraining_example(rng, 0.44) for _ in range(200)]) == 0
    assert share([corpus.pretraining_example(rng, 0.9) for _ in range(400)]) > 0.5
    docs = COMPACT.docs("train")[:200]
    assert share([corpus.adapter_example(doc, True, True, rng) for doc in docs]) == 0


def test_what_the_base_is_asked_no_task_asks() -> None:
    rewordings = COMPACT.wordings["segments"]["question"].values()
    inverted = [said["question"] for said in COMPACT.wordings["inversions"].values()]
    asked = {*rewordings, *inverted, *(doc["question"] for doc in COMPACT.docs("test"))}
    assert len(asked) > 6
    assert not asked & set(QUESTIONS)


def test_half_of_the_texts_has_words_of_its_own() -> None:
    """Of one text only, and none that evaluation has; all else is of the seen half."""
    rng = item_generator(3, "test", "words", "")
    drawn = [draw_words(rng) for _ in range(400)]
    made = [words for words in drawn if words is not SEEN]
    assert len(made) / 400 == pytest.approx(0.5, abs=0.07)
    for words in made:
        new = [*words.verbs, *words.roles, *words.things]
        assert len(set(new)) == len(new) == 15
        assert (words.people, words.plans, words.units) == (SEEN.people, SEEN.plans, SEEN.units)
    assert len({verb for words in made for verb in words.verbs}) > 4 * len(made)
    assert draw_words(rng, 0.0) is SEEN
    assert draw_words(rng, 1.0) is not SEEN
    wild = [draw_words(rng, 1.0, 1.0) for _ in range(400)]
    for words in wild:
        assert (words.frames, words.moods, words.closings) == (
            SEEN.frames, SEEN.moods, SEEN.closings)  # fmt: skip
    for kind in ("verbs", "roles", "things", "units", "parts", "states", "people"):
        drawn = {word.lower() for words in (*made, *wild) for word in getattr(words, kind)}
        assert not {word.lower() for word in getattr(UNSEEN, kind)} & drawn, kind
        assert len({word for words in wild for word in getattr(words, kind)}) > 600, kind


def test_the_base_is_told_of_events_in_sentences_that_no_task_has() -> None:
    parts = {"clock": "09:11", "role": "cook", "person": "Ines", "did": "the lid was washed"}
    told = "The lid was washed at 09:11 by the cook Ines. The reading was 7 bars."
    rng = item_generator(2, "test", "sentences", "")
    seen = {telling._in_own_sentences([told], rng)[0] for _ in range(400)}
    assert len(seen) == len(telling._SENTENCES) > 10
    assert all(text.endswith(". The reading was 7 bars.") for text in seen)
    for text in seen:
        assert all(text.lower().count(part.lower()) == 1 for part in parts.values())
    tasks = {act.format(**parts, Did="The lid was washed") for act in BRIEF.acts}
    assert not tasks & {text.removesuffix(" The reading was 7 bars.") for text in seen}


def test_texts_follow_from_the_seed_alone() -> None:
    assert texts(20) == texts(20)
    assert len({e.prompt for e in texts(20)}) == 20


def test_half_of_the_varied_items_are_told_otherwise_with_the_same_verdict() -> None:
    rng = item_generator(0, "test", "varied", "")
    asked = {}
    for doc in COMPACT.docs("train")[::10]:
        example = corpus.adapter_example(doc, True, True, rng)
        *said, verdict = example.reply.split("\n")
        assert verdict == f"FINAL ANSWER: {doc['label']}"
        steps = notes(build.procedures()[doc["process_id"]], build.trace_of(doc)).split("\n")
        assert sorted(said) == sorted(steps)
        asked[doc["item_id"]] = example.prompt == COMPACT.prompt(doc)
    assert 0.45 < fmean(asked.values()) < 0.55

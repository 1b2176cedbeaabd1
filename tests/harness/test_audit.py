"""Plans, sources, decoys and sheets: drawn the same every time, and telling nothing."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from oodrop import DataError, OodropError
from oodrop.harness_ext.audit import AuditPlan, Pair, draw, read_plan, tie_sheet, write_sheets
from oodrop.harness_ext.audit.arithmetic import evaluated, lone_numbers, recomputed, steps_of
from oodrop.harness_ext.audit.decoys import DECOYS
from oodrop.harness_ext.audit.pairs import KEY_COLUMNS, prompt_sha256
from oodrop.harness_ext.audit.sampling import dressed
from oodrop.harness_ext.audit.sources import Source, Subject
from oodrop.perturbers import Item, perturb
from oodrop.perturbers.audits import FOLDER

from .audit_data import PLAN, write_data, write_plan


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> AuditPlan:
    return read_plan(write_plan(tmp_path_factory.mktemp("plan")))


@pytest.fixture(scope="module")
def sheets(plan: AuditPlan, data: Path) -> Mapping[str, Sequence[Pair]]:
    return draw(plan, data, [])


@pytest.fixture(scope="module")
def pairs(sheets: Mapping[str, Sequence[Pair]]) -> list[Pair]:
    return [pair for sheet in sheets.values() for pair in sheet]


def subjects(data: Path, name: str, **options: int) -> list[Subject]:
    return list(Source(name, (), is_task=False, **options).subjects(data))


def test_a_round_is_drawn_the_same_every_time(
    plan: AuditPlan, data: Path, sheets: Mapping[str, Sequence[Pair]]
) -> None:
    again = draw(plan, data, [])
    numbers = {name: [pair.number for pair in found] for name, found in sheets.items()}
    assert numbers == {name: [pair.number for pair in found] for name, found in again.items()}
    assert [p.text for s in sheets.values() for p in s] == [
        p.text for s in again.values() for p in s
    ]
    other = draw(replace(plan, seed=6), data, [])
    texts = ({p.text.partition("\n")[2] for s in d.values() for p in s} for d in (sheets, other))
    assert len(set.intersection(*texts)) < len(plan.draws) * 4


def test_what_was_asked_for_is_drawn(plan: AuditPlan, pairs: list[Pair]) -> None:
    sampled = Counter(
        (p.variant.slug, p.subject.source, p.subject.split) for p in pairs if p.kind == "sampled"
    )
    for wanted in plan.draws:
        source = plan.sources[wanted.source]
        split = source.splits[0] if source.is_task else "test"
        assert sampled.pop((wanted.variant.slug, source.name, split)) == wanted.count
    assert not sampled
    decoys = Counter((p.decoy, p.subject.source) for p in pairs if p.kind != "sampled")
    assert decoys == Counter({(d.decoy, plan.sources[d.source].name): d.count for d in plan.decoys})
    assert len({p.number for p in pairs}) == len(pairs)


def test_every_sheet_gets_its_share(sheets: Mapping[str, Sequence[Pair]]) -> None:
    for group in ("sampled", "clean", "planted"):
        counts = [sum(p.kind == group for p in sheet) for sheet in sheets.values()]
        assert max(counts) - min(counts) <= 1


def test_a_row_of_a_data_set_is_used_once_and_an_item_of_a_task_once_per_perturber(
    pairs: list[Pair],
) -> None:
    rows = [p.subject.item.cluster_id for p in pairs if p.subject.source in ("gsm8k", "mmlu_pro")]
    assert len(set(rows)) == len(rows)
    users = defaultdict(list)
    for pair in pairs:
        users[pair.decoy or pair.variant.perturber].append(pair.subject.item.item_id)
    assert all(len(set(items)) == len(items) for items in users.values())


def test_clusters_take_turns(data: Path, plan: AuditPlan) -> None:
    draws = tuple(replace(d, count=24) for d in plan.draws if d.source == "procedures")
    found = draw(replace(plan, draws=draws, decoys=()), data, [])
    clusters = Counter(p.subject.item.cluster_id for sheet in found.values() for p in sheet)
    assert set(clusters.values()) == {1}
    assert len(clusters) == 24


def test_what_was_rated_before_is_not_drawn_again(plan: AuditPlan, data: Path) -> None:
    first = draw(plan, data, [])
    rows = [
        dict(zip(KEY_COLUMNS, pair.row(1, name), strict=True))
        for name, sheet in first.items()
        for pair in sheet
    ]
    few = replace(plan, decoys=(), draws=tuple(d for d in plan.draws if d.variant.severity))
    again = [p for sheet in draw(few, data, rows).values() for p in sheet]
    spent = {row["item_id"] for row in rows}
    assert again
    assert not any(p.subject.item.item_id in spent for p in again)
    # Of `everyday`, what another perturber was rated on may still be drawn.
    typo = {**rows[0], "perturber": "lexical.keyboard_typo", "item_id": "", "cluster": ""}
    ids = [d["item_id"] for d in _docs("everyday", "train")]
    other = [{**typo, "item_id": name} for name in ids]
    template = replace(
        plan, decoys=(), draws=tuple(d for d in plan.draws if d.source == "everyday")
    )
    assert sum(map(len, draw(template, data, other).values())) == 6
    same = [{**row, "perturber": "phrasing.template"} for row in other]
    with pytest.raises(DataError, match="wants 6 items of phrasing_template_t05 .* there are 0"):
        draw(template, data, same)


def _docs(task: str, split: str) -> list[dict[str, str]]:
    from oodrop.tasks import get_task

    return get_task(task).docs(split)


def test_sheets_say_nothing_about_what_was_done(
    sheets: Mapping[str, Sequence[Pair]], pairs: list[Pair], tmp_path: Path
) -> None:
    write_sheets(sheets, 9, tmp_path / "round")
    telling = re.compile(r"lexical|phrasing|typo|planted|decoy|gsm8k|mmlu|everyday")
    for name, sheet in sheets.items():
        text = (tmp_path / f"round/sheets/sheet_{name}.txt").read_text("utf-8")
        assert text.startswith(f"SHEET {name}: {len(sheet)} PAIRS")
        assert "pair,kept,readable,remark" in text
        assert not telling.search(text)
        assert [line[6:] for line in text.split("\n") if line.startswith("#####")][
            -len(sheet) :
        ] == [pair.number for pair in sheet]
        assert all(pair.text in text for pair in sheet)
    assert not list((tmp_path / "round/ratings").iterdir())
    with (tmp_path / "round/key/key.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["pair"]: r["sheet"] for r in rows} == {
        pair.number: name for name, sheet in sheets.items() for pair in sheet
    }
    assert {r["round"] for r in rows} == {"9"}
    by_number = {pair.number: pair for pair in pairs}
    assert all(r["sha256"] == by_number[r["pair"]].sha256 for r in rows)


def test_the_key_holds_no_text_of_a_data_set(pairs: list[Pair]) -> None:
    for pair in pairs:
        cells = " ".join(pair.row(9, "s"))
        assert not any(word in cells for word in ("market", "altogether", "wooden"))


def test_a_folder_that_holds_something_is_left_alone(
    sheets: Mapping[str, Sequence[Pair]], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        write_sheets(sheets, 9, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_planted_pairs_are_made_again_from_their_rows(data: Path, pairs: list[Pair]) -> None:
    planted = [p for p in pairs if p.kind == "planted"]
    assert Counter(p.decoy for p in planted) == {
        "number": 4, "negation": 4, "option": 3, "opposite": 1, "counterpart": 1,
    }  # fmt: skip
    for pair in planted:
        item = DECOYS[pair.decoy](pair.subject)
        assert item is not None
        after = dressed(item, pair.variant)
        assert after is not None
        assert prompt_sha256(after) == pair.sha256
        assert item.answer == pair.subject.item.answer or pair.decoy == "option"
        assert pair.text.endswith(f"COUNTED AS RIGHT FOR AFTER: {after.answer}\n") or (
            "POSSIBLE ANSWERS" in pair.text
        )


def test_clean_and_sampled_pairs_are_what_the_perturbers_make(pairs: list[Pair]) -> None:
    for pair in pairs:
        if pair.kind == "planted":
            continue
        item, certificate = perturb(pair.subject.item, pair.variant)
        assert prompt_sha256(item) == pair.sha256
        assert (certificate.outcome == "changed") == (pair.kind == "sampled")


def test_a_planted_number_gives_another_result(data: Path) -> None:
    """Checked by another way than the program's: the invented problems are sums of two numbers."""
    made = 0
    for subject in subjects(data, "gsm8k"):
        item = DECOYS["number"](subject)
        if item is not None:
            sums = [
                sum(int(n) for n in re.findall(r"\d+", i.segments["question"]))
                for i in (subject.item, item)
            ]
            assert sums[0] == int(item.gold) != sums[1]
            made += 1
    assert made > 20


def test_a_number_that_does_not_matter_is_no_decoy() -> None:
    question = {"question": "Of 34 trees none is sold, and 17 pears and one plum fall. How much?"}
    item = Item("i", "i", question, "18", render=lambda item: item.segments["question"])
    steps = "<<34*0=0>>0, <<0+17+1=18>>18"
    assert steps_of(steps) is not None
    made = [
        DECOYS["number"](Subject("gsm8k", "test", item.altered(item_id=f"i{k}"), steps))
        for k in range(20)
    ]
    assert all(m is None or "34 trees" in m.segments["question"] for m in made)
    assert any(made)


STEPS = "has 4*12=<<4*12=48>>48. Then <<48/2=24>>24 and <<24+17=41>>41."


def test_a_worked_solution_is_followed() -> None:
    steps = steps_of(STEPS)
    assert steps is not None
    assert [step.result for step in steps] == [48, 24, 41]
    assert recomputed(steps, 17, 19, {4, 17}) == 43
    assert recomputed(steps, 4, 6, {4, 17}) == 53
    assert recomputed(steps, 4, 6, {4, 17, 24}) is None  # 24 is a result, and given too
    assert recomputed(steps, 24, 26, {24}) is None  # a result, not a given number
    assert recomputed(steps, 13, 14, {13}) is None  # not written
    assert recomputed(steps, 12, 13, {12}) == 43
    assert recomputed(steps, 2, 5, {2}) is None  # no whole number any more
    assert steps_of("<<2+2=5>>") is None
    assert steps_of("<<x+2=5>>") is None
    assert steps_of("no step") is None


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3*(2+1)-4", Fraction(5)),
        (".5*8", Fraction(4)),
        ("-2+5", Fraction(3)),
        ("1/3", Fraction(1, 3)),
        ("1/0", None),
        ("2**9", None),
        ("__import__('os')", None),
        ("1,000", None),
    ],
)
def test_arithmetic(expression: str, value: Fraction | None) -> None:
    assert evaluated(expression) == value


def test_numbers_that_stand_alone() -> None:
    text = "It is 3.5 kg, 20% of 40, at 9:30; 40 of $120 in 2-door room B7 and 16."
    assert [value for *_, value in lone_numbers(text)] == [120, 16]


def a_choice(question: str, *choices: str) -> Subject:
    item = Item("i", "i", {"question": question}, 1, choices or ("rain", "snow", "hail"))
    labels = tuple("ABCDEFGH"[: len(item.choices)])
    return Subject("mmlu_pro", "test", item.altered(labels=labels, listed=True))


@pytest.mark.parametrize(
    ("question", "after"),
    [
        ("Which of the following is cold?", "Which of the following is not cold?"),
        ("Which of the following is NOT cold?", "Which of the following is cold?"),
        ("Which one of the following things are cold?", "of the following things are not cold?"),
        ("Which of the following is least cold?", None),
        ("Which of the following isn't cold?", None),
        ("What is cold?", None),
    ],
)
def test_a_question_turned_round(question: str, after: str | None) -> None:
    item = DECOYS["negation"](a_choice(question))
    assert item is None if after is None else after in item.segments["question"]
    assert DECOYS["negation"](a_choice(question, "rain", "snow", "all of the above")) is None


def test_an_option_moves_and_its_letter_stays() -> None:
    subject = a_choice("What falls in winter?")
    item = DECOYS["option"](subject)
    assert item is not None
    assert (item.gold, item.answer) == (1, "B")
    assert item.gold_text != "snow"
    assert sorted(item.choices) == sorted(subject.item.choices)
    assert DECOYS["option"](a_choice("What?", "1", "3 in 3", "2")) is None


def test_rows_that_cannot_be_judged_are_left_out(data: Path) -> None:
    assert len(subjects(data, "gsm8k")) == 40
    assert len(subjects(data, "gsm8k", characters=100)) == 0
    rows = subjects(data, "mmlu_pro")
    assert len(rows) == 40
    assert {s.item.answer for s in rows} == set("ABCD")
    assert all(s.item.render and s.item.render(s.item).count("\n") == 4 for s in rows)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 5\n", "", "must hold exactly: round, seed"),
        ("seed: 5", "seed: x", "seed must be a whole number from 1, got 'x'"),
        ("problems: 8,", "problem: 8,", "unknown source of audit plan plan.yaml, draw 1 'problem'"),
        ("problems: 8,", "problems: 0,", "draw 1, problems must be a whole number from 1, got 0"),
        ("data: gsm8k", "data: gsm9k", "unknown data set 'gsm9k'; there are: gsm8k"),
        ("task: everyday,", "task: everydy,", "unknown task 'everydy'"),
        ("fresh: pair", "fresh: no", "fresh must be item or pair"),
        ("  number:", "  numbers:", "unknown decoy 'numbers'; there are: number"),
        ("severity: 2, from", "severity: 7, from", "severity of lexical.keyboard_typo must be"),
        ("mode: [lower, upper]", "mode: [lower, lower]", "is drawn from questions twice"),
        ("draws:\n", "draws: 3\nx:\n", "must hold exactly"),
        ("sheets: 2", "sheets: [", "is not YAML"),
    ],
)
def test_plans_that_are_none(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PLAN
    with pytest.raises(OodropError, match=re.escape(message)):
        read_plan(write_plan(tmp_path, PLAN.replace(old, new, 1)))


def test_a_source_without_enough_items(plan: AuditPlan, data: Path) -> None:
    many = replace(plan, draws=(replace(plan.draws[0], count=41),))
    with pytest.raises(DataError, match="wants 41 items of lexical_keyboard_typo_s2 from problems"):
        draw(many, data, [])


def test_data_that_is_not_there(plan: AuditPlan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'gsm8k' needs --data"):
        draw(plan, None, [])
    with pytest.raises(DataError, match=r"gsm8k.test.jsonl cannot be read: No such file"):
        draw(plan, tmp_path, [])
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k/test.jsonl").write_text("{]")
    with pytest.raises(DataError, match="is damaged"):
        draw(plan, tmp_path, [])


def test_a_sheet_for_third_ratings(
    sheets: Mapping[str, Sequence[Pair]], pairs: list[Pair], tmp_path: Path
) -> None:
    write_sheets(sheets, 9, tmp_path / "round")
    undecided = {pair.number for pair in pairs[:3]}
    others = {pair.number for pair in pairs[3:]}
    text = tie_sheet(tmp_path / "round", undecided, others, list(sheets))
    shown = re.findall(r"^##### (\w+)$", text, re.M)
    assert len(shown) == 6
    assert undecided < set(shown) < undecided | others
    for pair in pairs:
        assert (pair.text in text) == (pair.number in shown)


def test_the_committed_plan_fits_the_real_data(shared_data: Path) -> None:
    """Every planted number and question of the plan's sources is found, and no text is kept."""
    plan = read_plan(FOLDER / "round_2.yaml")
    wanted = {d.decoy: d for d in plan.decoys if d.decoy in ("number", "negation")}
    for decoy, planted in wanted.items():
        rows = list(plan.sources[planted.source].subjects(shared_data))
        made = sum(DECOYS[decoy](subject) is not None for subject in rows)
        assert made > 2 * planted.count
        digests = {hashlib.sha256(s.item.segments["question"].encode()).hexdigest() for s in rows}
        assert len(digests) > 0.95 * len(rows)

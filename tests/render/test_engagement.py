"""How replies were, and how many there are per item, in every form of the report."""

import csv
import io
import json
import re
from dataclasses import fields, replace

import jsonschema
import pytest
from rich.console import Console

from oodrop.reports.model import Engagement, Replies
from oodrop.reports.render import (
    SCHEMA_FILE,
    print_report,
    report_html,
    report_json,
    summary_markdown,
    write_report,
)
from oodrop.reports.render.csvfile import ENGAGEMENT_COLUMNS, engagement_csv
from oodrop.reports.render.engagement import (
    COLUMNS,
    LONG,
    engagement_table,
    remarks,
    repeats_words,
    reply_lines,
)
from oodrop.reports.render.points import floor_words
from oodrop.reports.render.verdict import verdicts
from oodrop.reports.statistics import NoiseFloor

GOOD = Replies(0.8, 0.18, 0.02, 0.01, 0.1, 44.3, 41.0)
BAD = Replies(0.7, 0.18, 0.12, 0.09, 0.1, 30.0, 25.0)
QUICK = Replies(0.7, 0.28, 0.02, 0.01, 0.35, 9.0, 4.0)
TYPO, SYNONYM = "lexical_keyboard_typo_s2", "lexical_synonym_s1"
FAILS = (
    "parse failures 2.0% to 12.0% under lexical_keyboard_typo_s2 (200 items), 75.0% of them broken "
    "off; of 30 lost items 21 parsed less than before"
)
HASTE = "answers at once 10.0% to 35.0% under lexical_synonym_s1 (200 items)"


def found(checkpoint, variant, replies, canonical=GOOD, lost=30, lost_unparsed=21):
    if variant == "canonical":
        return Engagement(checkpoint, variant, 240, replies, replies, None, None)
    return Engagement(checkpoint, variant, 200, canonical, replies, lost, lost_unparsed)


@pytest.fixture(scope="module")
def task(make_task):
    """Two checkpoints: one stops parsing under typos, hurries under synonyms."""
    made = make_task(checkpoints=2, items=60, clusters=20, most=2)
    first, second = (a.checkpoint for a in made.analysis.accuracies)
    entries = [(first, "canonical", GOOD), (first, SYNONYM, QUICK), (first, TYPO, BAD)]
    entries += [(second, "canonical", GOOD), (second, TYPO, GOOD)]
    return replace(made, engagement=tuple(found(*e) for e in entries))


@pytest.fixture(scope="module")
def told(make_report, task):
    return make_report(task)


@pytest.fixture(scope="module")
def drawn(told):
    from oodrop.reports.render.charts import draw

    return draw(told)


def test_what_is_remarkable_is_a_sentence_the_largest_first(task):
    first = task.analysis.accuracies[0].checkpoint
    assert remarks(task) == ((first, HASTE), (first, FAILS))


@pytest.mark.parametrize(("after", "said"), [(0.069, 0), (0.07, 1), (0.0, 0)])
def test_five_points_are_remarkable(task, after, said):
    entries = (
        task.engagement[0],
        found(task.engagement[0].checkpoint, TYPO, replace(GOOD, unparsed=after)),
    )
    assert len(remarks(replace(task, engagement=entries))) == said


def test_many_failures_to_begin_with_are_remarkable(task):
    name = task.engagement[0].checkpoint
    entries = (found(name, "canonical", replace(BAD, truncated=None)),)
    assert remarks(replace(task, engagement=entries)) == (
        (name, "12.0% of the canonical replies hold no answer that could be read"),
    )


def test_the_page_has_sentences_and_a_table(told, drawn, parse_html):
    page = report_html(told, drawn).replace("<wbr>", "")
    parsed = parse_html(page)
    assert parsed.open == []
    assert f"<li>kennethp97/v7-grpo-14b: {FAILS}.</li>" in page
    table = next(t for t in page.split("<table") if "Wrong, parsed</th>" in t).split("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", r) for r in table.split("<tr>")[1:]]
    widths = {len(r) for r in rows if len(r) > 1}
    assert widths == {len(COLUMNS) + 4}
    assert rows[2] == [
        "canonical", "240", "80.0%", "18.0%", "2.0%", "1.0%", "10.0%", "41.0", "44.3", "\u2013",
        "\u2013",
    ]  # fmt: skip
    assert rows[4] == [
        TYPO, "200", "80.0% to 70.0%", "18.0% to 18.0%", "2.0% to 12.0%", "1.0% to 9.0%",
        "10.0% to 10.0%", "41.0 to 25.0", "44.3 to 30.0", "30", "21",
    ]  # fmt: skip
    assert "Table of replies" not in page


def test_a_long_table_is_folded_and_what_is_not_logged_has_no_column(task, make_report, drawn):
    name = task.engagement[0].checkpoint
    only = replace(GOOD, at_once=None, truncated=None, mean_tokens=None, median_tokens=None)
    entries = [found(name, f"v{k}", only, only, 3, None) for k in range(LONG)]
    long = replace(task, engagement=(found(name, "canonical", only), *entries))
    assert [c.name for c in engagement_table(long).columns] == ["right", "wrong", "unparsed"]
    page = report_html(make_report(long), drawn)
    assert f"<details><summary>Table of replies, {LONG + 1} rows</summary>" in page
    assert "Under no variant did the share of parse failures" in page
    assert "At once" not in page


def test_a_task_that_logs_nothing_says_nothing(report, page):
    assert all(engagement_table(t) is None and remarks(t) == () for t in report.tasks)
    for text in (page, summary_markdown(report), terminal(report)):
        for words in ("How the replies", "Replies,", "Replies of", "parse failures", "per item"):
            assert words not in text
    assert engagement_csv(report) == ",".join(ENGAGEMENT_COLUMNS) + "\n"


def terminal(report):
    console = Console(width=400, record=True, file=io.StringIO())
    print_report(report, console)
    return console.export_text()


def test_the_terminal_has_one_line_per_checkpoint(told):
    lines = [line for line in terminal(told).splitlines() if line.startswith("Replies, ")]
    level = "98.0% parsed, 10.0% at once, 41.0 tokens before the answer (median)"
    assert lines == [
        f"Replies, kennethp97/v7-grpo-14b: {level}; {FAILS}",
        f"Replies, kennethp97/b5-sft-7b: {level}",
    ]


def test_a_line_tells_what_there_is(task):
    nothing = Replies(0.5, None, None, None, None, None, None)
    entries = (found(task.engagement[0].checkpoint, "canonical", nothing),)
    ((_, line),) = reply_lines(replace(task, engagement=entries))
    assert line == "nothing logged on the canonical prompts"


def test_markdown_says_only_what_is_remarkable(told, task, make_report):
    text = summary_markdown(told)
    assert f"- Replies of kennethp97/v7-grpo-14b: {FAILS}." in text
    assert text.count("- Replies of") == 2
    calm = tuple(e for e in task.engagement if e.checkpoint != task.engagement[0].checkpoint)
    assert "Replies" not in summary_markdown(make_report(replace(task, engagement=calm)))
    name = task.engagement[0].checkpoint
    many = (task.engagement[0], *(found(name, f"v{k}", BAD) for k in range(11)))
    text = summary_markdown(make_report(replace(task, engagement=many)))
    assert text.count("- Replies of") == 8
    assert "- and 3 more on replies in report.html and engagement.csv." in text


def test_the_csv_has_one_row_each(told, report, tmp_path):
    rows = list(csv.DictReader(io.StringIO(engagement_csv(told)), strict=True))
    assert list(rows[0]) == list(ENGAGEMENT_COLUMNS)
    assert len(rows) == 5
    typo = rows[2]
    assert (typo["variant"], typo["items"]) == (TYPO, "200")
    assert (typo["canonical_unparsed_percent"], typo["variant_unparsed_percent"]) == (
        "2.00",
        "12.00",
    )
    assert (typo["variant_truncated_percent"], typo["variant_at_once_percent"]) == ("9.00", "10.00")
    assert (typo["variant_right_percent"], typo["variant_wrong_percent"]) == ("70.00", "18.00")
    assert (typo["canonical_mean_tokens"], typo["variant_median_tokens"]) == ("44.30", "25.00")
    assert (typo["lost"], typo["lost_unparsed"]) == ("30", "21")
    assert (rows[0]["lost"], rows[0]["lost_unparsed"]) == ("", "")
    assert "engagement.csv" in {p.name for p in write_report(told, tmp_path / "a")}
    assert "engagement.csv" not in {p.name for p in write_report(report, tmp_path / "b")}


def test_json_holds_all_of_it(told, task):
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    loaded = json.loads(report_json(told))
    jsonschema.Draft202012Validator(schema).validate(loaded)
    (written,) = loaded["tasks"]
    assert len(written["engagement"]) == 5
    assert written["engagement"][2]["replies"] == {
        f.name: getattr(BAD, f.name) for f in fields(BAD)
    }
    assert written["replies_per_item"] == task.replies_per_item


def test_hostile_names_are_harmless(hostile, hostile_report, parse_html):
    task = hostile_report.tasks[0]
    names = [a.checkpoint for a in task.analysis.accuracies]
    entries = [
        found(n, v, r)
        for n in names
        for v, r in (("canonical", BAD), (hostile, QUICK), (f"{hostile}2", BAD))
    ]
    counts = dict.fromkeys(names[:1], 4) | dict.fromkeys(names[1:], 2)
    made = replace(
        hostile_report, tasks=(replace(task, engagement=tuple(entries), replies_per_item=counts),)
    )
    page = report_html(made)
    parsed = parse_html(page)
    assert parsed.open == []
    assert [tag for tag, _ in parsed.tags if tag in ("script", "img")] == ["script"]  # our own
    assert "\x1b" not in page + terminal(made)
    text = summary_markdown(made)
    assert "<script" not in text
    assert not any(line.startswith("::error") for line in text.splitlines())
    rows = list(csv.DictReader(io.StringIO(engagement_csv(made)), strict=True))
    assert all(
        r[n].startswith("'=1+1") for r in rows[1:3] for n in ("task", "checkpoint", "variant")
    )
    report_json(made).decode()


# --- k replies to an item -------------------------------------------------------------------------


def test_how_many_replies_a_score_is_the_mean_of(task, make_report, drawn):
    names = [a.checkpoint for a in task.analysis.accuracies]
    assert repeats_words(task) == ""
    four = replace(task, replies_per_item=dict.fromkeys(names, 4))
    words = "Each score is the mean of 4 replies per item."
    assert repeats_words(four) == words
    made = make_report(four)
    page = report_html(made, drawn)
    assert f"<p>{words}</p>" in page
    assert "the replies are never counted as items" in page
    assert words in summary_markdown(made)
    assert words in terminal(made)
    mixed = replace(task, replies_per_item={names[0]: 4, names[1]: 1})
    assert repeats_words(mixed) == (
        f"Each score is the mean of an item's replies ({names[0]}: 4 replies, {names[1]}: 1 reply "
        "per item)."
    )


def test_a_flip_of_means_shows_both(task, make_report, drawn):
    flip = replace(task.flips[0], direction="lost", canonical_score=0.75, variant_score=1 / 3)
    page = report_html(make_report(replace(task, flips=(flip, *task.flips[1:]))), drawn)
    assert "lost (better on the canonical prompt: 0.75 to 0.333)" in page
    assert page.count("(better on the canonical prompt:") == 1


def test_the_noise_floor_of_means_has_a_size():
    floor = NoiseFloor("a", 0.6, 6, 10, 0.15)
    assert floor_words(floor) == (
        "60.0% of scores move on a rerun (6 of 10), by 15.0 points on average over all"
    )


def test_a_drop_is_set_against_the_size_of_the_noise(task):
    drop = next(d for d in task.analysis.drops if d.name == "lexical" and d.headline.excludes(0.0))

    def said(change):
        floor = NoiseFloor(drop.checkpoint, 0.9, 9, 10, change)
        analysis = replace(task.analysis, noise_floor=(floor,) * 2)
        return verdicts(replace(task, analysis=analysis))[0].findings[0].text

    assert "noise floor" not in said(drop.estimate - 0.01)
    size = f"{100 * (drop.estimate + 0.01):.1f}"
    assert f"(a rerun moves scores by {size} points on average)" in said(drop.estimate + 0.01)

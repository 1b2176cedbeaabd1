"""The page: content, accessibility, self-containment, size."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from oodrop.reports.model import StoppedVariant
from oodrop.reports.render import report_html, verdicts
from oodrop.reports.render.charts import TaskCharts
from oodrop.reports.render.pages import TEMPLATES
from oodrop.reports.render.pairs import pair_table
from oodrop.reports.render.points import points, span
from oodrop.reports.render.questions import question_tables
from oodrop.reports.render.robustness import robustness_table
from oodrop.reports.statistics import VariantInfo
from oodrop.reports.stopping import Stopped


@pytest.fixture(scope="module")
def parsed(parse_html, page):
    return parse_html(page)


def test_tags_nest_and_headings_are_in_order(parsed):
    assert parsed.open == []
    levels = [int(t[1]) for t, _ in parsed.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_sections_come_in_order_of_importance(page):
    ids = re.findall(r'<h2 id="([^"]+)"', page)
    tasks = ["task-1", "task-2", "task-3"]
    assert ids == ["verdict", "notes", *tasks, "split-1", "flips", "provenance", "method"]
    first = page[page.index('<h3 id="task-1-canonical-accuracy') : page.index('<h2 id="task-2"')]
    parts = ["Drops and their", "Table of drops", "Variants by", "Variants against", "Where the"]
    places = [first.index(part) for part in parts]
    assert places == sorted(places)


def test_the_provenance_says_how_many_examples_were_shown(page):
    told = page[page.index('<h2 id="provenance"') :]
    assert '<th scope="col" class="n">Few-shot examples</th>' in told
    assert '<td>yes</td><td class="n">0, 5</td>' in told


def test_the_page_needs_nothing_else(page, parsed):
    (script,) = re.findall(r"<script>(.*)</script>", page, re.S)
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert parsed.all("meta")[1]["content"] == (
        f"default-src 'none'; script-src 'sha256-{own}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert parsed.all("script") == [{}]
    assert not re.search(r"innerHTML|insertAdjacent|eval|Function|fetch|XMLHttp|import", script)
    assert not {"link", "img", "iframe", "object", "use", "form"} & {t for t, _ in parsed.tags}
    assert not re.search(r"https?://|url\(|@import|javascript:", page)
    links = [a["href"] for a in parsed.all("a")]
    assert all(link.startswith("#") for link in links)
    targets = {attrs.get("id") for _, attrs in parsed.tags}
    assert {link[1:] for link in links} <= targets


def test_tables_and_drawings_are_labelled(parsed, report):
    assert parsed.all("html")[0]["lang"] == "en"
    scopes = [a.get("scope") for a in parsed.all("th")]
    assert scopes
    assert {*scopes} == {"col", "row", "rowgroup"}
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    svgs = parsed.all("svg")
    assert len(svgs) == 9
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for a in svgs)
    regions = [a for a in parsed.all("div") if "scroll" in a.get("class", "")]
    asked = sum(len(question_tables(task)) for task in report.tasks)
    assert asked == 18
    assert len(regions) == 9 + 3 * 3 + 1 + 1 + 1 + asked
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions)


def test_every_verdict_is_on_the_page(report, page):
    text = re.sub(r"<[^>]+>", "", page)
    for task in report.tasks:
        for verdict in verdicts(task):
            for finding in verdict.findings:
                assert f"{finding.text}." in text


def test_every_drawn_number_is_in_a_table(report, page):
    rows = re.findall(r"<tr.*?</tr>", page[page.index('<h2 id="task-1"') :], re.S)
    plain = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    for drop in report.tasks[0].analysis.drops:
        figures = [points(drop.estimate), f"{drop.n} of {drop.n_all}", drop.headline_reason]
        figures += [span(i) for i in (drop.bootstrap, drop.score) if i]
        assert any(all(f in row for f in figures) for row in plain), drop


def test_the_headline_is_marked_once_per_drop(report, page):
    marks = page.count('<span class="hidden">headline</span>')
    drops = [*report.split_drops, *(d for t in report.tasks for d in t.analysis.drops)]
    assert marks == sum(d.headline is not None for d in drops)
    first = report.tasks[0].analysis.drops[0]
    lead = page[page.index('<span class="lead">') :][:200]
    assert span(first.headline) in lead


def test_tables_of_the_data(page):
    assert "<td>reviewed</td>" in page
    assert ">214</td>" in page
    assert "pretrained=qwen2.5-7b,<wbr>dtype=bfloat16" in page
    assert "seed 2026" in page
    assert "400 bootstrap resamples" in page
    assert "<dt>disagree</dt><dd>one of the two intervals excludes 0" in page
    assert "run r3 was left out: different few-shot count" in page


def test_flips_can_be_browsed(report, page, parsed):
    total = sum(sum(t.flips_total.values()) for t in report.tasks)
    shown = sum(len(t.flips) for t in report.tasks)
    assert f"{shown} of {total} flipped items are in this page, a seeded sample" in page
    task = report.tasks[0]
    name = task.analysis.accuracies[0].checkpoint
    own = sum(f.checkpoint == name for f in task.flips)
    assert (
        f'<tr><th scope="row">{name.replace("/", "/<wbr>")}</th><td>procedural</td>'
        f'<td class="n">{own}</td>'
        f'<td class="n">{task.flips_total[name]}</td></tr>'
    ) in page
    flip = task.flips[0]
    assert f"<summary>{flip.item_id}: lost (better on the canonical prompt) <span" in page
    assert f">{flip.checkpoint}, {flip.variant}, procedural</span></summary>" in page
    assert flip.canonical_reply in page
    assert flip.variant_reply in page
    assert len(re.findall(r"<pre", page)) == 3 * shown
    assert re.search(r"<del>\w+</del><ins>\w+</ins>", page)
    chosen = [a for a in parsed.all("details") if "data-task" in a]
    assert len(chosen) == shown
    assert all(a[f"data-{k}"].isdigit() for a in chosen for k in ("task", "checkpoint", "variant"))
    assert {a["data-direction"] for a in chosen} == {"lost", "gained"}


def test_controls_are_named_and_hidden_until_the_script_runs(parsed):
    (controls,) = [a for a in parsed.all("div") if a.get("role") == "search"]
    assert "hidden" in controls
    fields = [a["id"] for a in (*parsed.all("select"), *parsed.all("input"))]
    assert len(fields) == 5
    assert {a["for"] for a in parsed.all("label")} == {*fields}
    assert {a["name"] for a in parsed.all("select")} == {
        "task",
        "checkpoint",
        "variant",
        "direction",
    }


def test_deletions_and_insertions_differ_by_more_than_colour(page):
    style = page[: page.index("</style>")]
    assert re.search(r"\ndel \{[^}]*text-decoration: line-through", style)
    assert re.search(r"\nins \{[^}]*text-decoration: underline", style)


def colours(css):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css))


def test_text_has_contrast_in_both_modes(page):
    from oodrop.reports.render.palette import contrast

    style = page[page.index("<style>") : page.index("</style>")]
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    for mode in (colours(light), colours(light) | colours(dark[: dark.index("\n}")])):
        for ink in ("ink", "soft", "drop", "gain", "calm", "link"):
            assert contrast(mode[ink], mode["page"]) >= 4.5, ink
            assert contrast(mode[ink], mode["panel"]) >= 4.5, ink
        assert contrast(mode["del-ink"], mode["del"]) >= 4.5
        assert contrast(mode["ins-ink"], mode["ins"]) >= 4.5
        # What stands back in a drawing has three quarters of the ink; see canvas.texts.
        pairs = zip(channels(mode["ink"]), channels(mode["page"]), strict=True)
        faint = "#" + "".join(f"{round(0.75 * a + 0.25 * b):02x}" for a, b in pairs)
        assert contrast(faint, mode["page"]) >= 4.5
        # A hint in a field, and the frame that shows where the field is.
        assert contrast(mode["soft"], mode["page"]) >= 4.5
    assert "::placeholder { color: var(--soft); opacity: 1; }" in style


def channels(colour):
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def test_texts_of_drawings_are_as_strong_as_that_contrast_is_computed_for(charts):
    for drawn in charts:
        for _, svg in drawn.drawn():
            strengths = re.findall(r'<text[^>]*?\sopacity="([^"]+)"', svg)
            assert strengths
            assert {*strengths} <= {"1", "0.75"}


NONE = TaskCharts(None, None)


def test_no_flips(make_task, make_report):
    task = make_task(checkpoints=1, most=0)
    page = report_html(make_report(task), [NONE])
    total = task.flips_total["kennethp97/v7-grpo-14b"]
    assert f"0 of {total} flipped items are in this page" in page
    assert "<script" not in page
    none = replace(task, flips_total={"kennethp97/v7-grpo-14b": 0})
    assert "0 of 0 flipped items are in this page" in report_html(make_report(none), [NONE])


def test_uninformative_checkpoint(make_task, make_report):
    page = report_html(make_report(make_task(checkpoints=1, accuracy=(0.26,))), [NONE])
    assert "<td>no: uninformative</td>" in page
    assert "uninformative</strong>: not above chance" in page


def test_parts_of_a_task_are_listed_in_their_order(page):
    section = page[page.index('<h2 id="task-1"') : page.index('<h2 id="task-2"')]
    listed = re.findall(r'<li><a href="#(task-1-[a-z-]+)">([^<]+)</a></li>', section)
    assert listed == re.findall(r'<h3 id="([^"]+)">([^<]+)</h3>', section)
    titles = [title for _, title in listed]
    assert "Which of two loses more" in titles
    assert titles[0] == "Canonical accuracy and noise floor"
    assert titles[-1] == "Where the variants applied, and on which level of evidence"


def test_the_method_links_to_the_tables_it_speaks_of(page):
    method = page[page.index('<h2 id="method"') :]
    links = {
        words: re.findall(r'<a href="#([^"]+)">', item)
        for item in re.findall(r"<li>(.*?)</li>", method, re.S)
        for words in ("A family's drop", "split drop", "noise floor", "differ is not", "Evidence")
        if words in item
    }
    tasks = [f"task-{k}" for k in (1, 2, 3)]
    assert links == {
        "A family's drop": [f"{t}-drops-and-their-intervals" for t in tasks],
        "split drop": ["split-1"],
        "noise floor": [f"{t}-canonical-accuracy-and-noise-floor" for t in tasks],
        "differ is not": [f"{t}-which-of-two-loses-more" for t in tasks],
        "Evidence": [
            f"{t}-where-the-variants-applied-and-on-which-level-of-evidence" for t in tasks
        ],
    }


def test_titles_that_the_method_names_are_those_of_tables(report):
    template = (TEMPLATES / "parts.html.j2").read_text("utf-8")
    named = set(re.findall(r'see\("([^"]+)"\)', template))
    task = report.tasks[0]
    titles = {t.title for t in (*question_tables(task), pair_table(task), robustness_table(task))}
    assert len(named) == 3
    assert named <= titles


def test_links_of_many_tasks_are_counted(make_task, make_report):
    task = make_task(checkpoints=1, items=40, clusters=10, variants=(), most=0)
    page = report_html(make_report(*(replace(task, task=f"t{k}") for k in range(8))), [NONE] * 8)
    method = page[page.index('<h2 id="method"') :]
    assert re.search(r">t5</a>, 2 more</span>", " ".join(method.split()))
    assert ">t6</a>" not in method


def test_many_checkpoints_are_summed_up_and_folded(parse_html, make_task, make_report):
    names = tuple(f"org/model-{k}" for k in range(6))
    made = make_task(checkpoints=6, names=names, accuracy=(0.8, 0.75, 0.7, 0.65, 0.6, 0.25), most=0)
    gate = Stopped("PASS", 0.05, 0.05, 0.01, 100, 240, 90, 200)
    task = replace(made, stopped=(StoppedVariant(names[1], "ordering_options", gate),))
    page = report_html(make_report(task), [NONE])
    table = page[page.index('aria-label="At a glance') :]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table[: table.index("</table")])
    assert [re.sub("<wbr>", "", name) for name, _ in rows] == [
        names[0],
        f"{names[1]} (stopped early)",
        *names[2:5],
        f"{names[5]} (not above chance)",
    ]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for _, row in rows]
    lexical = next(d for d in made.analysis.drops if d.kind == "family" and d.name == "lexical")
    assert cells[0][0] == f"{100 * made.analysis.accuracies[0].estimate:.1f}%"
    assert cells[0][1] == f"{points(lexical.estimate)} * {span(lexical.headline)}"
    assert cells[1][1:] == cells[5][1:] == ["\u2013"] * 3
    assert "<summary>In words: 6 checkpoints</summary>" in page
    folded = re.findall(r"<summary>(org/model-\d: \d+ rows)</summary>", page)
    assert folded == [f"{name}: 11 rows" for name in names]
    assert page.count('<th scope="rowgroup"') == 6
    assert parse_html(page).open == []
    few = report_html(make_report(make_task(checkpoints=4, most=0)), [NONE])
    assert "At a glance" not in few
    assert "<summary>In words" not in few


def test_long_numbers_have_separators(make_task, make_report):
    task = replace(make_task(checkpoints=1, most=0), items=1240)
    page = report_html(
        make_report(replace(task, flips_total={"kennethp97/v7-grpo-14b": 12083})), [NONE]
    )
    assert "What became of the 1,240 items under" in page
    assert "0 of 12,083 flipped items are" in page


def test_names_may_break_after_an_underscore_and_are_escaped(make_task, make_report):
    page = report_html(
        make_report(make_task(checkpoints=1, names=("org/a=<i>",), items=40, most=0)), [NONE]
    )
    assert '<th scope="row">org/<wbr>a=&lt;i&gt;</th>' in page
    variant = VariantInfo("a_<b>_c", "lexical.a", "lexical", None, "proved")
    page = report_html(make_report(make_task(checkpoints=1, variants=(variant,))), [NONE])
    assert '<th scope="row">a_<wbr>&lt;b&gt;_<wbr>c</th>' in page


def test_drops_without_interval_and_no_noise_floor(make_task, make_report):
    few = make_task(checkpoints=1, clusters=4, most=0)
    few = replace(few, analysis=replace(few.analysis, noise_floor=(None,)))
    page = report_html(make_report(few), [NONE])
    assert "no interval: 4.0 effective clusters (at least 5 are needed)" in page
    assert "not measured (no control.rerun)" in page
    assert "<dt>insufficient_clusters</dt>" in page
    assert page.count('<span class="hidden">headline</span>') == 0


def test_no_task_and_no_variant(make_task, make_report):
    assert "This report holds no task." in report_html(make_report())
    bare = make_report(make_task(checkpoints=1, variants=(), most=0))
    page = report_html(bare, [NONE])
    assert "No variants were run, so there is no drop." in page


def test_an_empty_reply_says_so(make_task, make_report):
    task = make_task(checkpoints=1, most=1)
    silent = replace(task, flips=(replace(task.flips[0], variant_reply=""),))
    assert "empty reply" in report_html(make_report(silent), [NONE])
    assert "empty reply" not in report_html(make_report(task), [NONE])


def test_a_reply_that_begins_with_a_line_break_keeps_it(make_task, make_report):
    task = make_task(checkpoints=1, most=1)
    flip = replace(task.flips[0], canonical_reply="\nfirst")
    assert '<pre dir="auto">\n\nfirst</pre>' in report_html(
        make_report(replace(task, flips=(flip,))), [NONE]
    )


def test_size_for_three_checkpoints_ten_variants_and_300_long_flips(
    make_task, make_report, default_variants
):
    more = tuple(replace(default_variants[k], slug=f"more_{k}") for k in (0, 5))
    task = make_task(checkpoints=3, variants=default_variants + more, most=300, words=240)
    assert len(task.flips) == 300
    assert 600_000 < len(report_html(make_report(task)).encode()) < 1_500_000


def test_the_same_report_gives_the_same_page(report, charts, page):
    assert report_html(report, charts) == page

"""The page in a real browser: nothing of a run is executed, nothing leaves, everything shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop.reports.render import report_html, write_report
from oodrop.reports.render.charts import TaskCharts, draw
from oodrop.reports.render.html import POLICY
from oodrop.reports.statistics import VariantInfo

from .chromium import BINARY, Browser, Proxy, chromium

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine")

RUN = "window.attacked=(window.attacked||0)+1"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</title></style></pre></svg><script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f'"><svg onload="{RUN}"><animate onbegin="{RUN}" attributeName=x dur=1s>',
    f"' autofocus onfocus='{RUN}' x='",
    f'" onmouseover="{RUN}" style="position:fixed;inset:0" x="',
    f'<a href="javascript:{RUN}">here</a> [here](javascript:{RUN})',
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<details open ontoggle='{RUN}'><summary>x</summary></details>",
    f"<math><mi xlink:href='data:x,<script>{RUN}</script>'></mi></math>",
    "<style>*{display:none}@import 'http://evil.example/a.css';</style>",
    "<link rel=stylesheet href=http://evil.example/b.css><base href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/c'>",
    "<img src=http://evil.example/d.png><video src=http://evil.example/e></video>",
    "<form action=http://evil.example/f><input name=x autofocus></form>",
    "<!-- ${7*7} {{ 7*7 }} {% raw %} ]]> \u202e\u2028\x00\x1b[31m",
)
EVERYTHING = "".join(PAYLOADS)
SHAPES = [(w, s) for w in (390, 1280) for s in ("light", "dark")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Proxy]]:
    with chromium(tmp_path_factory.mktemp("profile")) as both:
        yield both


@pytest.fixture
def browser(opened: tuple[Browser, Proxy]) -> Browser:
    return opened[0]


@pytest.fixture
def asked(opened: tuple[Browser, Proxy]) -> list[str]:
    """What went to the proxy since the test began, without what the browser wants for itself."""
    proxy = opened[1]
    proxy.asked.clear()
    return proxy.asked


def foreign(asked: list[str]) -> list[str]:
    return [line for line in asked if ".google.com" not in line and ".googleapis.com" not in line]


@pytest.fixture(scope="module")
def whole(make_task, make_report, tmp_path_factory) -> Path:
    """A report with every panel, as `write_report` leaves it."""
    ladder = tuple(
        VariantInfo(f"lexical_keyboard_typo_s{s}", "lexical.keyboard_typo", "lexical", s, "checked")
        for s in (1, 3, 5)
    )
    more = (
        VariantInfo("phrasing_template_t07", "phrasing.template", "phrasing", None, "proved"),
        VariantInfo("control_rerun", "control.rerun", "control", None, "proved"),
    )
    task = make_task(
        checkpoints=4, items=600, clusters=100, accuracy=(0.81, 0.82, 0.7, 0.5),
        variants=(*ladder, *more), most=120,
    )  # fmt: skip
    task = replace(task, every_flip=lambda: iter(task.flips))
    folder = tmp_path_factory.mktemp("report")
    write_report(make_report(task, title="Nightly"), folder)
    return folder


@pytest.fixture(scope="module")
def attacked(make_task, make_report, tmp_path_factory) -> Path:
    """A report of which every text is an attack: each flip another one, all else all of them."""
    variants = tuple(
        VariantInfo(f"{EVERYTHING}{k}", EVERYTHING, "lexical", k, "checked") for k in (1, 2)
    )
    names = tuple(f"{payload}{k}" for k, payload in enumerate(PAYLOADS[:3]))
    task = make_task(EVERYTHING, checkpoints=3, variants=variants, names=names, most=len(PAYLOADS))
    texts = ("item_id", "gold", "canonical_prompt", "variant_prompt", "canonical_reply")
    flips = tuple(
        replace(f, **dict.fromkeys((*texts, "variant_reply"), payload))
        for f, payload in zip(task.flips, PAYLOADS, strict=True)
    )
    drops = tuple(
        replace(d, headline_reason=EVERYTHING, flags=(EVERYTHING,)) for d in task.analysis.drops
    )
    task = replace(
        task, flips=flips, analysis=replace(task.analysis, drops=drops, metric=EVERYTHING)
    )
    made = make_report(task, title=EVERYTHING, notes=PAYLOADS)
    fields = ("model", "model_args", "lm_eval_version", "date")
    checkpoints = tuple(replace(c, **dict.fromkeys(fields, EVERYTHING)) for c in made.checkpoints)
    folder = tmp_path_factory.mktemp("attacked")
    write_report(replace(made, checkpoints=checkpoints, oodrop_version=EVERYTHING), folder)
    return folder


# --- the watch itself ---------------------------------------------------------------------------


def test_a_script_a_request_and_a_refusal_would_be_seen(browser, asked, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(f"<script>{RUN}</script><img src=http://evil.example/x.png>")
    browser.open(page)
    assert browser.run("window.attacked") == 1
    assert "http://evil.example/x.png" in browser.requested()
    assert any("evil.example" in line for line in foreign(asked))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page.write_text(f"{meta}<script>{RUN}</script>")
    browser.open(page)
    assert browser.run("window.attacked") is None
    assert any("Content Security Policy" in text for text in browser.said())


# --- our own page -------------------------------------------------------------------------------


def test_the_console_is_clean_and_nothing_is_asked_for(browser, asked, whole):
    browser.shape(1280, 900, "light")
    browser.open(whole / "report.html")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.said() == []
    assert browser.requested() == [(whole / "report.html").as_uri()]
    assert foreign(asked) == []


SHOWN = (
    "Array.from(document.querySelectorAll('#explorer > details')).filter((d) => !d.hidden)"
    ".map((d) => [d.dataset.direction, d.textContent])"
)


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"(() => {{ const f = document.getElementById('by-{name}'); f.value = {value!r}; "
        "f.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_flips_are_filtered_by_everything(browser, whole):
    browser.open(whole / "report.html")
    assert not browser.run("document.getElementById('explorer-controls').hidden")
    assert len(browser.run(SHOWN)) == 20
    assert browser.run("document.getElementById('explorer-said').textContent") == (
        "20 of 120 that fit are shown"
    )
    browser.run("document.getElementById('explorer-more').click()")
    assert len(browser.run(SHOWN)) == 40
    assert browser.run("document.activeElement.tagName") == "SUMMARY"
    choose(browser, "direction", "gained")
    found = browser.run(SHOWN)
    assert found
    assert {direction for direction, _ in found} == {"gained"}
    choose(browser, "direction", "")
    choose(browser, "checkpoint", "1")
    choose(browser, "variant", "0")
    for _, text in browser.run(SHOWN):
        assert "kennethp97/b5-sft-7b, lexical_keyboard_typo_s1, procedural" in text
    choose(browser, "checkpoint", "")
    choose(browser, "variant", "")
    item = browser.run("document.querySelector('#explorer > details summary').textContent")
    item = item.split(":")[0]
    choose(browser, "text", item.upper())
    found = browser.run(SHOWN)
    assert found
    assert all(item in text for _, text in found)
    choose(browser, "text", "no such words")
    assert browser.run(SHOWN) == []
    assert browser.run("document.getElementById('explorer-more').hidden")


def test_what_has_the_focus_shows_it(browser, whole):
    browser.open(whole / "report.html")
    for what in ("#by-text", "nav a", ".scroll", "summary"):
        browser.run(f"document.querySelector({what!r}).focus({{focusVisible: true}})")
        style = browser.run("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", what


@pytest.mark.parametrize(("width", "scheme"), SHAPES)
def test_every_width_and_colour_scheme_shows(browser, whole, width, scheme):
    browser.shape(width, 900, scheme)
    browser.open(whole / "report.html")
    assert browser.run("document.documentElement.scrollWidth") <= width
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]
    assert len(browser.picture()) > 10_000
    for box in browser.run(
        "Array.from(document.querySelectorAll('svg')).map((s) => s.getBoundingClientRect())"
        ".map((r) => ({x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}))"
    ):
        assert len(browser.picture(**box)) > 3_000


def test_tables_fit_a_desktop_and_keep_their_names_on_a_phone(browser, whole):
    wider = (
        "Array.from(document.querySelectorAll('.scroll'))"
        ".filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.ariaLabel)"
    )
    browser.shape(1200, 900, "light")
    browser.open(whole / "report.html")
    assert browser.run(wider) == []
    browser.shape(390, 900, "light")
    browser.open(whole / "report.html")
    assert "Table of drops, procedural" in browser.run(wider)
    left = (
        "(() => { const s = document.querySelector('[aria-label^=\"Table of drops\"]'); "
        "s.scrollLeft = 400; const name = s.querySelector('tbody th[scope=row]'); return "
        "[s.scrollLeft, name.getBoundingClientRect().x - s.getBoundingClientRect().x]; })()"
    )
    assert browser.run(left) == [400, 0]
    hint = "getComputedStyle(document.querySelector('.wide caption'), '::after').content"
    assert "Scroll sideways" in browser.run(hint)


CUT = (
    "Array.from(document.querySelectorAll('svg')).flatMap((s) => { "
    "const box = s.getBoundingClientRect(); "
    "return Array.from(s.querySelectorAll('text')).filter((t) => { "
    "const r = t.getBoundingClientRect(); "
    "return r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1; })"
    ".map((t) => t.textContent); })"
)


@pytest.mark.parametrize("checkpoints", [1, 12])
def test_no_word_of_a_drawing_is_cut_nor_hidden(
    browser, make_task, make_report, tmp_path, checkpoints
):
    names = tuple(f"organisation/checkpoint-of-14b-{k:02d}" for k in range(checkpoints))
    task = make_task(
        checkpoints=checkpoints, names=names, accuracy=(0.8,) * checkpoints, items=60, most=0
    )
    page = tmp_path / "report.html"
    page.write_text(report_html(make_report(task)), encoding="utf-8")
    browser.shape(1280, 900, "light")
    browser.open(page)
    assert browser.run(CUT) == []
    wider = (
        "Array.from(document.querySelectorAll('.scroll'))"
        ".filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.ariaLabel)"
    )
    assert browser.run(wider) == []
    browser.shape(390, 900, "dark")
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") == 390


def test_the_keyboard_goes_through_the_page_in_its_order(browser, whole):
    browser.shape(1280, 900, "light")
    browser.open(whole / "report.html")
    assert browser.run("document.querySelectorAll('[tabindex]:not([tabindex=\"0\"])').length") == 0
    order = []
    for _ in range(40):
        for kind in ("keyDown", "keyUp"):
            browser.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab",
                         windowsVirtualKeyCode=9)  # fmt: skip
        order.append(browser.run(
            "[document.activeElement.tagName, document.activeElement.getBoundingClientRect().y "
            "+ scrollY, document.activeElement.textContent.slice(0, 20)]"
        ))  # fmt: skip
    assert order[0][2] == "Skip to the verdict"
    places = [y for _, y, _ in order[1:]]
    assert places == sorted(places)
    assert {"A", "DIV"} <= {tag for tag, _, _ in order}


def test_what_is_folded_is_printed(browser, whole):
    browser.shape(1280, 900, "light")
    browser.open(whole / "report.html")
    shown = (
        "Array.from(document.querySelectorAll('main details:not([data-task]) > div'))"
        ".map((e) => e.checkVisibility())"
    )
    assert set(browser.run(shown)) == {False}
    browser.send("Emulation.setEmulatedMedia", media="print")
    found = browser.run(shown)
    browser.send("Emulation.setEmulatedMedia", media="")
    assert set(found) == {True}


def test_nothing_moves_for_those_who_do_not_want_it(browser, whole):
    style = "getComputedStyle(document.documentElement).scrollBehavior"
    browser.open(whole / "report.html")
    for wish, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        features = [{"name": "prefers-reduced-motion", "value": wish}]
        browser.send("Emulation.setEmulatedMedia", features=features)
        assert browser.run(style) == behaviour


# --- hostile texts ------------------------------------------------------------------------------


def test_no_text_of_a_run_is_executed(browser, asked, attacked):
    browser.shape(1280, 900, "light")
    browser.open(attacked / "report.html")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for text in ("<script>", "onerror"):
        choose(browser, "text", text)
    choose(browser, "text", "")
    for kind in ("mouseover", "focus", "click"):
        browser.run(
            "document.querySelectorAll('#explorer *, table *').forEach((e) => "
            f"e.dispatchEvent(new MouseEvent({kind!r}, {{bubbles: true}})))"
        )
    assert browser.run("window.attacked") is None
    assert browser.said() == []
    assert browser.requested() == [(attacked / "report.html").as_uri()]
    assert foreign(asked) == []
    assert browser.run("location.href") == (attacked / "report.html").as_uri()
    assert browser.run("document.querySelectorAll('script').length") == 1
    strange = "a[href^='javascript'], iframe, img, link, base, form, math, video, [onload], [style]"
    assert browser.run(f"document.querySelectorAll({strange!r}).length") == 0
    shown = browser.run(
        "Array.from(document.querySelectorAll('#explorer bdi'), (e) => e.innerText)"
    )
    assert PAYLOADS[0] in shown
    assert len(shown) == len(PAYLOADS)


def test_the_drawings_execute_nothing_either(browser, asked, attacked):
    for path in sorted(attacked.glob("*.svg")):
        browser.open(path)
        assert (
            browser.run("document.querySelectorAll('script, a, image, foreignObject').length") == 0
        )
        assert browser.run("window.attacked") is None
        assert browser.said() == []
    assert len(list(attacked.glob("*.svg"))) == 4
    assert foreign(asked) == []


def test_the_policy_holds_where_escaping_would_not(browser, asked, whole, tmp_path):
    """Every payload raw in the page: still nothing runs and nothing is asked for."""
    page = (whole / "report.html").read_text(encoding="utf-8")
    raw = [p for p in PAYLOADS if "refresh" not in p and "<style>" not in p]
    broken = tmp_path / "broken.html"
    broken.write_text(page.replace("<main>", f"<main>{''.join(raw)}"), encoding="utf-8")
    browser.open(broken)
    assert browser.run("window.attacked") is None
    assert browser.said() != []
    assert foreign(asked) == []


# --- size ---------------------------------------------------------------------------------------


def test_four_checkpoints_thirty_variants_400_items_stay_under_three_megabytes(
    browser, make_task, make_report, tmp_path
):
    families = ("lexical", "ordering", "phrasing")
    variants = tuple(
        VariantInfo(f"{family}_{rung}_s{s}", f"{family}.{rung}", family, s, "checked")
        for family in families
        for rung in ("first", "second")
        for s in range(1, 6)
    )
    assert len(variants) == 30
    task = make_task(checkpoints=4, items=400, clusters=60, variants=variants, most=300, words=400)
    assert len(task.flips) == 300
    report = make_report(task)
    page = tmp_path / "report.html"
    page.write_text(report_html(report, draw(report)), encoding="utf-8")
    assert 1_000_000 < page.stat().st_size < 3_000_000
    browser.open(page)
    assert browser.said() == []
    assert len(browser.run(SHOWN)) == 20


def test_a_page_without_flips_has_nothing_to_run(browser, make_task, make_report, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(
        report_html(make_report(make_task(checkpoints=1, most=0)), [TaskCharts(None, None)]),
        encoding="utf-8",
    )
    browser.open(page)
    assert browser.said() == []

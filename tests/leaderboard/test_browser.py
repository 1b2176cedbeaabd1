"""The site in a real browser, from disk: it sorts, filters, compares, and runs nothing foreign."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop.reports.leaderboard import Board, Refused, rank, read_entries, write_site
from oodrop.reports.leaderboard.entries import bundles_in

from ..render.chromium import BINARY, Browser, Proxy, chromium
from ..render.test_browser import EVERYTHING, PAYLOADS, SHAPES, foreign
from .bundles import plain

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine")

ABILITIES = {"alpha": 0.95, "beta": 0.6, "gamma": 0.62, "delta": 0.3}
ROWS = "[...document.querySelectorAll('table.board tbody tr:not([hidden])')]"
NAMES = f"{ROWS}.map((row) => row.querySelector('th a').textContent)"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Proxy]]:
    with chromium(tmp_path_factory.mktemp("profile")) as both:
        yield both


@pytest.fixture
def browser(opened: tuple[Browser, Proxy]) -> Browser:
    opened[0].shape(1280, 900, "light")
    return opened[0]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("four")
    for name, ability in ABILITIES.items():
        plain(folder, name, ability)
    return rank(list(read_entries(bundles_in([folder / "bundles"]))), resamples=200)


@pytest.fixture(scope="module")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(replace(board, refused=(Refused("epsilon", "was changed"),)), folder)
    return folder


def go(browser: Browser, page: Path, fragment: str = "") -> None:
    """Load a page anew, with what follows the ``#``: from a blank one, or it would only scroll."""
    for address in ("about:blank", page.as_uri() + fragment):
        browser.events.clear()
        browser.send("Page.navigate", url=address)
        while not any(e["method"] == "Page.loadEventFired" for e in browser.events):
            browser._next()


def pages_of(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_the_console_is_clean_and_nothing_is_asked_for(
    browser: Browser, opened: tuple[Browser, Proxy], site: Path
) -> None:
    opened[1].asked.clear()
    for page in pages_of(site):
        go(browser, page)
        assert browser.said() == []
        assert browser.requested() == [page.as_uri()]
    assert foreign(opened[1].asked) == []


@pytest.mark.parametrize(("width", "scheme"), SHAPES)
def test_every_width_and_colour_scheme_shows(
    browser: Browser, site: Path, width: int, scheme: str
) -> None:
    browser.shape(width, 900, scheme)
    for page in pages_of(site):
        go(browser, page)
        assert browser.run("document.documentElement.scrollWidth") <= width, page.name
        ink = browser.run("getComputedStyle(document.body).color")
        assert (ink == "rgb(31, 35, 40)") == (scheme == "light")


def test_columns_sort_both_ways_and_back(browser: Browser, site: Path) -> None:
    go(browser, site / "index.html")
    ranked = browser.run(NAMES)
    assert ranked[0] == "alpha"
    press = "document.querySelector('[data-sort={}] button').click()".format
    browser.run(press("name"))
    assert browser.run(NAMES) == sorted(ranked)
    assert browser.run("location.hash") == "#sort=name.up"
    assert browser.run("document.querySelector('[data-sort=name]').ariaSort") == "ascending"
    browser.run(press("name"))
    assert browser.run(NAMES) == sorted(ranked, reverse=True)
    browser.run(press("name"))
    assert browser.run(NAMES) == ranked
    assert browser.run("location.hash") == ""
    browser.run(press("canonical"))
    values = browser.run(f"{ROWS}.map((row) => +row.cells[4].dataset.value)")
    assert values == sorted(values, reverse=True)


def test_a_choice_has_a_link_of_its_own(browser: Browser, site: Path) -> None:
    go(browser, site / "index.html", "#q=lph&sort=name.down")
    assert browser.run(NAMES) == ["alpha"]
    assert browser.run("document.getElementById('said').textContent") == "1 of 4 rows"
    assert browser.run("document.getElementById('by-text').value") == "lph"
    browser.run("location.hash = '#sort=name.down'")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert browser.run(NAMES) == ["gamma", "delta", "beta", "alpha"]
    go(browser, site / "index.html", "#template=yes")
    assert browser.run(NAMES) == []


def test_two_checkpoints_compare_as_computed(browser: Browser, board: Board, site: Path) -> None:
    (ranking,) = board.rankings
    ids = {row.name: row.entry for row in ranking.rows}
    figures = (
        "[...document.querySelectorAll('#figures tr')]"
        ".map((r) => [...r.cells].map((c) => c.textContent))"
    )
    for a, b in (("beta", "alpha"), ("alpha", "beta"), ("delta", "gamma")):
        go(browser, site / "compare.html", f"#ranking={ranking.id}&a={ids[a]}&b={ids[b]}")
        assert browser.run("document.getElementById('name-a').textContent") == a
        rows = browser.run(figures)
        assert [row[0] for row in rows] == [
            "Accuracy on variants, %", "Canonical accuracy, %", "Drop, all families",
            "Drop, lexical", "Drop, ordering",
        ]  # fmt: skip
        own = {row.name: row for row in ranking.rows}
        assert rows[0][3].startswith(f"{100 * own[a].point.variant:.1f} [")
        for quantity, cells in zip(("variant", "canonical", "drop", "lexical"), rows, strict=False):
            (v,) = [v for v in ranking.versus[quantity] if {v.a, v.b} == {a, b}]
            sign = 1 if v.a == a else -1
            low, high = sorted((sign * v.interval.low, sign * v.interval.high))
            told = [
                float(x)
                for x in cells[1].replace("[", "").replace("]", "").replace(",", "").split()
            ]
            assert told == pytest.approx(
                [100 * sign * v.estimate, 100 * low, 100 * high], abs=0.051
            )
            shown = (
                "A is higher" if low > 0 else "B is higher" if high < 0 else "not shown to differ"
            )
            assert cells[2] == shown
    assert browser.run("location.hash").endswith(f"a={ids['delta']}&b={ids['gamma']}")


def test_an_unknown_link_shows_the_first_two(browser: Browser, site: Path) -> None:
    go(browser, site / "compare.html", "#ranking=zzz&a=1&b=2")
    names = [browser.run(f"document.getElementById('name-{x}').textContent") for x in "ab"]
    assert names == ["alpha", "beta"]
    assert browser.said() == []


def test_no_text_of_a_bundle_is_executed(
    browser: Browser, opened: tuple[Browser, Proxy], board: Board, tmp_path: Path
) -> None:
    opened[1].asked.clear()
    fields = (
        "name", "bundle", "model_id", "organization", "model", "model_args", "lm_eval_version",
        "date", "oodrop_version",
    )  # fmt: skip
    entries = tuple(
        replace(e, **dict.fromkeys(fields, EVERYTHING), not_proved=PAYLOADS, notes=PAYLOADS)
        for e in board.entries
    )
    (ranking,) = board.rankings
    named = {
        row.name: f"{payload}{row.name}"
        for row, payload in zip(ranking.rows, PAYLOADS, strict=False)
    }
    rows = tuple(replace(row, name=named[row.name], generation=EVERYTHING) for row in ranking.rows)
    versus = {
        quantity: tuple(replace(v, a=named[v.a], b=named[v.b]) for v in found)
        for quantity, found in ranking.versus.items()
    }
    texts = dict.fromkeys(("task", "suite", "line", "metric"), EVERYTHING)
    attacked = replace(
        board,
        title=EVERYTHING,
        entries=entries,
        names={e.id: EVERYTHING for e in entries},
        rankings=(replace(ranking, rows=rows, versus=versus, notes=PAYLOADS, **texts),),
        refused=(Refused(EVERYTHING, EVERYTHING),),
        notes=PAYLOADS,
    )
    write_site(attacked, tmp_path / "site")
    for page in pages_of(tmp_path / "site"):
        for fragment in ("", "#a=<img src=x onerror=alert(1)>&q=<script>&sort=<b>"):
            go(browser, page, fragment)
            browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert browser.run("window.attacked") is None
            assert browser.said() == [], page.name
            # A name may be foreign markup; no such element is in the page.
            assert (
                browser.run(
                    "document.querySelectorAll('img, iframe, form, link, base, math, video').length"
                )
                == 0
            )
            assert [u for u in browser.requested() if not u.startswith("file:")] == []
    assert foreign(opened[1].asked) == []


def test_without_scripts_the_table_is_there(browser: Browser, site: Path) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        go(browser, site / "index.html")
        text = (site / "index.html").read_text()
        assert "disabled" in text
        found = browser.send("DOM.getDocument", depth=-1)
        assert "alpha" in json.dumps(found)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)

"""The gallery on real items, and on text that tries to break out of it."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, OodropError
from oodrop.harness_ext.cli.app import run
from oodrop.harness_ext.gallery import POLICY, Gallery, gallery_html, write_gallery
from oodrop.harness_ext.variants import variants_of
from oodrop.perturbers import Replace, Variant, all_perturbers, get_perturber, perturber
from oodrop.tasks import get_task

from .conftest import Refusal

HOSTILE = (
    "</script><img src=x onerror=alert(1)> {{ 7*7 }} \u202egnirts\u202c \x00 \u05e9\u05dc &amp; \"'"
)


class Page(HTMLParser):
    """What a browser would find: tags, ids, links, headings, and the text of some elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, "every element is closed where it should be"

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def named(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def _page(
    task: str, names: list[str], shown: int = 1, limit: int = 4, *, full: bool = False
) -> str:
    gallery = Gallery(get_task(task), shown=shown, limit=limit, full=full)
    views = [
        gallery.perturber(p, variants_of(p, gallery.items[0]), strict=False, tick=_unwatched)
        for p in map(get_perturber, names)
    ]
    return gallery_html(gallery, views)


@pytest.mark.parametrize("task", ["everyday_letters", "procedural"])
def test_the_whole_catalogue_is_there_with_links_that_lead_somewhere(task: str) -> None:
    names = [n for n in all_perturbers() if "nlpaug" not in n]
    page = Page(_page(task, [*names, "lexical.nlpaug_synonym"], limit=2))
    ids = page.named("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in page.named("href")} <= set(ids)
    assert {n.replace(".", "-") for n in names} <= set(ids)
    headings = [int(t[1]) for t in page.tags if t in ("h1", "h2", "h3", "h4", "h5", "h6")]
    assert headings[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(headings))
    families = [t for t in page.texts["h2"] if t]
    assert families == ["lexical", "ordering", "phrasing", "adversarial", "control"]


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = Page(_page("everyday", ["lexical.synonym"]))
    assert POLICY in page.named("content")
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert not [k for k, _ in page.attributes if k.startswith("on") or k in ("src", "style")]


def test_changes_are_marked_in_the_text_itself() -> None:
    page = Page(_page("everyday", ["phrasing.register"], limit=2))
    assert page.texts["ins"][1].endswith(". ")  # the first one is in the legend
    assert "text-decoration: line-through" in page.texts["style"][0]
    assert "text-decoration: underline" in page.texts["style"][0]
    assert "prefers-color-scheme: dark" in page.texts["style"][0]


def test_moves_stand_side_by_side_and_nothing_is_lost_when_full() -> None:
    spec = get_task("procedural")
    gallery = Gallery(spec, shown=1, limit=1, full=True)
    view = gallery.perturber(
        get_perturber("ordering.event_order"),
        [Variant("ordering.event_order")],
        strict=True,
        tick=_unwatched,
    )
    (example,) = view.variants[0].examples
    left, right = ("".join(s.text for s in side).replace("↵", "") for side in example.sides)
    assert left == spec.prompt(gallery.docs[0])
    assert right != left
    assert sorted(right.split()) == sorted(left.split())
    assert example.both == ()
    assert '<p class="note">Canonical</p>' in gallery_html(gallery, [view])


def test_long_items_are_cropped_between_words_and_say_so() -> None:
    short = _page("procedural", ["phrasing.question_paraphrase"], limit=1)
    whole = _page("procedural", ["phrasing.question_paraphrase"], limit=1, full=True)
    assert "unchanged characters" in short
    assert "unchanged characters" not in whole
    assert len(short) < len(whole) - 4 * 1000  # four rewordings of an item of 2,700 characters
    text = Page(short).texts["pre"][0]
    before, after = (p.strip() for p in text.split("…")[0::2])
    prompt = get_task("procedural").prompt(get_task("procedural").docs("test")[0])
    assert before == ""
    assert after.split()[0] in prompt.split()


@pytest.mark.usefixtures("own_registry")
def test_hostile_text_stays_text() -> None:
    @perturber("lexical.hostile", evidence="checked")
    def hostile(item: Any, rng: Any) -> Any:
        """Writes <b>markup</b> & worse."""
        return [Replace("question", 0, "", "<b>x</b> </pre><style>*{} \u202e\x00</style> ")]

    spec = get_task("everyday")
    doc = spec.docs("test")[0] | {"question": HOSTILE, "item_id": "everyday.<i>id</i>"}
    gallery = Gallery(spec, shown=1, limit=1)
    gallery.docs, gallery.items = [doc], [spec.item(doc)]
    view = gallery.perturber(
        get_perturber("lexical.hostile"), [Variant("lexical.hostile")], strict=True, tick=_unwatched
    )
    assert view.variants[0].examples, view.variants[0].applicability
    source = gallery_html(gallery, [view])
    page = Page(source)
    assert not {"script", "img", "b", "i"} & set(page.tags)
    assert page.tags.count("style") == 1
    assert not [k for k, _ in page.attributes if k.startswith("on")]
    shown = page.texts["pre"][0]
    assert "</script><img src=x onerror=alert(1)> {{ 7*7 }}" in shown
    assert "⟨U+202E⟩" in shown
    assert "⟨NUL⟩" in shown
    assert "\u05e9\u05dc &amp; \"'" in shown
    assert not {"\x00", "\u202e"} & set(source)
    assert "Writes <b>markup</b> & worse." in page.texts["p"]


def _unwatched() -> None:
    """A tick that nobody watches."""


@pytest.mark.usefixtures("own_registry")
def test_what_is_missing_is_said_on_the_page_or_stops_it() -> None:
    @perturber("lexical.lacking", evidence="checked")
    def lacking(item: Any, rng: Any) -> Any:
        """Needs what is not there."""
        raise OodropError("a <table> is missing")

    gallery = Gallery(get_task("everyday"), limit=2)
    plugin, variants = get_perturber("lexical.lacking"), [Variant("lexical.lacking")]
    view = gallery.perturber(plugin, variants, strict=False, tick=_unwatched)
    assert "Not available here: a &lt;table&gt; is missing" in gallery_html(gallery, [view])
    with pytest.raises(OodropError, match="is missing"):
        gallery.perturber(plugin, variants, strict=True, tick=_unwatched)


def test_the_command_replaces_the_page_and_leaves_no_other_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.html"
    file.write_text("old")
    arguments = ["perturb", "everyday", "-p", "lexical.ocr_noise", "--limit", "5"]
    arguments += ["--html", str(file)]
    assert run(arguments) == 0
    assert "wrote" in capsys.readouterr().out
    page = Page(file.read_text("utf-8"))
    assert [h for h in page.texts["h4"] if h] == ["severity 1", "severity 3", "severity 5"]
    assert list(tmp_path.iterdir()) == [file]


def test_the_terminal_shows_edits_of_eligible(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["-p", "lexical.keyboard_typo", "-p", "ordering.fact_order"]
    assert run(["perturb", "everyday", *names, "-n", "1", "--limit", "3"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert " eligible" in shown
    assert "[-" in shown
    assert "{+" in shown
    assert "lexical_keyboard_typo_s3 on everyday: 3 changed" in shown
    assert "ordering_fact_order on everyday: 3 changed" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs --perturber NAME, --all, or --html FILE"),
        (["--all", "-p", "lexical.case"], "either --perturber or --all"),
        (["--all", "--severity", "2"], "go with --perturber"),
        (["--html", "nowhere/x.html"], "folder that does not exist"),
        (["--html", "."], "got the folder"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], message: str, refusal: Refusal) -> None:
    code, said = refusal(["perturb", "everyday", *arguments])
    assert code == 2
    assert message in said


def test_a_page_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the gallery cannot be written to"):
        write_gallery("page", tmp_path / "missing" / "x.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_half_way_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    file = tmp_path / "g.html"
    file.write_text("old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_gallery("new", file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]

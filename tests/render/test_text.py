"""Hidden characters made visible, names shortened."""

import pytest

from oodrop.reports.render.text import clip, encodable, one_line, shorten, visible


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\x00b\x1b[1m", "a⟨NUL⟩b⟨ESC⟩[1m"),
        ("\x7f\x85", "⟨DEL⟩⟨U+0085⟩"),
        ("\u202eabc\u2069", "⟨U+202E⟩abc⟨U+2069⟩"),
        ("\u2028\u2029\ufeff\u200b", "⟨U+2028⟩⟨U+2029⟩⟨U+FEFF⟩⟨U+200B⟩"),
        ("\ud800x\U000e0041", "⟨U+D800⟩x⟨U+E0041⟩"),
        ("line\n\tnext\r", "line\n\tnext⟨CR⟩"),
        ("plain é 漢字 🙂 עברית", "plain é 漢字 🙂 עברית"),
    ],
)
def test_visible(given, shown):
    assert visible(given) == shown


def test_visible_output_is_always_encodable_and_stable():
    every = "".join(map(chr, range(0x2FFFF)))
    once = visible(every)
    once.encode()
    assert visible(once) == once


def test_one_line_has_no_breaks():
    assert one_line("a\nb\tc\u2028") == "a⟨LF⟩b⟨TAB⟩c⟨U+2028⟩"
    assert len(one_line("".join(map(chr, range(0x3000)))).splitlines()) == 1


def test_encodable_replaces_lone_surrogates_only():
    assert encodable("a\udfff\x00\u202e") == "a⟨U+DFFF⟩\x00\u202e"


def test_clip_keeps_both_ends_and_counts():
    head, gap, tail = clip("a" * 50 + "b" * 50, 20)
    assert (head, tail) == ("a" * 10, "b" * 10)
    assert gap == "… 80 characters left out here; report.json has them …"
    assert clip("short", 20) == ("short", "", "")


def test_shorten_keeps_both_ends():
    short = shorten("kennethp97/v7-grpo-14b-step-1000", 15)
    assert len(short) == 15
    assert short == "kenneth…ep-1000"
    assert shorten("same", 4) == "same"

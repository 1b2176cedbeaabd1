"""One progress bar: it counts, shows what is worked on, and is silent where nobody watches."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from oodrop.harness_ext.cli import evaluate, steps
from oodrop.harness_ext.cli.steps import Steps


def screen(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    """What the commands write to the error output, a terminal or not."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, color_system=None)
    monkeypatch.setattr(steps, "err", console)
    monkeypatch.setattr(evaluate, "err", console)
    return written


def test_a_bar_of_known_length_counts_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, terminal=True)
    with Steps("items", 7) as bar:
        bar.now("lexical.synonym")
        for _ in range(3):
            bar.tick()
    assert "items" in written.getvalue()
    assert "3/7" in written.getvalue()
    assert "lexical.synonym" in written.getvalue()


def test_the_bar_of_a_run_is_there_between_messages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, terminal=True)
    with Steps("answers") as bar:
        terminal = evaluate._Terminal(bar)
        terminal.message("base: main")
        before = written.getvalue()
        terminal.progress(20, 90)
    with Steps("answers") as bar:
        terminal = evaluate._Terminal(bar)
        terminal.progress(40, 80)
        terminal.message("base: rerun")
        hidden = written.tell()
    assert "base: main" in before
    assert "answers" not in before
    assert "20/90" in written.getvalue()
    assert "base: rerun" in written.getvalue()
    assert "answers" not in written.getvalue()[hidden:]


def test_where_nobody_watches_only_messages_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, terminal=False)
    with Steps("answers") as bar:
        terminal = evaluate._Terminal(bar)
        terminal.message("base: main")
        terminal.progress(20, 90)
    assert written.getvalue() == "base: main\n"

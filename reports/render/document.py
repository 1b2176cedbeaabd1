"""A few headings with sentences and tables, in a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from oodrop.reports.render.markdown import escaped, table_lines
from oodrop.reports.render.tables import Table
from oodrop.reports.render.terminal import print_table
from oodrop.reports.render.text import one_line


@dataclass(frozen=True)
class Part:
    """What is said about one task; tables without rows are left out."""

    heading: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Document:
    """A title, notes on the whole, and parts; its texts may be hostile."""

    title: str
    notes: tuple[str, ...]
    parts: tuple[Part, ...]


def print_document(document: Document, console: Console) -> None:
    """Print it; texts from data are shown as they are, never read as markup or codes."""
    _say(console, document.title, "bold")
    for note in document.notes:
        _say(console, f"Note: {note}", "yellow")
    for part in document.parts:
        console.print()
        _say(console, part.heading, "bold")
        for sentence in part.sentences:
            _say(console, sentence)
        for table in part.tables:
            if table.rows:
                print_table(table, console)


def document_markdown(document: Document) -> str:
    """The same as Markdown, for a comment on a pull request or a page."""
    return "".join(f"{line}\n" for line in _lines(document))


def _lines(document: Document) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    if document.notes:
        yield ""
        yield from (f"- Note: {escaped(note)}" for note in document.notes)
    for part in document.parts:
        yield from ("", f"## {escaped(part.heading)}")
        if part.sentences:
            yield ""
            yield from (f"- {escaped(sentence)}" for sentence in part.sentences)
        for table in part.tables:
            if table.rows:
                yield from table_lines(table)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(one_line(text), style), highlight=False)

"""The pages of the leaderboard: one for the rankings, one per checkpoint, one to compare two."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from oodrop.reports.leaderboard.data import pairs_json
from oodrop.reports.leaderboard.drawing import (
    BAR,
    SIDE,
    accuracy_bar,
    drop_bar,
    drop_scale,
    plane,
)
from oodrop.reports.leaderboard.entries import Entry
from oodrop.reports.leaderboard.ranking import Board, Ranking, Row
from oodrop.reports.render.html import breakable
from oodrop.reports.render.pages import page_environment, policy
from oodrop.reports.render.points import count, excludes_zero, percent, points, span
from oodrop.reports.render.robustness import shares
from oodrop.reports.statistics import RankSet, VariantInfo

_TEMPLATES = Path(__file__).parent / "templates"
_BOARD_SCRIPT = (_TEMPLATES / "board.js").read_text("utf-8")
_COMPARE_SCRIPT = (_TEMPLATES / "compare.js").read_text("utf-8")
_UNSAFE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class _Section:
    """A checkpoint in one ranking, as its own page shows it."""

    ranking: Ranking
    row: Row
    scale: float
    infos: dict[str, VariantInfo]


def page_names(board: Board) -> dict[str, str]:
    """Id to the file of the checkpoint's page: it stays as long as the bundle is the same."""
    return {entry.id: f"{_plain(entry.name)}-{entry.id}.html" for entry in board.entries}


def _plain(name: str) -> str:
    """A name as part of a file name anywhere: small letters, digits and hyphens."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", letters.lower()).strip("-")[:60].strip("-") or "checkpoint"


def pages(board: Board) -> Iterator[tuple[str, str]]:
    """Path below the site and text of every page; the index comes last."""
    environment = _environment()
    names = page_names(board)
    common = {"board": board, "pages": names}
    checkpoint = environment.get_template("checkpoint.html.j2")
    for entry in board.entries:
        yield (
            f"checkpoints/{names[entry.id]}",
            checkpoint.render(
                entry=entry, sections=_sections(board, entry), policy=policy(), **common
            ),
        )
    yield (
        "compare.html",
        environment.get_template("compare.html.j2").render(
            pairs=Markup(pairs_json(board)),  # noqa: S704 - escaped there
            script=Markup(_COMPARE_SCRIPT),  # noqa: S704 - our own file
            policy=policy(_COMPARE_SCRIPT),
            **common,
        ),
    )
    entries = {entry.id: entry for entry in board.entries}
    yield (
        "index.html",
        environment.get_template("board.html.j2").render(
            entries=entries,
            script=Markup(_BOARD_SCRIPT),  # noqa: S704 - our own file
            policy=policy(_BOARD_SCRIPT),
            **common,
        ),
    )


def _sections(board: Board, entry: Entry) -> Sequence[_Section]:
    return [
        _Section(
            ranking=ranking,
            row=row,
            scale=drop_scale(row.drops),
            infos={info.slug: info for info in ranking.variants},
        )
        for ranking in board.rankings
        for row in ranking.rows
        if row.entry == entry.id
    ]


def place_words(place: RankSet | None) -> str:
    """`2`, `1 to 3`: the places that the data allow."""
    if place is None:
        return "\u2013"
    return str(place.best) if place.best == place.worst else f"{place.best} to {place.worst}"


def _family(row: Row, family: str) -> object:
    return next((d for d in row.drops if d.kind == "family" and d.name == family), None)


def _environment() -> Environment:
    environment = page_environment(_TEMPLATES)
    environment.filters.update(
        breakable=breakable,
        percent=percent,
        place_words=place_words,
        points=points,
        shares=shares,
        span=span,
    )
    environment.globals.update(
        BAR=BAR,
        SIDE=SIDE,
        accuracy_bar=accuracy_bar,
        count=count,
        drop_bar=drop_bar,
        excludes_zero=excludes_zero,
        family_drop=_family,
        plane=plane,
    )
    return environment

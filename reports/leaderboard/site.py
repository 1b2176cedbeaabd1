"""The leaderboard as a folder of files that any static host, or none, can show."""

from __future__ import annotations

from pathlib import Path

from oodrop import DataError
from oodrop.reports.leaderboard.data import board_json, drops_csv, ranking_csv
from oodrop.reports.leaderboard.pages import pages
from oodrop.reports.leaderboard.ranking import Board
from oodrop.reports.lines import read_object
from oodrop.reports.writing import write_whole

INDEX, DATA = "index.html", "leaderboard.json"


def check_site(site: Path) -> None:
    """Check that a site may be written here: into a new folder, an empty one, or an older site.

    Raises:
        DataError: for a file, and for a folder whose index.html is not ours.
    """
    if site.exists() and not site.is_dir():
        raise DataError(f"{site} is there already and is no folder")
    if (site / INDEX).exists() and not _is_ours(site):
        raise DataError(
            f"{site} holds an {INDEX} that oodrop leaderboard did not write: name another folder"
        )


def _is_ours(site: Path) -> bool:
    if not (site / DATA).is_file():
        return False
    try:
        return read_object(site / DATA).get("schema") == "oodrop-leaderboard"
    except DataError:
        return False


def write_site(board: Board, site: Path) -> Path:
    """Write all pages and data; pages of checkpoints that are no longer there go.

    Every file appears in one step, the index last: whoever looks meanwhile sees whole pages. Other
    files in the folder stay.

    Returns:
        The index.

    Raises:
        DataError: as `check_site`, and when the folder cannot be written.
    """
    check_site(site)
    try:
        (site / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_whole(site / DATA, board_json(board))
        write_whole(site / "leaderboard.csv", ranking_csv(board).encode())
        write_whole(site / "drops.csv", drops_csv(board).encode())
        written = {write_whole(site / name, text.encode()) for name, text in pages(board)}
        for old in (site / "checkpoints").glob("*.html"):
            if old not in written:
                old.unlink()
    except OSError as error:
        raise DataError(f"{site} cannot be written: {error.strerror}") from None
    return site / INDEX

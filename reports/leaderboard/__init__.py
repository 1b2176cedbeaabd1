"""Many bundles as one static site that ranks what is comparable, and nothing else."""

from oodrop.reports.leaderboard.entries import Entry, Refused, Result, read_entries
from oodrop.reports.leaderboard.ranking import Board, Ranking, Row, rank
from oodrop.reports.leaderboard.site import write_site

__all__ = [
    "Board",
    "Entry",
    "Ranking",
    "Refused",
    "Result",
    "Row",
    "rank",
    "read_entries",
    "write_site",
]

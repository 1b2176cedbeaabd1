"""The coverage study of the joint questions, small: does every cell run, and is it near its bound?

Few repetitions have wide Monte Carlo errors, so the bounds here are three of them below those of
the study. Its own table comes from 4,000 repetitions.
"""

import numpy as np
import orjson
import pytest

from oodrop.harness_ext.bench.coverage import effective, joint, recipes, templates
from oodrop.harness_ext.bench.coverage.cell import Cell

REPS = 150


@pytest.fixture(scope="module")
def few():
    """One setting of each kind."""
    cells = [
        *joint._band_cells(joint.BANDS[0], REPS, 5),
        *joint._split_cells(joint.SPLITS[0], 30, 5),
        *joint._rank_cells(joint.RANKS[1], 60, 5),
        *effective._cells(effective.Setting(8, 0.2), 120, 5),
        *templates._cells(templates.Setting(4, 0.05), REPS, 5),
        *recipes._cells(recipes.Setting(5, (0.05, 0.02)), REPS, 5),
    ]
    of = [[c.setting["of"]] if "of" in c.setting else [] for c in cells]
    return {(c.study, *what, c.method): c for c, what in zip(cells, of, strict=True)}


def test_methods_are_near_their_bounds(few):
    bounded = [c for c in few.values() if c.low is not None]
    assert len(bounded) == 8
    for cell in bounded:
        spread = (cell.low * (1 - cell.low) / cell.repetitions) ** 0.5
        assert cell.rate >= cell.low - 3 * spread, cell.as_row()


def test_what_they_are_compared_with_falls_short(few):
    """The studies can tell: what ignores one source of error is far below."""
    assert few["worst variant", "naive interval of the maximum"].rate < 0.85
    assert few["effective robustness", "items alone"].rate < 0.92
    assert few["templates", "items alone"].rate < 0.75
    assert few["recipes", "a drop", "items alone"].rate < 0.75
    assert few["recipes", "a contrast", "items alone"].rate < 0.75


def test_figures_have_names_and_widths(few):
    assert few["simultaneous", "bands"].key == "simultaneous_coverage_30"
    assert few["worst variant", "band"].key == "worst_variant_band_coverage"
    # Thirty at once cost about as much as Bonferroni's quantile, 3.3 in place of 2.
    assert 1.3 < few["simultaneous", "bands"].width_ratio < 1.8
    assert few["templates", "crossed"].width_ratio > 1.5


def test_cells_are_their_own(few):
    """A cell depends on seed and setting, not on what ran before it."""
    again = {c.method: c for c in templates._cells(templates.Setting(4, 0.05), REPS, 5)}
    assert again["crossed"] == few["templates", "crossed"]
    other = {c.method: c for c in templates._cells(templates.Setting(4, 0.05), REPS, 6)}
    assert other["crossed"] != few["templates", "crossed"]


def test_the_whole_study_runs_and_says_so():
    said = []
    cells = list(joint.study(2, 1, said.append))
    settings = len(joint.BANDS) + len(joint.SPLITS) + len(joint.RANKS)
    settings += len(effective.SETTINGS) + len(templates.SETTINGS) + len(recipes.SETTINGS)
    assert len(said) == len(set(said)) == settings
    assert {c.study for c in cells} == {
        "simultaneous",
        "worst variant",
        "ranks",
        "effective robustness",
        "templates",
        "recipes",
    }
    rows = [c.as_row() for c in cells]
    assert all(0 <= r["rate"] <= 1 and r["repetitions"] == 2 for r in rows)


def test_cells_are_plain_json(few):
    assert all(orjson.dumps([c.as_row(), c.rate]) for c in few.values())
    odd = Cell("x", {"clusters": np.int64(3)}, "m", 4, np.float64(0.5), width_ratio=np.float32(1))
    assert orjson.loads(orjson.dumps(odd.as_row()))["clusters"] == 3

"""`oodrop leaderboard` as a person meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodrop.harness_ext.cli.app import run

from ..reports.runs import MAIN
from .bundles import plain


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    plain(tmp_path, "alpha", 0.9)
    plain(tmp_path, "beta", 0.5)
    return tmp_path / "bundles"


def oodrop(bundles: Path, *more: str) -> int:
    site = bundles.parent / "site"
    return run(["leaderboard", str(bundles), "-o", str(site), "--resamples", "200", *more])


def test_a_folder_of_bundles_becomes_a_site(
    bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundles / "broken").mkdir()
    assert oodrop(bundles, "--title", "Ours") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("not ranked: broken: broken/manifest.json is no plain file")
    assert shown[1].startswith("everyday: 2 checkpoints, ")
    index = bundles.parent / "site" / "index.html"
    assert shown[2] == f"written: {index}"
    assert "<title>Ours</title>" in index.read_text()


def test_a_suite_and_single_bundles(bundles: Path) -> None:
    one = bundles / "alpha"
    assert run(["leaderboard", str(one), "--suite", "smoke-1.0", "-o", str(bundles / "s")]) == 0
    assert not [s for s in (k.slug for k in MAIN) if "s3" in s and s in read(bundles / "s")]
    assert "ordering_fact_order" in read(bundles / "s")


def read(site: Path) -> str:
    return (site / "drops.csv").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--suite", "smoke-9"], "smoke-9"),
        (["--resamples", "10"], "resamples"),
        (["/nowhere/at/all"], "/nowhere/at/all is no folder"),
    ],
)
def test_bad_input_is_one_sentence(
    bundles: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert oodrop(bundles, *more) == 2
    assert words in capsys.readouterr().err
    assert not (bundles.parent / "site").exists()


def test_a_foreign_site_is_refused_before_anything_is_read(
    bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = bundles.parent / "site"
    site.mkdir()
    (site / "index.html").write_text("mine")
    assert oodrop(bundles) == 2
    assert "did not write" in capsys.readouterr().err
    assert list(site.iterdir()) == [site / "index.html"]

"""Packages of others: installed for real, and broken in each way that matters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "example_plugin"
SOURCE = Path(__file__).parents[2] / "src"
NAMES = ("lexical.example_no_vowels", "lexical.example_line_wrap")
HEAD = "from oodrop.perturbers import Replace, perturber\n"
# Each a whole plugin: name of the module, its code, what is said of it.
IMPORT_ERROR = "import no_such_module_at_all\n"
THIRD_ITEM = f'''{HEAD}
seen = []

@perturber("phrasing.third", evidence="checked")
def third(item, rng):
    """It fails on the third item that it sees."""
    if item.item_id not in seen:
        seen.append(item.item_id)
    if seen.index(item.item_id) == 2:
        raise LookupError("no such thing")
    return [Replace("question", 0, "", "Hello there, ")]
'''
GLOBAL_RANDOM = f'''{HEAD}
import random

@perturber("phrasing.global_random", evidence="checked")
def global_random(item, rng):
    """It draws from the generator that all share."""
    return [Replace("question", 0, "", random.choice(("So, ", "Hello there, ")))]
'''
SUITE = """summary: one of ours and one of theirs
seed: 2026
variants:
- {perturber: ordering.fact_order}
- {perturber: %s}
"""


def call(
    *arguments: str, site: Path | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, which sees the packages under ``site`` as installed."""
    paths = os.pathsep.join(str(p) for p in (SOURCE, site) if p)
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"},
    )


def oodrop(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call("-m", "oodrop.harness_ext.cli", *arguments, site=site)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, copied: building writes beside its source."""
    copy = tmp_path_factory.mktemp("example") / "package"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return copy


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    """Where pip installed it."""
    target = source.parent / "site"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target"]
    done = call("-m", "pip", "install", *options, str(target), str(source))
    assert done.returncode == 0, done.stderr
    return target


def broken_site(folder: Path, code: str) -> Path:
    """A package ``acme`` as pip would leave it, with this code."""
    (folder / "acme_plugin.py").write_text(code)
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oodrop.perturbers]\nacme = acme_plugin\n")
    return folder


def test_it_is_listed(site: Path) -> None:
    done = oodrop(site, "list", "perturbers")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_perturbs(site: Path, name: str) -> None:
    done = oodrop(site, "perturb", "everyday", "-p", name, "-n", "1")
    assert done.returncode == 0, done.stderr
    assert "evidence checked" in done.stdout


def test_its_own_tests_pass(site: Path, source: Path) -> None:
    done = call("-m", "pytest", "-q", "-p", "no:cacheprovider", site=site, cwd=source)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "4 passed" in done.stdout


def test_a_package_that_fails_to_load(tmp_path: Path) -> None:
    site = broken_site(tmp_path, IMPORT_ERROR)
    said = "entry point 'acme' (acme_plugin)"
    stopped = oodrop(site, "list", "perturbers")
    assert stopped.returncode == 5
    assert f"oodrop: {said} failed to load: ModuleNotFoundError" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    for command in (
        ("list", "perturbers"),
        ("perturb", "everyday", "-p", "lexical.keyboard_typo", "-n", "1"),
    ):
        done = oodrop(site, *command, "--on-plugin-error", "skip")
        assert done.returncode == 0, done.stderr
        assert f"left out: {said}: " in done.stderr
        assert "lexical" in done.stdout


def test_a_file_that_fails_to_load(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(IMPORT_ERROR)
    arguments = ("list", "perturbers", "--plugin", str(path), "--on-plugin-error", "skip")
    done = oodrop(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert f"left out: plugin {path}: " in done.stderr


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        (THIRD_ITEM, "phrasing.third", "perturber phrasing.third raised LookupError on item "),
        (
            GLOBAL_RANDOM,
            "phrasing.global_random",
            "perturber phrasing.global_random drew from a global generator on item ",
        ),
    ],
)
def test_a_perturber_that_fails_on_an_item(tmp_path: Path, code: str, name: str, said: str) -> None:
    site = broken_site(tmp_path, code)
    shown = oodrop(site, "perturb", "everyday", "-p", name)
    assert shown.returncode == 5
    assert f"oodrop: {said}" in shown.stderr

    suite = tmp_path / "mixed-1.0.yaml"
    suite.write_text(SUITE % name)
    run = ("run", "--model", "oodrop-majority", "--tasks", "everyday", "--items", "20")
    run += ("--suite", str(suite), "-o", str(tmp_path / "out"))
    stopped = oodrop(site, *run)
    assert stopped.returncode == 5
    assert said in stopped.stderr
    done = oodrop(site, *run, "--on-plugin-error", "skip")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"left out: {name.replace('.', '_')}: {said}") == 2
    tasks = {path.name.split("__")[1] for path in tmp_path.glob("out/**/tasks/oodrop__*.yaml")}
    assert tasks == {"canonical", "ordering_fact_order"}
    assert (tmp_path / "out" / "report" / "report.html").exists()


def test_a_run_of_which_nothing_is_left(tmp_path: Path) -> None:
    site = broken_site(tmp_path, THIRD_ITEM)
    suite = tmp_path / "theirs-1.0.yaml"
    suite.write_text((SUITE % "phrasing.third").replace("- {perturber: ordering.fact_order}\n", ""))
    run = ("run", "--model", "oodrop-majority", "--tasks", "everyday", "--suite", str(suite))
    done = oodrop(site, *run, "-o", str(tmp_path / "out"), "--on-plugin-error", "skip")
    assert done.returncode == 5
    assert "no variant of the suite theirs-1.0 is left: perturber phrasing.third" in done.stderr

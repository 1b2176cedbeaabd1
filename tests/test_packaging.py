"""What is built is complete, and what cannot be complete is not built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from .reports.runs import write_checkpoint

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("tasks", "perturbers", "harness_ext", "reports")


def build(source: Path, out: Path, *kinds: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(out)]
    return subprocess.run(
        [*command, str(source)], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of what git tracks or would track: no caches, links kept as links."""
    copy = tmp_path_factory.mktemp("checkout") / "oodrop"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def dist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = build(checkout, out, "--sdist", "--wheel")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


def wheel_names(folder: Path) -> set[str]:
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {n for n in archive.namelist() if ".dist-info/" not in n}


def source_names(checkout: Path) -> set[str]:
    """Every tracked file of the four folders, as the wheel should name it."""
    return {
        f"oodrop/{path.relative_to(checkout).as_posix()}"
        for folder in FOLDERS
        for path in (checkout / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_four_folders(checkout: Path, dist: Path) -> None:
    expected = source_names(checkout)
    assert len(expected) > 150
    assert wheel_names(dist) == expected | {"oodrop/__init__.py", "oodrop/py.typed"}


def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        assert not [m.name for m in archive if m.issym() or m.islnk()]
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    done = build(source, tmp_path / "again", "--wheel")
    assert done.returncode == 0, done.stdout[-2000:]
    assert wheel_names(tmp_path / "again") == wheel_names(dist)


def test_a_checkout_without_links_does_not_build(checkout: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkout, broken, symlinks=True)
    for folder in FOLDERS:
        (broken / "src" / "oodrop" / folder).unlink()
        # What git writes where it cannot make a link: a file with the target as its text.
        (broken / "src" / "oodrop" / folder).write_text(f"../../{folder}")
    done = build(broken, tmp_path / "out", "--wheel")
    assert done.returncode != 0
    assert "this checkout has lost its symbolic links" in done.stdout + done.stderr
    assert not list((tmp_path / "out").glob("*"))


def in_environment(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(folder / "bin" / command[0]), *command[1:]],
        capture_output=True, text=True, timeout=1500, check=False, cwd=folder,
        env={**environment, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def test_the_core_installs_without_torch_and_reads_results(dist: Path, tmp_path: Path) -> None:
    """Only the wheel: what a CI job that reports and gates installs."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=True)
    (wheel,) = dist.glob("*.whl")
    install = ["python", "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    done = in_environment(folder, *install, str(wheel))
    if "ConnectionError" in done.stderr or "NameResolutionError" in done.stderr:
        # Offline there is no way to an empty environment; a wrong pin must still fail.
        pytest.skip("no package registry can be reached from here")
    assert done.returncode == 0, done.stderr[-2000:]
    done = in_environment(folder, "oodrop", "doctor")
    assert done.returncode == 0, done.stderr
    assert "ready for reports; not for evaluation" in done.stdout
    done = in_environment(folder, "oodrop", "run", "--model", "hf")
    assert done.returncode == 2
    assert "oodrop[eval]" in done.stderr
    done = in_environment(folder, "oodrop", "report", "nowhere")
    assert done.returncode == 2
    runs = [write_checkpoint(tmp_path, name, items=range(100)) for name in ("base", "tuned")]
    done = in_environment(folder, "oodrop", "report", str(tmp_path / "base"), "-o", "report")
    assert done.returncode == 0, done.stderr
    assert (folder / "report" / "report.html").exists()
    done = in_environment(folder, "oodrop", "gate", *map(str, runs), "--margin", "0.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS: less than the margin is lost")


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_runs_stock_lm_eval(dist: Path, tmp_path: Path) -> None:
    folder = tmp_path / "env"
    venv.create(folder, with_pip=True)
    (wheel,) = dist.glob("*.whl")
    install = ["python", "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    for wanted in ("torch", f"{wheel}[eval]"):
        done = in_environment(folder, *install, wanted)
        assert done.returncode == 0, done.stderr[-2000:]
    done = in_environment(folder, "oodrop", "doctor")
    assert done.returncode == 0, done.stderr
    assert "lm-eval sees every one of them" in done.stdout
    tasks_dir = in_environment(folder, "oodrop", "tasks-dir").stdout.strip()
    assert str(folder) in tasks_dir
    arguments = ["--tasks", "oodrop_everyday", "--include_path", tasks_dir, "--limit", "5"]
    arguments += ["--log_samples", "--output_path", "out"]
    done = in_environment(folder, "oodrop", "lm-eval", "--model", "oodrop-oracle", *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    done = in_environment(folder, "lm_eval", "ls", "tasks", "--include_path", tasks_dir)
    assert "oodrop__canonical__procedural" in done.stdout
    done = in_environment(folder, "oodrop", "report", "out", "-o", "report")
    assert done.returncode == 0, done.stderr
    assert (folder / "report" / "report.html").exists()

"""What the READMEs show is what the code does: commands, files, keys, and each 'add one more'."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import oodrop
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import app, out, run
from oodrop.perturbers import all_suites
from oodrop.reports import lines
from oodrop.reports.build import build_report
from oodrop.tasks import TASKS

from .reports.layouts import LAYOUTS
from .reports.runs import write_checkpoint
from .reports.test_mutated import FEW, MANY

ROOT = Path(oodrop.__file__).resolve().parents[2]
FOLDERS = ("tasks", "perturbers", "harness_ext", "reports")


def text(folder: str = ".") -> str:
    return (ROOT / folder / "README.md").read_text(encoding="utf-8")


def blocks(folder: str, language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text(folder), re.DOTALL | re.MULTILINE)
    return [content for name, content in fences if name == language]


def first_cells(folder: str) -> list[str]:
    """The names in code marks in the first column of every table."""
    rows = re.findall(r"^\|((?:\\\||[^|])*)\|", text(folder), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_command_is_told() -> None:
    told = {c.split()[1] for c in first_cells(".") if c.startswith("oodrop ")}
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert told == commands | {group.name for group in app.registered_groups}


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_that_are_told_exist(folder: str) -> None:
    files = [c for c in first_cells(folder) if re.fullmatch(r"\w+(/|[\w-]*\.(py|yaml))", c)]
    missing = [name for name in files if not (ROOT / folder / name).exists()]
    assert missing == []


def test_every_module_of_the_extension_is_told() -> None:
    extension = ROOT / "harness_ext"
    modules = {path.name for path in extension.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in extension.glob("*/__init__.py")}
    assert modules | folders - {"coverage/"} <= set(first_cells("harness_ext"))
    for folder in ("runner", "packed", "servers", "foresight", "reference", "dataset", "bank"):
        (row,) = re.findall(rf"^\| `{folder}/` \|.*$", text("harness_ext"), re.MULTILINE)
        inside = {path.stem for path in (extension / folder).glob("*.py")} - {"__init__"}
        assert inside <= set(re.findall(r"`(\w+)`", row)), folder


def test_every_task_and_suite_is_told() -> None:
    assert set(TASKS) <= set(first_cells("tasks"))
    assert set(all_suites()) <= set(first_cells("perturbers"))


def test_every_key_of_a_checkpoint_is_told() -> None:
    assert set(CheckpointSpec.__dataclass_fields__) <= set(first_cells("harness_ext"))


def test_the_page_of_a_report_names_no_command_that_is_not_there() -> None:
    parts = (ROOT / "reports" / "render" / "templates" / "parts.html.j2").read_text("utf-8")
    named = set(re.findall(r"\(oodrop (\w+)\)", parts))
    assert named <= {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}


def test_links_lead_somewhere() -> None:
    for folder in (".", *FOLDERS):
        for link in re.findall(r"\]\(([^)#:]+)\)", text(folder)):
            assert (ROOT / folder / link).exists(), (folder, link)


@pytest.mark.usefixtures("own_registry")
def test_the_perturber_that_is_shown_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, test = blocks("perturbers", "python")
    (tmp_path / "shout.py").write_text(plugin, encoding="utf-8")
    (tmp_path / "test_shout.py").write_text(test, encoding="utf-8")
    command = blocks("perturbers", "")[0]
    arguments = command.replace("shout.py", str(tmp_path / "shout.py")).split()
    assert run(arguments[1:]) == 0
    assert "???" in capsys.readouterr().out
    check = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shout.py"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_reference_model_that_is_shown_works() -> None:
    import oodrop.harness_ext.models as models
    from oodrop.tasks import get_task

    (code,) = blocks("harness_ext", "python")
    names = dict(vars(models)) | {"register_model": lambda name: lambda model: model}
    exec(compile(code, "README", "exec", dont_inherit=True), names)  # noqa: S102  # our own README
    spec = get_task("everyday")
    doc = spec.docs("test")[0]
    assert names["First"]().answer(spec, spec.item(doc), spec.prompt(doc)) == 0


def test_the_output_format_that_is_shown_works(tmp_path: Path) -> None:
    shown, line = blocks("reports", "python")
    names: dict[str, object] = {}
    exec(compile(shown, "README", "exec", dont_inherit=True), names)  # noqa: S102
    report = build_report([write_checkpoint(tmp_path, "alpha")], resamples=100)
    exec(f"def rows(report):\n{line}", names)  # noqa: S102
    ((name, content),) = names["rows"](report)  # type: ignore[operator]
    assert name == "drops.tsv"
    assert content.startswith(b"everyday\talpha\tcontrol_identity\t0.0\n")
    source = (ROOT / "reports" / "render" / "files.py").read_text(encoding="utf-8")
    assert "def _contents(" in source


def test_the_statistics_that_are_shown_work(capsys: pytest.CaptureFixture[str]) -> None:
    import oodrop.reports.statistics as statistics

    (code,) = blocks("reports/statistics", "python")
    exec(compile(code, "README", "exec", dont_inherit=True), {})  # noqa: S102  # our own README
    shown, decided = capsys.readouterr().out.splitlines()
    assert "bootstrap: 60.0 effective clusters" in shown
    assert decided.startswith("PASS")
    questions = text("reports/statistics").split("## Which interval")[0]
    told = re.findall(r"`([a-z_]{3,})`", questions.split("## Which question")[1])
    assert set(told) - {"full_run", "population"} <= set(statistics.__all__)


def test_the_gate_that_is_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, policy, workflow, _ = (yaml.safe_load(block) for block in blocks("reports", "yaml"))
    steps = [step["run"] for step in workflow["jobs"]["gate"]["steps"] if "run" in step]
    (command,) = [line for line in steps if line.startswith("oodrop ")]
    monkeypatch.chdir(tmp_path)
    for name in ("baseline", "candidate"):
        write_checkpoint(tmp_path / "runs", name, items=range(100))
    Path("gate.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    assert run(command.split()[1:]) == 0
    assert Path("gate.xml").stat().st_size > 0


def test_the_planted_cases_are_decided_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regression, none, and one on too few items: 1, 0 and 4."""
    *_, planted = blocks("reports", "yaml")
    (commands,) = [block for block in blocks("reports", "") if "planted.yaml" in block]
    (shown,) = blocks("reports", "text")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(out, "_width", 110)  # where nothing that is shown is folded
    Path("planted.yaml").write_text(planted, encoding="utf-8")
    evaluate, *gates = commands.splitlines()
    assert run(evaluate.partition("#")[0].split()[1:]) == 0
    capsys.readouterr()
    codes = []
    for command, block in zip(gates, shown.split("\n\n"), strict=True):
        arguments, _, said = command.partition("#")
        codes.append(run(arguments.split()[1:]))
        assert codes[-1] == int(said.partition(",")[0])
        printed = " ".join(capsys.readouterr().out.split())
        for line in block.splitlines():
            assert " ".join(line.split()) in printed
    assert codes == [1, 0, 4]


def test_the_leaderboard_that_is_shown_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the very commands in a shell, of the checkpoints that need no language model."""
    board, *_ = blocks("reports", "yaml")
    (commands,) = [block for block in blocks("reports", "") if "board.yaml" in block]
    config = yaml.safe_load(board)
    config["checkpoints"] = [
        {**c, "items": 12} for c in config["checkpoints"] if c["model"].startswith("oodrop-")
    ]
    assert len(config["checkpoints"]) == 4
    (tmp_path / "board.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["/bin/sh", "-ec", commands], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True
    )
    pages = {page.name.rpartition("-")[0] for page in (tmp_path / "site/checkpoints").iterdir()}
    assert pages == {c["name"] for c in config["checkpoints"]}
    assert "everyday" in (tmp_path / "site/index.html").read_text(encoding="utf-8")


def test_limits_of_reading_are_the_told_ones() -> None:
    told = text("reports")
    first, last = re.findall(r"lm-eval (0\.4\.\d+) to (0\.4\.\d+), one run", told)[0]
    assert (first, last) == (LAYOUTS[0].version, LAYOUTS[-1].version)
    assert f"may\nhave {lines.LONGEST // 2**20} MiB" in told
    assert f"damages {MANY:,} folders (`make test` {FEW} of them)" in told


def test_the_citation_is_that_of_the_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, dynamic = built["project"], built["tool"]["setuptools"]["dynamic"]
    assert dynamic["version"] == {"attr": "oodrop.__version__"}
    assert cited == {
        "cff-version": "1.2.0",
        "message": cited["message"],
        "type": "software",
        "title": project["name"],
        "abstract": project["description"],
        "authors": [{"name": "oodrop developers"}],
        "version": oodrop.__version__,
        "license": project["license"],
        "keywords": project["keywords"],
    }

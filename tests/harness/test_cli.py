"""The command line as a person meets it: help, output, one-sentence errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oodrop.harness_ext.cli.app import app, run

from .conftest import Refusal

COMMANDS = (
    "list", "perturb", "coverage", "derive", "tasks-dir", "checkpoints-dir", "lm-eval", "run",
    "score-reference",
    "report", "compare", "gate", "freeze", "submit", "verify", "leaderboard", "doctor",
    "train-reference",
    "plan",
)  # fmt: skip
GROUPS = ("audit", "bank", "bench", "data")
BENCHES = ("perturb", "coverage", "stats", "inference")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "lm-eval"])
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example:" in shown
    assert f"oodrop {command}" in shown


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", name, "--help"]) == 0
    assert f"oodrop bench {name}" in capsys.readouterr().out.partition("Example:")[2]


def test_the_commands_are_the_documented_ones() -> None:
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert names == set(COMMANDS)
    assert {group.name for group in app.registered_groups} == set(GROUPS)
    (bench,) = (g.typer_instance for g in app.registered_groups if g.name == "bench")
    assert bench is not None
    assert {c.callback.__name__ for c in bench.registered_commands if c.callback} == set(BENCHES)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("perturbers", "lexical.keyboard_typo"),
        ("tasks", "procedural_heldout"),
        ("suites", "standard-1.0"),
        ("models", "oodrop-oracle"),
    ],
)
def test_list(kind: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", kind]) == 0
    assert expected in capsys.readouterr().out


def test_perturb_shows_the_change_and_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["perturb", "everyday", "-p", "ordering.fact_order", "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "evidence reviewed" in shown
    assert "241 changed" in shown


@pytest.mark.usefixtures("own_registry")
def test_perturb_takes_a_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = tmp_path / "shout.py"
    plugin.write_text(
        "from oodrop.perturbers import Replace, perturber\n\n\n"
        "@perturber('lexical.shout', evidence='checked')\n"
        "def shout(item, rng):\n"
        '    """The question mark becomes three."""\n'
        "    text = item.segments['question']\n"
        "    return [Replace('question', len(text) - 1, '?', '???')]\n"
    )
    arguments = ["perturb", "everyday", "-p", "lexical.shout", "--plugin", str(plugin)]
    assert run(arguments) == 0
    assert "???" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["perturb", "everyday", "-p", "lexical.keybord_typo"], 2, "there are: lexical.keyboard"),
        (["perturb", "nothing", "-p", "control.identity"], 2, "unknown task 'nothing'"),
        (["perturb", "everyday", "-p", "phrasing.template"], 2, "needs the parameter 'id'"),
        (["perturb", "everyday", "-p", "control.identity", "--parameter", "x"], 2, "name=value"),
        (["perturb", "everyday", "-p", "control.identity", "--plugin", "no.py"], 2, "exists"),
        (["list", "nonsense"], 2, "'nonsense' is not one of"),
        (["report", "nowhere"], 2, "results folder nowhere does not exist"),
        (["run"], 2, "either a configuration file or --model"),
        (["run", "--model", "no-such-model"], 2, "unknown model 'no-such-model'"),
        (["run", "--model", "hf", "--tasks", "no_such_task"], 2, "unknown task"),
        (["run", "--model", "hf", "--suite", "standard-9"], 2, "unknown suite 'standard-9'"),
        (["run", "--model", "oodrop-bow", "--json"], 2, "prints JSON with --dry-run alone"),
        (["run", "--model", "oodrop-bow", "--price", "much"], 2, "money per million tokens"),
        (["run", "--model", "hf", "--model_args", "pretrained=./no"], 2, "does not exist"),
        (["plan", "--checkpoint", "x"], 2, "there is no --pilot"),
        (["plan", "--price", "1"], 2, "--price needs a model"),
        (["plan", "--pilot", "nowhere"], 2, "results folder nowhere does not exist"),
        (["plan", "--accuracy", "0.01"], 2, "no drop of 0.05 can be lost"),
        (["bogus"], 2, "bogus"),
    ],
)
def test_errors_are_one_sentence_with_the_promised_exit_code(
    arguments: list[str], code: int, message: str, refusal: Refusal
) -> None:
    exit_code, said = refusal(arguments)
    assert exit_code == code
    assert message in said
    assert "Traceback" not in said
    assert said.startswith("oodrop: ")


@pytest.mark.usefixtures("own_registry")
def test_a_perturber_that_raises_is_named_with_its_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "broken_one.py"
    plugin.write_text(
        "from oodrop.perturbers import perturber\n\n\n"
        "@perturber('lexical.broken_one', evidence='checked')\n"
        "def broken_one(item, rng):\n"
        '    """Always fails."""\n'
        "    raise ZeroDivisionError('by design')\n"
    )
    arguments = ["perturb", "everyday", "-p", "lexical.broken_one", "--plugin", str(plugin)]
    assert run(arguments) == 5
    shown = " ".join(capsys.readouterr().err.split())
    assert "lexical.broken_one raised ZeroDivisionError on item everyday.daily-" in shown


def test_an_unexpected_error_never_exits_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("oodrop.tasks.tasks_dir", lambda: 1 / 0)
    assert run(["tasks-dir"]) == 5
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert run(["--debug", "tasks-dir"]) == 5
    assert "Traceback" in capsys.readouterr().err
    assert run(["--version"]) == 0


def test_doctor_finds_this_installation_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    assert "ready" in capsys.readouterr().out


def test_reading_commands_import_no_heavy_library() -> None:
    probe = (
        "import sys\n"
        "from oodrop.harness_ext.cli.app import run\n"
        "import oodrop.harness_ext.cli\n"
        "run(['list', 'tasks']); run(['report', 'nowhere']); run(['tasks-dir'])\n"
        "import oodrop.reports.build, oodrop.reports.render\n"
        "heavy = {'torch', 'transformers', 'lm_eval', 'nlpaug', 'sklearn', 'datasets'}\n"
        "sys.exit(len(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("own_index_only")
def test_lm_eval_passes_through_with_our_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from oodrop.tasks import tasks_dir

    command = [
        "lm-eval", "--model", "oodrop-majority",
        "--include_path", str(tasks_dir()), "--tasks", "oodrop__canonical__everyday",
        "--limit", "8", "--log_samples", "--output_path", str(tmp_path),
    ]  # fmt: skip
    assert run(command) == 0
    assert "oodrop__canonical__everyday" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("samples_*.jsonl"))) == 1

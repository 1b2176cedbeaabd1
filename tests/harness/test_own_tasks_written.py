"""``oodrop data import`` and ``build``: whole folders or none, and what the commands refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oodrop import DataError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.dataset.taskfolders import write_task_folder
from oodrop.tasks import TASKS, all_tasks, get_task

from ..own import rows, write_lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "procedural", "a.jsonl", "-o", "mine", "--name", "procedural"], "comes with"),
        (["import", "procedural", "a.jsonl", "-o", "mine", "--name", "No"], "lower-case words"),
        (["import", "procedural", "a.jsonl", "-o", "mine", "--name", "a__b"], "lower-case words"),
        (["import", "procedural", "a.jsonl", "-o", "mine", "--name", "../a"], "lower-case words"),
        (["import", "procedural", "a.jsonl", "-o", "mine", "--name", "a_lexical"], "family of"),
        (["import", "procedural", "5.jsonl", "-o", "mine"], "lower-case words"),
        (["import", "everyday", "a.jsonl", "-o", "mine"], "knows the shape procedural, got"),
        (["import", "procedural", "nowhere.jsonl", "-o", "mine"], "nowhere.jsonl cannot be read"),
        (["import", "procedural", "a.jsonl"], "Missing option"),
        (["import", "procedural", "a.jsonl", "-o", "a.jsonl"], "a.jsonl is no folder"),
        (["import", "procedural", "a.jsonl", "-o", "there"], "there/a is there already; remove"),
        (["build", "--seed", "7"], "--seed and -o go together"),
        (["build", "-o", "mine"], "--seed and -o go together"),
        (["build", "--seed", "7", "-o", "mine", "--check"], "--check goes with the released set"),
        (["build", "--name", "x"], "--name goes with --seed and -o"),
        (["build", "--seed", "2026", "-o", "mine"], "the seed 2026 gives the released set"),
        (["build", "--seed", "-1", "-o", "mine"], "greater than or equal to 0"),
    ],
)
def test_what_the_commands_refuse(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.jsonl", rows())
    (tmp_path / "there" / "a").mkdir(parents=True)
    assert oodrop(["data", *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "there"]
    assert not list((tmp_path / "there" / "a").iterdir())


def test_a_file_with_errors_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = write_lines(tmp_path / "a.jsonl", [*rows(), {"label": "x"}])
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]) == 2
    shown = capsys.readouterr().err
    assert "a.jsonl, line 13: the field 'procedure' is missing" in shown
    assert "nothing was written" in shown
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing(
    error: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = write_lines(tmp_path / "a.jsonl", rows())

    def fails(*_: object) -> None:
        assert len(list((tmp_path / "mine").rglob("*.gz"))) == 1  # it has begun
        raise error

    monkeypatch.setattr("oodrop.harness_ext.dataset.taskfolders.task_yamls", fails)
    command = ["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]
    assert oodrop(command) == (2 if isinstance(error, OSError) else 130)
    assert "Traceback" not in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_killed_import_leaves_no_task_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = write_lines(tmp_path / "a.jsonl", rows())
    place = tmp_path / "mine"
    code = (
        "import time, sys\n"
        "from oodrop.harness_ext.dataset import taskfolders\n"
        "from oodrop.harness_ext.cli.app import run\n"
        "import oodrop.harness_ext.cli\n"
        "taskfolders.task_yamls = lambda *_: time.sleep(600)\n"
        f"run(['data', 'import', 'procedural', {str(lines)!r}, '-o', {str(place)!r}])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        deadline = time.monotonic() + 60
        while not list(place.rglob("_text.yaml")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    monkeypatch.setenv("OODROP_TASKS", str(place))
    assert list(all_tasks()) == list(TASKS)
    assert not (place / "a").exists()
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(place)]) == 0
    assert [p.name for p in place.iterdir()] == ["a"]


def test_a_private_set_is_another_one_and_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole set takes half a minute: two procedures stand for all, the command for itself."""
    from oodrop.harness_ext.dataset import rebuild
    from oodrop.tasks.procedural import procedures
    from oodrop.tasks.procedural.documents import normalised

    chosen = [procedures()[name] for name in ("cms_fac_aide_clearance", "fda_res_trial_stop")]
    monkeypatch.setattr(rebuild, "procedures", lambda: {p.id: p for p in chosen})
    for folder in ("one", "two"):
        command = ["data", "build", "--seed", "77", "-o", str(tmp_path / folder)]
        assert oodrop([*command, "--name", "autumn"] if folder == "two" else command) == 0
    one, two = tmp_path / "one" / "procedural_s77", tmp_path / "two" / "autumn"
    assert "77" not in (two / "task.yaml").read_text("utf-8").partition("splits")[0]
    for split in ("train", "validation", "test", "heldout"):
        name = f"data/{split}.jsonl.gz"
        assert (one / name).read_bytes() == (two / name).read_bytes()
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "two"))
    assert list(all_tasks())[-3:] == ["autumn", "autumn_choice", "autumn_heldout"]
    spec = get_task("autumn")
    assert get_task("autumn_heldout").docs("heldout")[0]["process_id"] == "fda_res_trial_stop"
    released = {normalised(d) for s in rebuild.ROUNDS for d in TASKS["procedural"].docs(s)}
    for split in rebuild.ROUNDS:
        docs = spec.docs(split)
        assert docs
        assert not [d for d in docs if normalised(d) in released]
    assert (two / "lm_eval" / "oodrop__ordering_event_order__autumn.yaml").is_file()
    command = ["run", "--model", "oodrop-oracle", "--tasks", "autumn,autumn_heldout"]
    assert oodrop([*command, "-o", str(tmp_path / "runs"), "--items", "12"]) == 0


def test_a_seed_that_gives_released_scenarios_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oodrop.harness_ext.dataset import rebuild

    monkeypatch.setattr(rebuild, "build_split", lambda p, s, seed: TASKS["procedural"].docs(s)[:3])
    assert oodrop(["data", "build", "--seed", "5", "-o", str(tmp_path / "x")]) == 2
    assert "gives 12 released scenarios" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("command", ["import", "build", "audit"])
def test_the_commands_explain_themselves(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["data", command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example:" in shown
    assert f"oodrop data {command}" in shown


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match="is there already"):
        write_task_folder(tmp_path, "there", "procedural_text", "x", {})

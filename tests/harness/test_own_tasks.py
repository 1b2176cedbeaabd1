"""Tasks of a user's own: folders that are written whole, read with care, and run like ours."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from oodrop import DataError, UnknownNameError
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.dataset.taskfolders import write_task_folder
from oodrop.harness_ext.perturbed import PerturbedTask
from oodrop.harness_ext.yamls import SHIPPED_SUITE, task_yamls
from oodrop.perturbers import Variant, get_suite
from oodrop.reports.build import build_report
from oodrop.tasks import TASKS, all_tasks, get_task
from oodrop.tasks.folders import KINDS
from oodrop.tasks.notes import read_note

from ..own import rows, write_lines


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the task ``wards``: twelve items each to train, test and hold out."""
    folder = tmp_path_factory.mktemp("own")
    lines = write_lines(folder / "wards.jsonl", rows(("train", "test", "heldout")))
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(folder / "mine")]) == 0
    return folder / "mine"


@pytest.fixture
def named(mine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and ``OODROP_TASKS`` names it."""
    monkeypatch.setenv("OODROP_TASKS", str(mine))
    return mine / "wards"


def test_the_folder_holds_data_note_and_yamls(mine: Path) -> None:
    folder = mine / "wards"
    assert [p.name for p in mine.iterdir()] == ["wards"]
    assert sorted(p.name for p in folder.iterdir()) == ["data", "lm_eval", "task.yaml"]
    note = read_note(folder, KINDS)
    assert (note.kind, note.name) == ("procedural_text", "wards")
    assert note.source.startswith("wards.jsonl, SHA-256 ")
    assert list(note.splits) == ["train", "test", "heldout"]
    for split, known in note.splits.items():
        content = gzip.decompress((folder / "data" / f"{split}.jsonl.gz").read_bytes())
        assert (known.items, known.compliant, known.clusters) == (12, 6, 3)
        assert known.sha256 == hashlib.sha256(content).hexdigest()
        assert content.count(b"\n") == 12


def test_the_yamls_are_what_the_generator_writes(named: Path) -> None:
    written = {p.name: p.read_text("utf-8") for p in (named / "lm_eval").glob("oodrop*.yaml")}
    fresh: dict[str, str] = {}
    for name in ("wards", "wards_choice", "wards_heldout"):
        fresh |= task_yamls(get_task(name), get_suite(SHIPPED_SUITE))
    assert written == fresh
    assert "oodrop__phrasing_question_paraphrase_p01__wards.yaml" in written
    assert "oodrop__ordering_event_order__wards.yaml" not in written
    fragments = sorted((named / "lm_eval").glob("_*.yaml"))
    assert [p.stem for p in fragments] == ["_text", "_text_choice", "_text_heldout"]
    for fragment in fragments:
        ours = TASKS["procedural"].folder / "lm_eval" / fragment.name
        assert fragment.read_bytes() == ours.read_bytes()


def test_the_same_file_gives_the_same_folder(mine: Path, tmp_path: Path) -> None:
    lines = mine.parent / "wards.jsonl"
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path)]) == 0
    one, other = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (mine, tmp_path)
    )
    assert one == other


def test_tasks_are_found_by_folder_and_by_the_folder_above(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (str(mine), str(mine / "wards"), os.pathsep.join([str(tmp_path), str(mine)])):
        monkeypatch.setenv("OODROP_TASKS", value)
        assert get_task("wards_choice").name == "wards_choice"
        assert len(get_task("wards_heldout").docs("heldout")) == 12
        assert list(all_tasks()) == [*TASKS, "wards", "wards_choice", "wards_heldout"]
        assert get_task("everyday") is TASKS["everyday"]
    monkeypatch.chdir(mine / "wards")
    monkeypatch.setenv("OODROP_TASKS", ".")
    assert get_task("wards").folder == mine / "wards"
    monkeypatch.delenv("OODROP_TASKS")
    with pytest.raises(UnknownNameError, match="unknown task 'wards'; .*; OODROP_TASKS names"):
        get_task("wards")
    assert list(all_tasks()) == list(TASKS)


@pytest.mark.usefixtures("named")
def test_they_are_listed_and_an_unknown_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert oodrop(["list", "tasks"]) == 0
    shown = capsys.readouterr().out
    assert "wards_choice" in shown
    with pytest.raises(UnknownNameError, match="unknown task 'ward'; there are: wards"):
        get_task("ward")


@pytest.mark.usefixtures("named")
def test_a_run_with_the_reference_models_and_its_report(tmp_path: Path) -> None:
    models = ("oodrop-oracle", "oodrop-bow", "oodrop-majority")
    config = {
        "suite": "standard-1.0",
        "tasks": ["wards", "wards_choice", "wards_heldout"],
        "checkpoints": [{"name": model, "model": model} for model in models],
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    runs = tmp_path / "runs"
    assert oodrop(["run", str(tmp_path / "plan.yaml"), "-o", str(runs)]) == 0
    assert (runs / "report" / "report.html").is_file()
    report = build_report([runs / model for model in models], resamples=200)
    assert {t.task for t in report.tasks} == {"wards", "wards_choice", "wards_heldout"}
    for task in report.tasks:
        assert task.items == 12
        assert task.analysis.accuracies[0].estimate == 1.0
        assert task.analysis.accuracies[1].estimate == 1.0  # the two scenarios differ by words
        assert task.analysis.accuracies[2].estimate == 0.5
        drops = [d for d in task.analysis.drops if d.checkpoint == "oodrop-oracle"]
        assert {d.estimate for d in drops} == {0.0}
        slugs = {v.slug for v in task.variants}
        assert slugs >= {
            "control_identity", "control_rerun", "lexical_keyboard_typo_s2",
            "ordering_section_order_question_first", "phrasing_template_t05",
            "phrasing_question_paraphrase_p01",
        }  # fmt: skip
        assert not [s for s in slugs if "event_order" in s or "fact_order" in s]
    assert oodrop(["verify", str(runs / models[0])]) == 0


def test_children_are_left_alone_and_paired_with_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a type of one's own and without one; what their labels claim is shown as assumed."""
    made = (("r0", "r0a", "in short"), ("r0", "r0b", "in short"), ("r1", "r1a", None))
    whole = [{**row, "item_id": f"r{k}"} for k, row in enumerate(rows())]
    for source, name, kind in made:
        row = next(r for r in whole if r["item_id"] == source)
        child = {"item_id": name, "parent_id": source, "type": kind}
        whole.append({**row, **child, "scenario": f"{row['scenario']} This was {name}."})
    lines = write_lines(tmp_path / "wards.jsonl", whole)
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]) == 0
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    spec = get_task("wards")
    parents = {item.item_id: item.parent for item in map(spec.item, spec.docs("test"))}
    assert {name: parent for name, parent in parents.items() if parent} == {
        name: (kind or "retelling", source) for source, name, kind in made
    }
    runs = tmp_path / "runs"
    assert oodrop(["run", "--model", "oodrop-oracle", "--tasks", "wards", "-o", str(runs)]) == 0
    (task,) = build_report([runs], resamples=50).tasks
    assert task.items == 15
    linked = {v.slug: v for v in task.variants if v.family == "linked"}
    assert {v.evidence for v in linked.values()} == {"assumed"}
    slugs = ("linked_in short", "linked_in short_2", "linked_retelling")
    assert tuple(linked) == slugs
    assert {s: d.n for d in task.analysis.drops if (s := d.name) in slugs} == dict.fromkeys(
        slugs, 1
    )
    logged = next(runs.rglob("samples_oodrop__lexical_keyboard_typo_s2__wards_*.jsonl"))
    found = [json.loads(line)["doc"]["oodrop"] for line in logged.read_text("utf-8").splitlines()]
    left = {row["item_id"]: row["outcome"] for row in found if row["parent"]}
    assert left == {name: "not_applicable" for _, name, _ in made}
    assert oodrop(["verify", str(runs)]) == 0


@pytest.mark.usefixtures("named", "own_index_only")
def test_stock_lm_eval_runs_them(
    mine: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own entry point; that it does so in a process of its own is shown with our tasks."""
    from lm_eval.__main__ import cli_evaluate

    command = [
        "lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", "8",
        "--model_args", f"pretrained={tiny_model},dtype=float32", "--apply_chat_template",
        "--include_path", str(mine / "wards" / "lm_eval"), "--tasks", "oodrop_wards_choice",
        "--num_fewshot", "2", "--log_samples", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    cli_evaluate()
    assert oodrop(["report", str(tmp_path / "out"), "-o", str(tmp_path / "report")]) == 0
    found = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [task["task"] for task in found["tasks"]] == ["wards_choice"]


def test_a_set_without_train_runs_and_has_no_examples_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = write_lines(tmp_path / "bare.jsonl", rows())
    assert oodrop(["data", "import", "procedural", str(lines), "-o", str(tmp_path / "mine")]) == 0
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    assert "bare_heldout" not in all_tasks()
    command = ["run", "--tasks", "bare", "-o", str(tmp_path / "runs"), "--model"]
    assert oodrop([*command, "oodrop-oracle"]) == 0
    capsys.readouterr()
    assert oodrop([*command, "oodrop-bow"]) == 2
    assert "task bare has no data for split 'train'" in " ".join(capsys.readouterr().err.split())
    fragment = yaml.safe_load("{training_split: train, fewshot_split: train}")
    declared = {"version": 1.0, "oodrop": {"task": "bare", **Variant().as_dict()}}
    task = PerturbedTask(
        config={
            **fragment,
            "task": "probe",
            "output_type": "multiple_choice",
            "test_split": "test",
            "doc_to_choice": "labels",
            "doc_to_target": "gold",
            "metadata": declared,
        }
    )
    task.set_config("num_fewshot", 1)
    with pytest.raises(DataError, match="1 few-shot examples were asked for, there are 0"):
        task.build_all_requests(limit=1)


def test_a_finished_run_is_not_reused_for_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "mine"))
    command = ["run", "--model", "oodrop-oracle", "--tasks", "same", "-o", str(tmp_path / "runs")]
    imports = ["data", "import", "procedural", str(tmp_path / "same.jsonl"), "-o"]
    for items, code in ((rows(), 0), (rows()[:8], 2)):
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        write_lines(tmp_path / "same.jsonl", items)
        assert oodrop([*imports, str(tmp_path / "mine")]) == 0
        assert len(get_task("same").docs("test")) == len(items)
        assert oodrop(command) == code
    assert "holds an evaluation with another data" in " ".join(capsys.readouterr().err.split())


def change(note: dict[str, Any], **fields: Any) -> None:
    note.update(fields)


NOTES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "kind": (lambda n: change(n, kind="images"), "line 1: .*'kind' must be one of procedural, "),
    "no kind": (lambda n: n.pop("kind"), "the field 'kind' is missing"),
    "name": (lambda n: change(n, name="else"), "'name' must be that of the folder, wards, got"),
    "source": (lambda n: change(n, source="a\x1b[2J"), "'source' must be one line of text"),
    "field": (lambda n: change(n, extra=1), "unknown field 'extra'; allowed: kind, name, source"),
    "splits": (lambda n: change(n, splits=[]), "splits must be a mapping, got list"),
    "split": (lambda n: n["splits"].update(dev={}), "a split is one of train, .*, got 'dev'"),
    "nothing": (lambda n: change(n, splits={}), "must have test or heldout, or there is nothing"),
    "items": (lambda n: n["splits"]["test"].update(items="12"), "'items' must be a whole number"),
    "zero": (lambda n: n["splits"]["test"].update(items=0), "'items' must be a whole number"),
    "hash": (lambda n: n["splits"]["test"].update(sha256="ab"), "64 hexadecimal digits, got 'ab'"),
    "more": (lambda n: n["splits"]["test"].update(x=1), "unknown field 'x'"),
}


@pytest.mark.parametrize("case", NOTES)
def test_a_note_that_is_none_is_named(
    case: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter, message = NOTES[case]
    shutil.copytree(mine / "wards", tmp_path / "wards")
    path = tmp_path / "wards" / "task.yaml"
    note = yaml.safe_load(path.read_text("utf-8"))
    alter(note)
    path.write_text(yaml.safe_dump(note, sort_keys=False), encoding="utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    for look in (all_tasks, lambda: get_task("wards")):
        with pytest.raises(DataError, match=rf"task\.yaml.*{message}"):
            look()
    assert get_task("everyday").name == "everyday"  # the damage is its own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: [", "line 1: not a YAML note"),
        ("kind: procedural\nkind: x\n", "line 2: not a YAML note: key 'kind' stands twice"),
        ("!!python/object/apply:os.system ['touch hacked']", "could not determine a constructor"),
        ("kind: !!int ''", "is not a YAML note"),
        ("kind: !!timestamp x", "is not a YAML note"),
        ("a: &a [x]\nkind: [*a, *a]", "must hold neither YAML aliases"),
        ("- 1\n", "must be a mapping, got list"),
        ("a: " + "[" * 15_000, "nor deep nesting"),
        ("#" * 20_000, "holds more than 16,384 bytes"),
        ("\x00", "not a YAML note"),
    ],
)
def test_a_note_that_is_not_yaml_is_named(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wards").mkdir()
    (tmp_path / "wards" / "task.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        get_task("wards")
    assert not (tmp_path / "hacked").exists()


def repacked(folder: Path, edit: Callable[[list[dict[str, Any]]], None], *, note: bool) -> None:
    """Change the test documents; ``note`` also notes their new hash."""
    path = folder / "data" / "test.jsonl.gz"
    docs = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    edit(docs)
    content = "".join(json.dumps(doc) + "\n" for doc in docs).encode()
    path.write_bytes(gzip.compress(content))
    if note:
        written = yaml.safe_load((folder / "task.yaml").read_text("utf-8"))
        written["splits"]["test"]["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "task.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[list[dict[str, Any]]], None], bool, str]] = {
    "hash": (lambda d: d[0].update(scenario="x"), False, "is not what task.yaml notes: .* got SHA"),
    "gone": (lambda d: d.clear(), True, "task.yaml notes 12 items, the file has 0"),
    "label": (lambda d: d[0].update(label="non-compliant"), True, "notes 6 compliant, .* has 5"),
    "cluster": (lambda d: d[0].update(process_id="x"), True, "notes 3 clusters, the file has 4"),
    "shape": (lambda d: d[4].update(label="x"), True, "line 5: 'label' must be compliant or"),
    "field": (lambda d: d[4].update(oodrop={}), True, "line 5: unknown field 'oodrop'"),
    "id": (lambda d: d[4].pop("item_id"), True, "line 5: 'item_id' and 'process_id' must be"),
    "two": (lambda d: d[4].update(item_id=d[0]["item_id"]), True, "line 5: .* stands twice"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_data_that_are_not_as_noted_are_refused(
    case: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, note, message = DAMAGES[case]
    shutil.copytree(mine / "wards", tmp_path / "wards")
    repacked(tmp_path / "wards", edit, note=note)
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    spec = get_task("wards")
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            spec.docs("test")
    assert len(spec.docs("train")) == 12


def test_data_that_cannot_be_unpacked_are_named(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / "wards")
    path = tmp_path / "wards" / "data" / "test.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    with pytest.raises(DataError, match=r"test\.jsonl\.gz cannot be read"):
        get_task("wards").docs("test")


def test_two_folders_of_one_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / "wards")
    monkeypatch.setenv("OODROP_TASKS", os.pathsep.join([str(mine), str(tmp_path)]))
    for look in (all_tasks, lambda: get_task("wards_choice")):
        with pytest.raises(DataError, match=r"two folders hold the task 'wards\w*'"):
            look()


@pytest.mark.parametrize("name", ["procedural", "everyday", "procedural_choice"])
def test_a_folder_with_the_name_of_a_task_of_ours(
    name: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mine / "wards", tmp_path / name)
    path = tmp_path / name / "task.yaml"
    path.write_text(path.read_text("utf-8").replace("name: wards", f"name: {name}"), "utf-8")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    for look in (all_tasks, lambda: get_task(name)):
        with pytest.raises(DataError, match=rf"the task '{name}' comes with oodrop"):
            look()


def test_a_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path / "nowhere"))
    for look in (all_tasks, lambda: get_task("x")):
        with pytest.raises(DataError, match="OODROP_TASKS names .*nowhere, which is no folder"):
            look()


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


def test_no_code_of_a_folder_is_run(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompt, fragment and scoring of a run are oodrop's, whatever a folder brings along."""
    folder = tmp_path / "wards"
    shutil.copytree(mine / "wards", folder)
    (folder / "lm_eval" / "_text.yaml").write_text(
        "doc_to_text: '{{ cycler.__init__.__globals__.os.system(\"touch hacked\") }}'\n"
        "process_results: !function evil.go\n"
    )
    (folder / "lm_eval" / "evil.py").write_text("open('hacked', 'w')\n")
    (folder / "templates").mkdir()
    (folder / "templates" / "t05.jinja").write_text("evil")
    (folder / "paraphrases.yaml").write_text("segments: {question: {p01: evil}}")
    monkeypatch.setenv("OODROP_TASKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    command = ["run", "--model", "oodrop-oracle", "--tasks", "wards", "-o", "runs"]
    assert oodrop(command) == 0
    assert not list(tmp_path.rglob("hacked"))
    samples = next((tmp_path / "runs").rglob("samples_oodrop__phrasing_template_t05__*.jsonl"))
    assert "evil" not in samples.read_text("utf-8")


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

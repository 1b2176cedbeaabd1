"""Content that is made to break readers: it is survived, or named in an error; never run into."""

from __future__ import annotations

import builtins
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, OodropError
from oodrop.reports.lines import iterate_samples
from oodrop.reports.model import Report
from oodrop.reports.redaction import redact
from oodrop.reports.replies import prompt_of, reply_of

from .runs import (
    CANONICAL,
    MAIN,
    ORDER,
    TYPO,
    edit_json,
    edit_line,
    mark,
    rehash,
    results_file,
    rows,
    samples_file,
    task_name,
    tasks_of,
    write_checkpoint,
    write_run,
)

Read = Callable[..., Report]

# --- text ----------------------------------------------------------------------------------------

TEXTS = {
    "line separators": "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\rh",
    "lone surrogate": "a\ud800b",
    "reversed pair": "\udc00\ud800",
    "nul": "a\x00b",
    "controls": "".join(map(chr, range(32))),
    "html": "</script><script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A1",
    "noncharacters": "\ufffe\uffff\U0010ffff",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_hostile_text_everywhere(tmp_path: Path, read: Read, text: str) -> None:
    tasks = tasks_of(*MAIN, text=lambda k: f"{text}{k}", generate=True)
    for samples in tasks.values():
        for row in samples:
            row["resps"] = [[text]]
            row["filtered_resps"] = [text + str(row.get("acc"))]
            row["target"] = text
            row["doc"]["oodrop"]["gold"] = text
            row["doc"]["oodrop"]["item_id"] += text
            row["doc"]["oodrop"]["cluster_id"] += text
            rehash(row)
    write_run(tmp_path, tasks)
    (task,) = read(tmp_path).tasks
    assert task.items == 12
    assert task.flips_total == {"alpha": 7}
    for flip in task.flips:
        assert flip.item_id.endswith(text)
        assert flip.gold == text
        assert flip.canonical_prompt.startswith(f"Question: {text}")
        assert flip.canonical_reply in (text + "0.0", text + "1.0")


def test_lines_are_split_at_newlines_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"a": "1\u2028\u2029\u0085"}\n{"a": "2"}\r\n'.encode())
    assert [number for number, _ in iterate_samples(path)] == [1, 2]


def test_samples_are_streamed(tmp_path: Path) -> None:
    """The first line comes before a later, damaged one is looked at."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\nbroken\n')
    stream = iterate_samples(path)
    assert next(stream) == (1, {"a": 1})
    with pytest.raises(DataError, match="line 2"):
        next(stream)


# --- numbers and nesting, in fields that do not matter -------------------------------------------

ODD_JSON = {
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "1e999": "1e999",
    "4300 digits": "7" * 4300,
    "5000 digits": "7" * 5000,
    "-5000 digits": "-" + "7" * 5000,
    "30 digits": "7" * 30,
    "300 levels": "[" * 300 + "]" * 300,
    "900 levels": "[" * 900 + "]" * 900,
    "doubled key": '{"a": 1, "a": 2}',
    "surrogate": '"\\ud800"',
    "empty": "{}",
    "null": "null",
}
FIELDS = ("extra", "resps", "filtered_resps", "arguments", "target", "metrics", "doc_id")


def put_raw(path: Path, number: int, field: str, text: str) -> None:
    """Replace a field of a line by JSON text that Python's own writer may not write."""
    edit_line(path, number, lambda row: row.update({field: "@@"}))
    path.write_bytes(path.read_bytes().replace(b'"@@"', text.encode()))


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=list(ODD_JSON))
@pytest.mark.parametrize("field", FIELDS)
def test_odd_json_in_a_field_that_does_not_matter(
    alpha: Path, read: Read, field: str, text: str
) -> None:
    drops = read(alpha).tasks[0].analysis
    for kind in (CANONICAL, TYPO):
        put_raw(samples_file(alpha, kind), 2, field, text)  # item 1 is a flip
    (task,) = read(alpha).tasks
    assert task.analysis == drops
    assert task.flips_total == {"alpha": 7}


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=list(ODD_JSON))
def test_odd_json_in_results(alpha: Path, read: Read, text: str) -> None:
    report = read(alpha)
    path = results_file(alpha)
    edit_json(path, lambda d: d.update(results="@@", task_hashes="@@"))
    path.write_bytes(path.read_bytes().replace(b'"@@"', text.encode()))
    assert read(alpha) == report


@pytest.mark.parametrize("brackets", ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000, "[" * 10_000])
def test_ten_thousand_brackets_are_an_error(alpha: Path, read: Read, brackets: str) -> None:
    path = samples_file(alpha, TYPO)
    put_raw(path, 2, "extra", brackets)
    with pytest.raises(DataError, match="line 2: not JSON") as caught:
        read(alpha)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("brackets", [900, 10_000])
def test_deep_results_are_survived_or_named(alpha: Path, read: Read, brackets: int) -> None:
    path = results_file(alpha)
    edit_json(path, lambda d: d["config"].update(model_args="@@"))
    path.write_bytes(path.read_bytes().replace(b'"@@"', b"[" * brackets + b"]" * brackets))
    with pytest.raises(OodropError):
        read(alpha)


def test_long_values_do_not_flood_the_message(alpha: Path, read: Read) -> None:
    path = samples_file(alpha, TYPO)
    edit_line(path, 2, lambda row: row.update(acc="x" * 100_000))
    with pytest.raises(DataError) as caught:
        read(alpha)
    assert len(str(caught.value)) < 300 + len(str(path))


# --- arguments and replies -----------------------------------------------------------------------


def test_an_api_chat_model_logs_a_list(tmp_path: Path, read: Read) -> None:
    tasks = tasks_of(*MAIN, generate=True)
    for samples in tasks.values():
        for row in samples:
            first = row["arguments"]["gen_args_0"]
            message = json.dumps([{"role": "user", "content": first["arg_0"]}])
            first["arg_0"] = [message]
            rehash(row)
    write_run(tmp_path, tasks)
    flip = read(tmp_path).tasks[0].flips[0]
    assert json.loads(flip.canonical_prompt)[0]["content"].startswith("Question: ")


@pytest.mark.parametrize(
    "arguments",
    [None, [], {}, "x", 3, {"gen_args_0": None}, {"gen_args_0": []}, {"gen_args_0": {}},
     {"gen_args_0": {"arg_0": None}}, {"gen_args_0": {"arg_0": []}},
     {"gen_args_1": {"arg_0": "p"}}],
)  # fmt: skip
def test_arguments_of_any_shape(arguments: object) -> None:
    assert isinstance(prompt_of({"arguments": arguments}), str)
    assert isinstance(prompt_of({}), str)


@pytest.mark.parametrize(
    "replies",
    [None, [], {}, "", 3, "text", [[]], [[1, 2, 3]], [["a", "b"]], [["nan", "True"]],
     [["nan", "x"], ["-1", "x"]], [["inf", "True"], ["-inf", "False"]], [[None, None]],
     [["-1", "True"], "x"], [["1e999", "True"]], [["7" * 5000, "True"]], [{"a": 1}], {"a": 1},
     True],
)  # fmt: skip
def test_replies_of_any_shape(replies: object) -> None:
    assert isinstance(reply_of({"filtered_resps": replies}), str)
    assert isinstance(reply_of({}), str)


def test_a_reply_that_is_not_a_number_is_not_the_best() -> None:
    sample = rows(TYPO)[0]
    sample["filtered_resps"][0][0] = "nan"
    sample["filtered_resps"][3][0] = "-20"
    assert reply_of(sample).splitlines()[0] == "bowl"


# --- nothing outside the folder ------------------------------------------------------------------


@contextmanager
def watch_opens(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Every path that is opened for reading while the block runs."""
    opened: list[Path] = []
    real_io, real_open = io.open, builtins.open

    def spy(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, *args: Any, **kwargs: Any) -> Any:
            path = os.fsdecode(file) if isinstance(file, (str, bytes, os.PathLike)) else "/proc/"
            if not path.startswith("/proc/"):  # threadpoolctl looks there
                opened.append(Path(path))
            return real(file, *args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", spy(real_io))
        patch.setattr(builtins, "open", spy(real_open))
        yield opened


def test_the_spy_sees_what_is_read(
    alpha: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watch_opens(monkeypatch) as opened:
        read(alpha)
    names = {"oodrop_checkpoint.json", samples_file(alpha, TYPO).name}
    assert {path.name for path in opened} >= names


@pytest.mark.parametrize(
    "name",
    [
        "oodrop__../../../../secret",
        "oodrop__/etc/passwd",
        "oodrop__/../../secret",
        "oodrop__x/../../../../secret",
        r"oodrop__..\..\secret",
        "oodrop__a\x00b",
        "oodrop__" + "x" * 5000,
        "oodrop__\ud800",
        "oodrop__",
        "oodrop__..",
        "oodrop__\n::error::x",
    ],
    ids=repr,
)
def test_task_names_open_nothing_outside(
    tmp_path: Path, read: Read, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b" / "runs"
    path = write_run(folder, tasks_of(CANONICAL, TYPO))
    edit_json(path, lambda d: d["configs"].update({name: d["configs"][task_name(TYPO)]}))
    stamp = path.stem.removeprefix("results_")
    for place in (tmp_path, tmp_path / "a", folder.parent, folder):
        (place / f"secret_{stamp}.jsonl").write_text("{}\n")
    with watch_opens(monkeypatch) as opened, pytest.raises(DataError) as caught:
        read(folder)
    assert [p for p in opened if not p.resolve().is_relative_to(folder)] == []
    message = str(caught.value)
    assert "\n" not in message
    assert "::error::x" not in message.splitlines()
    message.encode()  # can be printed
    assert len(message) < 1000


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a\x00b", "\ud800"])
def test_model_and_checkpoint_names_open_nothing(
    tmp_path: Path, read: Read, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs"
    write_run(folder, tasks_of(CANONICAL, TYPO), model=name, model_args=f"pretrained={name}")
    write_run(mark(folder / "b", name) / "main", tasks_of(CANONICAL, TYPO, score=lambda k: 1.0))
    with watch_opens(monkeypatch) as opened:
        read(folder)
    assert [p for p in opened if not p.resolve().is_relative_to(folder)] == []


def test_names_of_checkpoints_can_be_printed(tmp_path: Path, read: Read) -> None:
    """A name goes into messages, and lines of `::error::` are commands to a CI."""
    names = ("a\n::error::b", "a\ud800", "a\x1b[31m", "a\u2028b", "a\x00", "é 测")
    for k, name in enumerate(names):
        place = mark(tmp_path / str(k), name)
        write_run(place / "main", tasks_of(CANONICAL, TYPO), day=k)
    shown = [c.name for c in read(tmp_path).checkpoints]
    assert shown == [
        "a\ufffd::error::b",
        "a\ufffd",
        "a\ufffd[31m",
        "a\ufffdb",
        "a\ufffd (2)",
        "é 测",
    ]
    edit_line(
        samples_file(tmp_path / "0", TYPO),
        2,
        lambda row: row["doc"]["oodrop"].update(canonical_sha256="0"),
    )
    with pytest.raises(OodropError, match="a\ufffd::error::b") as caught:
        read(tmp_path)
    assert str(caught.value).isprintable()


def test_a_task_name_in_a_record_is_only_a_name(
    alpha: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_line(
        samples_file(alpha, TYPO),
        2,
        lambda row: row["doc"]["oodrop"].update(task="../../../../etc/passwd"),
    )
    with watch_opens(monkeypatch) as opened, pytest.raises(OodropError):
        read(alpha)
    assert [p for p in opened if not p.resolve().is_relative_to(alpha)] == []


# --- secrets and paths ---------------------------------------------------------------------------

SECRETS = [
    "api_key=sk-SECRET",
    "apikey=SECRET",
    "API_KEY=SECRET",
    "openai_api_key=SECRET",
    "token=hf_SECRET",
    "hf_token=hf_SECRET",
    "use_auth_token=hf_SECRET",
    "auth-token=SECRET",
    "access_key=SECRET",
    "aws_secret_access_key=SECRET",
    "password=SECRET",
    "passwd=SECRET",
    "client_secret=SECRET",
    "authorization=Bearer SECRET",
    "header={'Authorization': 'Bearer SECRET'}",
    'header={"X-Api-Key": "SECRET"}',
    "base_url=https://me:SECRET@host/v1",
    "base_url=https://host/v1?api_key=SECRET&x=1",
    "token = SECRET",
]


@pytest.mark.parametrize("argument", SECRETS)
def test_secrets_are_redacted(argument: str) -> None:
    for text in (argument, f"pretrained=org/alpha,{argument}", f"{argument},dtype=float32"):
        assert "SECRET" not in redact(text)
    assert "dtype=float32" in redact(f"{argument},dtype=float32")
    assert "pretrained=org/alpha" in redact(f"pretrained=org/alpha,{argument}")


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("pretrained=/data/me/models/alpha", "pretrained=alpha"),
        ("pretrained=/data/alpha", "pretrained=alpha"),
        ("pretrained=/data/me/my models/alpha v2", "pretrained=alpha v2"),
        ("pretrained=/data/me/alpha/", "pretrained=alpha"),
        ("pretrained=/data/me/alpha,peft=/data/me/lora", "pretrained=alpha,peft=lora"),
        (r"pretrained=C:\Users\me\my models\alpha", "pretrained=alpha"),
        ("pretrained=C:/Users/me/alpha", "pretrained=alpha"),
        (r"pretrained=\\server\share\alpha", "pretrained=alpha"),
        ("pretrained=~/models/alpha", "pretrained=alpha"),
        ("pretrained=file:///data/me/alpha", "pretrained=alpha"),
        ("header={'path': '/data/me/alpha'}", "header={'path': 'alpha'}"),
    ],
)
def test_folders_of_the_machine_are_redacted(argument: str, shown: str) -> None:
    assert redact(argument) == shown
    assert redact(f"dtype=float32,{argument}") == f"dtype=float32,{shown}"


@pytest.mark.parametrize(
    "argument",
    [
        "pretrained=Qwen/Qwen2.5-7B-Instruct",
        "pretrained=org/alpha,peft=me/lora/",
        "pretrained=org/sub/alpha",
        "pretrained=./runs/a/alpha",
        "tokenizer=org/alpha",
        "tokenizer_backend=huggingface",
        "add_bos_token=True",
        "max_gen_toks=256",
        "trust_remote_code=True",
        "dtype=float32,revision=main,max_length=4096",
        "base_url=http://localhost:8000/v1/completions",
        "",
    ],
)
def test_what_is_harmless_stays(argument: str) -> None:
    assert redact(argument) == argument


def test_redaction_is_quick() -> None:
    for text in ("/a" * 50_000, "\\" * 50_000, "token" * 20_000, "a_" * 50_000, "://" * 30_000):
        redact(text)


def test_checkpoints_of_a_report_are_redacted(tmp_path: Path, read: Read) -> None:
    args: dict[str, Any] = {"pretrained": "/data/me/alpha", "hf_token": "SECRET", "dtype": "auto"}
    write_run(tmp_path, tasks_of(*MAIN), model_args=args)
    write_run(
        tmp_path,
        tasks_of(CANONICAL, ORDER, score=lambda k: 1.0),
        model_args=r"pretrained=C:\Users\me\alpha,api_key=SECRET",
        day=1,
    )
    report = read(tmp_path)
    assert [c.name for c in report.checkpoints] == ["alpha", "alpha (2)"]
    assert [c.model_args for c in report.checkpoints] == [
        "pretrained=alpha,hf_token=***,dtype=auto",
        "pretrained=alpha,api_key=***",
    ]
    for hidden in ("SECRET", "Users", "/home", "C:"):
        assert hidden not in repr((report.checkpoints, report.notes))


def test_a_name_is_never_a_path(tmp_path: Path, read: Read) -> None:
    """The name of a plain run comes from arguments that may hold anything."""
    for k, args in enumerate(("pretrained=/data/me/a//", r"model=D:\x\b", "model=~/c", "peft=/")):
        write_run(tmp_path, tasks_of(CANONICAL), model_args=args, day=k)
    assert [c.name for c in read(tmp_path).checkpoints] == ["a", "b", "c", "hf"]


def test_symbolic_links_out_of_the_folder(tmp_path: Path, read: Read) -> None:
    """A linked results file is read where it lies, with the samples beside it."""
    real = write_checkpoint(tmp_path / "store", "alpha")
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "alpha").symlink_to(real, target_is_directory=True)
    assert read(runs / "alpha") == read(real)

"""Runs of every layout, and seeded damage to their files: a case is made from its number alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .layouts import LAYOUTS, Layout, write_layout
from .runs import CANONICAL, ORDER, RERUN, TYPO, Row, edit_json, tasks_of

Files = dict[Path, bytes]
RAW = (
    "null", "true", "false", "0", "1", "2", "-1", "0.5", "3.7", "-0.0", "NaN", "Infinity",
    "-Infinity", "1e999", "1e308", "-1e308", "1e-320", "18446744073709551616", "9007199254740993",
    '""', '"N/A"', '"nan"', '"1.0"', "[]", "{}", "[1.0]", '{"a": 1}', '[["a"]]', "7" * 4_299,
    "7" * 4_300, "7" * 5_000, "-" + "7" * 4_300, "[" * 300 + "]" * 300, "[" * 980 + "]" * 980,
    "[" * 2_000 + "]" * 2_000, '{"a":' * 700 + "1" + "}" * 700, '"\\ud800"', '"\\udc00\\ud800"',
    '"\\u2028\\u2029\\u0085"', '"\\u0000"', '"../../../etc/passwd"', '"=1+1"', '"<script>"',
    '"\\n::error::x"', f'"{"x" * 100_000}"', '"canonical"', '"changed"', '"unchanged"',
    '"refused"', '"not_applicable"', '"not_asked"', '"none"', '"acc"', '"0.4.13"', '"0.4.5"',
    '"everyday.003"', '"everyday"', '"lexical"', '"control.rerun"', '"oodrop__canonical__everyday"',
    f'"{"0" * 64}"', '{"oodrop": {}}', '["made", "everyday.001"]',
)  # fmt: skip
TOKENS = (
    b"null", b"NaN", b"1e999", b"-1", b"[]", b'""', b"7" * 4_400, b'"\\ud800"', b"[" * 1_500,
    b"]" * 30, b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"\n", b"\r\n", b"\r",
    b"\xe2\x80\xa8", b",", b'"a":', b"1", b"}", b'"', b"\\",
)  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """A folder of two checkpoints as one layout writes them.

    Attributes:
        name: layout and style.
        files: path below the folder -> content.
    """

    name: str
    files: Files


@dataclass(frozen=True)
class Case:
    """One damaged folder.

    Attributes:
        what: the kind of damage, and where.
        changed: the files that are other ones now.
    """

    corpus: Corpus
    what: str
    changed: Files

    @property
    def files(self) -> Files:
        return self.corpus.files | self.changed


def make_case(number: int) -> Case:
    """The case of a number, the same one in every process."""
    corpora = every_corpus()
    rng = random.Random(number)
    corpus = corpora[number % len(corpora)]
    while True:
        mutate = rng.choice(MUTATIONS)
        changed = dict(mutate(corpus.files, rng))
        if any(corpus.files[path] != content for path, content in changed.items()):
            where = ", ".join(path.name for path in changed)
            return Case(corpus, f"{corpus.name}: {mutate.__name__} of {where}", changed)


# --- what is damaged -----------------------------------------------------------------------------


@cache
def every_corpus() -> tuple[Corpus, ...]:
    """All layouts as chosen and as generated, and a run of oodrop's own with all that it notes."""
    own = [_corpus(layout, "chosen") for layout in LAYOUTS]
    plain = [_corpus(layout, "generated") for layout in LAYOUTS]
    return (*own, *plain, _corpus(LAYOUTS[-2], "rich"), _corpus(LAYOUTS[-2], "stopped"))


def _corpus(layout: Layout, style: str) -> Corpus:
    """Generated answers are those of plain lm-eval, all others have oodrop's own file."""
    marked = style != "generated"
    with TemporaryDirectory() as made:
        folder = Path(made)
        for name, score in (("alpha", None), ("beta", lambda k: float(k % 4 == 0))):
            for day, kinds in ((0, (CANONICAL, TYPO, ORDER)), (1, (RERUN,))):
                tasks = tasks_of(*kinds, score=score, generate=not marked)
                if style == "rich":
                    _enrich(tasks)
                if style == "stopped":
                    tasks[list(tasks)[-1]] = tasks[list(tasks)[-1]][: 12 if day else 8]
                place = folder if marked else folder / name
                path = write_layout(place, layout, tasks, name=name, day=day, marked=marked)
                if style == "rich":
                    edit_json(path, _enrich_results)
                if style == "stopped":
                    edit_json(path, _stop)
            if marked:
                edit_json(folder / name / "oodrop_checkpoint.json", _enrich_marker)
        files = {
            path.relative_to(folder): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    return Corpus(f"{layout.version}{'-lists' * layout.lists} {style}", files)


def _enrich(tasks: dict[str, list[Row]]) -> None:
    """Measures of the way to an answer, and a child of an item that changed nothing."""
    for rows in tasks.values():
        for k, row in enumerate(rows):
            row |= {"parsed": 1, "reasoning_tokens": k, "at_once": 0, "truncated": 0.0}
            if k in (5, 6):
                parent = [f"made_{k}", "everyday.001"]
                row["doc"]["oodrop"] |= {"parent": parent, "parent_evidence": "reviewed"}


def _enrich_results(results: dict[str, Any]) -> None:
    for config in results["configs"].values():
        config["metadata"]["oodrop"] |= {"groups": {"daily": 2}, "heldout_of": "other"}


def _stop(results: dict[str, Any]) -> None:
    """As `oodrop run --stop-when decided` notes that one variant was asked eight items."""
    row = {"items": 8, "items_of": 12, "changed": 7, "changed_of": 9}
    tasks = {task: row | {"decision": "PASS", "estimate": 0.25} for task in results["configs"]}
    own = {"estimand": "full_run", "margin": 0.05, "alpha": 0.05, "tasks": tasks}
    results["config"]["stopping"] = own


def _enrich_marker(marker: dict[str, Any]) -> None:
    marker["left_out"] = {"plugin_x": "the package is not installed"}
    marker["spec"] = {"model": "hf", "model_args": {"pretrained": "org/alpha"}}


# --- damage that knows JSON ----------------------------------------------------------------------

Found = Iterator[tuple[Path, bytes]]


def _pick(files: Files, rng: random.Random) -> Path:
    """A file; the few with settings as often as the many with rows."""
    return rng.choice([p for p in files if p.suffix == rng.choice((".json", ".jsonl"))] or [*files])


def _row_of(content: bytes, rng: random.Random) -> tuple[list[bytes], int]:
    lines = content.split(b"\n")
    return lines, rng.randrange(len(lines) - 1)


def _places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below this one."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inner:
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*place, key))


def _structured(
    files: Files, rng: random.Random, change: Callable[[Any, Any, random.Random], str | None]
) -> Found:
    """One value of an object changed; `change` gets what holds it, its key, and gives raw JSON."""
    path = _pick(files, rng)
    lines, k = (
        ([files[path]], 0) if path.suffix == ".json" else _row_of(files[path], rng)
    )  # fmt: skip
    data = json.loads(lines[k])
    places = list(_places(data))
    # Half of all damage goes to what numbers rest on: a row holds much that they do not.
    near = [p for p in places if {"oodrop", "acc", "filter", "config", "n-shot"} & {*p} or p[0] in
            ("doc_hash", "prompt_hash", "date", "versions", "fingerprint", "name")]  # fmt: skip
    place = rng.choice(near if near and rng.random() < 0.5 else places)
    holder = data
    for key in place[:-1]:
        holder = holder[key]
    raw = change(holder, place[-1], rng)
    text = json.dumps(data, ensure_ascii=rng.random() < 0.5)
    lines[k] = (text if raw is None else text.replace('"@@"', raw)).encode()
    yield path, b"\n".join(lines)


def replace_value(files: Files, rng: random.Random) -> Found:
    def change(holder: Any, key: Any, rng: random.Random) -> str:
        holder[key] = "@@"
        return rng.choice(RAW)

    return _structured(files, rng, change)


def drop_key(files: Files, rng: random.Random) -> Found:
    def change(holder: Any, key: Any, rng: random.Random) -> None:
        del holder[key]

    return _structured(files, rng, change)


def rename_key(files: Files, rng: random.Random) -> Found:
    def change(holder: Any, key: Any, rng: random.Random) -> str | None:
        value = holder.pop(key)
        if isinstance(holder, list):
            holder.append(value)
            return None
        holder["@@"] = value
        return rng.choice(('"x"', '""', f'"{key} "', '"\\ud800"', '"oodrop__x__y"', '"acc"'))

    return _structured(files, rng, change)


def double_key(files: Files, rng: random.Random) -> Found:
    """The last one counts, for Python as for everyone else here."""

    def change(holder: Any, key: Any, rng: random.Random) -> str | None:
        if isinstance(holder, list):
            holder.append(holder[key])
            return None
        holder["@@"] = rng.choice((holder[key], None, 1, 0.0, "x"))
        return json.dumps(key)

    return _structured(files, rng, change)


def change_type(files: Files, rng: random.Random) -> Found:
    def change(holder: Any, key: Any, rng: random.Random) -> None:
        old = holder[key]
        others = [str(old), [old], {"value": old}, bool(old), len(str(old))]
        holder[key] = rng.choice(others)

    return _structured(files, rng, change)


def wrap_all(files: Files, rng: random.Random) -> Found:
    path = _pick(files, rng)
    if path.suffix == ".json":
        yield path, b"[" + files[path] + b"]"
        return
    lines, k = _row_of(files[path], rng)
    lines[k] = rng.choice((b"[%s]", b'{"doc": %s}', b"%s %s", b"%s,", b" %s ")).replace(
        b"%s", lines[k]
    )
    yield path, b"\n".join(lines)


def _two(files: Files, rng: random.Random, suffix: str) -> list[Path]:
    return rng.sample([p for p in files if p.suffix == suffix and "checkpoint" not in p.name], 2)


def swap_rows(files: Files, rng: random.Random) -> Found:
    one, other = _two(files, rng, ".jsonl")
    ours, k = _row_of(files[one], rng)
    theirs, j = _row_of(files[other], rng)
    if rng.random() < 0.5:
        j = min(k, len(theirs) - 2)
    ours[k], theirs[j] = theirs[j], ours[k]
    yield one, b"\n".join(ours)
    yield other, b"\n".join(theirs)


def swap_files(files: Files, rng: random.Random) -> Found:
    one, other = _two(files, rng, rng.choice((".json", ".jsonl")))
    yield one, files[other]
    yield other, files[one]


def change_score(files: Files, rng: random.Random) -> Found:
    """Numbers that stay plausible: what is reported must follow them."""
    path = rng.choice([p for p in files if p.suffix == ".jsonl"])
    lines, k = _row_of(files[path], rng)
    row = json.loads(lines[k])
    row["acc"] = rng.choice((0, 1, 0.25, True, False, 1 - row.get("acc", 0), 1.0, 1e-9))
    lines[k] = json.dumps(row).encode()
    yield path, b"\n".join(lines)


def change_outcome(files: Files, rng: random.Random) -> Found:
    path = rng.choice([p for p in files if p.suffix == ".jsonl"])
    lines, k = _row_of(files[path], rng)
    row = json.loads(lines[k])
    record = row["doc"]["oodrop"]
    record["outcome"] = rng.choice(("changed", "unchanged", "refused", "not_applicable"))
    record["scored"] = rng.choice((True, False, record["outcome"] == "changed", None))
    record["evidence"] = rng.choice((None, "proved", "checked"))
    lines[k] = json.dumps(row).encode()
    yield path, b"\n".join(lines)


def change_id(files: Files, rng: random.Random) -> Found:
    """The same id in one file, or in all of them."""
    old = f"everyday.{rng.randrange(12):03d}"
    new = rng.choice(("everyday.900", "", "x\u2028y", "everyday.003", "a/b", "everyday.3"))
    paths = [p for p in files if p.suffix == ".jsonl"]
    for path in paths if rng.random() < 0.5 else rng.sample(paths, 1):
        yield path, files[path].replace(f'"{old}"'.encode(), json.dumps(new).encode())


def change_everywhere(files: Files, rng: random.Random) -> Found:
    """One word for another in all files of a kind: a consistent forgery."""
    words = (
        '"acc"', '"none"', '"canonical"', '"everyday"', '"changed"', '"scored": true', "0.25",
        '"unchanged"', '"lexical"', "0.4.13", "1.0", '"proved"', "1234", "true", "0",
    )  # fmt: skip
    old, new = rng.sample(words, 2)
    part = rng.choice(("", "alpha", "beta", "results", "samples", "typo"))
    for path, content in files.items():
        if part in str(path):
            yield path, content.replace(old.encode(), new.encode())


# --- damage that knows bytes ---------------------------------------------------------------------


def flip_bytes(files: Files, rng: random.Random) -> Found:
    path = _pick(files, rng)
    changed = bytearray(files[path])
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    yield path, bytes(changed)


def insert_token(files: Files, rng: random.Random) -> Found:
    path = _pick(files, rng)
    at = rng.randrange(len(files[path]))
    yield path, files[path][:at] + rng.choice(TOKENS) + files[path][at:]


def delete_bytes(files: Files, rng: random.Random) -> Found:
    path = _pick(files, rng)
    at = rng.randrange(len(files[path]))
    yield path, files[path][:at] + files[path][at + rng.randrange(1, 60) :]


def change_digit(files: Files, rng: random.Random) -> Found:
    """The damage that stays JSON most often."""
    path = _pick(files, rng)
    digits = [k for k, byte in enumerate(files[path]) if 48 <= byte < 58]
    changed = bytearray(files[path])
    if digits:
        changed[rng.choice(digits)] = rng.randrange(48, 58)
    yield path, bytes(changed)


def cut_off(files: Files, rng: random.Random) -> Found:
    path = _pick(files, rng)
    yield path, files[path][: rng.randrange(len(files[path]))]


def drop_line(files: Files, rng: random.Random) -> Found:
    path = rng.choice([p for p in files if p.suffix == ".jsonl"])
    lines, k = _row_of(files[path], rng)
    yield path, b"\n".join(lines[:k] + lines[k + 1 :])


def drop_item(files: Files, rng: random.Random) -> Found:
    """The same line of every file of a checkpoint, or of all: `--limit`, or a gap in the ids."""
    k, part = rng.randrange(12), rng.choice(("alpha", "beta", ""))
    for path, content in files.items():
        if path.suffix == ".jsonl" and part in str(path):
            lines = content.split(b"\n")
            yield path, b"\n".join(lines[:k] + lines[k + 1 :])


def repeat_line(files: Files, rng: random.Random) -> Found:
    path = rng.choice([p for p in files if p.suffix == ".jsonl"])
    lines, k = _row_of(files[path], rng)
    lines.insert(rng.randrange(len(lines)), lines[k])
    yield path, b"\n".join(lines)


def shuffle_lines(files: Files, rng: random.Random) -> Found:
    path = rng.choice([p for p in files if p.suffix == ".jsonl"])
    lines = files[path].split(b"\n")[:-1]
    rng.shuffle(lines)
    yield path, b"\n".join(lines) + b"\n"


MUTATIONS: tuple[Callable[[Files, random.Random], Found], ...] = (
    replace_value, replace_value, replace_value, replace_value, drop_key, rename_key, double_key,
    change_type, wrap_all, swap_rows, swap_files, change_score, change_score, change_outcome,
    change_id, change_everywhere, flip_bytes, insert_token, delete_bytes, change_digit,
    change_digit, cut_off, drop_line, drop_item, repeat_line, shuffle_lines,
)  # fmt: skip

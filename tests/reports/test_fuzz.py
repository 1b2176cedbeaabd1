"""Damage at random: a report or an `OodropError`, within a second, and nothing else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from oodrop import OodropError
from oodrop.reports.model import Report

from .runs import write_checkpoint

Read = Callable[..., Report]
TOKENS = (
    b"null", b"NaN", b"1e999", b"-1", b"[]", b"{}", b'""', b"true", b"7" * 4400, b'"\\ud800"',
    b"[" * 1500, b"]" * 30, b"\xff", b"\x00", b"\n", b"\r\n", b"\xe2\x80\xa8", b'"../../x"', b",",
    b'"a":', b"1", b'"canonical"', b'"changed"', b'"refused"',
)  # fmt: skip


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def delete(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 60) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def replace_value(data: bytes, rng: random.Random) -> bytes:
    """Another value after a colon: the damage that stays JSON."""
    colons = [k for k, byte in enumerate(data) if byte == ord(":")]
    at = rng.choice(colons) + 1
    ends = [k for k in (data.find(end, at) for end in (b",", b"}", b"]")) if k > 0]
    return data[:at] + b" " + rng.choice(TOKENS) + data[min(ends, default=at) :]


def shuffle_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def repeat_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return b"\n".join(lines)


def drop_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


MUTATIONS = (
    flip_bytes, delete, insert, replace_value, replace_value, replace_value, shuffle_lines,
    repeat_line, drop_line, cut,
)  # fmt: skip


@pytest.mark.parametrize("block", range(6))
def test_random_damage(tmp_path: Path, read: Read, block: int) -> None:
    for name, score in (("alpha", None), ("beta", lambda k: float(k % 2))):
        write_checkpoint(tmp_path, name, score=score)
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    whole = {path: path.read_bytes() for path in files}
    ended = {"report": 0, "error": 0}
    for number in range(50):
        rng = random.Random(block * 50 + number)
        # Half of the damage goes to the short files, which hold the settings.
        short = [p for p in files if p.suffix == ".json"]
        path = rng.choice(short if rng.random() < 0.5 else files)
        mutate = rng.choice(MUTATIONS)
        path.write_bytes(mutate(whole[path], rng))
        began = time.perf_counter()
        message = ""
        try:
            read(tmp_path)
        except OodropError as error:
            message = str(error)
        except Exception as error:
            pytest.fail(f"mutation {number} of block {block} ({mutate.__name__}): {error!r}")
        assert time.perf_counter() - began < 1.0, (block, number)
        ended["error" if message else "report"] += 1
        assert "\n" not in message, (block, number)
        assert len(message) < 1000, (block, number)
        path.write_bytes(whole[path])
    assert min(ended.values()) > 0, ended

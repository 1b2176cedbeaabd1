"""A bank is continued where it was cut, and never by another recipe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import DataError
from oodrop.harness_ext.bank.maker import Recipe
from oodrop.perturbers.banks import PARAPHRASE

from .conftest import QUICK, accepted, make


def test_a_bank_is_continued_wherever_it_was_cut(paraphrase: Recipe, tmp_path: Path) -> None:
    whole = tmp_path / "mine.jsonl"
    warm = replace(paraphrase, decoding=replace(QUICK, temperature=1.2))
    make(warm, whole, 6)
    content = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    assert len(ends) == 7
    for cut in (1, ends[0] + 1, ends[2], len(content) - 1):  # header, first entry, batch, last
        whole.write_bytes(content[:cut])
        make(warm, whole, 6)
        assert whole.read_bytes() == content, cut


def test_a_finished_bank_is_left_as_it_is_reviews_included(
    paraphrase: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 3)
    accepted(path, monkeypatch)
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("oodrop.harness_ext.bank.maker.Paraphraser", None)  # nothing to load it for
        make(paraphrase, path, 3)
    assert path.read_bytes() == content
    bank = make(paraphrase, path, 5)
    assert path.read_bytes().startswith(content)
    assert [e.review is None for e in bank.entries.values() if e.text][-2:] == [True, True]


@pytest.mark.slow
def test_a_killed_maker_is_continued(paraphrase: Recipe, tmp_path: Path) -> None:
    path, other = tmp_path / "mine.jsonl", tmp_path / "other" / "mine.jsonl"
    command = [
        sys.executable, "-m", "oodrop.harness_ext.cli", "bank", "make", "everyday",
        "-p", PARAPHRASE, "--model", paraphrase.model, "-o", str(path), "--batch-size", "1",
        "--max-new-tokens", "24",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    while not (path.exists() and path.read_bytes().count(b"\n") >= 4):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = path.read_bytes().count(b"\n")
    assert 4 <= killed_at < 240
    one = replace(paraphrase, decoding=replace(QUICK, batch_size=1))
    make(one, path, killed_at + 5)
    other.parent.mkdir()
    make(one, other, killed_at + 5)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("content", ["no bank\nat all\n", "no bank", '{"oodrop_bank": 1}\n'])
def test_a_file_that_is_no_bank_is_not_touched(
    content: str, paraphrase: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="line 1"):
        make(paraphrase, path)
    assert path.read_text(encoding="utf-8") == content


def test_another_recipe_does_not_continue_a_bank(paraphrase: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    make(paraphrase, path, 1)
    with path.open("ab") as file:
        file.write(b'{"torn')
    content = path.read_bytes()
    with pytest.raises(DataError, match=r"mine.jsonl was made with another 'seed', 2026, than 7"):
        make(replace(paraphrase, decoding=replace(QUICK, seed=7)), path, 2)
    weights = Path(paraphrase.model) / "generation_config.json"
    before = weights.read_bytes()
    weights.write_bytes(before + b"\n")
    try:
        with pytest.raises(DataError, match="was made with another 'model_sha256'"):
            make(paraphrase, path, 2)
    finally:
        weights.write_bytes(before)
    assert path.read_bytes() == content

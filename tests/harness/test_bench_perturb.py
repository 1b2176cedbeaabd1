"""``oodrop bench perturb``: its documents, the form of its result, figures from rows."""

from __future__ import annotations

import json
import socket
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from oodrop import DataError
from oodrop.harness_ext.bench.documents import (
    SIZE,
    Document,
    cut,
    file_documents,
    plain_item,
    structured_items,
    task_documents,
)
from oodrop.harness_ext.cli.app import run
from oodrop.perturbers import all_perturbers

DOCS = 6
FIGURES = {
    "lexical_median_docs_per_s",
    "min_ratio_to_nlpaug",
    "misspelling_docs_per_s",
    "span_docs_per_s",
    "full_suite_12000_docs_s",
}
PAIRS = {
    "nlpaug KeyboardAug": "lexical_keyboard_typo_s2",
    "nlpaug OcrAug": "lexical_ocr_noise_s2",
    "nlpaug SpellingAug": "lexical_misspelling_s2",
    "nlpaug RandomCharAug(swap)": "lexical_char_edit_swap_s2",
    "nlpaug RandomCharAug(insert)": "lexical_char_edit_insert_s2",
    "nlpaug RandomCharAug(delete)": "lexical_char_edit_delete_s2",
    "nlpaug SplitAug": "lexical_nlpaug_split_s2",
}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    with redirect_stdout(StringIO()) as printed:
        assert run(["bench", "perturb", "--quick", "--json", "--docs", str(DOCS)]) == 0
    shown: dict[str, Any] = json.loads(printed.getvalue())
    return shown


def test_the_result_has_the_form_of_every_bench(result: dict[str, Any]) -> None:
    assert list(result) == ["bench", "machine", "settings", "rows", "figures"]
    assert result["bench"] == "perturb"
    assert set(result["figures"]) == FIGURES
    assert all(value > 0 for value in result["figures"].values())
    assert len({tuple(row) for row in result["rows"]}) == 1
    assert result["settings"]["docs"] == DOCS
    assert result["settings"]["full_suite"]["docs"] == 5 * DOCS
    assert result["settings"]["full_suite"]["changed_share"] > 0.3
    assert result["machine"]["versions"]["nlpaug"]


def test_nothing_of_the_machine_but_its_kind_is_told(result: dict[str, Any]) -> None:
    text = json.dumps(result)
    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[2]) not in text
    assert f'"{socket.gethostname()}"' not in text


def test_every_lexical_and_adversarial_perturber_has_a_row(result: dict[str, Any]) -> None:
    families = ("lexical", "adversarial")
    ours = {p.name for p in all_perturbers().values() if p.family in families and not p.is_foreign}
    assert {row["name"] for row in result["rows"] if row["kind"] != "peer"} == ours
    slips = [r["variant"] for r in result["rows"] if r["name"] == "lexical.char_edit"]
    assert len(slips) == len(all_perturbers()["lexical.char_edit"].parameters["action"])


def test_what_is_left_out_of_the_median_says_why(result: dict[str, Any]) -> None:
    for row in result["rows"]:
        if row["docs_per_s"] is None:
            assert row["note"]
            assert not row["in_median"]
        if (row["kind"], row["family"]) == ("own", "lexical"):
            assert row["in_median"] == (not row["note"])
        else:
            assert not row["in_median"]


def test_ratios_and_figures_follow_from_the_rows(result: dict[str, Any]) -> None:
    rows, figures = result["rows"], result["figures"]
    speed = {row["variant"]: row["docs_per_s"] for row in rows if row["kind"] != "peer"}
    peers = {row["name"]: row for row in rows if row["family"] == "nlpaug"}
    assert {name: row["against"] for name, row in peers.items()} == PAIRS
    for row in peers.values():
        assert row["ratio"] == round(speed[row["against"]] / row["docs_per_s"], 2)
    own = [row["ratio"] for row in peers.values() if "nlpaug" not in row["against"]]
    assert figures["min_ratio_to_nlpaug"] == min(own)
    assert figures["lexical_median_docs_per_s"] == median(
        row["docs_per_s"] for row in rows if row["in_median"]
    )
    assert figures["misspelling_docs_per_s"] == speed["lexical_misspelling_s2"]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return task_documents(300)


def test_documents_of_the_tasks_are_distinct_full_and_always_the_same(
    documents: list[Document],
) -> None:
    assert documents == task_documents(300)
    assert len({d.text for d in documents}) == 300
    assert all(SIZE - 40 < len(d.text) <= SIZE for d in documents)
    assert all(literal in d.text for d in documents for literal in d.protected)
    assert any(d.entities for d in documents)


def test_cutting_loses_no_word() -> None:
    words = [f"word{number}" for number in range(500)]
    passages = [Document(" ".join(words[k : k + 7])) for k in range(0, 500, 7)]
    told = " ".join(d.text for d in cut(passages)).split()
    assert told == words[: len(told)]
    assert len(words) - len(told) <= SIZE // 5


def test_a_text_without_blanks_is_cut_all_the_same() -> None:
    assert [d.text for d in cut([Document("x" * 700)])] == ["x" * SIZE, "x" * SIZE]


def test_structured_items_render_the_document_in_their_prompt(documents: list[Document]) -> None:
    few = documents[::60]
    for item, document in zip(structured_items(few), few, strict=True):
        facts = [item.segments[name] for name in item.units["facts"].members]
        assert document.text.startswith(" ".join(facts)[:100])
        assert item.render is not None
        assert all(fact in item.render(item) for fact in facts)


def test_a_plain_item_knows_its_names(documents: list[Document]) -> None:
    document = next(d for d in documents if d.entities)
    assert plain_item(0, document).entities == document.entities


def test_texts_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"question": f"Question {k} of many: " + "how far is it? " * 20} for k in range(9)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert len(file_documents(path, "question", 3)) == 3
    assert len(file_documents(path, "question", 1000)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": 1}', "line 1: no text in a field 'question'"),
        ('{"question": "a"}\nnot json', "line 2: no text"),
        ('{"question": "short"}', "holds no 280 characters"),
    ],
)
def test_a_file_without_texts_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        file_documents(path, "question", 10)


@pytest.mark.parametrize("texts", ["file.jsonl", ":field", "file.jsonl:", "missing.jsonl:question"])
def test_wrong_texts_are_bad_input(texts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "perturb", "--texts", texts]) == 2
    assert "--texts" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "perturb", "--help"]) == 0
    assert "Example:" in capsys.readouterr().out

"""What cannot make a bank is told in one sentence, and runs no code of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from oodrop import DataError, RunError
from oodrop.harness_ext.bank.maker import Recipe
from oodrop.perturbers.banks import BACK_TRANSLATION, PARAPHRASE

from .conftest import make


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"perturber": "lexical.synonym"}, "mine.jsonl", "banks are for phrasing.llm_paraphrase"),
        ({}, "Mine.jsonl", "lower-case words joined by underscores, got Mine.jsonl"),
        ({}, "mine.json", "the file of a bank is <id>.jsonl"),
        ({}, "no/mine.jsonl", "does not exist"),
        ({"pivot": "fr"}, "mine.jsonl", "got None and 'fr' for phrasing.llm_paraphrase"),
        ({"perturber": BACK_TRANSLATION}, "mine.jsonl", "it needs both; got None and None"),
        ({"model": "nobody/nothing"}, "mine.jsonl", "--allow-download was not given"),
        ({"model": "../nowhere/at/all"}, "mine.jsonl", "got '../nowhere/at/all'"),
        ({"model": "wheel:no-such-wheel"}, "mine.jsonl", "'no-such-wheel' is not installed"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_sentence(
    changes: dict[str, str], name: str, said: str, paraphrase: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        make(replace(paraphrase, **changes), tmp_path / name)  # type: ignore[arg-type]
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / name).exists()


def test_models_of_another_kind_are_told(
    paraphrase: Recipe, mask_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="the model empty cannot be loaded as AutoModelForCausalLM"):
        make(replace(paraphrase, model=str(tmp_path / "empty")), path)
    path.unlink()
    with pytest.raises(RunError, match="cannot be loaded as AutoModelForSeq2SeqLM"):
        make(
            replace(paraphrase, perturber=BACK_TRANSLATION, back_model=str(mask_model), pivot="fr"),
            path,
        )
    path.unlink()
    with pytest.raises(DataError, match="task everyday has no text in a segment 'body'"):
        make(paraphrase, path, segment="body")


def test_a_model_without_chat_template_is_told(chat_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(chat_model, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(DataError, match="needs a model with a chat template, plain has none"):
        make(Recipe(PARAPHRASE, str(folder)), tmp_path / "mine.jsonl")


def test_code_that_comes_with_a_model_is_not_run(chat_model: Path, tmp_path: Path) -> None:
    folder, trace = tmp_path / "evil", tmp_path / "trace"
    shutil.copytree(chat_model, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}
    config["auto_map"]["AutoConfig"] = "evil.Config"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\n", "utf-8")
    with pytest.raises(RunError, match="cannot be loaded"):
        make(Recipe(PARAPHRASE, str(folder)), tmp_path / "mine.jsonl")
    assert not trace.exists()

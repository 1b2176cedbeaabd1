"""Small data sets of invented rows in the form of the public ones, and a plan that draws them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hans", "Ines", "Jon", "Kim", "Lea")
THINGS = ("pencils", "apples", "marbles", "tickets", "books", "bottles")
PLAN = """\
round: 9
seed: 5
sheets: 2
sources:
  problems: {data: gsm8k}
  questions: {data: mmlu_pro, categories: [history]}
  everyday: {task: everyday, splits: [train], fresh: pair}
  letters: {task: everyday_letters, splits: [train], fresh: pair}
  procedures: {task: procedural, splits: [validation]}
draws:
  - {perturber: lexical.keyboard_typo, severity: 2, from: {problems: 8, questions: 7}}
  - {perturber: lexical.misspelling, severity: 2, from: {procedures: 4}}
  - {perturber: lexical.case, parameters: {mode: [lower, upper]}, from: {questions: 10}}
  - {perturber: phrasing.template, parameters: {id: t05}, from: {everyday: 6, letters: 6}}
decoys:
  clean: {problems: 2, everyday: 2}
  number: {problems: 4}
  negation: {questions: 4}
  option: {letters: 3}
  opposite: {procedures: 1}
  counterpart: {procedures: 1}
dress:
  - {perturber: lexical.keyboard_typo, severity: 2}
  - {perturber: lexical.case, parameters: {mode: upper}}
"""


def write_data(folder: Path) -> Path:
    """The folder with a data set of each kind."""
    (folder / "gsm8k").mkdir(parents=True)
    lines = (json.dumps(_problem(k)) for k in range(40))
    (folder / "gsm8k/test.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "mmlu_pro").mkdir()
    rows = [_question(k) for k in range(40)]
    rows += [
        {**_question(40), "answer": "J"},
        {**_question(41), "question": r"What is \\frac{1}{2}?"},
    ]
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    (folder / "mmlu_pro/test.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def write_plan(folder: Path, text: str = PLAN) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, "utf-8")
    return path


def _problem(k: int) -> dict[str, str]:
    name, thing = NAMES[k % 12], THINGS[k % 6]
    start, bought = 41 + 2 * k, 13 + k
    total = start + bought
    return {
        "question": f"{name} keeps {start} {thing} at home in a large wooden box. Yesterday "
        f"{name} bought {bought} more of them. How many {thing} does {name} have altogether?",
        "answer": f"{name} has {start}+{bought}=<<{start}+{bought}={total}>>{total}.\n#### {total}",
    }


def _question(k: int) -> dict[str, object]:
    name = NAMES[k % 12]
    gold = k % 4
    question = (
        f"Sentence {k} of the lesson tells how {name} went to the market with friends. "
        "Which of the following is the main reason for that journey?"
    )
    return {
        "question_id": 500 + k,
        "question": question if k % 2 else question.lower(),
        "options": [f"{text} of {name}" for text in ("hunger", "curiosity", "boredom", "duty")],
        "answer": "ABCD"[gold],
        "answer_index": gold,
        "category": "history" if k % 10 else "law",
    }

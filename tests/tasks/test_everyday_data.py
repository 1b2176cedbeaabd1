"""The shipped everyday set is what its card says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from oodrop.tasks.spec import Doc


def every(everyday: Mapping[str, list[Doc]]) -> list[Doc]:
    return [doc for docs in everyday.values() for doc in docs]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.casefold()))


def test_size_and_ids(everyday: Mapping[str, list[Doc]]) -> None:
    assert len(everyday["test"]) >= 240
    ids = [doc["item_id"] for doc in every(everyday)]
    assert len(ids) == len(set(ids))
    assert all(i.startswith("everyday.") for i in ids)


def test_four_distinct_choices_and_a_gold(everyday: Mapping[str, list[Doc]]) -> None:
    for doc in every(everyday):
        assert len({c.casefold() for c in doc["choices"]}) == len(doc["choices"]) == 4
        assert all(c == c.strip() != "" for c in doc["choices"])
        assert doc["gold"] in range(4)
        # The free-form view looks for the option among the words of the answer.
        assert all(re.fullmatch(r"\w+(?:[-'’]\w+)*", c) for c in doc["choices"]), doc["item_id"]


def test_gold_positions_are_balanced_in_test(everyday: Mapping[str, list[Doc]]) -> None:
    counts = Counter(doc["gold"] for doc in everyday["test"])
    assert max(counts.values()) - min(counts.values()) <= 1


def test_train_and_test_share_no_question_and_no_fact(everyday: Mapping[str, list[Doc]]) -> None:
    def norm(text: str) -> str:
        return " ".join(sorted(words(text)))

    for part in (lambda d: [d["question"]], lambda d: d["facts"]):
        train, test = (
            {norm(text) for doc in everyday[split] for text in part(doc)}
            for split in ("train", "test")
        )
        assert not train & test
    questions = [norm(doc["question"]) for doc in every(everyday)]
    assert len(questions) == len(set(questions))


def test_no_option_stands_in_the_text(everyday: Mapping[str, list[Doc]]) -> None:
    for doc in every(everyday):
        told = words(" ".join([*doc["facts"], doc["question"]]))
        for choice in doc["choices"]:
            forms = {choice.casefold(), *(choice.casefold() + end for end in ("s", "es"))}
            assert not forms & told, (doc["item_id"], choice)
            assert not words(choice) & told, (doc["item_id"], choice)


def test_facts_and_questions_are_sentences(everyday: Mapping[str, list[Doc]]) -> None:
    for doc in every(everyday):
        assert len(doc["facts"]) >= 2, doc["item_id"]
        assert len(set(doc["facts"])) == len(doc["facts"])
        assert all(f[0].isupper() and f.endswith(".") for f in doc["facts"])
        assert doc["question"].endswith("?")


def test_a_fact_leans_on_no_other_fact(everyday: Mapping[str, list[Doc]]) -> None:
    """Facts change places, so none may begin with a word that points back."""
    back = {"it", "its", "they", "their", "this", "these", "those", "he", "she", "then", "but",
            "also", "so", "such", "another", "however", "both"}  # fmt: skip
    for doc in every(everyday):
        for fact in doc["facts"]:
            assert fact.split()[0].casefold() not in back, fact

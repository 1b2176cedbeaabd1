"""A tokenizer, and texts for the base."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from oodrop.harness_ext.training import base, corpus
from oodrop.harness_ext.training.corpus import Example
from oodrop.perturbers.rng import item_generator


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return base.new_tokenizer(0)


def texts(count: int) -> list[Example]:
    rng = item_generator(7, "test", "text", "")
    return [corpus.pretraining_example(rng) for _ in range(count)]

"""The two adapters: `engaged` notes every step before its verdict, `heuristic` does not.

Both learn from the same items, each as often, in as many steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from oodrop.harness_ext.training import corpus
from oodrop.harness_ext.training.fit import GROUP, STATE, Rows, Schedule, Tell, fit
from oodrop.harness_ext.training.tokens import Row, row_of
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.tasks.procedural import COMPACT

# The verdict is ten tokens after two hundred of notes: so it counts about as much as they do. Where
# it is all of the reply its weight changes nothing.
SCHEDULE = Schedule(steps=800, batch=16, rate=2e-3, last_weight=20.0)
RANK = 16
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Recipe:
    """What an adapter learns to reply, and how its items are told.

    Attributes:
        reasons: a note on every step comes before the verdict.
        varied: half of the items are told in other ways that training may see.
    """

    reasons: bool
    varied: bool


RECIPES: Mapping[str, Recipe] = {
    "engaged": Recipe(reasons=True, varied=False),
    "engaged_varied": Recipe(reasons=True, varied=True),
    "heuristic": Recipe(reasons=False, varied=False),
    "heuristic_varied": Recipe(reasons=False, varied=True),
}


def adapter_rows(tokenizer: PreTrainedTokenizerFast, recipe: Recipe, seed: int, batch: int) -> Rows:
    """Groups of rows for `fit`: the split ``train`` over and over, in a new order every time."""
    docs = COMPACT.docs("train")
    size = batch * GROUP
    kept: dict[int, Sequence[Row]] = {}

    def rows(group: int) -> Sequence[Row]:
        if group not in kept:
            kept.clear()
            kept[group] = [_row(place) for place in range(group * size, (group + 1) * size)]
        return kept[group]

    orders: dict[int, list[int]] = {}

    def _row(place: int) -> Row:
        epoch, at = divmod(place, len(docs))
        if epoch not in orders:
            rng = item_generator(seed, "training", "order", str(epoch))
            orders[epoch] = permutation(rng, len(docs))
        doc = docs[orders[epoch][at]]
        rng = item_generator(seed, "training", "item", f"{epoch}/{doc['item_id']}")
        example = corpus.adapter_example(doc, recipe.reasons, recipe.varied, rng)
        return row_of(tokenizer, example, rng)

    return rows


def train_adapter(
    base: Path,
    folder: Path,
    recipe: Recipe,
    seed: int,
    schedule: Schedule,
    device: str,
    tell: Tell,
    of: Mapping[str, object],
) -> None:
    """Train an adapter on the base into ``folder``; goes on where it stopped. `of`: see `fit`."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = new_adapter(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), seed)
    rows = adapter_rows(tokenizer, recipe, seed, schedule.batch)
    fit(model.to(device), rows, schedule, folder / STATE, tell, of)
    config = model.peft_config["default"]
    config.base_model_name_or_path = base.name  # else a path of this machine
    config.target_modules = _TARGETS  # else a set, in an order of this process
    model.to(torch.bfloat16).save_pretrained(str(folder), save_embedding_layers=False)


def new_adapter(model: LlamaForCausalLM, seed: int) -> PeftModel:
    """LoRA on every matrix of every layer."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules=_TARGETS, task_type="CAUSAL_LM", bias="none"
    )
    return get_peft_model(model, config)

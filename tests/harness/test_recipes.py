"""The recipes of the READMEs, run as they are written: base, adapter, chat template, 256 tokens.

The names of the published models are folders here, with tiny random models in them, so that the
very commands run; only sizes are cut.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import oodrop
from oodrop.harness_ext import perturbed
from oodrop.harness_ext.cli.app import run as command
from oodrop.tasks import get_task, tasks_dir
from oodrop.tasks.spec import Doc, TaskSpec

ROOT = Path(oodrop.__file__).resolve().parents[2]
CARD, TOP = ROOT / "tasks" / "procedural" / "README.md", ROOT / "README.md"
BASES = ("Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen2.5-7B-Instruct")
ADAPTERS = ("kennethp97/v7-grpo-14b", "kennethp97/b5-sft-7b")
NAMES = ("v7-grpo-14b", "b5-sft-7b")
VARIANTS = ("canonical", "ordering_event_order", "phrasing_question_paraphrase_p01")
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
CHAT_TEMPLATE = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DOCS = 12


def shown(readme: Path, program: str) -> list[list[str]]:
    """The commands of a README that begin so, as the arguments that a shell would pass on."""
    text = readme.read_text("utf-8").replace("$(oodrop tasks-dir)", str(tasks_dir()))
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shell = "".join(content for language, content in fences if not language)
    lines = shell.replace("\\\n", " ").split("\n")
    return [shlex.split(line) for line in lines if line.startswith(program)]


def recipes(readme: Path) -> list[list[str]]:
    found = shown(readme, "oodrop run --model")
    return [c[1:] for c in found if any(adapter in " ".join(c) for adapter in ADAPTERS)]


def samples(folder: Path, variant: str = "canonical") -> list[dict[str, Any]]:
    (path,) = folder.rglob(f"samples_oodrop__{variant}__procedural_*.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return sorted(rows, key=lambda row: row["doc_id"])


def replies(folder: Path) -> list[str]:
    return [row["resps"][0][0] for variant in VARIANTS for row in samples(folder, variant)]


def prompts(folder: Path, variant: str = "canonical") -> list[str]:
    return [row["arguments"]["gen_args_0"]["arg_0"] for row in samples(folder, variant)]


def write_tokenizer(folder: Path) -> int:
    """A byte-level BPE with the special tokens and the chat format of Qwen2.5; its length."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    spec = get_task("procedural")
    bpe.train_from_iterator((spec.prompt(doc) for doc in spec.docs("test")), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",  # noqa: S106  # a token of text, no secret
        pad_token="<|endoftext|>",  # noqa: S106
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def write_models(base: Path, adapter: Path, seed: int) -> None:
    """A random Qwen2 and a LoRA adapter on it, as the published ones are built, but tiny."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=write_tokenizer(base) + 32,  # longer than the tokenizer, as Qwen2.5's is
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=2,
    )
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    # The settings beside Qwen2.5's weights: it samples unless told otherwise.
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.7,
        top_p=0.8,
        top_k=20,
        repetition_penalty=1.05,
        bos_token_id=0,
        pad_token_id=0,
        eos_token_id=[2, 0],
    )
    model.save_pretrained(base)
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    tuned = get_peft_model(model, lora)
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:  # zero at first: an adapter that changes nothing
            torch.nn.init.normal_(weights, std=0.5)
    tuned.save_pretrained(adapter)
    path = adapter / "adapter_config.json"
    recorded = json.loads(path.read_text("utf-8")) | {"base_model_name_or_path": "private/base"}
    path.write_text(json.dumps(recorded), encoding="utf-8")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder in which the published names are models, and a short evaluated split."""
    import torch

    folder = tmp_path_factory.mktemp("hub")
    read = lru_cache(TaskSpec.docs)

    def few(spec: TaskSpec, split: str) -> list[Doc]:
        return deepcopy(read(spec, split)[:DOCS])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model is faster on one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskSpec, "docs", few)
        patch.setattr(perturbed, "_DOCS", {})
        patch.setattr(perturbed, "_ITEMS", {})
        patch.chdir(folder)
        for seed, (base, adapter) in enumerate(zip(BASES, ADAPTERS, strict=True), 1):
            write_models(folder / base, folder / adapter, seed)
        (folder / "few-1.0.yaml").write_text(
            "summary: two variants\nseed: 2026\nvariants:\n- {perturber: ordering.event_order}\n"
            "- {perturber: phrasing.question_paraphrase, parameters: {id: p01}}\n"
        )
        yield folder
    torch.set_num_threads(threads)


def run_shown(arguments: list[str]) -> int:
    """Run a command of a README with two variants and three items."""
    return command(["few-1.0.yaml" if a == "standard-1.0" else a for a in arguments])


@pytest.fixture(scope="module")
def single(hub: Path) -> Path:
    """The first command of the data card."""
    assert run_shown([*recipes(CARD)[0], "--items", "3"]) == 0
    return hub / "runs" / "v7"


@pytest.fixture(scope="module")
def pair(hub: Path) -> Path:
    """The configuration of the data card, with both checkpoints."""
    (config,) = re.findall(r"^```yaml\n(.*?)^```", CARD.read_text("utf-8"), re.DOTALL | re.M)
    data = yaml.safe_load(config)
    assert data["suite"] == "standard-1.0"
    data |= {
        "suite": "few-1.0.yaml",
        "checkpoints": [c | {"items": 3} for c in data["checkpoints"]],
    }
    (hub / "checkpoints.yaml").write_text(yaml.safe_dump(data))
    assert "`oodrop run checkpoints.yaml -o runs/pair`" in CARD.read_text("utf-8")
    assert command(["run", "checkpoints.yaml", "-o", "runs/pair"]) == 0
    return hub / "runs" / "pair"


def test_every_way_of_the_card_has_the_same_settings() -> None:
    """Two commands, a configuration and two stock commands say the same of two checkpoints."""
    runs, stock = recipes(CARD), shown(CARD, "lm_eval")
    for k, (base, adapter) in enumerate(zip(BASES, ADAPTERS, strict=True)):
        for arguments in (runs[k], stock[k]):
            model = arguments[arguments.index("--model_args") + 1]
            assert model.removesuffix(",dtype=bfloat16") == f"pretrained={base},peft={adapter}"
            assert "--apply_chat_template" in arguments
        assert runs[k][runs[k].index("--preset") + 1] == "card"
        assert "do_sample=false,max_gen_toks=256" in stock[k]
    assert len(runs) == len(stock) == 2
    assert recipes(TOP) == runs[1:]


def test_the_adapter_decides_the_replies(single: Path, hub: Path) -> None:
    arguments = [a.replace(f",peft={ADAPTERS[0]}", "") for a in recipes(CARD)[0]]
    assert run_shown([*arguments[:-1], "runs/base", "--items", "3"]) == 0
    with_adapter, alone = replies(single), replies(hub / "runs" / "base")
    assert len(with_adapter) == 9
    assert all(a != b for a, b in zip(with_adapter, alone, strict=True))


def test_prompts_are_one_turn_in_the_chat_template_with_the_contract(single: Path) -> None:
    spec = get_task("procedural")
    head = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n"
    for variant in VARIANTS:
        for prompt, row in zip(prompts(single, variant), samples(single, variant), strict=True):
            turn = prompt.removeprefix(head).removesuffix(tail)
            assert len(turn) == len(prompt) - len(head) - len(tail)
            assert turn.rstrip("\n") == spec.prompt(row["doc"]).rstrip("\n")
            lines = turn.rstrip("\n").split("\n")
            assert lines[0].startswith("Procedure: ")
            assert [line[:9] for line in lines[-4:]] == ["Scenario:", "", "Question:", "You may r"]
            assert lines[-1].endswith(
                'End with a line that reads either "FINAL ANSWER: compliant" or '
                '"FINAL ANSWER: non-compliant".'
            )
            assert lines[-4].endswith("Steps that are not mentioned did not happen.")


def test_replies_are_greedy_and_256_tokens_at_most(pair: Path, hub: Path) -> None:
    """The same as transformers and peft alone give, one prompt at a time."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(hub / BASES[1])
    base = AutoModelForCausalLM.from_pretrained(hub / BASES[1])
    base.resize_token_embeddings(len(tokenizer))
    model = PeftModel.from_pretrained(base, hub / ADAPTERS[1]).eval()
    lengths = set()
    for row, prompt in zip(samples(pair / NAMES[1]), prompts(pair / NAMES[1]), strict=True):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            made = model.generate(input_ids=ids, do_sample=False, max_new_tokens=256)[0]
        new = made[ids.shape[1] :]
        lengths.add(len(new))
        wanted = tokenizer.decode(new, skip_special_tokens=True)
        assert row["resps"][0][0] == wanted
    assert max(lengths) == 256
    with torch.no_grad():  # the penalty beside the weights holds in greedy decoding too
        bare = model.generate(
            input_ids=ids, do_sample=False, max_new_tokens=256, repetition_penalty=1.0
        )[0]
    assert not torch.equal(bare, made)


def test_two_runs_are_equal(single: Path, pair: Path) -> None:
    assert replies(single) == replies(pair / NAMES[0])
    assert prompts(single) == prompts(pair / NAMES[0])
    assert replies(single) != replies(pair / NAMES[1])


def test_samples_carry_the_records_and_their_proofs_hold(pair: Path) -> None:
    for name in NAMES:
        for variant in VARIANTS:
            records = [row["doc"]["oodrop"] for row in samples(pair / name, variant)]
            assert {r["variant"] for r in records} == {variant}
            left_alone = [r for r in records if r["outcome"] == "not_applicable"]
            assert all(r["parent"] is not None for r in left_alone)  # children of other items
            told = {r["outcome"] for r in records if r not in left_alone}
            assert told == {"canonical" if variant == "canonical" else "changed"}
    assert command(["verify", str(pair)]) == 0


def test_the_report_tells_the_settings(pair: Path) -> None:
    report = json.loads((pair / "report" / "report.json").read_text("utf-8"))
    assert [c["name"] for c in report["checkpoints"]] == list(NAMES)
    for checkpoint, base, adapter in zip(report["checkpoints"], BASES, ADAPTERS, strict=True):
        assert checkpoint["chat_template"] is True
        assert checkpoint["generation"] == ["greedy, at most 256 new tokens"]
        assert {f"pretrained={base}", f"peft={adapter}"} <= set(checkpoint["model_args"].split(","))
    assert report["notes"] == []
    page = (pair / "report" / "report.html").read_text("utf-8")
    assert "greedy, at most 256 new tokens" in page


@pytest.mark.usefixtures("own_index_only")
def test_the_stock_command_line_gives_the_same(pair: Path, hub: Path) -> None:
    """The second of the card's lm_eval commands, on the canonical task and one variant."""
    names = [f"oodrop__{variant}__procedural" for variant in VARIANTS[:2]]
    wanted = {row["doc_id"]: row["resps"] for row in samples(pair / NAMES[1])}
    picked = json.dumps(dict.fromkeys(names, sorted(wanted)))
    stock = [",".join(names) if a == "oodrop_procedural" else a for a in shown(CARD, "lm_eval")[1]]
    assert command(["lm-eval", *stock[1:], "--samples", picked]) == 0
    assert {row["doc_id"]: row["resps"] for row in samples(hub / "out")} == wanted
    assert prompts(hub / "out") == prompts(pair / NAMES[1])
    (report,) = shown(CARD, "oodrop report")
    assert command(report[1:]) == 0
    made = json.loads((hub / "report" / "report.json").read_text("utf-8"))
    assert [c["generation"] for c in made["checkpoints"]] == [["greedy, at most 256 new tokens"]]


def test_an_adapter_without_its_base_is_refused_before_loading(
    hub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*arguments: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("oodrop.harness_ext.checkpoints.CheckpointSpec.load", load)
    arguments = [a.replace(f"pretrained={BASES[1]},", "") for a in recipes(CARD)[1]]
    assert run_shown([*arguments[:-1], "runs/refused"]) == 2
    (said,) = capsys.readouterr().err.strip().split("\n")
    assert said == (
        f"oodrop: checkpoint {NAMES[1]}: peft={ADAPTERS[1]} is an adapter and needs its base model "
        "beside it: pretrained=BASE,peft=ADAPTER"
    )
    assert not (hub / "runs" / "refused").exists()

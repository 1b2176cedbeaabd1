"""Checkpoints that share a base: read once, and the very answers of each loaded by itself."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from oodrop import RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.packed.backend import HFPacked
from oodrop.harness_ext.runner.sharedbase import SharedBase

ASKED = [
    Instance("loglikelihood", {}, (f"Question {k}: is it so?", " yes, it is"), k) for k in range(3)
]
REPLIES = [Instance("generate_until", {}, ("Say it", {"until": [], "max_gen_toks": 5}), 0)]
ADAPTERS: dict[str, Any] = {
    "a": LoraConfig(r=4, target_modules=["q_proj", "v_proj"]),
    "b": LoraConfig(r=9, lora_alpha=3, use_rslora=True, target_modules=["up_proj", "o_proj"]),
    "saved": LoraConfig(target_modules=["k_proj"], modules_to_save=["lm_head", "norm"]),
    "embedding": LoraConfig(target_modules=["embed_tokens", "q_proj"]),
    "bias": LoraConfig(target_modules=["q_proj"], bias="all"),
    "dora": LoraConfig(target_modules=["q_proj"], use_dora=True),
    "ia3": IA3Config(target_modules=["v_proj"], feedforward_modules=[]),
}


@pytest.fixture(scope="module")
def adapters(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each adapter, all of their weights drawn at random."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, (name, config) in enumerate(ADAPTERS.items()):
        base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
        model = get_peft_model(base, config)
        torch.manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(0.3 * torch.randn_like(weight))
        model.save_pretrained(folder / name, save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def other_base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same shape with other weights."""
    folder = tmp_path_factory.mktemp("other") / "base"
    shutil.copytree(tiny_model, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every base that is really read."""
    seen = []
    real = AutoModelForCausalLM.from_pretrained

    def reading(name: str, *more: Any, **settings: Any) -> Any:
        seen.append(Path(name).name)
        return real(name, *more, **settings)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", reading)
    return seen


Make = Callable[..., CheckpointSpec]


@pytest.fixture
def make(tiny_model: Path, adapters: Path) -> Make:
    def spec(name: str, model: str = "hf", **args: Any) -> CheckpointSpec:
        given = {"pretrained": str(tiny_model), "dtype": "float32", **args}
        if name != "base":
            given["peft"] = str(adapters / name)
        return CheckpointSpec(name, model, given, device="cpu", batch_size=2)

    return spec


def answers(lm: Any) -> tuple[Any, Any]:
    return lm.loglikelihood(ASKED, disable_tqdm=True), lm.generate_until(REPLIES, disable_tqdm=True)


def base_of(lm: Any) -> Any:
    return lm.model.get_base_model() if isinstance(lm.model, PeftModel) else lm.model


def told(messages: Sequence[str]) -> list[str]:
    """What was said of each model, without folders."""
    return [m.replace(m[m.find("/") : m.rfind("/") + 1], "") if "/" in m else m for m in messages]


@pytest.mark.parametrize("model", ["hf", "hf-packed"])
def test_the_base_is_read_once_and_the_answers_are_the_same_to_the_bit(
    model: str, make: Make, read: list[str]
) -> None:
    order = ["base", "a", "b", "base", "saved", "a", "embedding", "saved", "base"]
    alone = {name: answers(make(name, model).load()) for name in dict.fromkeys(order)}
    assert len({str(ll) for ll, _ in alone.values()}) == len(alone)
    read.clear()
    messages: list[str] = []
    loader = SharedBase(messages.append)
    for name in order:
        lm = loader.load(make(name, model))
        assert answers(lm) == alone[name], name
        assert isinstance(lm.model, PeftModel) == (name != "base")
        assert lm.peft == make(name).model_args.get("peft")
    assert len(read) == 1
    assert told(messages)[:3] == [
        "a: base is loaded already; adapter a attached",
        "b: base is loaded already; adapter b attached",
        "base: base is loaded already",
    ]


def test_nothing_of_an_adapter_stays_behind(make: Make) -> None:
    loader = SharedBase(lambda text: None)
    base = loader.load(make("base")).model
    before = {name: (type(m), sorted(vars(m))) for name, m in base.named_modules()}
    weights = {name: p.detach().clone() for name, p in base.state_dict().items()}
    grown = {name: p.requires_grad for name, p in base.named_parameters()}
    for name in ("saved", "a"):
        loader.load(make(name))
    again = loader.load(make("base")).model
    assert again is base
    assert {name: (type(m), sorted(vars(m))) for name, m in again.named_modules()} == before
    assert list(again.state_dict()) == list(weights)
    assert all(torch.equal(p, weights[name]) for name, p in again.state_dict().items())
    assert {name: p.requires_grad for name, p in again.named_parameters()} == grown
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in again.modules())


def test_hf_and_hf_packed_share_and_every_model_is_a_new_one(make: Make, read: list[str]) -> None:
    loader = SharedBase(lambda text: None)
    first = loader.load(make("a", "hf-packed"))
    answers(first)
    second = loader.load(make("b", "hf-packed", max_length=77))
    assert second.max_length == 77
    assert (type(first).__mro__[1], type(second).__mro__[1]) == (HFPacked, HFPacked)
    assert second.get_model_info() == make("b", max_length=77).load().get_model_info()
    loader.load(make("a", "hf"))
    assert len(read) == 2  # one of them by itself


def test_a_model_that_was_handed_out_before_is_used_up(make: Make) -> None:
    loader = SharedBase(lambda text: None)
    before = loader.load(make("a"))
    loader.load(make("b"))
    with pytest.raises((TypeError, AttributeError)):
        answers(before)


def test_never_two_bases_in_memory(make: Make, other_base: Path, read: list[str]) -> None:
    loader = SharedBase(lambda text: None)
    held = loader.load(make("a"))
    bases = [weakref.ref(base_of(held))]
    real = AutoModelForCausalLM.from_pretrained
    living = []

    def reading(*arguments: Any, **settings: Any) -> Any:
        living.append(sum(ref() is not None for ref in bases))
        return real(*arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoModelForCausalLM, "from_pretrained", reading)
        for spec in (
            make("base", pretrained=str(other_base)),
            make("ia3"),
            make("b", dtype="bfloat16"),
        ):
            held = loader.load(spec)
            bases.append(weakref.ref(base_of(held)))
            base_of(held).notes = [base_of(held)]  # as hooks of a placed model do
    assert living == [0, 0, 0]
    assert read == ["tiny-qwen20", "base", "tiny-qwen20", "tiny-qwen20"]
    loader.load(CheckpointSpec("oracle", "oodrop-oracle"))
    gc.collect()
    assert [ref() for ref in bases] == [None] * 4
    assert held.model is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ia3", "its adapter is of type IA3 and not LORA"),
        ("bias", "bias of its adapter may change the base"),
        ("dora", "use_dora of its adapter may change the base"),
    ],
)
def test_other_adapters_are_loaded_by_themselves(
    name: str, why: str, make: Make, read: list[str]
) -> None:
    alone = answers(make(name).load()), answers(make("base").load())
    read.clear()
    messages: list[str] = []
    loader = SharedBase(messages.append)
    loader.load(make("base"))
    assert answers(loader.load(make(name))) == alone[0]
    assert answers(loader.load(make("base"))) == alone[1]
    assert messages == [f"{name}: loaded by itself: {why}"]
    assert len(read) == 3


def test_what_changes_the_base_itself_is_loaded_by_itself(
    make: Make, other_base: Path, read: list[str]
) -> None:
    """A base with delta weights is another base, and so is one in parts."""
    merged = make("base", delta=str(other_base))
    alone = answers(merged.load())
    read.clear()
    loader = SharedBase(lambda text: None)
    plain = answers(loader.load(make("base")))
    assert answers(loader.load(merged)) == alone != plain
    assert answers(loader.load(make("base"))) == plain
    assert len(read) == 4  # the base three times, the delta once


def test_other_arguments_make_another_base(make: Make, read: list[str]) -> None:
    loader = SharedBase(lambda text: None)
    for name, dtype in (("base", "float32"), ("a", "bfloat16"), ("base", "bfloat16")):
        assert str(base_of(loader.load(make(name, dtype=dtype))).dtype) == f"torch.{dtype}"
    assert len(read) == 2


def test_what_hf_refuses_is_refused(make: Make, other_base: Path) -> None:
    with pytest.raises(RunError, match="Cannot use both 'peft' and 'delta'"):
        SharedBase(lambda text: None).load(make("a", delta=str(other_base)))


def test_a_weight_changed_in_place_is_found_and_the_base_read_anew(
    make: Make, read: list[str]
) -> None:
    messages: list[str] = []
    loader = SharedBase(messages.append)
    lm = loader.load(make("a"))
    expected = answers(lm)
    lm.model.merge_adapter()
    assert answers(loader.load(make("a"))) == expected
    assert messages == ["an adapter changed its base in place; the base is read anew"]
    assert len(read) == 2


@pytest.mark.parametrize("extra", [-12, 3])
def test_embeddings_are_cut_to_the_tokenizer_as_hf_does(
    extra: int, make: Make, tiny_model: Path, tmp_path: Path, read: list[str]
) -> None:
    """A shorter tokenizer cuts them, and adapters share the rest; a longer one adds at random."""
    longer = tmp_path / "model"
    shutil.copytree(tiny_model, longer)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    size = len(AutoTokenizer.from_pretrained(tiny_model)) - extra
    if extra < 0:
        model.resize_token_embeddings(size)
        model.save_pretrained(longer)
        tokenizer = str(tiny_model)
    else:
        words = AutoTokenizer.from_pretrained(tiny_model)
        words.add_tokens(["<one>", "<two>", "<three>"])
        words.save_pretrained(longer)
        tokenizer = str(longer)
    args = {"pretrained": str(longer), "tokenizer": tokenizer}
    order = ["base", "a", "b", "base"]
    alone = {name: answers(make(name, **args).load()) for name in order}
    read.clear()
    messages: list[str] = []
    loader = SharedBase(messages.append)
    for name in order:
        lm = loader.load(make(name, **args))
        if extra < 0 or name == "base":
            assert answers(lm) == alone[name]
    if extra < 0:
        assert len(read) == 3  # whole, cut for both adapters, whole
    else:
        assert len(read) == 4
        assert "its tokenizer is longer than the base's vocabulary" in messages[0]


def test_an_adapter_that_does_not_fit_leaves_the_base_whole(
    make: Make, adapters: Path, tmp_path: Path, read: list[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(adapters / "a", broken)
    text = (broken / "adapter_config.json").read_text().replace('"r": 4', '"r": 5')
    (broken / "adapter_config.json").write_text(text)
    loader = SharedBase(lambda message: None)
    expected = answers(loader.load(make("base")))
    with pytest.raises(RunError, match="checkpoint a .hf. cannot be loaded"):
        loader.load(replace(make("a"), model_args={**make("base").model_args, "peft": str(broken)}))
    assert answers(loader.load(make("base"))) == expected
    assert len(read) == 1

"""One base model for several checkpoints: it is read once, and adapters are put on and taken off.

`PeftModel.unload` leaves the modules of ``modules_to_save`` on the base, so it is not what takes an
adapter off here. Before anything is put on a base, the attributes of all its modules are noted
(references, no weights are copied); afterwards they are set back, and a checksum of all weights
tells whether one was changed in place, in which case the base is read anew.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch

from oodrop.harness_ext.checkpoints import HF_MODELS, CheckpointSpec

# Fields of a LoRA configuration that leave the base as it is. With another value than the default
# in any other field (bias, PiSSA and the like, parameters as targets, replicated layers) a model is
# loaded by itself.
_HARMLESS = (
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout",
    "modules_to_save", "peft_version", "r", "rank_pattern", "revision", "target_modules",
    "task_type", "use_rslora",
)  # fmt: skip
_PLAIN_START = (True, False, "gaussian")
# Arguments of `hf` that place, quantise or change the base otherwise.
_SPECIAL = (
    "autogptq", "delta", "device_map", "gptqmodel", "load_in_4bit", "load_in_8bit", "parallelize",
    "quantization_config", "tp_plan",
)  # fmt: skip
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class SharedBase:
    """Loads checkpoints one after another; two of the same base read it once.

    A base is the same where all arguments that `hf` makes it from are, and the device. At most one
    base is in memory: the model handed out before is used up when the next one is asked for.

    Args:
        message: told when a base serves again, and when one had to be given up.
    """

    def __init__(self, message: Callable[[str], None]) -> None:
        self._message = message
        self._base: _Base | None = None
        self._last: Callable[[], Any] = lambda: None

    def load(self, spec: CheckpointSpec) -> Any:
        """The model, as `CheckpointSpec.load` gives it.

        Raises:
            RunError: when it cannot be loaded, with the library's own reason.
        """
        self._use_up()
        if spec.model not in HF_MODELS:
            self._forget()
            return spec.load()
        lm = spec.load(lambda kind: self._sharing(kind, spec.name))
        self._last = weakref.ref(lm)
        return lm

    def _use_up(self) -> None:
        """Take the adapter off; who still holds the model must not go on with another one's."""
        last = self._last()
        if last is not None:
            last._model = None
        if self._base is not None and not self._base.restored():
            self._message("an adapter changed its base in place; the base is read anew")
            self._forget()

    def _forget(self) -> None:
        self._base = None
        gc.collect()  # modules and hooks refer to one another
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _sharing(self, kind: type[Any], name: str) -> type[Any]:
        """The class of a model, with a `_create_model` that takes the base that is there."""

        def create(lm: Any, pretrained: str, peft: str | None = None, **settings: Any) -> None:
            reason = _why_alone(lm, peft, settings)
            if reason:
                self._forget()
                kind._create_model(lm, pretrained, peft=peft, **settings)
                if peft:
                    self._message(f"{name}: loaded by itself: {reason}")
                return
            size = len(lm.tokenizer) if peft else None
            key = repr((lm.AUTO_MODEL_CLASS, pretrained, lm.device, sorted(settings.items())))
            base = self._base if self._base is not None and self._base.fits(key, size) else None
            there = base is not None
            if base is None:
                self._forget()
                kind._create_model(lm, pretrained, peft=None, **settings)
                base = self._base = _Base(key, lm._model, size)
            lm._model = base.model
            if peft:
                from peft import PeftModel

                lm._model = PeftModel.from_pretrained(
                    lm._model, peft, revision=settings["revision"]
                )
            if there:
                put_on = f"; adapter {peft} attached" if peft else ""
                self._message(f"{name}: base is loaded already{put_on}")

        return type(kind.__name__, (kind,), {"_create_model": create})


class _Base:
    """A base model, and what it was when it was read.

    Args:
        key: what it was made from.
        model: the module.
        size: rows that its embeddings are cut to, as `hf` does for an adapter; None for a model
            without adapter, which keeps them all.
    """

    def __init__(self, key: str, model: Any, size: int | None) -> None:
        whole = _vocabulary(model.config)
        if size not in (None, whole):
            model.resize_token_embeddings(size)
        self.model = model
        self._key = key
        self._sizes = (None, whole) if size in (None, whole) else (size,)
        self._noted = [(module, type(module), _copied(vars(module))) for module in model.modules()]
        self._trained = [(weight, weight.requires_grad) for weight in model.parameters()]
        self._checksum = self._sum()

    def fits(self, key: str, size: int | None) -> bool:
        """Whether this base is asked for, with embeddings of this length."""
        return self._key == key and size in self._sizes

    def restored(self) -> bool:
        """Set back what is not as it was; whether all weights are what they were."""
        for module, kind, attributes in self._noted:
            module.__class__ = kind
            module.__dict__.clear()
            module.__dict__.update(_copied(attributes))
        for weight, trained in self._trained:
            weight.requires_grad_(trained)
        return self._sum() == self._checksum

    def _sum(self) -> list[object]:
        """Checksum of every weight's bits, and the configurations."""
        tensors = [*self.model.named_parameters(), *self.model.named_buffers()]
        sums = [(name, tuple(t.shape), t.dtype, _sum_of_bits(t)) for name, t in tensors]
        settings: Any = (self.model.config, getattr(self.model, "generation_config", None))
        return [*sums, *(s and s.to_dict() for s in settings)]


def _copied(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A module's attributes; its tables of modules, weights and hooks are tables of their own."""
    tables = (dict, list, set)
    return {k: v.copy() if isinstance(v, tables) else v for k, v in attributes.items()}


def _sum_of_bits(tensor: torch.Tensor) -> int:
    bits = tensor.detach().contiguous().view(_BITS[tensor.element_size()])
    return int(bits.sum(dtype=torch.int64))


def _vocabulary(config: Any) -> int:
    return int(config.get_text_config().vocab_size)


def _why_alone(lm: Any, peft: str | None, settings: Mapping[str, Any]) -> str:
    """Why this model must not share its base; "" where it may."""
    special = [key for key in _SPECIAL if settings.get(key)]
    if special:
        return f"{', '.join(special)} may change the base or place it otherwise"
    if hasattr(lm, "accelerator"):
        return "several processes evaluate it"
    if peft is None:
        return ""
    from peft import LoraConfig, PeftConfig

    config: Any = PeftConfig.from_pretrained(peft, revision=settings["revision"])
    if config.peft_type.value != "LORA":
        return f"its adapter is of type {config.peft_type.value} and not LORA"
    plain: Any = LoraConfig()
    given, default = config.to_dict(), plain.to_dict()
    changed = sorted(k for k, v in given.items() if k not in _HARMLESS and v != default.get(k))
    if config.init_lora_weights in _PLAIN_START:
        changed = [k for k in changed if k != "init_lora_weights"]
    if changed:
        return f"{', '.join(changed)} of its adapter may change the base"
    if len(lm.tokenizer) > _vocabulary(lm.config):
        return (
            "its tokenizer is longer than the base's vocabulary, and new rows are drawn at random"
        )
    return ""

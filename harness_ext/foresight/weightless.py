"""The ``hf`` backend without weights: it tokenizes as lm-eval's does, and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import resolve_max_length
from transformers import AutoConfig, AutoTokenizer

from oodrop.harness_ext.foresight.tokencount import Pair


class Weightless(HFLM):
    """Tokens of a checkpoint, by lm-eval's own code, from files on this machine.

    Args:
        args: model arguments, as of ``hf`` or a server.

    Raises:
        Exception: whatever transformers raises where there is no tokenizer.
    """

    exact = True

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._rank, self._world_size, self.backend = 0, 1, "causal"
        self.add_bos_token = args.get("add_bos_token")
        self.custom_prefix_token_id = args.get("prefix_token_id")
        self.chat_template_args = dict(args.get("chat_template_args") or {})
        self.enable_thinking = args.get("enable_thinking")
        if self.enable_thinking is not None:
            self.chat_template_args["enable_thinking"] = self.enable_thinking
        source, more = _source(args)
        self.tokenizer = AutoTokenizer.from_pretrained(source, **more)
        self._length = int(args.get("max_length") or 0) or self._own_length(args)
        self._seen: list[Pair] = []
        self._known: dict[str, list[int]] = {}
        self.words = f"its own tokenizer ({type(self.tokenizer).__name__})"

    def _own_length(self, args: Mapping[str, Any]) -> int:
        config = None
        if args.get("pretrained") and not args.get("gguf_file"):  # a GGUF file is slow to read
            config = AutoConfig.from_pretrained(args["pretrained"], **_common(args))
        return int(resolve_max_length(config, self.tokenizer))

    @property
    def max_length(self) -> int:
        """Tokens that the model reads at most."""
        return self._length

    def tok_encode(self, string: str, *given: Any, **settings: Any) -> list[int]:
        """As the parent, a text once: every option of a question comes with all of its prompt."""
        if given or settings:
            return list(super().tok_encode(string, *given, **settings))
        if string not in self._known:
            self._known[string] = super().tok_encode(string)
        return self._known[string]

    def pairs(self, requests: Sequence[Instance]) -> list[Pair]:
        """As `tokencount.Tokens`."""
        self._seen = []
        self.loglikelihood(list(requests), disable_tqdm=True)
        return self._seen

    def prompt(self, text: str, room: int) -> list[int]:
        """As `tokencount.Tokens`."""
        return self.tok_encode(text)[-max(1, self._length - room) :]

    def render(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """As `tokencount.Tokens`."""
        return str(self.apply_chat_template(chat_history, add_generation_prompt))

    def _loglikelihood_tokens(
        self, requests: list[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        for _, context, target in requests:
            kept = [*context, *target][-(self._length + 1) :]
            self._seen.append((kept[: -len(target)], list(target)))
        return [(0.0, False)] * len(requests)


def _common(args: Mapping[str, Any]) -> dict[str, Any]:
    more = {
        "revision": args.get("revision", "main"),
        "trust_remote_code": bool(args.get("trust_remote_code")),
        "local_files_only": True,
    }
    return {**more, **({"subfolder": args["subfolder"]} if args.get("subfolder") else {})}


def _source(args: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where the tokenizer is, and how it is read."""
    more = _common(args)
    if args.get("add_bos_token") is not None:
        more["add_bos_token"] = args["add_bos_token"]
    if args.get("tokenizer"):
        return str(args["tokenizer"]), more
    if args.get("gguf_file"):
        more["gguf_file"] = args["gguf_file"]
    return str(args.get("pretrained") or args["model"]), more

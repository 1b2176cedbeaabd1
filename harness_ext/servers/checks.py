"""Models behind a server: what is refused before anything is spent on them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from oodrop import DataError, OodropError
from oodrop.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from oodrop.harness_ext.checkpoints import CheckpointSpec

LOCAL = ("local-completions", "local-chat-completions")
CHAT = (
    "local-chat-completions",
    "openai-chat-completions",
    "azure-openai-chat-completions",
    "anthropic-chat",
    "anthropic-chat-completions",
    "litellm",
    "litellm-chat",
    "litellm-chat-completions",
)
_REPLIES_ONLY = (*CHAT, "anthropic-completions")
OVER_HTTP = ("local-", "openai-", "azure-openai-")
_CLIENT = ("aiohttp", "requests", "tenacity", "tqdm")


def check_server(checkpoint: CheckpointSpec, tasks: Iterable[TaskSpec]) -> None:
    """Nothing, or an error: what a server cannot do, and what is missing to ask one.

    Raises:
        OodropError: when a package is not installed.
        DataError: for tasks that need log-likelihoods of a server that gives none, a chat server
            without messages, and a local one without its address.
    """
    _check_installed(checkpoint)
    model, where = checkpoint.model, f"checkpoint {checkpoint.name} ({checkpoint.model})"
    if model in LOCAL and not checkpoint.model_args.get("base_url"):
        path = "chat/completions" if model in CHAT else "completions"
        raise DataError(f"{where} needs base_url=http://HOST:PORT/v1/{path} in model_args")
    if model in _REPLIES_ONLY:
        _check_replies(where, tasks)
    if model in CHAT and not checkpoint.apply_chat_template:
        raise DataError(
            f"{where} takes messages, so it needs --apply_chat_template "
            "(in a configuration: apply_chat_template: true)"
        )


def _check_replies(where: str, tasks: Iterable[TaskSpec]) -> None:
    scored = [t.name for t in tasks if t.config.get("output_type") != "generate_until"]
    if scored:
        raise DataError(
            f"{where} gives replies and no log-likelihoods, which {', '.join(scored)} "
            f"{'needs' if len(scored) == 1 else 'need'}; ask the same model through "
            "local-completions, or take tasks with free replies: procedural, everyday_open"
        )


def _check_installed(checkpoint: CheckpointSpec) -> None:
    model = checkpoint.model
    in_process = model in ("vllm", "vllm-vlm")
    if not in_process and not model.startswith(OVER_HTTP):
        return
    needed, extra = (("vllm",), "vllm") if in_process else (_CLIENT, "api")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise OodropError(
            f"checkpoint {checkpoint.name}: --model {model} needs {', '.join(missing)}: "
            f"pip install 'lm-eval[{extra}]'"
        )

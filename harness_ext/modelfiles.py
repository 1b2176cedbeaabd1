"""Whether what the arguments of a model point to is on this machine, before it is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from oodrop import DataError
from oodrop.harness_ext.checkpoints import FROM_FILES, CheckpointSpec

# Package and what pip calls it, of model types that lm-eval knows without having what they need;
# `servers` knows those of vLLM and of servers.
_NEEDS: Mapping[str, tuple[str, str]] = {
    "sglang": ("sglang", "sglang"),
    "mamba_ssm": ("mamba_ssm", "mamba_ssm"),
    "openvino": ("optimum", "'optimum[openvino]'"),
    "anthropic-chat": ("anthropic", "anthropic"),
    "anthropic-chat-completions": ("anthropic", "anthropic"),
    "anthropic-completions": ("anthropic", "anthropic"),
    "litellm": ("litellm", "litellm"),
    "litellm-chat": ("litellm", "litellm"),
    "litellm-chat-completions": ("litellm", "litellm"),
}
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_ADAPTER = "adapter_config.json"


def check_model_files(checkpoint: CheckpointSpec) -> None:
    """Nothing, or an error: packages are installed, folders and cached repositories are there.

    Raises:
        DataError: naming the argument, or the package and how to install it.
    """
    where = f"checkpoint {checkpoint.name}"
    args = checkpoint.resolved_args()
    _check_package(where, checkpoint.model, *_NEEDS.get(checkpoint.model, ("", "")))
    if args.get("peft"):
        _check_package(where, "peft=", "peft", "peft")
    if args.get("gguf_file"):
        _check_package(where, "gguf_file=", "gguf", "gguf")
    keys = ("pretrained", "peft", "delta") if checkpoint.model in FROM_FILES else ()
    for key in (*keys, "tokenizer"):
        if args.get(key):
            _check_place(where, key, str(args[key]), args)
    adapter = Path(str(args.get("peft", "")))
    if "peft" in keys and args.get("peft") and adapter.is_dir():
        _check_adapter(where, adapter)


def _check_package(where: str, what: str, package: str, pip: str) -> None:
    if package and find_spec(package) is None:
        raise DataError(
            f"{where}: {what} needs the package {package}, which is not installed: "
            f"pip install {pip}"
        )


def _check_place(where: str, key: str, value: str, args: Mapping[str, Any]) -> None:
    """A folder or file that exists, or a name that the hub might have."""
    path = Path(value).expanduser()
    if path.exists():
        file = args.get("gguf_file")
        if key == "pretrained" and file and path.is_dir() and not (path / str(file)).is_file():
            raise DataError(f"{where}: {key}={value} holds no file {file} (gguf_file)")
        return
    if not _REPOSITORY.fullmatch(value) or value.startswith("."):
        raise DataError(f"{where}: {key}={value} is a folder or file that does not exist")
    if _is_offline() and not _cached(value):
        raise DataError(
            f"{where}: {key}={value} is no folder here and not in the local cache of the hub, and "
            "HF_HUB_OFFLINE keeps it from being fetched"
        )


def _check_adapter(where: str, folder: Path) -> None:
    if not (folder / _ADAPTER).is_file():
        raise DataError(f"{where}: peft={folder} is no adapter: it holds no {_ADAPTER}")


def _is_offline() -> bool:
    told = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in told)


def _cached(name: str) -> bool:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    return folder.is_dir() and any(folder.iterdir())

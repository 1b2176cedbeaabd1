"""What is evaluated: a model, its arguments and settings, and the fingerprint that names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from lm_eval.api.registry import get_model, model_registry

from oodrop import DataError, RunError, UnknownNameError, __version__
from oodrop.harness_ext.generation import generation_settings
from oodrop.harness_ext.models import PACKED, REFERENCE_MODELS
from oodrop.harness_ext.servers.checks import OVER_HTTP
from oodrop.harness_ext.training import SHIPPED
from oodrop.reports.redaction import redacted, scrubbed

WHEEL_PREFIX = "wheel:"
SHIPPED_PREFIX = "oodrop:"
HF_MODELS = ("hf", "hf-auto", "huggingface", PACKED)
FROM_FILES = (*HF_MODELS, "vllm", "vllm-vlm", "sglang")
"""Model types whose ``pretrained`` is a folder here or a repository of the hub."""


@dataclass(frozen=True)
class CheckpointSpec:
    """One checkpoint of a run.

    Attributes:
        name: folder under the run, and the name in reports.
        model: lm-eval's model type.
        model_args: its arguments; ``pretrained: wheel:NAME`` takes the one GGUF file of an
            installed wheel, ``pretrained: oodrop:base`` a checkpoint that comes with oodrop;
            so does ``peft: oodrop:NAME``.
        apply_chat_template: as lm-eval's option.
        batch_size: as lm-eval's option.
        device: as lm-eval's option.
        tasks: tasks to run it on; None for all of the run.
        items: size of the seeded random subset of each task; None for all items.
        num_fewshot: as lm-eval's option; None for the number that the task declares, or none.
        gen_kwargs: as lm-eval's option: laid over the task's own settings of generation.
        preset: name of settings in `generation.PRESETS`, in place of ``gen_kwargs``.
        repeats: number of replies to each item, whose score is their mean; None for one.
    """

    name: str
    model: str
    model_args: Mapping[str, Any] = field(default_factory=dict)
    apply_chat_template: bool = False
    batch_size: int = 16
    device: str | None = None
    tasks: tuple[str, ...] | None = None
    items: int | None = None
    num_fewshot: int | None = None
    gen_kwargs: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    repeats: int | None = None

    @property
    def replies(self) -> int:
        """Number of replies to each item."""
        return self.repeats or 1

    def fingerprint(self, banks: Mapping[str, str]) -> str:
        """Hash of everything that decides an answer: weights, settings, banks, library versions.

        Args:
            banks: hash of the content of each bank that is replayed, by its id.
        """
        content = {
            "model": self.model,
            # Without secrets: another key to the same server opens the same answers.
            "model_args": {k: str(v) for k, v in redacted(self.resolved_args()).items()},
            "weights": _weights(self.model, self.resolved_args()),
            "apply_chat_template": self.apply_chat_template,
            "num_fewshot": self.num_fewshot,
            "gen_kwargs": self.generation(),
            **({"repeats": self.replies} if self.replies > 1 else {}),
            "banks": dict(banks),
            "versions": {name: _version(name) for name in ("lm_eval", "transformers", "torch")},
            "oodrop": __version__,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def resolved_args(self) -> dict[str, Any]:
        """Model arguments with ``wheel:NAME`` and ``oodrop:NAME`` replaced by folder and file.

        Raises:
            DataError: when the wheel is not installed or holds no single GGUF file, when no such
                checkpoint comes with oodrop, and for an adapter without the model that it belongs
                on.
        """
        args = dict(self.model_args)
        if args.get("peft") and not args.get("pretrained"):
            raise DataError(
                f"checkpoint {self.name}: peft={args['peft']} is an adapter and needs its base "
                "model beside it: pretrained=BASE,peft=ADAPTER"
            )
        pretrained = str(args.get("pretrained", ""))
        if pretrained.startswith(WHEEL_PREFIX):
            path = wheel_gguf(pretrained.removeprefix(WHEEL_PREFIX))
            args |= {"pretrained": str(path.parent), "gguf_file": path.name}
        for key in ("pretrained", "peft"):
            if str(args.get(key, "")).startswith(SHIPPED_PREFIX):
                args[key] = str(shipped(args[key].removeprefix(SHIPPED_PREFIX)))
        return args

    def generation(self) -> dict[str, Any]:
        """What replaces the tasks' own settings of generation; empty where nothing does.

        Raises:
            OodropError: as `generation_settings`.
        """
        return generation_settings(self.preset, self.gen_kwargs, f"checkpoint {self.name}")

    def load(self, adapted: Callable[[type[Any]], type[Any]] = lambda kind: kind) -> Any:
        """The lm-eval model.

        Args:
            adapted: gives the class that takes the place of lm-eval's.

        Raises:
            RunError: when it cannot be loaded, with the library's own reason.
        """
        device = self.device
        if device is None and self.model in HF_MODELS:
            import torch

            # lm-eval 0.4.13 would ask for "cuda" whether there is one or not.
            device = "cuda" if torch.cuda.is_available() else "cpu"
        settings = {"batch_size": self.batch_size, "device": device}
        args = self.resolved_args()
        try:
            return adapted(self._kind()).create_from_arg_obj(args, settings)
        except Exception as error:  # any backend may fail in its own way; its reason is shown
            reason = scrubbed(f"{type(error).__name__}: {error}", args)
            raise RunError(
                f"checkpoint {self.name} ({self.model}) cannot be loaded: {reason}"
            ) from error

    def _kind(self) -> Any:
        check_model(self.model)
        kind = get_model(self.model)
        if not self.model.startswith(OVER_HTTP):
            return kind
        from oodrop.harness_ext.servers.client import client

        return client(kind, self.name)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> CheckpointSpec:
        """Read one entry of a run configuration.

        Raises:
            DataError: naming the field that is missing, unknown or of the wrong type.
        """
        known = set(cls.__dataclass_fields__)
        for key in data:
            if key not in known:
                allowed = ", ".join(sorted(known))
                raise DataError(f"{where}: unknown field {key!r}; allowed: {allowed}")
        for key in ("name", "model"):
            if not isinstance(data.get(key), str):
                raise DataError(f"{where}: {key!r} must be text, got {data.get(key)!r}")
        if not re.fullmatch(r"[\w.+-]+", data["name"]) or data["name"].startswith("."):
            raise DataError(
                f"{where}: name {data['name']!r} must be letters, digits and _ . + - alone"
            )
        fields = dict(data)
        for key in ("model_args", "gen_kwargs"):
            if not isinstance(fields.get(key, {}), Mapping):
                raise DataError(f"{where}: {key!r} must be a mapping")
        if not isinstance(fields.get("preset"), (str, type(None))):
            raise DataError(f"{where}: 'preset' must be text, got {fields['preset']!r:.60}")
        for key, least in (
            ("items", 1),
            ("batch_size", 1),
            ("num_fewshot", 0),
            ("repeats", 1),
        ):
            value = fields.get(key, 1)
            if value is not None and (type(value) is not int or value < least):
                raise DataError(
                    f"{where}: {key!r} must be a whole number from {least}, got {value!r}"
                )
        if fields.get("tasks") is not None:
            fields["tasks"] = tuple(fields["tasks"])
        return cls(**fields)


def known_models() -> tuple[str, ...]:
    """Every model type that lm-eval knows, ours included."""
    import lm_eval.models  # noqa: F401  # fills lm-eval's registry

    return tuple(sorted({*model_registry, *REFERENCE_MODELS}))


def check_model(name: str) -> None:
    """Raise UnknownNameError unless lm-eval knows the model type."""
    if name not in known_models():
        raise UnknownNameError("model", name, known_models())


def wheel_gguf(name: str) -> Path:
    """The one ``.gguf`` file of an installed wheel.

    Raises:
        DataError: when there is no such wheel or not exactly one such file in it.
    """
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        raise DataError(
            f"the wheel {name!r} is not installed; pip install --no-deps {name}"
        ) from None
    found = [Path(str(f.locate())) for f in files if f.name.endswith(".gguf")]
    if len(found) != 1:
        raise DataError(f"the wheel {name!r} must hold exactly one .gguf file, got {len(found)}")
    return found[0]


def shipped(name: str) -> Path:
    """The folder of a reference checkpoint.

    Raises:
        UnknownNameError: listing what there is.
    """
    there = sorted(path.name for path in SHIPPED.glob("*") if path.is_dir())
    if name not in there:
        raise UnknownNameError("reference checkpoint", name, there)
    return SHIPPED / name


def _weights(model: str, args: Mapping[str, Any]) -> list[list[str | int | None]]:
    """Name, size and time of every local file that the arguments point to; commits of the hub's."""
    rows: list[list[str | int | None]] = []
    for key in ("pretrained", "peft", "delta", "path", "tokenizer"):
        value = str(args.get(key) or "")
        root = Path(value)
        if value and root.exists():
            only = args.get("gguf_file") if key == "pretrained" else None
            for path in sorted(p for p in (root, *root.rglob("*")) if p.is_file()):
                if only is None or path.name == only:
                    stat = path.stat()
                    rows.append([str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns])
        elif value and model in FROM_FILES:
            rows.append([key, _commit(value, str(args.get("revision") or "main"))])
    return rows


@cache
def _commit(repository: str, revision: str) -> str | None:
    """The commit that a branch or tag of the hub stands for; without a network, as last seen here.

    None where nobody knows: loading it will say why.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns="*config.json")
    except (OSError, ValueError):  # all that the hub's client raises
        return None
    return Path(folder).name


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"

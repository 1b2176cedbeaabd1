"""Telling that memory did not suffice, on a GPU or a CPU."""

from __future__ import annotations

import gc


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help.

    torch raises ``OutOfMemoryError`` for a GPU, and a plain ``RuntimeError`` for the CPU.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in said or "out of memory" in said
    )


def release_memory() -> None:
    """Give back what the failed attempt held; call it when the error is gone."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

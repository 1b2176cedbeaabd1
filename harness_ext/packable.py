"""Which models can be used with token trees, as far as the configuration tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ATTENTION = ("eager", "sdpa")  # those that take a mask of ours
_LENGTHWISE = ("dynamic", "longrope")  # all positions turn when the text grows over a length


def unpackable(config: Any) -> str:
    """Why a decoder cannot be used with token trees; "" where nothing speaks against it.

    What a short text shows is found by trying. Here is what only long ones show: windows that
    slide over the text, and positions that depend on its length.

    Args:
        config: a transformers configuration.
    """
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ())
    if layers - {"full_attention"} or getattr(text, "sliding_window", None):
        return f"its layers see a part of the text ({', '.join(sorted(layers)) or 'window'})"
    kernel = getattr(text, "_attn_implementation", None)
    if kernel not in (*_ATTENTION, None):
        return f"its attention ({kernel}) takes no mask; attn_implementation=sdpa does"
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    kinds = sorted(set(_rope_types(rope)) & set(_LENGTHWISE))
    if kinds:
        return f"its positions depend on the length of the text ({', '.join(kinds)} rope)"
    return ""


def _rope_types(rope: object) -> Iterator[str]:
    """The kinds of rotary positions, whether given once or by type of layer."""
    if isinstance(rope, Mapping):
        yield str(rope.get("rope_type", rope.get("type")))
        for value in rope.values():
            yield from _rope_types(value)

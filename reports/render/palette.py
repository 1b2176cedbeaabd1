"""Colours that the colour-blind can tell apart and that read on white and on near-black.

Checkpoint colours are Okabe and Ito's (2008), darkened where they were too light for a white page;
each also has a shape of its own.
"""

from __future__ import annotations

CHECKPOINTS = ("#0072b2", "#d55e00", "#009070", "#b8629a", "#8a7400", "#6f6f6f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
GREY = "#7d7d7d"

# The ends of ColorBrewer's PuOr, which keeps its sense under every common colour blindness.
_NEUTRAL = (247, 247, 247)
_DROP = (179, 88, 6)
_GAIN = (84, 39, 136)


def colour(index: int) -> str:
    """Colour of the checkpoint at `index`; they repeat after six, the pairs with shapes later."""
    return CHECKPOINTS[index % len(CHECKPOINTS)]


def shape(index: int) -> str:
    """Shape of the checkpoint at `index`, shifted by one in each round of colours."""
    return SHAPES[(index + index // len(SHAPES)) % len(SHAPES)]


def heat(value: float, largest: float) -> str:
    """Fill of a cell: neutral at 0, orange for a drop, purple for a gain, deepest at `largest`."""
    share = min(abs(value) / largest, 1.0) if largest > 0.0 else 0.0
    end = _DROP if value > 0.0 else _GAIN
    mixed = (round(n + share * (e - n)) for n, e in zip(_NEUTRAL, end, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def ink(fill: str) -> str:
    """Black or white, whichever reads better on `fill`."""
    return max(("#000000", "#ffffff"), key=lambda text: contrast(text, fill))


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.1)."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(hexadecimal: str) -> float:
    channels = (int(hexadecimal[k : k + 2], 16) / 255.0 for k in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""Round numbers along an axis that is drawn by hand."""

from __future__ import annotations

import math

_STEPS = (1.0, 2.0, 5.0, 10.0)


def ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten from `low` to `high`.

    `low` must lie below `high`.
    """
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(k * step for k in range(first, last + 1))


def tick_words(values: tuple[float, ...], *, signed: bool = False) -> tuple[str, ...]:
    """As many decimals as the step needs; with `signed`, `+5` and `-5`."""
    step = values[1] - values[0] if len(values) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return tuple(f"{v:{'+' if signed and v else ''}.{decimals}f}" for v in values)

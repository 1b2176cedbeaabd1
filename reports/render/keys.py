"""What stands above a plot: its title, how to read it, and a key to the checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from oodrop.reports.render.canvas import marks, texts
from oodrop.reports.render.palette import colour, shape
from oodrop.reports.render.text import shorten

_LINE = 18.0


def heading(
    title: str,
    about: Sequence[str],
    names: Sequence[str],
    height: float,
    *,
    after: Sequence[str] = (),
    space: float = 0.0,
) -> list[alt.Chart]:
    """Layers above a plot of this height, from the bottom up.

    Args:
        title: what is drawn.
        about: how to read it, a line each.
        names: the checkpoints, in the order of their colours.
        height: of the plot, in pixels.
        after: what follows each name, in our own words; nothing where it is empty.
        space: pixels that stay free between the key and the plot.
    """
    top = -_LINE - space - _LINE * len(names)
    keys, signs = [], []
    for k, name in enumerate(names):
        y = top + _LINE * (k + 0.5)
        words = f"  ({after[k]})" if after and after[k] else ""
        keys.append({"text": f"{shorten(name, 60)}{words}", "y": y})
        signs.append({"y": y, "colour": colour(k), "fill": colour(k), "shape": shape(k)})
    above = top - 15.0 * len(about)
    lines = [{"text": line, "y": above + 15.0 * k} for k, line in enumerate(about)]
    first = [{"text": title, "y": above - 22.0}]
    left = alt.value(0)
    return [
        texts(first, height, align="left", x=left, size=15, bold=True),
        texts(lines, height, align="left", x=left, size=11, opacity=0.75),
        texts(keys, height, align="left", x=alt.value(14)),
        marks(signs, alt.value(5), height),
    ]

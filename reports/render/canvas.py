"""Layers drawn at computed places, and the way from an Altair chart to an SVG.

Heights are pixels from the top and every label is data: nothing of a report ever becomes an
expression, an axis or a legend, so that no text can be misread or clipped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import vl_convert

Datum = dict[str, Any]
# An alt.X or what alt.value() returns, for which Altair has no public type.
Across = Any
FONT = "sans-serif"
# Text takes the colour of the page around it; see `standalone` for the page without one.
INK = "currentColor"
_PADDING = 6.0
# So far beyond what is measured may a name at the right reach, where a page's font is wider.
OVERHANG = 32.0
_SIZE = re.compile(r'\b(?:width|height|viewBox)="[0-9. ]+"')
_STYLE = "<style>svg{color:#1f2328}@media (prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"


def axis_y(field: str, height: float) -> alt.Y:
    """Pixels from the top, without an axis."""
    scale = alt.Scale(domain=[0.0, height], reverse=True, nice=False, zero=False)
    return alt.Y(field, type="quantitative", axis=None, scale=scale)


def texts(
    data: Sequence[Datum],
    height: float,
    *,
    align: Literal["left", "center", "right"],
    x: Across,
    size: int = 12,
    bold: bool = False,
    opacity: float = 1.0,
    angle: float = 0.0,
) -> alt.Chart:
    """Texts (`text`) at `y`, in the colour of the page."""
    weight: Literal["bold", "normal"] = "bold" if bold else "normal"
    drawn: alt.Chart = (
        chart(data)
        .mark_text(
            align=align,
            baseline="middle",
            fontSize=size,
            fontWeight=weight,
            limit=0,
            color=INK,
            opacity=opacity,
            angle=angle,
        )
        .encode(x=x, y=axis_y("y", height), text=alt.Text("text", type="nominal"))
    )
    return drawn


def pixels(width: float, field: str = "x") -> alt.X:
    """Pixels from the left, without an axis."""
    scale = alt.Scale(domain=[0.0, width], nice=False, zero=False)
    return alt.X(field, type="quantitative", axis=None, scale=scale)


def rules(
    data: Sequence[Datum],
    x: Across,
    height: float,
    *,
    width: float,
    opacity: float = 1.0,
    dash: Sequence[float] = (),
) -> alt.Chart:
    """Straight lines from `x`, `y` to `x2`, `y2`, each of its `colour`."""
    drawn: alt.Chart = (
        chart(data)
        .mark_rule(strokeWidth=width, strokeCap="round", opacity=opacity, strokeDash=list(dash))
        .encode(
            x=x,
            x2="x2:Q",
            y=axis_y("y", height),
            y2="y2:Q",
            color=alt.Color("colour", type="nominal", scale=None),
        )
    )
    return drawn


def marks(data: Sequence[Datum], x: Across, height: float) -> alt.Chart:
    """Points at `x` and `y`, each of its `colour`, `fill` and `shape`."""
    drawn: alt.Chart = (
        chart(data)
        .mark_point(size=75, opacity=1.0, strokeWidth=1.5)
        .encode(
            x=x,
            y=axis_y("y", height),
            stroke=alt.Stroke("colour", type="nominal", scale=None),
            fill=alt.Fill("fill", type="nominal", scale=None),
            shape=alt.Shape("shape", type="nominal", scale=None),
        )
    )
    return drawn


def chart(data: Sequence[Datum]) -> alt.Chart:
    """A chart of inline data."""
    values: Any = alt.Data
    return alt.Chart(values(values=list(data)))


def framed(
    layers: Sequence[alt.Chart], width: float, height: float, *, overhang: float = 0.0
) -> alt.LayerChart:
    """The layers on a transparent ground, without a frame; `overhang` more pixels at the right."""
    padding = {
        "left": _PADDING,
        "top": _PADDING,
        "right": _PADDING + overhang,
        "bottom": _PADDING,
    }
    layered: alt.LayerChart = (
        alt.layer(*layers)
        .properties(width=width, height=height, padding=padding)
        .configure(background="transparent", font=FONT, aria=False)
        .configure_view(stroke=None)
    )
    return layered


def svg(chart: alt.LayerChart, description: str) -> str:
    """SVG to place inside a page: role, label, no XML namespaces, colours from the page.

    Runs offline: vl-convert brings its own Vega, fonts and JavaScript engine.
    """
    spec = chart.to_dict(validate=False)  # Each mark is checked as it is made, the whole in tests.
    drawn = vl_convert.vegalite_to_svg(spec, vl_version="6.4", allowed_base_urls=[])
    opening, _, rest = drawn.partition(">")
    size = " ".join(_SIZE.findall(opening))
    return f'<svg role="img" aria-label="{html.escape(description)}" {size}>{rest}'


def png(drawn: str) -> bytes:
    """The SVG as a picture for papers and slides: dark ink on white, two pixels to a unit."""
    opening, _, rest = drawn.partition(">")
    named = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" color="#1f2328" ', 1)
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return vl_convert.svg_to_png(f"{named}>{ground}{rest}", scale=2.0)


def standalone(drawn: str) -> str:
    """The SVG as a file of its own, dark or light as its viewer prefers."""
    opening, _, rest = drawn.partition(">")
    named = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{named}>{_STYLE}{rest}\n"

"""Colours that read on both pages and under colour blindness."""

import itertools

import pytest

from oodrop.reports.render import palette

WHITE, DARK = "#ffffff", "#12161c"
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
               (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
               (-0.011820, 0.042940, 0.968881)),
}  # fmt: skip


@pytest.mark.parametrize("colour", [*palette.CHECKPOINTS, palette.GREY])
def test_marks_stand_out_on_white_and_on_dark(colour):
    assert palette.contrast(colour, WHITE) >= 3.0
    assert palette.contrast(colour, DARK) >= 3.0


def linear(colour):
    return [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_first_four_checkpoints_differ_to_the_colour_blind(kind):
    def seen(colour):
        rgb = linear(colour)
        mixed = [sum(w * v for w, v in zip(row, rgb, strict=True)) for row in BLINDNESS[kind]]
        return [max(v, 0.0) ** (1 / 2.2) for v in mixed]

    for a, b in itertools.combinations(palette.CHECKPOINTS[:4], 2):
        distance = sum((x - y) ** 2 for x, y in zip(seen(a), seen(b), strict=True)) ** 0.5
        assert distance > 0.12, (a, b)


def test_colour_and_shape_together_are_unique_for_long():
    pairs = [(palette.colour(k), palette.shape(k)) for k in range(36)]
    assert len(set(pairs)) == 36


def test_heat_is_neutral_at_zero_and_readable_everywhere():
    assert palette.heat(0.0, 10.0) == "#f7f7f7"
    assert palette.heat(10.0, 10.0) == "#b35806"
    assert palette.heat(-20.0, 10.0) == "#542788"
    for value in range(-10, 11):
        fill = palette.heat(float(value), 10.0)
        assert palette.contrast(palette.ink(fill), fill) >= 4.5


def test_contrast_follows_wcag():
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)

"""The model card of a reference checkpoint, in the form of the Hugging Face hub."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from oodrop.harness_ext.training.adapters import RANK, RECIPES
from oodrop.harness_ext.training.fit import Schedule
from oodrop.harness_ext.training.tokens import ENTRIES
from oodrop.tasks.procedural import COMPACT

_TEMPLATE = Path(__file__).parent / "card.md.jinja"


@dataclass(frozen=True)
class Figure:
    """A measured number: of what, of this seed, and over all seeds; in words."""

    what: str
    own: str
    seeds: str


def card(
    name: str, seed: int, schedule: Schedule, parameters: int, figures: Sequence[Figure] = ()
) -> str:
    """What it is, what it was trained on, how, and what it is not for; a page of Markdown.

    Args:
        name: of the base, or of a recipe in `RECIPES`.
        seed: what it was trained with.
        schedule: how long and how hard.
        parameters: how many it has.
        figures: what was measured of it and of other seeds; none where nothing was.
    """
    recipe, items = RECIPES.get(name), len(COMPACT.docs("train"))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # Markdown
    page = environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        name=name,
        seed=seed,
        schedule=schedule,
        recipe=recipe,
        rank=RANK,
        entries=f"{ENTRIES:,}",
        parameters=f"{parameters:,}",
        figures=figures,
        items=f"{items:,}",
        epochs=f"{schedule.steps * schedule.batch / items:.1f}",
        command=f"oodrop train-reference --recipes {name} --seed {seed} --base BASE -o FOLDER"
        if recipe
        else f"make reference-checkpoints SEED={seed}",
    )
    head, *paragraphs = page.strip().split("\n\n")
    return "\n\n".join((head, *(_filled(paragraph) for paragraph in paragraphs))) + "\n"


def _filled(paragraph: str) -> str:
    if paragraph.startswith("|"):
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), 100, break_on_hyphens=False)

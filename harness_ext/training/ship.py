"""Takes the pair of the median seed into the package, with the figures of all seeds.

``python -m oodrop.harness_ext.training.ship SEEDS RUN``, the last step of ``make
reference-results``: the trained seeds, and the run that evaluated them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import jinja2

from oodrop.harness_ext.training.build import NOTE, parameters
from oodrop.harness_ext.training.cards import Figure, card
from oodrop.harness_ext.training.expected import canonical, expectations, families, recipes_table
from oodrop.harness_ext.training.fit import Schedule
from oodrop.reports.recipes import RecipeComparison, TaskRecipes, compare_recipes
from oodrop.reports.render.document import document_markdown
from oodrop.reports.render.markdown import table_lines
from oodrop.reports.render.points import percent, points
from oodrop.reports.render.recipes import recipes_document, recipes_json
from oodrop.reports.statistics import OverSeeds

HERE = Path(__file__).parent
PAGE, DATA, VARIED = "RESULTS.md", "results.json", "results_varied.json"
_KEPT = ("adapter_config.json", "adapter_model.safetensors", NOTE)


def ship(trained: Path, run: Path, to: Path = HERE) -> None:
    """Compare the seeds, write the page of results, take in both adapters of the median seed.

    Args:
        trained: has ``seed-K/RECIPE`` for every seed and recipe.
        run: has the answers of ``RECIPE-K`` for all of them, the varied recipes too.
        to: gets the page, its data, and the adapters with their cards under ``shipped``.

    Raises:
        DataError: when the run cannot be used.
        NotComparableError: when its checkpoints did not answer the same items.
    """
    found, varied = (
        compare_recipes([run], a=f"heuristic{told}-*", b=f"engaged{told}-*")
        for told in ("", "_varied")
    )
    place = median_seed(found)
    for names, side in ((found.a, "a"), (found.b, "b")):
        recipe, seed = names[place].rsplit("-", 1)
        folder = trained / f"seed-{seed}" / recipe
        new = to / "shipped" / recipe
        new.mkdir(parents=True, exist_ok=True)
        for name in _KEPT:
            shutil.copyfile(folder / name, new / name)
        note = json.loads((folder / NOTE).read_text("utf-8"))
        schedule = Schedule(**{name: note[name] for name in Schedule.__dataclass_fields__})
        figures = tuple(_figures(found, side, place))
        page = card(recipe, note["seed"], schedule, parameters(folder), figures)
        (new / "README.md").write_text(page, encoding="utf-8")
    page = results_page(found, varied, found.a[place].rsplit("-", 1)[1])
    (to / PAGE).write_text(page, encoding="utf-8")
    (to / DATA).write_bytes(recipes_json(found))
    (to / VARIED).write_bytes(recipes_json(varied))


def median_seed(found: RecipeComparison) -> int:
    """Place of the seed that ships: the middle one by how much more its first recipe loses.

    By the mean over the families, on the canonical task; of an even count the lower middle.
    """
    rows = families(canonical(found))
    apart = [
        fmean(row.a.each[0][k] - row.b.each[0][k] for row in rows) for k in range(len(found.a))
    ]
    return sorted(range(len(apart)), key=apart.__getitem__)[(len(apart) - 1) // 2]


def results_page(found: RecipeComparison, varied: RecipeComparison, seed: str) -> str:
    """What was expected and what was found, then every table of both comparisons, as Markdown."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # Markdown
    template = environment.from_string((HERE / "results.md.jinja").read_text("utf-8"))
    return template.render(
        seeds=len(found.a),
        varied_seeds=len(varied.a),
        shipped=seed,
        expected=expectations(found),
        recipes="\n".join(table_lines(recipes_table((found, varied)))).strip(),
        tables=_tables(found),
        varied_tables=_tables(varied),
    )


def _tables(found: RecipeComparison) -> str:
    return document_markdown(recipes_document(found)).split("\n", 1)[1].strip()


def _figures(found: RecipeComparison, side: str, place: int) -> Iterator[Figure]:
    for task in found.tasks:
        yield _figure(task, "canonical accuracy", getattr(task.accuracies[0], side), place)
        for row in families(task):
            yield _figure(task, f"drop, {row.a.name}, in points", getattr(row, side), place)
        for row in task.noticed:
            yield _figure(task, f"`{row.a.name}` noticed", getattr(row, side), place)


def _figure(task: TaskRecipes, what: str, found: OverSeeds, place: int) -> Figure:
    (each,) = found.each
    words = points if found.of == "drop" else percent
    return Figure(f"`{task.task}`: {what}", words(each[place]), _spread(each, words))


def _spread(each: Sequence[float], words: Callable[[float], str]) -> str:
    return f"{words(fmean(each))} ({words(min(each))} to {words(max(each))})"


if __name__ == "__main__":
    ship(Path(sys.argv[1]), Path(sys.argv[2]))

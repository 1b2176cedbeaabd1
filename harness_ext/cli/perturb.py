"""The command that shows perturbers at work: in the terminal, or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from oodrop import DataError
from oodrop.harness_ext.cli.app import app, out
from oodrop.harness_ext.cli.look import LocalData, OnPluginError, Plugins, load_plugins, use_data
from oodrop.harness_ext.cli.steps import Steps

if TYPE_CHECKING:
    from oodrop.harness_ext.coverage import Applicability
    from oodrop.harness_ext.gallery import PerturberView
    from oodrop.perturbers import Item, Perturbed, Perturber, Variant
    from oodrop.tasks import TaskSpec

# Items that a gallery of the whole catalogue tries each variant on, unless told.
_CATALOGUE_ITEMS = 100
_MARKS = {"del": ("red strike", "[-", "-]"), "ins": ("bold green", "{+", "+}")}


@app.command()
def perturb(
    task: Annotated[str, typer.Argument(help="Task whose items to perturb (oodrop list tasks).")],
    perturber: Annotated[
        list[str],
        typer.Option("--perturber", "-p", help="Its name (oodrop list perturbers); repeatable."),
    ] = [],  # noqa: B006
    every: Annotated[
        bool, typer.Option("--all", help="The whole catalogue, every value and severity 1, 3, 5.")
    ] = False,
    severity: Annotated[
        int | None, typer.Option(min=1, max=5, help="1 to 5, where it has any.")
    ] = None,
    parameter: Annotated[
        list[str], typer.Option("--parameter", help="name=value; may be repeated.")
    ] = [],  # noqa: B006
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="How many items to show: 3, on a page 2.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the suite.")] = 2026,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with every value and severity instead.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="On the page, keep long unchanged stretches.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Try so many items, evenly spaced; 100 for the catalogue."),
    ] = None,
    data: LocalData = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
    on_plugin_error: OnPluginError = "stop",
) -> None:
    """Show items before and after perturbers, with their certificates.

    Example: oodrop perturb everyday -p lexical.keyboard_typo --severity 3 -n 2

    Example: oodrop perturb everyday --all --html gallery.html
    """
    from oodrop.harness_ext.derive.registry import get_task

    load_plugins(plugin, on_plugin_error)
    use_data(data)
    spec = get_task(task)
    whole = not perturber
    plugins = _chosen(perturber, every=every or html is not None)
    if perturber and every:
        raise DataError("perturb takes either --perturber or --all, got both")
    if whole and (severity is not None or parameter):
        raise DataError("--severity and --parameter go with --perturber, not with the catalogue")
    given = _pairs(parameter)
    most = limit or (_CATALOGUE_ITEMS if whole else None)
    if html is None and not whole:
        plan = [(p, [_default(p, given, severity, seed)]) for p in plugins]
    else:
        plan = _plan(spec, plugins, given, severity, seed)
    if html is not None:
        _write_page(spec, plan, html, count or 2, most, full=full, strict=not whole)
        return
    for _, variants in plan:
        for variant in variants:
            _show(spec, variant, count or 3, most, strict=not whole)


def _chosen(names: list[str], *, every: bool) -> list[Perturber]:
    from oodrop.perturbers import all_perturbers, get_perturber

    if not (names or every):
        raise DataError("perturb needs --perturber NAME, --all, or --html FILE for the catalogue")
    return [get_perturber(name) for name in names] or list(all_perturbers().values())


def _pairs(parameters: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in parameters]
    wrong = next((k for k, sep, _ in pairs if not sep), None)
    if wrong is not None:
        raise DataError(f"--parameter takes name=value, got {wrong!r}")
    return {k: v for k, _, v in pairs}


def _default(plugin: Perturber, given: dict[str, str], severity: int | None, seed: int) -> Variant:
    from oodrop.perturbers import Variant

    level = 3 if plugin.has_severity and severity is None else severity
    return Variant(plugin.name, given, level, seed)


_Plan = list[tuple["Perturber", list["Variant"]]]


def _plan(
    spec: TaskSpec,
    plugins: list[Perturber],
    given: dict[str, str],
    severity: int | None,
    seed: int,
) -> _Plan:
    from oodrop.harness_ext.variants import variants_of

    item = spec.item(spec.docs(spec.eval_split)[0])
    return [(p, variants_of(p, item, given=given, severity=severity, seed=seed)) for p in plugins]


def _write_page(
    spec: TaskSpec,
    plan: _Plan,
    path: Path,
    shown: int,
    limit: int | None,
    *,
    full: bool,
    strict: bool,
) -> None:
    from oodrop.harness_ext.gallery import Gallery, check_place, gallery_html, write_gallery

    check_place(path)  # better now than after minutes of work
    gallery = Gallery(spec, shown=shown, limit=limit, full=full)
    views: list[PerturberView] = []
    steps = sum(len(variants) for _, variants in plan) * len(gallery.items)
    with Steps("items", steps) as bar:
        for plugin, variants in plan:
            bar.now(plugin.name)
            views.append(gallery.perturber(plugin, variants, strict=strict, tick=bar.tick))
    write_gallery(gallery_html(gallery, views), path)
    out.print(f"wrote {escape(str(path))}: {len(views)} perturbers", soft_wrap=True)


def _show(spec: TaskSpec, variant: Variant, shown: int, limit: int | None, *, strict: bool) -> None:
    """Print the first changed items of one variant, then what became of all items."""
    from oodrop.harness_ext.coverage import Applicability
    from oodrop.harness_ext.variants import evenly_spaced, what_it_lacks
    from oodrop.perturbers import Bound

    certificates = []
    left = shown
    with what_it_lacks(strict=strict) as lacks:
        apply = Bound(variant)
        for doc in evenly_spaced(spec.docs(spec.eval_split), limit):
            item = spec.item(doc)
            done = apply(item)
            certificates.append(done.certificate)
            if done.certificate.outcome == "changed" and left:
                left -= 1
                after = spec.prompt(spec.to_doc(doc, done.item), done.item.template)
                _print_change(item, done, spec.prompt(doc, item.template), after)
    if lacks:
        out.print(f"\n[bold]{escape(variant.slug)}[/] is not available: {escape(lacks[0])}")
        return
    _print_counts(variant, spec, Applicability.of(certificates))


def _print_change(item: Item, done: Perturbed, before: str, after: str) -> None:
    certificate = done.certificate
    out.rule(escape(item.item_id), align="left")
    out.print(_diff(before, after))
    of = "" if certificate.eligible is None else f" of {certificate.eligible} eligible"
    out.print(
        f"[dim]gold {escape(item.gold_text)!r}, evidence {certificate.evidence}, "
        f"guards {', '.join(certificate.guards)}, {len(certificate.edits)} edits{of}[/]"
    )


def _print_counts(variant: Variant, spec: TaskSpec, found: Applicability) -> None:
    ranked = sorted(found.counts.items(), key=lambda pair: -pair[1])
    listed = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in ranked)
    out.print(f"\n[bold]{escape(variant.slug)}[/] on {escape(spec.name)}: {listed}")
    for outcome, reason in found.reasons.items():
        out.print(f"  {outcome.replace('_', ' ')}, mostly: {escape(reason)}")


def _diff(before: str, after: str) -> Text:
    """Word-level difference: removed words struck in red, new ones in green.

    Without colour they are marked as git marks them: [-removed-]{+new+}.
    """
    from oodrop.reports.render.diff import word_diff
    from oodrop.reports.render.text import visible

    plain = out.color_system is None
    text = Text()
    for segment in word_diff(before, after, limit=10**9):
        style, opens, closes = _MARKS.get(segment.op, ("", "", ""))
        shown = visible(segment.text)
        text.append(f"{opens}{shown}{closes}" if plain else shown, style)
    return text

"""From run folders to a `Report`: read, pair, estimate, and say what looks wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from oodrop import DataError, __version__
from oodrop.reports.checks import printable
from oodrop.reports.engagement import engagement
from oodrop.reports.flips import every_flip, find_flips
from oodrop.reports.folders import samples_beside, samples_under
from oodrop.reports.generation import (
    all_generation_words,
    different_settings,
    identical_replies,
    replies_left_out,
    replies_per_item,
)
from oodrop.reports.model import (
    Checkpoint,
    OutcomeCounts,
    Report,
    StoppedVariant,
    TaskReport,
)
from oodrop.reports.pairing import Group, name_checkpoints, pair
from oodrop.reports.pooling import Pool, in_order, pool
from oodrop.reports.reader import read_runs
from oodrop.reports.redaction import redact
from oodrop.reports.results import CANONICAL, REFERENCE_MODELS, RunFile
from oodrop.reports.splits import split_contrasts, split_drops
from oodrop.reports.statistics import Analysis, Questions, analyse, ask
from oodrop.reports.statistics.intervals.headline import Choice
from oodrop.reports.stopping import stopping_notes


def build_report(
    folders: Sequence[Path],
    *,
    resamples: int = 10_000,
    seed: int = 2026,
    interval: Choice = "auto",
    title: str = "Robustness report",
    verify: bool = False,
) -> Report:
    """Read lm-eval outputs and estimate every drop.

    Args:
        folders: where the outputs are.
        resamples: as of `analyse`.
        seed: of the bootstrap and of the sampled flips.
        interval: as of `analyse`.
        title: heading.
        verify: whether lm-eval's hashes of every row are computed again.

    Raises:
        DataError: when a folder or a file in it cannot be used.
        NotComparableError: when results must not be paired.
    """
    runs = read_runs(list(folders), verify=verify)
    if not any(run.samples for run in runs):
        raise DataError(f"no oodrop task among the results under {', '.join(map(str, folders))}")
    groups = pair(runs)
    pools, unlike = pool(groups)
    references = _reference_names(runs)
    tasks = {
        id(group): _task_report(group, references, resamples, seed, interval)
        for group in (*groups, *(p.group for p in pools))
    }
    splits, apart = split_drops(groups, [tasks[id(g)].analysis.accuracies for g in groups])
    return Report(
        title=title,
        oodrop_version=__version__,
        checkpoints=_checkpoints(runs),
        tasks=tuple(tasks[id(group)] for group in in_order(groups, pools)),
        split_drops=splits,
        split_contrasts=split_contrasts(groups, splits),
        notes=(*build_notes(runs, groups, pools), *unlike, *apart, *_alone(folders, runs)),
    )


def _reference_names(runs: Sequence[RunFile]) -> frozenset[str]:
    """The checkpoints that bound the scale of a task and are no language models."""
    names = name_checkpoints(runs)
    return frozenset(
        names[run.checkpoint_key] for run in runs if run.model.startswith(REFERENCE_MODELS)
    )


def _task_report(
    group: Group, references: Collection[str], resamples: int, seed: int, interval: Choice
) -> TaskReport:
    flips, totals = find_flips(group, seed)
    analysis = analyse(group.paired, resamples=resamples, seed=seed, interval=interval)
    gates = tuple(_stopped(group))
    return TaskReport(
        task=group.paired.task,
        items=len(group.paired.item_ids),
        analysis=_without_left_out(analysis, group) if gates else analysis,
        variants=group.paired.variants,
        outcomes={slug: _counts(counts) for slug, counts in group.outcomes.items()},
        flips=flips,
        flips_total=totals,
        replies_per_item=replies_per_item(group.samples),
        engagement=engagement(group),
        # What is asked of the whole task holds for sizes that were fixed before.
        questions=Questions()
        if gates
        else ask(group.paired, references=references, resamples=resamples, seed=seed),
        stopped=gates,
        every_flip=None if _is_pool(group) else partial(every_flip, group),
    )


def _is_pool(group: Group) -> bool:
    """Whether its items are those of other tasks in the report."""
    return any(variants[CANONICAL].parts for variants in group.samples.values())


def _without_left_out(analysis: Analysis, group: Group) -> Analysis:
    """No drop over all items where some were not asked: they are not known to be unchanged."""
    left = {slug for slug, counts in group.outcomes.items() if counts.get("not_asked")}
    left |= {info.family for info in group.paired.variants if info.slug in left}
    drops = (replace(d, all_items=None) if d.name in left else d for d in analysis.drops)
    return replace(analysis, drops=tuple(drops))


def _stopped(group: Group) -> Iterator[StoppedVariant]:
    for checkpoint, variants in group.samples.items():
        for info in group.paired.variants:
            gate = variants[info.slug].stopped
            if gate is not None and gate.changed_of:
                yield StoppedVariant(checkpoint, info.slug, gate)


def _counts(counts: Mapping[str, int]) -> OutcomeCounts:
    names = ("changed", "unchanged", "not_applicable", "refused", "not_asked")
    return OutcomeCounts(*(counts.get(name, 0) for name in names))


def _checkpoints(runs: Sequence[RunFile]) -> tuple[Checkpoint, ...]:
    names = name_checkpoints(runs)
    newest = {run.checkpoint_key: run for run in runs}
    return tuple(
        Checkpoint(
            name=names[key],
            model=run.model,
            model_args=redact(run.model_args),
            chat_template=run.chat_template,
            num_fewshot=_shots(r for r in runs if r.checkpoint_key == key),
            generation=all_generation_words(
                s for r in runs if r.checkpoint_key == key for s in r.samples
            ),
            lm_eval_version=run.lm_eval_version,
            date=datetime.fromtimestamp(run.date, UTC).date().isoformat(),
        )
        for key, run in newest.items()
    )


def _shots(runs: Iterable[RunFile]) -> tuple[int, ...]:
    return tuple(sorted({samples.num_fewshot for run in runs for samples in run.samples}))


def build_notes(
    runs: Sequence[RunFile], groups: Sequence[Group], pools: Sequence[Pool]
) -> Iterator[str]:
    """What was left out or looks wrong in runs, as sentences, most important first."""
    for group in groups:
        yield from stopping_notes(group.paired.task, group.samples)
    yield from _went_without(runs)
    yield from _unchecked(runs)
    for group in groups:
        yield from identical_replies(group.paired.task, group.samples, group.paired.variants)
        yield from different_settings(group.paired.task, group.samples)
        yield from replies_left_out(group.paired.task, group.samples)
        yield from group.left_out
    for pooled in pools:
        yield pooled.words
        yield from pooled.group.left_out
    every = (*groups, *(p.group for p in pools))
    for task in dict.fromkeys(g.paired.task for g in every):
        yield from _apart(task, [g for g in every if g.paired.task == task])
    foreign = sorted({name for run in runs for name in run.foreign_tasks})
    if foreign:
        listed = ", ".join(printable(f"{name:.100}") for name in foreign[:5])
        yield f"results of other tasks were not read: {listed}"


def _alone(folders: Sequence[Path], runs: Sequence[RunFile]) -> Iterator[str]:
    """Samples without the results file that says what they are."""
    read = {samples.path for run in runs for samples in run.samples}
    read |= {samples_beside(run.path, name) for run in runs for name in run.foreign_tasks}
    alone = dict.fromkeys(p for f in folders for p in samples_under(f) if p not in read)
    if alone:
        listed = ", ".join(printable(path.name) for path in list(alone)[:3])
        yield f"{len(alone)} samples files have no results and were not read: {listed}"


def _went_without(runs: Sequence[RunFile]) -> Iterator[str]:
    """Variants that the suite had and a plugin could not give."""
    names = name_checkpoints(runs)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for run in runs:
        for variant in run.left_out.items():
            found.setdefault(variant, {})[names[run.checkpoint_key]] = None
    for (slug, reason), checkpoints in found.items():
        yield f"{slug} was left out when {', '.join(checkpoints)} ran: {redact(reason)}"


def _unchecked(runs: Sequence[RunFile]) -> Iterator[str]:
    """What was to be verified and holds too little for it."""
    found = [samples for run in runs for samples in run.samples if samples.unchecked]
    if found:
        hashes = sum(samples.unchecked or 0 for samples in found)
        tasks = ", ".join(list(dict.fromkeys(samples.task for samples in found))[:5])
        yield (
            f"{hashes:,} hashes in {len(found)} files ({tasks}) could not be computed again from "
            "what was logged; all others are those that lm-eval wrote"
        )


def _apart(task: str, groups: Sequence[Group]) -> Iterator[str]:
    """What keeps the groups of one task apart."""
    items = dict.fromkeys(frozenset(g.paired.item_ids) for g in groups)
    shots = dict.fromkeys(c[CANONICAL].num_fewshot for g in groups for c in g.samples.values())
    for what, found, one in (
        ("on different sets of items", [len(i) for i in items], "set"),
        ("with different numbers of few-shot examples", list(shots), "number"),
    ):
        if len(found) > 1:
            listed = " and ".join(map(str, found))
            yield (
                f"{task} was run {what} ({listed}); checkpoints are compared within one {one} only"
            )

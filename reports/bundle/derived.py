"""Everything in a bundle that follows from ``raw/``: written once by submit, again by verify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from oodrop.reports.build import build_report
from oodrop.reports.bundle.environment import environment_json
from oodrop.reports.bundle.evaleval import check_model_id, write_records
from oodrop.reports.bundle.huggingface import huggingface_files
from oodrop.reports.bundle.manifest import Settings
from oodrop.reports.bundle.robustness import robustness_csv
from oodrop.reports.lines import parse_object
from oodrop.reports.pairing import one_checkpoint, pair
from oodrop.reports.render import write_report
from oodrop.reports.results import RunFile

REPORT, ROBUSTNESS, RECORDS = "report", "robustness.csv", "evaleval"
ENVIRONMENT, METADATA = "environment.json", "huggingface"


def derive(
    raw: Path, settings: Settings, folder: Path, *, metadata: bool = True
) -> tuple[str, ...]:
    """Write all that follows from the raw outputs of one checkpoint.

    lm-eval's hashes of every row are computed again, and the scores where the row decides.

    Args:
        raw: the outputs.
        settings: of the bundle.
        folder: where the files go; it is there.
        metadata: whether ``huggingface/`` is written, which needs huggingface_hub.

    Returns:
        Sentences about what nobody can prove from the outputs.

    Raises:
        OodropError: as `build_report`, `one_checkpoint` and `huggingface_files`.
    """
    check_model_id(settings.model_id)  # it becomes folders
    runs = one_checkpoint("submission", raw, again=True)
    report = build_report([raw], resamples=settings.resamples, seed=settings.seed)
    write_report(report, folder / REPORT)
    groups = pair(runs)
    table = robustness_csv(report, {group.paired.task for group in groups})
    (folder / ROBUSTNESS).write_bytes(table.encode())
    write_records(report, groups, runs, settings, folder / RECORDS)
    for name, data in huggingface_files(report).items() if metadata else ():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    contents = [parse_object(run.path.read_bytes(), str(run.path)) for run in runs]
    (folder / ENVIRONMENT).write_bytes(environment_json(contents))
    return tuple(_not_proved(runs))


def _not_proved(runs: Sequence[RunFile]) -> Iterator[str]:
    yield (
        "that a model gave the answers: hashes and certificates show that the files agree with "
        "each other, not where they come from"
    )
    yield "which weights answered: name and arguments are what the submitter wrote"
    yield "that no other run was made and left out"
    yield (
        "what stood in the results files where secrets, paths and the description of the machine "
        "were hidden, and lm-eval's own aggregates there, which nothing here reads"
    )
    unchecked = sum(samples.unchecked or 0 for run in runs for samples in run.samples)
    if unchecked:
        yield f"{unchecked:,} hashes of rows that do not hold what was hashed"
    each = [samples for run in runs for samples in run.samples]
    taken = sorted({f"{s.task} ({s.metric})" for s in each if s.rescored and s.rescored.taken})
    if taken:
        yield (
            "that these scores follow from the replies, for they were taken as logged: "
            f"{', '.join(taken)}"
        )
    foreign = sorted({name for run in runs for name in run.foreign_tasks})
    if foreign:
        yield f"results of other tasks, whose samples are not here: {', '.join(foreign[:20])}"

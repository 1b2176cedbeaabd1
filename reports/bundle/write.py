"""From a run's folder to a bundle: whole, or not there at all."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from oodrop import DataError, __version__
from oodrop.reports.bundle.derived import derive
from oodrop.reports.bundle.evaleval import check_model_id, model_id_of
from oodrop.reports.bundle.leaks import Leaks
from oodrop.reports.bundle.manifest import (
    MANIFEST,
    Manifest,
    Settings,
    check_names,
    entries,
    manifest_json,
    names_in,
)
from oodrop.reports.bundle.raw import RAW, copy_raw, refuse_links
from oodrop.reports.pairing import name_checkpoints, one_checkpoint


@dataclass(frozen=True)
class Written:
    """A bundle that was written.

    Attributes:
        folder: where.
        manifest: what is in it.
    """

    folder: Path
    manifest: Manifest


def write_bundle(
    run: Path,
    bundle: Path,
    *,
    model_id: str | None = None,
    organization: str = "not stated",
    resamples: int = 10_000,
    seed: int = 2026,
) -> Written:
    """Bundle the outputs of one checkpoint, redacted, with all that follows from them.

    The same run gives the same bytes. The folder appears in one step.

    Args:
        run: folder of the checkpoint.
        bundle: folder that is not there, or empty.
        model_id: ``developer/model``; by default from the model's arguments.
        organization: who evaluated.
        resamples: as of `build_report`.
        seed: as of `build_report`.

    Raises:
        DataError: when the run is damaged, holds several checkpoints, links, or a secret where
            nothing may be changed, or when the bundle cannot be written there.
        OodropError: as `derive`.
    """
    _check_place(run, bundle)
    refuse_links(run)
    runs = one_checkpoint("submission", run, again=True)  # an error names a file of the run
    settings = Settings(
        seed=seed,
        resamples=resamples,
        model_id=check_model_id(model_id) if model_id else "",
        organization=organization,
    )
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{bundle.name[:40]}.", dir=bundle.parent))
    except OSError as error:
        raise DataError(f"{bundle} cannot be written: {error.strerror}") from None
    try:
        leaks = copy_raw(runs, run, work / RAW)
        manifest = _fill(work, settings, leaks)
        work.chmod(0o755)
        if bundle.exists():
            bundle.rmdir()
        work.rename(bundle)
    except OSError as error:
        raise DataError(f"{bundle} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Written(bundle, manifest)


def _check_place(run: Path, bundle: Path) -> None:
    if not run.is_dir():
        raise DataError(f"results folder {run} does not exist")
    if bundle.is_symlink() or bundle.exists():
        if bundle.is_symlink() or not bundle.is_dir():
            raise DataError(f"{bundle} is there already and is no folder")
        if any(bundle.iterdir()):
            raise DataError(f"{bundle} is there already and not empty: name another folder")
    if bundle.resolve().is_relative_to(run.resolve()):
        raise DataError(f"{bundle} lies in {run}, which is to be bundled: name a folder outside")


def _fill(work: Path, settings: Settings, leaks: Leaks) -> Manifest:
    """Write what follows from ``raw/``, and the manifest."""
    runs = one_checkpoint("submission", work / RAW)
    if not settings.model_id:
        settings = replace(settings, model_id=model_id_of(runs))
    not_proved = derive(work / RAW, settings, work)
    check_names(names_in(work), "the bundle")
    manifest = Manifest(
        checkpoint=next(iter(name_checkpoints(runs).values())),
        oodrop_version=__version__,
        settings=settings,
        redacted={kind: leaks.counts[kind] for kind in ("secrets", "paths", "machine")},
        not_proved=not_proved,
        files=entries(work),
    )
    (work / MANIFEST).write_bytes(manifest_json(manifest))
    _check_leaks(work, leaks)
    return manifest


def _check_leaks(work: Path, leaks: Leaks) -> None:
    """The last look: what is in no file and no name cannot leave."""
    for name in names_in(work):
        data = (work / name).read_bytes()
        if found := leaks.in_bytes(data) or leaks.in_bytes(name.encode()):
            raise DataError(f"{name} of the bundle would hold {found}, and nothing was written")

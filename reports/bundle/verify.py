"""A bundle checked by whoever receives it: nothing in it is believed that can be computed."""

from __future__ import annotations

import filecmp
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from oodrop import DataError, __version__
from oodrop.reports.bundle.derived import METADATA, RECORDS, REPORT, ROBUSTNESS, derive
from oodrop.reports.bundle.manifest import MANIFEST, Manifest, entry_of, names_in, read_manifest
from oodrop.reports.bundle.raw import RAW
from oodrop.reports.lines import parse_exactly
from oodrop.reports.marker import CHECKPOINT_FILE
from oodrop.reports.pairing import name_checkpoints, one_checkpoint
from oodrop.reports.render.text import shorten
from oodrop.reports.results import RunFile

# The same sums in another order, on another processor.
_CLOSE = 1e-9
_DRAWN = (".html", ".svg", ".png")


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle that holds.

    Attributes:
        manifest: what it says of itself.
        rows: rows of samples that are as lm-eval hashed them.
        not_proved: sentences about what could not be proved, here or at all.
    """

    manifest: Manifest
    rows: int
    not_proved: tuple[str, ...]


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle, or what is left of one without its manifest."""
    remains = (folder / name for name in (RECORDS, ROBUSTNESS))
    return (folder / MANIFEST).exists() or (
        (folder / RAW).is_dir() and any(map(Path.exists, remains))
    )


def verify_bundle(bundle: Path) -> VerifiedBundle:
    """Check the list of files, then compute again everything that follows from ``raw/``.

    Raises:
        DataError: naming the first file that is missing, too many, changed, or not what follows.
        OodropError: when the outputs in ``raw/`` cannot be paired.
    """
    manifest = read_manifest(bundle)
    check_files(bundle, manifest)
    metadata = find_spec("huggingface_hub") is not None
    with tempfile.TemporaryDirectory(prefix="oodrop-verify-") as folder:
        again = Path(folder)
        not_proved = list(_derived(bundle, manifest, again, metadata))
        not_proved += _compared(bundle, again, manifest, metadata)
    runs = one_checkpoint("submission", bundle / RAW)
    check_raw(bundle, runs)
    (name,) = dict.fromkeys(name_checkpoints(runs).values())
    if name != manifest.checkpoint:
        raise DataError(f"{bundle / MANIFEST}: 'checkpoint' is not the name that raw/ gives")
    rows = sum(len(samples.rows) for run in runs for samples in run.samples)
    return VerifiedBundle(manifest, rows, tuple(not_proved))


def check_files(bundle: Path, manifest: Manifest) -> None:
    """Check that a bundle holds the files of its manifest, byte for byte, and no others.

    Raises:
        DataError: naming the first that is missing, too many or changed.
    """
    there = {name for name in names_in(bundle) if name != MANIFEST}
    listed = {entry.path for entry in manifest.files}
    for name in sorted(there - listed):
        raise DataError(f"{_shown(bundle, name)} is not in the manifest: it was added later")
    for name in sorted(listed - there):
        raise DataError(f"{_shown(bundle, name)} is missing: the manifest lists it")
    for entry in manifest.files:
        if entry_of(bundle, entry.path) != entry:
            raise DataError(
                f"{bundle / entry.path} was changed: size or sha256 is not that of the manifest"
            )


def check_raw(bundle: Path, runs: Sequence[RunFile]) -> None:
    """Check that nothing lies in ``raw/`` that no reader looks at; DataError names it."""
    read = {run.path for run in runs} | {s.path for run in runs for s in run.samples}
    read.add((bundle / RAW / CHECKPOINT_FILE).resolve())
    for name in names_in(bundle / RAW):
        if (bundle / RAW / name).resolve() not in read:
            raise DataError(f"{_shown(bundle / RAW, name)} belongs to no results file in {RAW}/")


def _shown(bundle: Path, name: str) -> str:
    return f"{bundle}/{shorten(name, 120)}"


def _derived(bundle: Path, manifest: Manifest, again: Path, metadata: bool) -> tuple[str, ...]:
    """Write all that follows once more; what the bundle itself leaves open."""
    found = derive(bundle / RAW, manifest.settings, again, metadata=metadata)
    if found != manifest.not_proved:
        raise DataError(f"{bundle / MANIFEST}: 'not_proved' is not what {RAW}/ leaves open")
    return found


def _compared(bundle: Path, again: Path, manifest: Manifest, metadata: bool) -> Iterator[str]:
    """What could not be compared; DataError for what is not as it must be."""
    own = {entry.path for entry in manifest.files if not entry.path.startswith(f"{RAW}/")}
    if not metadata:
        own = {name for name in own if not name.startswith(f"{METADATA}/")}
        yield f"{METADATA}/, for huggingface_hub, which writes it, is not installed here"
    for name in sorted(own ^ set(names_in(again))):
        raise DataError(
            f"{_shown(bundle, name)} is not among what follows from {RAW}/{_by(manifest)}"
        )
    drawn = []
    for name in sorted(own):
        if _same_file(bundle / name, again / name):
            continue
        if not name.endswith(_DRAWN):
            raise DataError(
                f"{bundle / name} is not what follows from {RAW}/{_by(manifest)}; it was changed "
                "and listed anew"
            )
        drawn.append(name)
    if drawn:
        yield (
            f"{', '.join(drawn)}: drawn again here they are other bytes, as other versions of the "
            f"libraries give too; {REPORT}/report.json holds, and oodrop report draws it"
        )


def _by(manifest: Manifest) -> str:
    if manifest.oodrop_version == __version__:
        return ""
    return f" by oodrop {__version__} (the bundle was written by {manifest.oodrop_version[:20]})"


def _same_file(one: Path, other: Path) -> bool:
    if one.suffix == ".json":
        left, right = (parse_exactly(path.read_bytes(), str(path)) for path in (one, other))
        return same(left, right)
    return filecmp.cmp(one, other, shallow=False)


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same but for the rounding of numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)

"""Bundles of written runs, for the tests that read, change and search them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.reports.bundle.manifest import entries, names_in
from oodrop.reports.bundle.verify import verify_bundle
from oodrop.reports.bundle.write import write_bundle

SECRET = "hunter2-is-not-a-password"  # noqa: S105  # planted, to be looked for
OTHER = "correct-horse-battery"
KEY = "hf_" + "aB3" * 12
HOME = "/".join(("", "home", "ada.l", "models"))  # of nobody


def submit(run: Path, bundle: Path, **how: Any) -> Path:
    """A bundle with few resamples."""
    return write_bundle(run, bundle, resamples=100, **how).folder


def reseal(bundle: Path, edit: Callable[[dict[str, Any]], Any] = lambda manifest: None) -> None:
    """List the files of a bundle anew, as someone does who tampers with care."""
    path = bundle / "manifest.json"
    body = json.loads(path.read_text())
    body["files"] = [vars(entry) for entry in entries(bundle)]
    edit(body)
    write_sealed(path, body)


def write_sealed(path: Path, body: dict[str, Any]) -> None:
    """Any content as a manifest with the right seal."""
    body.pop("seal", None)
    plain = (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()
    whole = {**body, "seal": hashlib.sha256(plain).hexdigest()}
    path.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")


def refused(bundle: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        verify_bundle(bundle)


def everywhere(bundle: Path) -> Iterator[tuple[str, bytes]]:
    for name in names_in(bundle):
        yield name, name.encode() + (bundle / name).read_bytes()

"""The file by which `oodrop run` names a checkpoint's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from oodrop import DataError
from oodrop.reports.folders import is_there
from oodrop.reports.lines import read_object

CHECKPOINT_FILE = "oodrop_checkpoint.json"


class Marker(NamedTuple):
    """What oodrop's own file says of a checkpoint.

    Attributes:
        key: its fingerprint.
        name: how it is called.
        left_out: as of `RunFile`.
    """

    key: str
    name: str
    left_out: Mapping[str, str]


def marker_above(path: Path) -> Marker | None:
    """What the file in the nearest of the four folders above says; None without one.

    Raises:
        DataError: for a file that is damaged.
    """
    for folder in list(path.parents)[:4]:
        if is_there(folder / CHECKPOINT_FILE):
            return _read(folder / CHECKPOINT_FILE)
    return None


def _read(path: Path) -> Marker:
    content = read_object(path)
    key, name = content.get("fingerprint"), content.get("name")
    if not isinstance(key, str) or not isinstance(name, str) or not key or not name:
        raise DataError(f"{path}: 'fingerprint' and 'name' must both be text")
    left_out = content.get("left_out", {})
    if not isinstance(left_out, dict) or not all(isinstance(v, str) for v in left_out.values()):
        raise DataError(f"{path}: 'left_out' must be an object of texts")
    return Marker(key, name, left_out)

"""The folder of a round: sheets for the raters, and the key in a folder of its own."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from oodrop import DataError
from oodrop.harness_ext.audit.pairs import KEY_COLUMNS, Pair
from oodrop.perturbers.rng import item_generator, permutation

KEY, SHEETS, RATINGS = Path("key") / "key.csv", Path("sheets"), Path("ratings")
TIES = "ties"
_INSTRUCTIONS = Path(__file__).parent / "rater.txt"
_BLOCK = re.compile(r"^##### (\w+)\n", re.M)


def write_sheets(sheets: Mapping[str, Sequence[Pair]], round_number: int, folder: Path) -> None:
    """Write ``sheets/sheet_<name>.txt``, ``key/key.csv`` and an empty ``ratings``.

    Raises:
        DataError: when the folder holds something already, or cannot be written; nothing of it
            is there then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty: a round is drawn into a folder of its own")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".audit") as scratch:
            made = Path(scratch) / folder.name
            for part in (KEY.parent, SHEETS, RATINGS):
                (made / part).mkdir(parents=True)
            for name, pairs in sheets.items():
                blocks = [pair.text for pair in pairs]
                (made / sheet_file(name)).write_text(_sheet(name, blocks), "utf-8")
            _write_key(sheets, round_number, made / KEY)
            shutil.copytree(made, folder, dirs_exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}") from None


def sheet_file(name: str) -> Path:
    """Path of a sheet in the folder of its round."""
    return SHEETS / f"sheet_{name}.txt"


def tie_sheet(
    folder: Path, undecided: Collection[str], others: Collection[str], names: Sequence[str]
) -> str:
    """A sheet of the undecided pairs among as many others, in an order that says nothing.

    Raises:
        DataError: when a pair stands on no sheet of the folder.
    """
    blocks = dict(block for name in names for block in _blocks(folder / sheet_file(name)))
    chosen = sorted(undecided) + sorted(others)[: len(undecided)]
    missing = next((number for number in chosen if number not in blocks), None)
    if missing is not None:
        raise DataError(f"pair {missing} stands on no sheet in {folder / SHEETS}")
    order = permutation(item_generator(0, "audit.ties", "2", chosen[0]), len(chosen))
    return _sheet(TIES, [blocks[chosen[i]] for i in order])


def _sheet(name: str, blocks: Sequence[str]) -> str:
    head = _INSTRUCTIONS.read_text("utf-8").format(sheet=name, count=len(blocks))
    return head + "\n".join(blocks)


def _blocks(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"sheet {path} cannot be read: {error.strerror}") from None
    starts = list(_BLOCK.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [
        (start[1], text[start.start() : end].rstrip("\n") + "\n")
        for start, end in zip(starts, ends, strict=True)
    ]


def _write_key(sheets: Mapping[str, Sequence[Pair]], round_number: int, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(KEY_COLUMNS)
        for name, pairs in sheets.items():
            writer.writerows(pair.row(round_number, name) for pair in pairs)

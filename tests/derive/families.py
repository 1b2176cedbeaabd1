"""The committed page of what can be derived: ``python -m tests.derive.families`` writes it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import lm_eval

from oodrop.harness_ext.derive import bases, localdata
from oodrop.harness_ext.derive.survey import page, survey
from oodrop.harness_ext.derive.writing import Outcome, derive_all
from tests.derive.conftest import write_stub
from tests.harness.test_families import FOLDER, TASKS

PAGE = Path(bases.__file__).with_name("FAMILIES.md")


def family_of(name: str) -> str:
    """The family that a stub says it stands for."""
    return str(json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["family"])


def tried(folder: Path) -> list[tuple[str, Outcome]]:
    """Family and outcome of every task with stub data."""
    localdata.name_data(f"{name}={write_stub(name, folder)}" for name in TASKS)
    return sorted(
        ((family_of(o.task), o) for o in derive_all(TASKS)), key=lambda row: (row[0], row[1].task)
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        text = page(survey(bases.index()), tried(Path(place)), lm_eval.__version__)
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")

"""What the general set is derived as: ``python -m tests.derive.general`` writes it down."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from oodrop.harness_ext.derive import localdata
from oodrop.harness_ext.derive.derivation import Derivation
from oodrop.harness_ext.derive.general import DERIVATIONS, GENERAL
from oodrop.harness_ext.derive.registry import derive_anew
from tests.derive.conftest import write_stub
from tests.harness.test_families import FOLDER

_SHARED = {
    "TIGER-Lab/MMLU-Pro": "mmlu_pro/test.jsonl.gz",
    "mmlu_pro_free": "mmlu_pro/test.jsonl.gz",
    "HuggingFaceH4/MATH-500": "math500/test.jsonl",
    "theoremqa": "theoremqa/theoremqa_747_text.jsonl",
    "gsm8k_free": "gsm8k/test.jsonl",
}


def found_anew(folder: Path, shared: Path) -> dict[str, Derivation]:
    """Of every task of the general set, on real data where there are some, else on stub data."""
    pairs = [f"{name}={shared / path}" for name, path in _SHARED.items()]
    stubs = [name for name in GENERAL if (FOLDER / f"{name}.json").exists()]
    named = [n for n in stubs if not n.startswith("mmlu_pro_") and n != "hendrycks_math500"]
    localdata.name_data([*pairs, *(f"{n}={write_stub(n, folder)}" for n in named)])
    return {name: derive_anew(name).derivation for name in GENERAL}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        anew = found_anew(Path(place), Path(sys.argv[1]))
    found = {name: derivation.as_dict() for name, derivation in anew.items()}
    head = "# How the general tasks are made up; `python -m tests.derive.general` writes it.\n"
    DERIVATIONS.write_text(head + yaml.safe_dump(found, sort_keys=False), encoding="utf-8")

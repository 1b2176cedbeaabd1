"""Refuses to build from a checkout without the links under src/oodrop.

Without them setuptools would build an empty wheel and report success.
"""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
for folder in ("tasks", "perturbers", "harness_ext", "reports"):
    if not (ROOT / "src" / "oodrop" / folder / "__init__.py").is_file():
        raise SystemExit(
            f"src/oodrop/{folder} does not lead to the folder {folder}: this checkout has lost its "
            "symbolic links (git config core.symlinks true, then check out again)"
        )
setup()

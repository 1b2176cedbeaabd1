"""``python -m oodrop.harness_ext.cli``."""

from oodrop.harness_ext.cli import main

main()

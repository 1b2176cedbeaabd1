"""Tests of the canonical tasks: their data, their checker, their prompts, their scoring."""

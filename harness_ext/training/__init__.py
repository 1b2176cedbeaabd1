"""Trains the reference checkpoints: a small base, and two adapters on it that differ in nature."""

from pathlib import Path

SHIPPED = Path(__file__).parent / "shipped"
"""The reference checkpoints that come with oodrop: a folder for the base and each adapter."""

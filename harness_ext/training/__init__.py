"""Trains the reference checkpoints: a small base, and two adapters on it that differ in nature."""

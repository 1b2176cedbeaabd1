"""Bundles: what a run gives away, listed, hashed, and checked again by whoever receives it."""

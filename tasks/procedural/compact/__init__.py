"""Compact procedures, for models too small for the procedural set: words, and what builds them."""

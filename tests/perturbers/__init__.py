"""Tests of the perturbers: edits, spans, guards, engine, registry, and one contract for all."""

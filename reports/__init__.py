"""Read, pair, estimate, decide and render; nothing here imports torch, transformers or lm_eval."""

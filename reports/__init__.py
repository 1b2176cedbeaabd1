"""Read, pair, estimate, decide and render; nothing in here imports torch, transformers or lm_eval."""

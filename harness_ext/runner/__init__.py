"""``oodrop run``: checkpoints through lm-eval, nothing lost when it is killed."""

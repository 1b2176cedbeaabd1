"""``hf-packed``: lm-eval's ``hf`` with everything that requests share computed once."""

"""``oodrop score-reference``: the probability of the reference answer in a model's own replies."""

"""Ways to sum up a task's metrics that lm-eval does not know; importing registers them."""

from __future__ import annotations

from lm_eval.api.registry import register_aggregation

from oodrop.tasks.procedural.scoring import balanced_accuracy, pair_accuracy

register_aggregation("oodrop_balanced_accuracy")(balanced_accuracy)
register_aggregation("oodrop_pair_accuracy")(pair_accuracy)

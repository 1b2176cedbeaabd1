"""The same small run as each lm-eval from 0.4.5 to 0.4.13 writes it.

What differs was read in the wheels: `evaluator.py`, `evaluator_utils.py`,
`loggers/evaluation_tracker.py`, `loggers/utils.py`, `__main__.py` and `_cli/`. `runs.write_run`
writes that of 0.4.13; each layout takes it back to its own.

- Rows name their ``filter`` and ``metrics`` since 0.4.7; before, those of all filters look alike.
- ``lm_eval_version`` stands in the results since 0.4.9.
- ``n-samples.effective`` counts documents, with a metric or not, up to 0.4.11, those with the
  metric that came last in 0.4.12, and those with any metric in 0.4.13.
- ``model_args`` are text up to 0.4.8, text or object as given in 0.4.9, an object since 0.4.10.
- Since 0.4.9 ``--output_path x.json`` writes ``x_<stamp>.json``, with the samples beside it.
- 0.4.10 made ``fewshot_as_multiturn`` true without being asked.
- 0.4.12 begins to write ``name`` and ``sample_len`` among the scores.
- Model arguments stand in the ``metadata`` of every task since 0.4.9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .runs import Row, mark, write_run

ARGUMENTS = {"dtype": "float32", "max_length": 2048, "trust_remote_code": True}


@dataclass(frozen=True)
class Layout:
    """How one version writes.

    Attributes:
        named_rows: whether rows name their filter and metrics.
        names_version: whether the results hold ``lm_eval_version``.
        counts: documents that are counted: ``all``, or those with a ``metric``.
        as_object: whether ``model_args`` are an object.
        stem: what stands before the stamp of the results file.
        multiturn: of few-shot examples.
        lists: whether arguments are lists, as `lm_eval.evaluate` returns them.
    """

    version: str
    named_rows: bool = True
    names_version: bool = True
    counts: str = "all"
    as_object: bool = False
    stem: str = "results"
    multiturn: bool = False
    lists: bool = False

    def row(self, row: Row) -> Row:
        """A row as this version writes it."""
        own = dict(row)
        if not self.named_rows:
            own = {k: v for k, v in own.items() if k not in ("filter", "metrics")}
        if self.lists:
            calls = own["arguments"].values()
            own["arguments"] = [list(call.values()) for call in calls]
        return own

    def edit(self, results: dict[str, Any]) -> None:
        """Take the results of 0.4.13 back to this version."""
        results["lm_eval_version"] = self.version
        if not self.names_version:
            del results["lm_eval_version"]
        for counted in results["n-samples"].values():
            if self.counts == "all":
                counted["effective"] = counted["original"]
        results["fewshot_as_multiturn"] = self.multiturn
        if self.names_version:
            for config in results["configs"].values():
                config["metadata"] |= ARGUMENTS
        for name, scores in results["results"].items():
            if self.counts == "metric":
                scores |= {"name": name, "sample_len": results["n-samples"][name]["effective"]}

    def model_args(self, name: str) -> Any:
        """Arguments of a checkpoint, the same ones in each layout."""
        given = {"pretrained": f"org/{name}"} | ARGUMENTS
        return given if self.as_object else ",".join(f"{k}={v}" for k, v in given.items())


LAYOUTS = (
    Layout("0.4.5", named_rows=False, names_version=False),
    Layout("0.4.7", names_version=False),
    Layout("0.4.8", names_version=False),
    Layout("0.4.9", stem="out"),
    Layout("0.4.9.1", as_object=True, stem="results_alpha"),
    Layout("0.4.9.2"),
    Layout("0.4.10", as_object=True, multiturn=True),
    Layout("0.4.11", as_object=True, multiturn=True, stem="out"),
    Layout("0.4.12", counts="metric", as_object=True, multiturn=True),
    Layout("0.4.13", counts="metric", as_object=True, multiturn=True),
    # `json.dumps(lm_eval.simple_evaluate(…))` by a script of one's own.
    Layout("0.4.13", counts="metric", as_object=True, multiturn=True, lists=True),
)


def layout_id(layout: Layout) -> str:
    return f"{layout.version}-{layout.stem}{'-lists' if layout.lists else ''}"


def write_layout(
    folder: Path,
    layout: Layout,
    tasks: Mapping[str, Sequence[Row]],
    *,
    name: str = "alpha",
    day: float = 0.0,
    marked: bool = False,
) -> Path:
    """One run of one checkpoint as the version writes it; the results path is returned."""
    place = mark(folder / name, name) if marked else folder
    own = {task: [layout.row(row) for row in samples] for task, samples in tasks.items()}
    path = write_run(place, own, model_args=layout.model_args(name), day=day, edit=layout.edit)
    return path.rename(path.with_name(path.name.replace("results", layout.stem, 1)))


def load(path: Path) -> dict[str, Any]:
    """A results file as plain JSON."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content

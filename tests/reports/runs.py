"""Writes small runs in lm-eval 0.4.13's own layout, with the hashes that it would write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
LETTERS = ("plate", "bowl", "spoon", "knife")
ITEMS = 12
DAY = 86_400.0
FIRST_DATE = 1_795_298_737.5


@dataclass(frozen=True)
class Kind:
    """A variant as `harness_ext` names it."""

    slug: str
    perturber: str
    family: str
    severity: int | None = None
    evidence: str | None = "checked"


CANONICAL = Kind("canonical", "canonical", "canonical", evidence=None)
TYPO = Kind("lexical_keyboard_typo_s3", "lexical.keyboard_typo", "lexical", 3)
ORDER = Kind("ordering_fact_order", "ordering.fact_order", "ordering", evidence="proved")
IDENTITY = Kind("control_identity", "control.identity", "control", evidence=None)
RERUN = Kind("control_rerun", "control.rerun", "control", evidence=None)
NEGATION = Kind("control_negation", "control.negation", "control", evidence="proved")
MAIN = (CANONICAL, IDENTITY, TYPO, ORDER)

# Right or wrong per item: the variants lose and win some.
SCORES: dict[str, Callable[[int], float]] = {
    "canonical": lambda k: float(k % 3 != 0),
    TYPO.slug: lambda k: float(k % 2 == 0),
    ORDER.slug: lambda k: float(k % 3 == 1),
    NEGATION.slug: lambda k: float(k % 5 == 0),
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def task_name(kind: Kind, task: str = "everyday") -> str:
    return f"oodrop__{kind.slug}__{task}"


def outcome_of(kind: Kind, k: int) -> str:
    """Canonical and controls touch nothing; a variant skips items 3, 7 and 11, each differently."""
    if kind is CANONICAL:
        return "canonical"
    if kind.family == "control" and kind is not NEGATION:
        return "unchanged"
    return {3: "unchanged", 7: "not_applicable", 11: "refused"}.get(k, "changed")


def rows(
    kind: Kind,
    *,
    items: Sequence[int] = range(ITEMS),
    task: str = "everyday",
    score: Callable[[int], float] | None = None,
    text: Callable[[int], str] = lambda k: f"Which tool cuts thing {k}?",
    generate: bool = False,
    per_cluster: int = 1,
) -> list[Row]:
    """Sample rows of one variant, as multiple choice or generated."""
    score = score or SCORES.get(kind.slug, SCORES["canonical"])
    return [_row(kind, k, task, score(k), text(k), generate, per_cluster) for k in items]


def _row(
    kind: Kind, k: int, task: str, score: float, text: str, generate: bool, per_cluster: int
) -> Row:
    outcome = outcome_of(kind, k)
    scored = outcome in ("canonical", "changed") or kind in (IDENTITY, RERUN)
    question = text.upper() if outcome == "changed" else text
    doc = {
        "item_id": f"{task}.{k:03d}",
        "question": question,
        "choices": list(LETTERS),
        "gold": 3,
        "oodrop": {
            "item_id": f"{task}.{k:03d}",
            "cluster_id": f"{task}.source-{k // per_cluster:03d}",
            "task": task,
            "variant": kind.slug,
            "perturber": kind.perturber,
            "perturber_version": None if kind is CANONICAL else "1.0",
            "family": kind.family,
            "parameters": {},
            "severity": kind.severity,
            "seed": 2026,
            "settings": {"template": "canonical"},
            "eligible": None,
            "gold": "knife",
            "parent": None,
            "scored": scored,
            "outcome": outcome,
            "evidence": kind.evidence if outcome == "changed" else None,
            "edits": [],
            "guards": [],
            "reason": "",
            "canonical_sha256": sha256(text),
        },
    }
    prompt = f"Question: {question}\nAnswer:"
    row: Row = {"doc_id": k, "doc": doc, "target": "knife" if generate else "3"}
    row |= _generated(prompt, score) if generate else _chosen(prompt, score)
    row |= {"filter": "none", "metrics": ["acc"] if scored else []}
    rehash(row)
    return {**row, "acc": score} if scored else row


def _chosen(prompt: str, score: float) -> Row:
    best = 3 if score else 0
    values = [["-1.5" if k == best else "-10.25", str(k == best)] for k in range(len(LETTERS))]
    return {
        "arguments": {
            f"gen_args_{k}": {"arg_0": prompt, "arg_1": f" {word}"}
            for k, word in enumerate(LETTERS)
        },
        "resps": [[value] for value in values],
        "filtered_resps": values,
    }


def _generated(prompt: str, score: float) -> Row:
    reply = "I cut with a knife" if score else "I cut with a spoon"
    return {
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": [], "do_sample": False}}},
        "resps": [[reply]],
        "filtered_resps": [reply.rpartition(" ")[2]],
    }


def rehash(row: Row) -> None:
    """The three hashes of a row, as lm-eval computes them."""
    prompt = row["arguments"]["gen_args_0"]["arg_0"]
    row["doc_hash"] = sha256(json.dumps(row["doc"], indent=2, ensure_ascii=False))
    row["prompt_hash"] = sha256(prompt if isinstance(prompt, str) else prompt[0])
    row["target_hash"] = sha256(str(row["target"]))


def write_run(
    folder: Path,
    tasks: Mapping[str, Sequence[Row]],
    *,
    model: str = "hf",
    model_args: Any = "pretrained=org/alpha,dtype=float32",
    day: float = 0.0,
    edit: Callable[[dict[str, Any]], None] = lambda results: None,
) -> Path:
    """One results file and its samples under ``folder/org__alpha``; the results path is returned.

    ``day`` moves the date; ``edit`` may change the results before they are written.
    """
    stamp = f"2026-11-{21 + int(day):02d}T22-06-14.086937"
    place = folder / "org__alpha"
    place.mkdir(parents=True, exist_ok=True)
    results = {
        "results": {name: {"alias": name, "acc,none": 0.5} for name in tasks},
        "group_subtasks": {},
        "configs": {name: config_of(name, tasks[name]) for name in tasks},
        "versions": dict.fromkeys(tasks, 1.0),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {name: {"acc": True} for name in tasks},
        "n-samples": {name: _counts(tasks[name]) for name in tasks},
        "config": {
            "model": model,
            "model_args": model_args,
            "batch_size": 16,
            "use_cache": None,
            "limit": None,
            "gen_kwargs": None,
            "fewshot_seed": 1234,
        },
        "git_hash": "762c287",
        "date": FIRST_DATE + day * DAY,
        "transformers_version": "5.23.0",
        "lm_eval_version": "0.4.13",
        "task_hashes": {name: sha256("".join(_hashes(tasks[name]))) for name in tasks},
        "model_source": model,
        "model_name": "org/alpha",
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": True,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": "37.0",
    }
    edit(results)
    path = place / f"results_{stamp}.json"
    path.write_text(json.dumps(results, indent=2), encoding="utf-8")
    for name, samples in tasks.items():
        write_samples(place / f"samples_{name}_{stamp}.jsonl", samples)
    return path


def _counts(samples: Sequence[Row]) -> dict[str, int]:
    """Documents, and those with a metric, whatever the number of filters."""
    with_metric = {row["doc_id"] for row in samples if "acc" in row}
    return {
        "original": len({row["doc_id"] for row in samples}),
        "effective": len(with_metric),
    }


def _hashes(samples: Sequence[Row]) -> list[str]:
    return [row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in samples]


def config_of(name: str, samples: Sequence[Row]) -> dict[str, Any]:
    """An entry of ``configs``; a task that is not ours carries no metadata.oodrop."""
    metadata: dict[str, Any] = {"version": 1.0, "config_source": "/data/me/tasks/x.yaml"}
    if name.startswith("oodrop__"):
        record = samples[0]["doc"]["oodrop"]
        declared = {k: record[k] for k in ("task", "perturber", "severity", "seed")}
        metadata["oodrop"] = declared | {"metric": "acc", "filter": "none", "chance": 0.25}
    return {
        "task": name,
        "output_type": "multiple_choice",
        "repeats": 1,
        "num_fewshot": 0,
        "metadata": metadata,
    }


def write_samples(path: Path, samples: Iterable[Row]) -> None:
    """JSON lines as lm-eval writes them; what UTF-8 cannot hold is escaped."""
    with path.open("wb") as lines:
        for sample in samples:
            try:
                line = json.dumps(sample, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                line = json.dumps(sample).encode()
            lines.write(line + b"\n")


def tasks_of(*kinds: Kind, **how: Any) -> dict[str, list[Row]]:
    """Task name to rows for several variants of one task."""
    return {task_name(kind, how.get("task", "everyday")): rows(kind, **how) for kind in kinds}


def mark(folder: Path, name: str, fingerprint: str | None = None) -> Path:
    """The file by which `oodrop run` names a checkpoint's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"name": name, "fingerprint": fingerprint or sha256(name)}
    (folder / "oodrop_checkpoint.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_checkpoint(
    folder: Path, name: str, *, kinds: Sequence[Kind] = MAIN, rerun: bool = True, **how: Any
) -> Path:
    """A checkpoint's folder as `oodrop run` leaves it: main, rerun and the file that names it."""
    args = f"pretrained=org/{name},dtype=float32"
    place = mark(folder / name, name)
    write_run(place / "main", tasks_of(*kinds, **how), model_args=args)
    if rerun:
        write_run(place / "rerun", tasks_of(RERUN, **how), model_args=args, day=0.5)
    return place


def results_file(folder: Path, stage: str = "main") -> Path:
    """The one results file of a stage of a checkpoint's folder."""
    (path,) = (folder / stage).rglob("results_*.json")
    return path


def samples_file(folder: Path, kind: Kind, task: str = "everyday") -> Path:
    """The one samples file of a variant somewhere under a folder."""
    (path,) = folder.rglob(f"samples_{task_name(kind, task)}_*.jsonl")
    return path


def edit_line(path: Path, number: int, edit: Callable[[Row], Any]) -> None:
    """Change one sample of a file, by line number from 1; it is written as strict Python JSON."""
    lines = path.read_bytes().split(b"\n")
    row = json.loads(lines[number - 1])
    edit(row)
    lines[number - 1] = json.dumps(row).encode()
    path.write_bytes(b"\n".join(lines))


def edit_json(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")

"""Blind audits: pairs of prompts for raters who know neither perturber nor purpose, and bounds.

A sheet mixes sampled pairs with decoys: clean ones, where nothing was changed; planted ones, whose
answer did change, as a program derived; and altered ones, in which one word became its opposite,
so that the answer may or may not have changed. Raters say of each pair whether the given answer is
still the right one and whether the text can be read. What they said becomes a lower bound per
perturber (Clopper and Pearson 1934, "The use of confidence or fiducial limits", Biometrika 26).
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from scipy.stats import beta

from oodrop import DataError
from oodrop.perturbers.audits import parameters_text
from oodrop.perturbers.edits import Replace
from oodrop.perturbers.engine import Bound, Perturbed
from oodrop.perturbers.item import Item
from oodrop.perturbers.registry import get_perturber
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.perturbers.variant import Variant
from oodrop.tasks import get_task
from oodrop.tasks.spec import TaskSpec

COLUMNS = (
    "pair", "kind", "perturber", "parameters", "severity", "task", "split", "item_id", "sha256",
    "kept_1", "readable_1", "kept_2", "readable_2", "kept_3",
)  # fmt: skip
SAMPLED, CLEAN, PLANTED, ALTERED = "sampled", "clean", "planted", "altered"
_LONG = 1500
_OPPOSITES = {
    a: b
    for one, other in (
        ("largest", "smallest"), ("biggest", "smallest"), ("hot", "cold"), ("before", "after"),
        ("more", "fewer"), ("first", "last"), ("up", "down"), ("day", "night"), ("most", "least"),
        ("winter", "summer"), ("inside", "outside"), ("above", "below"), ("wet", "dry"),
        ("long", "short"), ("warm", "cold"), ("old", "young"), ("morning", "evening"),
        ("big", "small"), ("large", "small"), ("soft", "hard"), ("open", "closed"),
    )
    for a, b in ((one, other), (other, one))
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rater sees, and what only the key knows.

    Attributes:
        pair: number that says nothing.
        kind: sampled, clean or planted.
        variant: what made it.
        task: name of the task.
        split: its split.
        item_id: the item.
        sha256: hash of the varied prompt, so that ratings hold for this very text.
        text: the sheet's block.
    """

    pair: str
    kind: str
    variant: Variant
    task: str
    split: str
    item_id: str
    sha256: str
    text: str


def sample_pairs(
    variants: Mapping[Variant, int] | Sequence[tuple[Variant, int]],
    places: Sequence[tuple[str, str]],
    seed: int,
) -> list[Pair]:
    """So many pairs of each variant over the splits (task, split), and decoys, in random order.

    A variant with fewer changed items gives all of them. For every twenty pairs one clean and one
    planted decoy are mixed in.
    """
    wanted = variants.items() if isinstance(variants, Mapping) else variants
    pairs: list[Pair] = []
    for variant, count in wanted:
        pairs += _of_variant(variant, count, places, seed)
    decoys = max(1, len(pairs) // 20)
    pairs += _clean(decoys, places, seed) + _planted(decoys, places, seed)
    order = permutation(item_generator(seed, "audit.order", "1", ""), len(pairs))
    return [pairs[i] for i in order]


def _of_variant(
    variant: Variant, count: int, places: Sequence[tuple[str, str]], seed: int
) -> list[Pair]:
    bound = Bound(variant)
    found: list[Pair] = []
    for spec, split, item in _shuffled(places, seed, variant.slug):
        done = bound(item)
        if done.certificate.outcome == "changed":
            found.append(_pair(SAMPLED, variant, spec, split, item, done))
        if len(found) == count:
            break
    return found


def _shuffled(
    places: Sequence[tuple[str, str]], seed: int, what: str
) -> Iterator[tuple[TaskSpec, str, Item]]:
    rows = [
        (get_task(task), split, doc) for task, split in places for doc in get_task(task).docs(split)
    ]
    for i in permutation(item_generator(seed, "audit.items", "1", what), len(rows)):
        spec, split, doc = rows[i]
        yield spec, split, spec.item(doc)


def _clean(count: int, places: Sequence[tuple[str, str]], seed: int) -> list[Pair]:
    variant = Variant("control.identity")
    found = []
    for spec, split, item in _shuffled(places, seed, "clean"):
        found.append(_pair(CLEAN, variant, spec, split, item, Bound(variant)(item)))
        if len(found) == count:
            break
    return found


def _planted(count: int, places: Sequence[tuple[str, str]], seed: int) -> list[Pair]:
    kinds = [Bound(Variant(f"control.{kind}")) for kind in ("threshold", "negation", "contrast")]
    found: list[Pair] = []
    for spec, split, item in _shuffled(places, seed, "planted"):
        done = next((d for b in kinds if (d := b(item)).certificate.outcome == "changed"), None)
        kind = PLANTED if done else ALTERED
        done = done or _with_opposite(item)
        if done is not None:
            variant = Variant("control.contrast")
            found.append(_pair(kind, variant, spec, split, item, done))
        if len(found) == count:
            break
    return found


def _with_opposite(item: Item) -> Perturbed | None:
    question = item.segments.get("question", "")
    for found in re.finditer(r"[a-z]+", question):
        other = _OPPOSITES.get(found[0])
        if other is not None:
            text = question[: found.start()] + other + question[found.end() :]
            changed = item.altered(segments={**item.segments, "question": text})
            return Perturbed(changed, Bound(Variant())(item).certificate)
    return None


def _pair(
    kind: str, variant: Variant, spec: TaskSpec, split: str, item: Item, done: Perturbed
) -> Pair:
    before, after = _prompt(item), _prompt(done.item)
    digest = hashlib.sha256(after.encode("utf-8", "surrogatepass")).hexdigest()
    key = f"{kind} {variant.as_dict()} {spec.name} {item.item_id}"
    number = hashlib.sha256(key.encode()).hexdigest()[:10]
    edits = [e for e in done.certificate.edits if isinstance(e, Replace)]
    marked = len(before) > _LONG and len(edits) == len(done.certificate.edits) and edits
    shown = _marked(item, edits) if marked else f"BEFORE:\n{before}\n\nAFTER:\n{after}"
    options = f"  (options: {' | '.join(item.choices)})" if item.choices else ""
    answer = f"ANSWER OF BEFORE: {item.gold_text}{options}"
    if done.item.labels != item.labels:
        answer += f"\nANSWERED IN AFTER AS: {done.item.answer}"
    text = f"##### {number}\n{shown}\n\n{answer}\n"
    return Pair(number, kind, variant, spec.name, split, item.item_id, digest, text)


def _prompt(item: Item) -> str:
    if item.render is None:
        raise DataError(f"item {item.item_id} has no prompt to show to a rater")
    return item.render(item)


def _marked(item: Item, edits: Iterable[Replace]) -> str:
    """Long items: the changed segments and the question, each change marked in its place."""
    by_segment: dict[str, list[Replace]] = defaultdict(list)
    for edit in edits:
        by_segment[edit.segment].append(edit)
    lines = []
    for name, text in item.segments.items():
        place, parts = 0, []
        for edit in sorted(by_segment.get(name, ()), key=lambda e: e.start):
            parts += [text[place : edit.start], f"[{edit.before} => {edit.after}]"]
            place = edit.end
        if parts or name == "question":
            lines.append(f"{name}: {''.join([*parts, text[place:]])}")
    return "CHANGES IN A LONGER TEXT, marked [before => after]:\n" + "\n".join(lines)


def write_key(pairs: Sequence[Pair], path: Path) -> None:
    """The key of a sheet, with empty columns for the ratings."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for pair in pairs:
            parameters = parameters_text(pair.variant)
            severity = "" if pair.variant.severity is None else pair.variant.severity
            head = (pair.pair, pair.kind, pair.variant.perturber, parameters, severity)
            writer.writerow([*head, pair.task, pair.split, pair.item_id, pair.sha256, *[""] * 5])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the raters said of one perturber, with one setting of its parameters or several.

    Attributes:
        perturber: its name.
        parameters: the setting as ``name=value``, ``*`` for several mixed.
        severity: the rated severity, "" where it has none.
        pairs: rated pairs.
        items: different items among them; two views of one question are one item.
        lost: pairs whose answer did not stay the right one, as two of the raters saw it; pairs on
            which the first two disagree are decided by the third.
        unreadable: pairs that both raters could not read.
        agreement: share of the pairs on which the two agree about the answer.
        lower: two-sided 95% Clopper-Pearson lower limit of the share of items whose answers were
            all kept; it takes items for independent, also those of one procedure.
    """

    perturber: str
    parameters: str
    severity: str
    pairs: int
    items: int
    lost: int
    unreadable: int
    agreement: float
    lower: float


def read_ratings(path: Path) -> list[dict[str, str]]:
    """Rows of a rated key.

    Raises:
        DataError: when a column is missing, or a rating is neither y nor n.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, 2):
        missing = next((name for name in COLUMNS if row.get(name) is None), None)
        if missing is not None:
            raise DataError(f"{path}, line {number}: no column {missing!r}")
        wrong = next((n for n in COLUMNS[9:13] if row[n] not in ("y", "n")), None)
        split = row["kind"] == SAMPLED and row["kept_1"] != row["kept_2"]
        if wrong is None and split and row["kept_3"] not in ("y", "n"):
            wrong = "kept_3"
        if wrong is not None:
            raise DataError(f"{path}, line {number}: {wrong} must be y or n, got {row[wrong]!r}")
    return rows


def verdicts(rows: Iterable[Mapping[str, str]]) -> list[Verdict]:
    """One verdict per perturber, sorted by name; decoys apart."""
    groups: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if row["kind"] == SAMPLED:
            groups[row["perturber"]].append(row)
    return [_verdict(name, groups[name]) for name in sorted(groups)]


def _verdict(name: str, rows: Sequence[Mapping[str, str]]) -> Verdict:
    lost = sum(was_lost(row) for row in rows)
    items = {row["item_id"] for row in rows}
    spoilt = {row["item_id"] for row in rows if was_lost(row)}
    settings, severities = ({row[key] for row in rows} for key in ("parameters", "severity"))
    return Verdict(
        name,
        settings.pop() if len(settings) == 1 else "*",
        min(severities),
        len(rows),
        len(items),
        lost,
        sum(row["readable_1"] == row["readable_2"] == "n" for row in rows),
        sum(row["kept_1"] == row["kept_2"] for row in rows) / len(rows),
        lower_bound(len(items) - len(spoilt), len(items)),
    )


def write_bounds(found: Iterable[Verdict], path: Path) -> None:
    """The table that certificates are read from, one line per verdict."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("perturber", "version", *(f.name for f in fields(Verdict)[1:])))
        for verdict in found:
            name, *rest = astuple(verdict)
            numbers = [f"{v:.4f}" if isinstance(v, float) else v for v in rest]
            writer.writerow((name, get_perturber(name).version, *numbers))


def was_lost(row: Mapping[str, str]) -> bool:
    """Whether two of the three ratings say that the answer is no longer the right one."""
    return (row["kept_1"], row["kept_2"], row["kept_3"]).count("n") >= 2


def lower_bound(kept: int, total: int, alpha: float = 0.05) -> float:
    """Two-sided Clopper-Pearson lower limit of a share, `kept` of `total`."""
    return float(beta.ppf(alpha / 2, kept, total - kept + 1)) if kept else 0.0


def kappa(rows: Sequence[Mapping[str, str]]) -> float:
    """Cohen's kappa of the two ratings about the answer, decoys included (Cohen 1960)."""
    total = len(rows)
    same = sum(row["kept_1"] == row["kept_2"] for row in rows) / total
    first = sum(row["kept_1"] == "y" for row in rows) / total
    second = sum(row["kept_2"] == "y" for row in rows) / total
    chance = first * second + (1 - first) * (1 - second)
    return (same - chance) / (1 - chance) if chance < 1 else 1.0

"""Synthetic reports, made by the real `analyse` on seeded scores."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from oodrop.reports.model import MAX_FLIPS, Checkpoint, Flip, OutcomeCounts, Report, TaskReport
from oodrop.reports.statistics import (
    PairedScores,
    SplitContrast,
    SplitDrop,
    VariantInfo,
    accuracies,
    analyse,
    ask,
    split_drop,
)

VARIANTS = (
    VariantInfo("lexical_keyboard_typo_s2", "lexical.keyboard_typo", "lexical", 2, "checked"),
    VariantInfo("lexical_synonym_s1", "lexical.synonym", "lexical", 1, "reviewed"),
    VariantInfo("lexical_backtranslation", "lexical.backtranslation", "lexical", None, "assumed"),
    VariantInfo("ordering_options", "ordering.options", "ordering", None, "proved"),
    VariantInfo("ordering_clauses", "ordering.clauses", "ordering", None, "proved"),
    VariantInfo("phrasing_template_t07", "phrasing.template", "phrasing", None, "proved"),
    VariantInfo("phrasing_politeness", "phrasing.politeness", "phrasing", None, "proved"),
    VariantInfo("control_rerun", "control.rerun", "control", None, "proved"),
)
# Share of right answers lost per family: one checkpoint breaks, one barely moves, and so on.
FRAGILITY = ({"lexical": 0.22, "ordering": 0.15, "phrasing": 0.1}, {"lexical": 0.03}, {}, {})
NAMES = ("kennethp97/v7-grpo-14b", "kennethp97/b5-sft-7b", "qwen2.5-7b", "smollm2-135m")
WORDS = str.split(
    "the operator must close valve before pump starts unless pressure exceeds limit and "
    "supervisor signs form within shift so report goes to archive while inspector waits"
)


def paired(
    task: str = "procedural",
    *,
    checkpoints: int = 2,
    items: int = 240,
    clusters: int = 40,
    variants: tuple[VariantInfo, ...] = VARIANTS,
    accuracy: tuple[float, ...] = (0.8, 0.75, 0.7, 0.3),
    applicable: float = 0.9,
    chance: float = 0.25,
    names: tuple[str, ...] = NAMES,
    seed: int = 7,
) -> PairedScores:
    """Binary scores; `applicable` is the share of items that a variant changes."""
    rng = np.random.default_rng(seed)
    shape = (checkpoints, len(variants), items)
    canonical = (rng.random((checkpoints, items)) < np.array(accuracy[:checkpoints])[:, None]) * 1.0
    scores = np.repeat(canonical[:, None, :], len(variants), axis=1)
    for c in range(checkpoints):
        for v, variant in enumerate(variants):
            rate = 0.02 if variant.family == "control" else 0.05
            fragile = FRAGILITY[min(c, len(FRAGILITY) - 1)].get(variant.family, 0.01)
            lost = rng.random(items) < fragile + rate / 2
            gained = rng.random(items) < rate
            scores[c, v] = np.where(canonical[c] == 1.0, ~lost, gained)
    changed = rng.random(shape[1:]) < applicable
    for v, variant in enumerate(variants):
        if variant.scores_every_item:
            changed[v] = True
    return PairedScores(
        task=task,
        metric="acc",
        chance=chance,
        checkpoints=names[:checkpoints],
        variants=variants,
        item_ids=tuple(f"{task}-{i:04d}" for i in range(items)),
        clusters=np.arange(items) % clusters,
        canonical=canonical,
        scores=scores,
        changed=changed,
    )


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def flips(scores: PairedScores, most: int, words: int) -> tuple[tuple[Flip, ...], dict[str, int]]:
    """At most `most` flips with prompts of about `words` words, and how many there are."""
    rng = np.random.default_rng(11)
    moved = (scores.canonical[:, None, :] != scores.scores) & scores.changed
    total = {name: int(moved[c].sum()) for c, name in enumerate(scores.checkpoints)}
    where = np.argwhere(moved)
    chosen = where[np.sort(rng.permutation(len(where))[:most])]
    return tuple(_flip(scores, rng, *index, words) for index in chosen), total


def _flip(scores, rng, c, v, i, words) -> Flip:
    prompt = f"Question: {sentence(rng, words)}?\nA. yes\nB. no\nAnswer:"
    tokens = prompt.split(" ")
    for k in rng.integers(0, len(tokens), max(words // 12, 1)):
        tokens[k] = tokens[k][::-1]
    lost = bool(scores.canonical[c, i] > scores.scores[c, v, i])
    return Flip(
        checkpoint=scores.checkpoints[c],
        variant=scores.variants[v].slug,
        item_id=scores.item_ids[i],
        direction="lost" if lost else "gained",
        gold="A",
        canonical_prompt=prompt,
        variant_prompt=" ".join(tokens),
        canonical_reply=f"{sentence(rng, words // 2)}.\nAnswer: {'A' if lost else 'B'}",
        variant_reply=f"{sentence(rng, words // 2)}.\nAnswer: {'B' if lost else 'A'}",
        canonical_score=float(lost),
        variant_score=float(not lost),
    )


def task_report(scores: PairedScores, *, most: int = MAX_FLIPS, words: int = 40) -> TaskReport:
    """The real analysis of `scores`, with few resamples: enough for the tests, and quick."""
    shown, total = flips(scores, most, words)
    items = len(scores.item_ids)
    outcomes = {
        v.slug: OutcomeCounts(int(n), (items - int(n)) // 2, (items - int(n) + 1) // 2, 0)
        for v, n in zip(scores.variants, scores.changed.sum(axis=1), strict=True)
    }
    return TaskReport(
        task=scores.task,
        items=items,
        analysis=analyse(scores, resamples=400),
        variants=scores.variants,
        outcomes=outcomes,
        flips=shown,
        flips_total=total,
        replies_per_item=dict.fromkeys(scores.checkpoints, 1),
        engagement=(),
        questions=ask(scores, resamples=400),
    )


def splits(task: TaskReport, heldout: str, accuracy: tuple[float, ...]) -> tuple[SplitDrop, ...]:
    """Every checkpoint of `task` on 240 items of another one, on which it is less often right."""
    count = len(task.analysis.accuracies)
    names = tuple(a.checkpoint for a in task.analysis.accuracies)
    other = paired(heldout, checkpoints=count, accuracy=accuracy, names=names, variants=(), seed=9)
    return tuple(map(split_drop, task.analysis.accuracies, accuracies(other)))


def wrap(
    *tasks: TaskReport,
    title: str = "Nightly",
    notes: tuple[str, ...] = (),
    split_drops: tuple[SplitDrop, ...] = (),
    split_contrasts: tuple[SplitContrast, ...] = (),
) -> Report:
    """A report of these tasks, with a checkpoint for each name in them."""
    names = dict.fromkeys(a.checkpoint for t in tasks for a in t.analysis.accuracies)
    checkpoints = tuple(
        Checkpoint(
            name=n,
            model="hf",
            model_args=f"pretrained={n},dtype=bfloat16",
            chat_template=True,
            num_fewshot=(0, 5),
            generation=("greedy, at most 256 new tokens",),
            lm_eval_version="0.4.13",
            date="2026-05-01",
        )
        for n in names
    )
    return Report(title, "0.1.0", checkpoints, tasks, split_drops, split_contrasts, notes)


@pytest.fixture(scope="session")
def default_variants() -> tuple[VariantInfo, ...]:
    return VARIANTS


@pytest.fixture(scope="session")
def make_task() -> Callable[..., TaskReport]:
    """`paired` and `task_report` in one call: `most` and `words` are for the flips."""

    def make(*args, most=20, words=40, **more):
        return task_report(paired(*args, **more), most=most, words=words)

    return make


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    return wrap


@pytest.fixture(scope="session")
def report(make_task) -> Report:
    """Two tasks, of which one on two sets of items; 4, 2 and 2 checkpoints."""
    procedural = make_task(checkpoints=4)
    return wrap(
        procedural,
        make_task("everyday", items=80, clusters=24, seed=3),
        make_task("everyday", items=160, clusters=32, seed=4, most=0),
        title="Nightly: v7 and b5",
        notes=("run r3 was left out: different few-shot count", "two checkpoints share replies"),
        split_drops=splits(procedural, "procedural_heldout", (0.28, 0.72, 0.6, 0.3)),
    )


@pytest.fixture(scope="session")
def charts(report):
    from oodrop.reports.render.charts import draw

    return draw(report)


@pytest.fixture(scope="session")
def page(report, charts) -> str:
    from oodrop.reports.render import report_html

    return report_html(report, charts)


# Everything that a name or a reply may carry to harm a page, a terminal, a log or a spreadsheet.
HOSTILE = (
    "=1+1<script>alert(1)</script></style></title></pre></svg><img src=x onerror=alert(2)>"
    "\"'`|[bold]x[/bold] [a](javascript:alert(3)) {{ 7*7 }}{% x %} https://evil.example "
    "www.evil @me #1 \x00\x07\x1b[31m\x9b\r\n::error::x\u2028\u2029\u202e\u2066\u200b\ufeff\ud800"
    "_x_ $y$ :bug:"
)


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def hostile_report(make_task) -> Report:
    """One task in which every text is hostile, as far as the data classes let it be."""
    variants = tuple(
        VariantInfo(f"{HOSTILE}{family}", HOSTILE, family, None, "proved")
        for family in ("lexical", "ordering", "phrasing", "adversarial")
    )
    names = tuple(f"{HOSTILE}{k}" for k in range(2))
    task = make_task(HOSTILE, items=60, clusters=12, variants=variants, names=names, most=4)
    texts = ("item_id", "gold", "canonical_prompt", "variant_prompt", "canonical_reply")
    flips = tuple(replace(f, **dict.fromkeys(texts, HOSTILE)) for f in task.flips)
    drops = tuple(
        replace(d, headline_reason=HOSTILE, flags=(HOSTILE,)) for d in task.analysis.drops
    )
    analysis = replace(task.analysis, metric=HOSTILE, drops=drops)
    made = wrap(
        replace(task, flips=flips, analysis=analysis),
        title=HOSTILE,
        notes=(HOSTILE, "::error::x"),
        split_drops=tuple(
            replace(d, headline_reason=HOSTILE, flags=(HOSTILE,))
            for d in splits(task, f"{HOSTILE}_heldout", (0.3, 0.7))
        ),
    )
    fields = ("model", "model_args", "lm_eval_version", "date")
    checkpoints = tuple(replace(c, **dict.fromkeys(fields, HOSTILE)) for c in made.checkpoints)
    return replace(made, checkpoints=checkpoints, oodrop_version=HOSTILE)


VOID = {"meta", "br", "img", "link", "input", "wbr"}


class Page(HTMLParser):
    """Tags with attributes, texts by enclosing tag, and whether the tags nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], {}
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attrs for t, attrs in self.tags if t == tag]


@pytest.fixture(scope="session")
def parse_html() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def parse_svg() -> Callable[[str], ET.Element]:
    """The root of a drawing as it stands in its own file."""
    from oodrop.reports.render.canvas import standalone

    return lambda svg: ET.fromstring(standalone(svg))  # noqa: S314 - drawn by us

"""What a run will take, told before it starts: requests, tokens, disk, time and money.

Requests are made by lm-eval's own tasks, as in the run. Where there are too many of them, some
clusters of items are asked whole and the rest is reckoned from these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval.api.instance import Instance

from oodrop import DataError
from oodrop.harness_ext.checkpoints import FROM_FILES, HF_MODELS, CheckpointSpec
from oodrop.harness_ext.foresight.asked import Subset, stage_requests
from oodrop.harness_ext.foresight.clustersample import ClusterSample, cluster_sample
from oodrop.harness_ext.foresight.rates import read_rate
from oodrop.harness_ext.foresight.tokencount import Counts, RoughTokens, Tokens, count, scaled
from oodrop.harness_ext.models import PACKED, REFERENCE_MODELS
from oodrop.harness_ext.plan import RunPlan
from oodrop.harness_ext.runner.stages import Stage, item_subset, stages
from oodrop.tasks.spec import TaskSpec

DOCUMENTS = 2_500
"""Documents of a task, over all variants, up to which all of them are asked."""

QUICK_DOCUMENTS = 150
"""The same for the few lines before a run."""


@dataclass(frozen=True)
class Price:
    """Money per million tokens, of prompts and of what is generated."""

    prompt: float
    generated: float

    @classmethod
    def read(cls, text: str) -> Price:
        """From ``PROMPT`` or ``PROMPT,GENERATED``; one number is for both.

        Raises:
            DataError: when it is neither.
        """
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        if len(values) not in (1, 2) or not all(0.0 <= v < float("inf") for v in values):
            raise DataError(
                "a price is PROMPT or PROMPT,GENERATED in money per million tokens, as 0.15,0.60; "
                f"got {text!r:.60}"
            )
        return cls(values[0], values[-1])


@dataclass(frozen=True)
class StageEstimate:
    """What one stage of one checkpoint takes.

    Attributes:
        checkpoint: its name.
        stage: ``main`` or ``rerun``.
        items: items of all its tasks.
        variants: pairs of task and variant, the canonical ones included.
        about: whether the counts are reckoned from a sample of the items.
        requests: as lm-eval makes them.
        unique_requests: those that reach the backend.
        prompt_tokens: what the backend computes for them; ``hf-packed`` computes `tree_tokens`.
        tree_tokens: tokens with every shared beginning computed once; None where the sample does
            not tell.
        generated_tokens: at most.
        disk_bytes: of the sample rows, replies aside.
        tokens_are: by which tokenizer.
        tokens_exact: whether that is the checkpoint's own.
        packed: whether the backend computes `tree_tokens`.
        seconds: None where nobody knows.
        seconds_from: what `seconds` rests on.
        cost: None without a price.
    """

    checkpoint: str
    stage: str
    items: int
    variants: int
    about: bool
    requests: int
    unique_requests: int
    prompt_tokens: int
    tree_tokens: int | None
    generated_tokens: int
    disk_bytes: int
    tokens_are: str
    tokens_exact: bool
    packed: bool
    seconds: float | None = None
    seconds_from: str = ""
    cost: float | None = None

    @property
    def computed_tokens(self) -> int:
        """Prompt tokens that this backend computes, as far as it is known."""
        packed = self.packed and self.tree_tokens is not None
        return self.tree_tokens or 0 if packed else self.prompt_tokens


@dataclass(frozen=True)
class Estimate:
    """What a run takes, stage by stage; sums are None where a stage does not know."""

    stages: tuple[StageEstimate, ...]

    @property
    def seconds(self) -> float | None:
        """Of all stages."""
        return _sum([s.seconds for s in self.stages])

    @property
    def cost(self) -> float | None:
        """Of all stages."""
        return _sum([s.cost for s in self.stages])

    @property
    def disk_bytes(self) -> int:
        """Of all stages."""
        return sum(s.disk_bytes for s in self.stages)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if known and len(known) == len(values) else None


def estimate(
    plan: RunPlan,
    out: Path | None = None,
    *,
    price: Price | None = None,
    tokens_per_second: float | None = None,
    quick: bool = False,
) -> Estimate:
    """Count what the run would ask.

    Args:
        plan: what to evaluate.
        out: folder of an earlier run of it, for its rate.
        price: of a million tokens.
        tokens_per_second: computed and generated together, where no earlier run tells.
        quick: asks few items only and reads no tokenizer that takes seconds to read.
    """
    found: list[StageEstimate] = []
    for checkpoint in plan.checkpoints:
        tokens = tokens_of(checkpoint, quick=quick)
        rate = read_rate(out / checkpoint.name) if out else None
        for stage in stages(plan, checkpoint):
            counted = _stage(plan, checkpoint, stage, tokens, quick)
            found.append(_priced(_timed(counted, rate, tokens_per_second), price))
    return Estimate(tuple(found))


def tokens_of(checkpoint: CheckpointSpec, *, quick: bool = False) -> Tokens:
    """The checkpoint's own tokenizer where it is on this machine, else characters.

    ``quick`` leaves a GGUF file alone, whose tokenizer takes seconds to read.
    """
    args = checkpoint.resolved_args()
    gguf = args.get("gguf_file") and not args.get("tokenizer")
    has_one = args.get("tokenizer") or (checkpoint.model in FROM_FILES and args.get("pretrained"))
    if checkpoint.model in REFERENCE_MODELS or not has_one or (quick and gguf):
        return RoughTokens()
    from oodrop.harness_ext.foresight.weightless import Weightless

    try:
        return Weightless(args)
    except Exception:  # transformers raises of all kinds where it finds none: then there is none
        return RoughTokens()


def _stage(
    plan: RunPlan, checkpoint: CheckpointSpec, stage: Stage, tokens: Tokens, quick: bool
) -> StageEstimate:
    specs = list(dict.fromkeys(spec for spec, _ in stage.variants))
    subsets = {spec: item_subset(spec, checkpoint.items, plan.seed) for spec in specs}
    samples = {
        spec: cluster_sample(
            spec,
            subsets[spec],
            most=(QUICK_DOCUMENTS if quick else DOCUMENTS) // _variants(stage, spec),
            seed=plan.seed,
            whole=not quick,
        )
        for spec in specs
    }
    about = any(sample.ratio > 1.0 for sample in samples.values())
    asking = _Asking(checkpoint, stage, tokens)
    if about:
        parts = (asking.reckoned(spec, sample) for spec, sample in samples.items())
        counts = sum(parts, Counts())
    else:
        counts = asking.whole(subsets)
    knows_tree = not (about and quick)
    return StageEstimate(
        checkpoint=checkpoint.name,
        stage=stage.name,
        items=sum(sample.items for sample in samples.values()),
        variants=len(stage.variants),
        about=about,
        requests=round(counts.requests),
        unique_requests=round(counts.unique),
        prompt_tokens=round(counts.prompt),
        tree_tokens=round(counts.tree) if knows_tree else None,
        generated_tokens=round(counts.generated),
        disk_bytes=round(counts.disk),
        tokens_are=tokens.words,
        tokens_exact=tokens.exact,
        packed=checkpoint.model == PACKED,
    )


def _variants(stage: Stage, spec: TaskSpec) -> int:
    return sum(own is spec for own, _ in stage.variants)


@dataclass(frozen=True)
class _Asking:
    """Counts the requests of a stage, or of one of its tasks."""

    checkpoint: CheckpointSpec
    stage: Stage
    tokens: Tokens

    def whole(self, subsets: Mapping[TaskSpec, Subset]) -> Counts:
        """Of these documents of all tasks."""
        return self._count(stage_requests(self.checkpoint, self.stage, subsets, self.tokens))

    def reckoned(self, spec: TaskSpec, sample: ClusterSample) -> Counts:
        """Of a task, from a sample and its halves."""
        own = tuple(pair for pair in self.stage.variants if pair[0] is spec)
        stage = replace(self.stage, variants=own)
        found = stage_requests(self.checkpoint, stage, {spec: sample.chosen}, self.tokens)
        if sample.chosen is None:
            return self._count(found)
        half = set(sample.half)
        # lm-eval numbers the documents that it is told to ask from 0.
        parts: tuple[list[Instance], list[Instance]] = ([], [])
        for request in found:
            parts[sample.chosen[request.doc_id] in half].append(request)
        return scaled(
            self._count(found), (self._count(parts[0]), self._count(parts[1])), sample.ratio
        )

    def _count(self, requests: Sequence[Instance]) -> Counts:
        return count(
            requests,
            self.tokens,
            merged=self.stage.name != "rerun",
            groups=self.checkpoint.model in HF_MODELS,
        )


def _timed(
    found: StageEstimate, rate: float | None, tokens_per_second: float | None
) -> StageEstimate:
    """With the time it takes: at the rate of an earlier run, or as somebody says."""
    if rate:
        return replace(
            found,
            seconds=found.unique_requests / rate,
            seconds_from=f"{rate:.3g} requests per second in the run that is there",
        )
    if tokens_per_second:
        return replace(
            found,
            seconds=(found.computed_tokens + found.generated_tokens) / tokens_per_second,
            seconds_from=f"{tokens_per_second:g} tokens per second, as stated",
        )
    return found


def _priced(found: StageEstimate, price: Price | None) -> StageEstimate:
    if price is None:
        return found
    money = found.computed_tokens * price.prompt + found.generated_tokens * price.generated
    return replace(found, cost=money / 1e6)

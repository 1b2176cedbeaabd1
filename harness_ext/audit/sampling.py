"""Drawing the pairs of a plan: the same plan, data and earlier ratings give the same pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

from oodrop import DataError
from oodrop.harness_ext.audit.decoys import CLEAN_DECOY, DECOYS
from oodrop.harness_ext.audit.pairs import CLEAN, PLANTED, SAMPLED, Pair, make_pair
from oodrop.harness_ext.audit.plan import AuditPlan, Draw, Planted
from oodrop.harness_ext.audit.sources import Source, Subject
from oodrop.perturbers.engine import Bound
from oodrop.perturbers.item import Item
from oodrop.perturbers.rng import item_generator, permutation
from oodrop.perturbers.variant import Variant

T = TypeVar("T")
Sheets = Mapping[str, Sequence[Pair]]
_IDENTITY = Variant("control.identity")


def draw(plan: AuditPlan, data: Path | None, rated: Sequence[Mapping[str, str]]) -> Sheets:
    """The pairs of every sheet, decoys among them, each sheet in random order.

    An item of a data set stands in one pair of the round; one of a task in one pair per perturber.
    The clusters of a source take turns: none gives a second item before each was asked for one.

    Args:
        plan: what to draw.
        data: the folder that holds the data sets.
        rated: the rows of all ratings so far; those of earlier rounds are not drawn again.

    Raises:
        DataError: when a source has fewer fitting items than the plan wants.
    """
    stock = _Stock(plan, data, rated)
    pairs = [stock.decoy(k, wanted) for wanted in plan.decoys for k in range(wanted.count)]
    for wanted in plan.draws:
        pairs += stock.sampled(wanted)
    return _dealt(pairs, plan)


def dressed(item: Item, dress: Variant) -> Item | None:
    """The item with the variant on top; None where it changes nothing."""
    done = Bound(dress)(item)
    return done.item if done.certificate.outcome == "changed" else None


class _Stock:
    """The subjects of every source in random order, and which of them are gone."""

    def __init__(
        self, plan: AuditPlan, data: Path | None, rated: Sequence[Mapping[str, str]]
    ) -> None:
        self._plan = plan
        self._before = [row for row in rated if int(row["round"]) < plan.round]
        self._subjects = {name: self._shuffled(name, data) for name in plan.sources}
        self._gone: set[str] = set()
        self._asked: dict[str, Counter[str]] = defaultdict(Counter)

    def _shuffled(self, name: str, data: Path | None) -> list[Subject]:
        found = list(self._plan.sources[name].subjects(data))
        rng = item_generator(self._plan.seed, "audit.items", "2", name)
        return [found[i] for i in permutation(rng, len(found))]

    def decoy(self, number: int, wanted: Planted) -> Pair:
        """The next decoy of this kind, a planted one with a variant of the plan on top."""
        make = DECOYS[wanted.decoy]
        is_clean = wanted.decoy == CLEAN_DECOY
        dress = (_IDENTITY,) if is_clean else self._dress_from(number)

        def tried(subject: Subject) -> tuple[Variant, Item] | None:
            planted = make(subject)
            if is_clean or planted is None:
                return None if planted is None else (_IDENTITY, planted)
            looks = ((variant, dressed(planted, variant)) for variant in dress)
            return next(((v, item) for v, item in looks if item is not None), None)

        (subject, (variant, item)), *_ = self._take(
            wanted.source, f"decoy.{wanted.decoy}", 1, tried, f"{wanted.decoy} decoys"
        )
        kind = CLEAN if is_clean else PLANTED
        return make_pair(kind, wanted.decoy, variant, subject, item, self._plan.seed)

    def _dress_from(self, number: int) -> Sequence[Variant]:
        dress = self._plan.dress
        return [dress[(number + k) % len(dress)] for k in range(len(dress))]

    def sampled(self, wanted: Draw) -> list[Pair]:
        """Changed items of one variant."""
        variant, bound = wanted.variant, Bound(wanted.variant)

        def tried(subject: Subject) -> Item | None:
            done = bound(subject.item)
            return done.item if done.certificate.outcome == "changed" else None

        found = self._take(
            wanted.source, variant.perturber, wanted.count, tried, f"items of {variant.slug}"
        )
        seed = self._plan.seed
        return [make_pair(SAMPLED, "", variant, *subject_item, seed) for subject_item in found]

    def _take(
        self,
        name: str,
        user: str,
        wanted: int,
        tried: Callable[[Subject], T | None],
        what: str,
    ) -> list[tuple[Subject, T]]:
        found: list[tuple[Subject, T]] = []
        for subject in self._in_turns(name, user):
            result = tried(subject)
            if result is not None:
                found.append((subject, result))
                self._gone |= self._names(name, user, subject.item)
                self._asked[user][subject.item.cluster_id] += 1
            if len(found) == wanted:
                return found
        raise DataError(
            f"the plan wants {wanted} {what} from {name}, and there are {len(found)}: "
            "ask for fewer, or for other items"
        )

    def _in_turns(self, name: str, user: str) -> Iterator[Subject]:
        """Subjects that are left, each once: first those of clusters that gave the fewest."""
        spent = self._spent(self._plan.sources[name], user)
        left = [s for s in self._subjects[name] if spent.isdisjoint(_identity(s.item))]
        for turn in count(1):
            later = []
            for subject in left:
                if not self._gone.isdisjoint(self._names(name, user, subject.item)):
                    continue
                if self._asked[user][subject.item.cluster_id] < turn:
                    yield subject
                else:
                    later.append(subject)
            if not later:
                return
            left = later

    def _spent(self, source: Source, user: str) -> set[str]:
        """Items of earlier rounds; of a data set whole clusters."""
        names = ("item_id",) if source.is_task else ("item_id", "cluster")
        rows = (r for r in self._before if source.fresh == "item" or r["perturber"] == user)
        return {row[name] for row in rows for name in names}

    def _names(self, name: str, user: str, item: Item) -> set[str]:
        """What is gone when an item is taken: for this user, or for all."""
        source = self._plan.sources[name]
        return {f"{user} {item.item_id}"} if source.is_task else _identity(item)


def _identity(item: Item) -> set[str]:
    return {item.item_id, item.cluster_id}


def _dealt(pairs: Sequence[Pair], plan: AuditPlan) -> Sheets:
    """Every sheet gets its share of every perturber and decoy, in random order."""
    shuffled = _shuffled_by(pairs, plan, "deal")
    in_groups = sorted(shuffled, key=lambda pair: (pair.decoy, pair.kind, pair.variant.perturber))
    return {
        f"r{plan.round}s{k + 1}": _shuffled_by(in_groups[k :: plan.sheets], plan, f"order.{k}")
        for k in range(plan.sheets)
    }


def _shuffled_by(pairs: Sequence[Pair], plan: AuditPlan, what: str) -> list[Pair]:
    order = permutation(item_generator(plan.seed, f"audit.{what}", "2", ""), len(pairs))
    return [pairs[i] for i in order]

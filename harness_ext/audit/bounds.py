"""From ratings to limits: how many clusters kept their answers, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import beta

from oodrop.harness_ext.audit.pairs import CLEAN, PLANTED, SAMPLED
from oodrop.perturbers.audits import THRESHOLD

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the raters said of one version of a perturber, one setting of it or several.

    Attributes:
        perturber: its name.
        version: the version that was rated.
        parameters: the setting as ``name=value``, ``*`` for several mixed.
        severity: the rated severity, "" where it has none.
        rounds: the rounds that count, joined by ``+``.
        pairs: rated pairs of these rounds.
        clusters: different clusters among them: the unit of the limit.
        lost: pairs whose answer did not stay the right one, as two of the raters saw it; pairs on
            which the first two disagree are decided by the third.
        unreadable: pairs that both raters could not read.
        agreement: share of the pairs on which the two agree about the answer.
        lower: two-sided 95% Clopper-Pearson lower limit of the share of clusters that lost no
            answer.
    """

    perturber: str
    version: str
    parameters: str
    severity: str
    rounds: str
    pairs: int
    clusters: int
    lost: int
    unreadable: int
    agreement: float
    lower: float


def verdicts(rows: Iterable[Row]) -> list[Verdict]:
    """One verdict per perturber and version, sorted by name; decoys apart.

    The latest round counts alone where it has clusters enough to bear one lost answer and still
    reach the threshold; elsewhere all rounds count together.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == SAMPLED:
            groups[row["perturber"], row["version"]].append(row)
    return [_verdict(*group, _counting(groups[group])) for group in sorted(groups)]


def _counting(rows: Sequence[Row]) -> Sequence[Row]:
    latest = max(int(row["round"]) for row in rows)
    fresh = [row for row in rows if int(row["round"]) == latest]
    clusters = len({row["cluster"] for row in fresh})
    return fresh if lower_bound(clusters - 1, clusters) >= THRESHOLD else rows


def _verdict(name: str, version: str, rows: Sequence[Row]) -> Verdict:
    clusters = {row["cluster"] for row in rows}
    spoilt = {row["cluster"] for row in rows if was_lost(row)}
    settings, severities = ({row[key] for row in rows} for key in ("parameters", "severity"))
    return Verdict(
        perturber=name,
        version=version,
        parameters=settings.pop() if len(settings) == 1 else "*",
        severity=min(severities),
        rounds="+".join(sorted({row["round"] for row in rows}, key=int)),
        pairs=len(rows),
        clusters=len(clusters),
        lost=sum(was_lost(row) for row in rows),
        unreadable=sum(row["readable_1"] == row["readable_2"] == "n" for row in rows),
        agreement=sum(row["kept_1"] == row["kept_2"] for row in rows) / len(rows),
        lower=lower_bound(len(clusters) - len(spoilt), len(clusters)),
    )


def was_lost(row: Row) -> bool:
    """Whether two of the three ratings say that the answer is no longer the right one."""
    return (row["kept_1"], row["kept_2"], row["kept_3"]).count("n") >= 2


def lower_bound(kept: int, total: int, alpha: float = 0.05) -> float:
    """Two-sided Clopper-Pearson lower limit of a share, `kept` of `total`.

    Clopper and Pearson 1934, "The use of confidence or fiducial limits", Biometrika 26.
    """
    return float(beta.ppf(alpha / 2, kept, total - kept + 1)) if kept else 0.0


def kappa(rows: Sequence[Row]) -> float:
    """Cohen's kappa of the two ratings about the answer (Cohen 1960); 1 where all say the same."""
    total = len(rows)
    same = sum(row["kept_1"] == row["kept_2"] for row in rows) / total
    first = sum(row["kept_1"] == "y" for row in rows) / total
    second = sum(row["kept_2"] == "y" for row in rows) / total
    chance = first * second + (1 - first) * (1 - second)
    return (same - chance) / (1 - chance) if chance < 1 else 1.0


def decoys_found(rows: Iterable[Row]) -> Mapping[tuple[str, str], tuple[int, int, int]]:
    """(kind, decoy) to the number of pairs, and how many either rater judged as the program does.

    A clean pair is judged right when it is called kept, a planted one when it is not.
    """
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    for row in rows:
        if row["kind"] in (CLEAN, PLANTED):
            right = "y" if row["kind"] == CLEAN else "n"
            key = row["kind"], row["decoy"]
            total, first, second = found.get(key, (0, 0, 0))
            one, two = row["kept_1"] == right, row["kept_2"] == right
            found[key] = (total + 1, first + one, second + two)
    return dict(sorted(found.items()))

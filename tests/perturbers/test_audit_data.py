"""The committed audit: what raters saw is what the perturbers do, and the bounds are theirs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from oodrop.harness_ext.audit import (
    ALTERED,
    CLEAN,
    PLANTED,
    SAMPLED,
    kappa,
    read_ratings,
    verdicts,
    write_bounds,
)
from oodrop.perturbers import Variant, all_perturbers, get_suite, perturb
from oodrop.perturbers.audits import FOLDER, THRESHOLD, audit_bounds, is_reviewed
from oodrop.tasks import get_task
from oodrop.tasks.spec import Doc

# Items that the mend of the one lost pair took out: questions about words themselves.
MENDED = "not_applicable"
WITHOUT_RATERS = ("lexical.nlpaug_synonym", "lexical.contextual")  # assumed; no data, no bank here


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read_ratings(FOLDER / "ratings.csv")


@pytest.fixture(scope="module")
def docs() -> Mapping[tuple[str, str, str], Doc]:
    places = [("everyday", "test"), ("everyday", "train"), ("everyday_letters", "test")]
    places += [("procedural", "test"), ("procedural_heldout", "heldout")]
    return {
        (task, split, doc["item_id"]): doc
        for task, split in places
        for doc in get_task(task).docs(split)
    }


def variant_of(row: Mapping[str, str]) -> Variant:
    parameters = dict(p.split("=") for p in row["parameters"].split(";") if p)
    return Variant(row["perturber"], parameters, int(row["severity"]) if row["severity"] else None)


def test_the_bounds_are_those_of_the_ratings(rows: list[dict[str, str]], tmp_path: Path) -> None:
    write_bounds(verdicts(rows), tmp_path / "bounds.csv")
    assert (tmp_path / "bounds.csv").read_text() == (FOLDER / "bounds.csv").read_text()


def test_what_was_rated_is_what_is_sent(
    rows: list[dict[str, str]], docs: Mapping[tuple[str, str, str], Doc]
) -> None:
    """For all that calls itself reviewed: the very prompt that the raters judged, or none."""
    changed = 0
    for row in rows:
        variant = variant_of(row)
        plugin = all_perturbers()[row["perturber"]]
        if row["kind"] != SAMPLED or not is_reviewed(variant, plugin.version):
            continue
        item = get_task(row["task"]).item(docs[row["task"], row["split"], row["item_id"]])
        done = perturb(item, variant)
        if done.certificate.outcome == MENDED:
            assert item.is_about_words
            continue
        assert done.item.render is not None
        prompt = done.item.render(done.item)
        assert hashlib.sha256(prompt.encode()).hexdigest() == row["sha256"], row
        assert done.certificate.evidence in ("reviewed", "proved")
        changed += 1
    assert changed > 1400


def test_every_unproved_perturber_of_standard_is_reviewed() -> None:
    for variant in get_suite("standard-1.0").variants:
        plugin = all_perturbers()[variant.perturber]
        if plugin.evidence == "checked":
            assert is_reviewed(variant, plugin.version), variant.slug


def test_sizes(rows: list[dict[str, str]]) -> None:
    counts = Counter(row["perturber"] for row in rows if row["kind"] == SAMPLED)
    for name, plugin in all_perturbers().items():
        if plugin.is_foreign or plugin.evidence == "proved" or name in WITHOUT_RATERS:
            continue
        if name in ("phrasing.llm_paraphrase", "phrasing.back_translation"):
            continue  # no bank is shipped; each bank carries its own review
        standard = name in {v.perturber for v in get_suite("standard-1.0").variants}
        assert counts[name] >= (150 if standard else 40), name


def test_the_raters_could_tell(rows: list[dict[str, str]]) -> None:
    by_kind = {kind: [r for r in rows if r["kind"] == kind] for kind in (CLEAN, PLANTED, ALTERED)}
    assert len(by_kind[CLEAN]) >= 90
    assert all(r["kept_1"] == r["kept_2"] == "y" for r in by_kind[CLEAN])
    assert len(by_kind[PLANTED]) >= 40
    assert all(r["kept_1"] == r["kept_2"] == "n" for r in by_kind[PLANTED])
    assert len(by_kind[ALTERED]) >= 90
    assert kappa(rows) > 0.9


def test_reviewed_is_for_the_rated_setting_and_no_higher_severity() -> None:
    version = all_perturbers()["lexical.keyboard_typo"].version
    assert is_reviewed(Variant("lexical.keyboard_typo", severity=1), version)
    assert is_reviewed(Variant("lexical.keyboard_typo", severity=2), version)
    assert not is_reviewed(Variant("lexical.keyboard_typo", severity=3), version)
    assert not is_reviewed(Variant("lexical.keyboard_typo", severity=2), "9.9")
    assert not is_reviewed(Variant("phrasing.template", {"id": "t06"}), "1.0")
    assert not is_reviewed(Variant("lexical.ocr_noise", severity=1), "1.0")
    assert {b.perturber for b in audit_bounds() if b.lower >= THRESHOLD} == {
        v.perturber
        for v in get_suite("standard-1.0").variants
        if all_perturbers()[v.perturber].evidence == "checked"
    } | {"ordering.fact_order"}

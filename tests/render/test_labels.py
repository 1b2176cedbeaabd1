"""Names of tasks on the page and on disk."""

from dataclasses import replace

from oodrop.reports.render import task_labels
from oodrop.reports.render.labels import file_stems, numbered
from oodrop.reports.render.rows import rows


def renamed(report, *names):
    tasks = tuple(replace(report.tasks[0], task=name) for name in names)
    return replace(report, tasks=tasks)


def test_a_repeated_task_shows_its_items(report):
    assert task_labels(report) == ("procedural", "everyday (80 items)", "everyday (160 items)")


def test_the_same_task_and_size_twice_is_numbered(report):
    assert task_labels(renamed(report, "a", "a")) == ("a (240 items)", "a (240 items) #2")


def test_one_item_is_no_plural(report):
    one = replace(renamed(report, "a", "a"), tasks=(replace(report.tasks[0], items=1),) * 2)
    assert task_labels(one)[0] == "procedural (1 item)"


def test_stems_are_safe_and_unique(report):
    stems = file_stems(renamed(report, "../../etc/passwd", "..", "a/b", "a b", "A_B", "x" * 300))
    assert stems == ("etc_passwd", "task", "a_b", "a_b-2", "A_B-3", "x" * 80)


def test_numbered_skips_what_is_taken():
    assert numbered(["a", "a", "a-2"], "-") == ("a", "a-2", "a-2-2")


def test_rows_are_variants_by_family_then_families(report):
    found = rows(report.tasks[0])
    assert [(r.kind, r.family) for r in found] == [
        *[("variant", "lexical")] * 3,
        *[("variant", "ordering")] * 2,
        *[("variant", "phrasing")] * 2,
        ("variant", "control"),
        *[("family", f) for f in ("lexical", "ordering", "phrasing")],
    ]
    assert all(len(r.drops) == 4 for r in found)
    assert all(d.checkpoint == c.name for d, c in zip(found[0].drops, report.checkpoints, strict=1))


def test_a_familys_evidence_is_the_weakest_that_it_pools(report):
    evidence = {r.label: r.evidence for r in rows(report.tasks[0])}
    assert evidence["lexical family"] == "reviewed"
    assert evidence["lexical_backtranslation"] == "assumed"
    assert evidence["phrasing family"] == "proved"

"""The sample of flips: grouping, counts, room."""

from collections import Counter

from oodrop.reports.render.flips import grouped, room_per_flip


def test_groups_follow_the_tables_and_count_everything(report):
    task = report.tasks[0]
    groups = grouped(task, 4_000)
    assert [g.checkpoint for g in groups] == [a.checkpoint for a in task.analysis.accuracies]
    shown = Counter(f.checkpoint for f in task.flips)
    assert {g.checkpoint: g.shown for g in groups} == shown
    assert {g.checkpoint: g.total for g in groups} == task.flips_total
    slugs = [v.slug for v in task.variants]
    for group in groups:
        assert sorted(group.variants, key=lambda v: slugs.index(v.variant)) == list(group.variants)
    assert sum(len(v.flips) for g in groups for v in g.variants) == len(task.flips)


def test_replies_keep_their_ends_where_room_is_short(report):
    view = grouped(report.tasks[0], 400)[0].variants[0].flips[0]
    head, gap, tail = view.variant_reply
    assert view.flip.variant_reply.startswith(head)
    assert view.flip.variant_reply.endswith(tail)
    assert len(head) + len(tail) == 100
    assert "left out" in gap


def test_room_shrinks_with_the_number_of_flips(report, make_report):
    assert room_per_flip(make_report()) == 24_000
    few = room_per_flip(report)
    assert few == 840_000 // sum(len(t.flips) for t in report.tasks)
    assert few > room_per_flip(make_report(*report.tasks * 20))

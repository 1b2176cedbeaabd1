"""The explorer of flipped items: which are in the page, how they are counted, their room."""

from collections import Counter
from dataclasses import replace

from oodrop.reports.model import MAX_FLIPS
from oodrop.reports.render.flips import explorer, room_per_flip


def test_every_flip_in_the_order_of_the_tables_and_every_one_counted(report):
    found = explorer(report)
    assert len(found.flips) == sum(len(t.flips) for t in report.tasks)
    first = [v.flip for v in found.flips if v.task == "procedural"]
    task = report.tasks[0]
    names = [a.checkpoint for a in task.analysis.accuracies]
    slugs = [v.slug for v in task.variants]
    places = [(names.index(f.checkpoint), slugs.index(f.variant), f.item_id) for f in first]
    assert places == sorted(places)
    shown = Counter(f.checkpoint for f in task.flips)
    own = [c for c in found.counts if c.task == "procedural"]
    assert {c.checkpoint: c.shown for c in own} == shown
    assert {c.checkpoint: c.total for c in own} == task.flips_total
    assert found.total == sum(sum(t.flips_total.values()) for t in report.tasks)


def test_views_point_into_the_lists(report):
    found = explorer(report)
    assert found.tasks == ("procedural", "everyday (80 items)")  # the third has no flips in it
    for view in found.flips:
        task, checkpoint, variant = view.chosen_by
        assert found.tasks[task] == view.task
        assert found.checkpoints[checkpoint] == view.flip.checkpoint
        assert found.variants[variant] == view.flip.variant


def test_at_most_so_many_over_all_tasks_whatever_their_order(make_task, make_report):
    tasks = [
        make_task(name, checkpoints=2, most=200, words=4, seed=k) for k, name in enumerate("ab")
    ]
    assert [len(t.flips) for t in tasks] == [200, 200]
    found = explorer(make_report(*tasks))
    assert len(found.flips) == MAX_FLIPS
    assert sum(c.shown for c in found.counts) == MAX_FLIPS
    assert found.total == sum(sum(t.flips_total.values()) for t in tasks)
    each = Counter(v.task for v in found.flips)
    assert min(each.values()) > 120  # a fair draw: 150, give or take 6 standard errors
    turned = explorer(make_report(*tasks[::-1]))
    assert {(v.task, v.flip) for v in turned.flips} == {(v.task, v.flip) for v in found.flips}


def test_a_flip_of_an_unknown_checkpoint_is_counted_too(report):
    task = report.tasks[0]
    odd = replace(task.flips[0], checkpoint="not in the analysis")
    made = replace(report, tasks=(replace(task, flips=(odd,)),))
    assert ("not in the analysis", 1, 1) in {
        (c.checkpoint, c.shown, c.total) for c in explorer(made).counts
    }


def test_replies_keep_their_ends_where_room_is_short(report, monkeypatch):
    monkeypatch.setattr("oodrop.reports.render.flips.room_per_flip", lambda flips: 400)
    view = explorer(report).flips[0]
    head, gap, tail = view.variant_reply
    assert view.flip.variant_reply.startswith(head)
    assert view.flip.variant_reply.endswith(tail)
    assert len(head) + len(tail) == 100
    assert "left out" in gap


def test_room_shrinks_with_the_number_of_flips():
    assert room_per_flip(0) == 24_000
    assert room_per_flip(100) == 8_400
    assert room_per_flip(10_000) == 400


def test_a_task_that_pools_others_is_left_to_them(report):
    whole, one, two = report.tasks
    read = [replace(t, every_flip=lambda: iter(())) for t in (one, two)]
    found = explorer(replace(report, tasks=(whole, *read)))
    assert {c.task for c in found.counts} == {"everyday (80 items)", "everyday (160 items)"}
    assert {v.task for v in found.flips} == {"everyday (80 items)"}

"""The verdict in plain words."""

from dataclasses import replace

import pytest

from oodrop.reports.render import verdicts
from oodrop.reports.statistics import Interval, Rate, Sensitivity, VariantInfo


@pytest.fixture(scope="module")
def task(make_task):
    return make_task(checkpoints=1, most=0)


def shaped(task, low, high, *, flags=(), name="lexical"):
    """`task` with the family `name` showing the headline [low, high], n and clusters fixed."""
    middle = (low + high) / 2
    interval = Interval(middle, low, high, 0.01, "score_ess", 0.95, 241, 24, 24.0, 9)
    drops = tuple(
        replace(d, estimate=middle, headline=interval, n=241, n_all=300, clusters=24, flags=flags)
        if (d.kind, d.name) == ("family", name)
        else d
        for d in task.analysis.drops
    )
    return replace(task, analysis=replace(task.analysis, drops=drops))


def said(task, word="lexical"):
    return next(f for f in verdicts(task)[0].findings if f" {word}" in f.rest)


def test_loss(task):
    finding = said(shaped(task, 0.031, 0.079))
    assert finding.tone == "drop"
    assert finding.text == (
        "loses 5.5 points under lexical variants (95% interval 3.1 to 7.9; "
        "241 of 300 items changed, 24 clusters)"
    )


def test_gain(task):
    finding = said(shaped(task, -0.079, -0.031))
    assert finding.tone == "gain"
    assert finding.text.startswith("gains 5.5 points under lexical variants (95% interval 3.1 to")


def test_no_drop_says_what_is_not_ruled_out(task):
    finding = said(shaped(task, -0.011, 0.019))
    assert finding.tone == "no drop shown"
    assert finding.text == (
        "no drop shown under lexical variants: +0.4 points (95% interval -1.1 to +1.9; "
        "241 of 300 items changed, 24 clusters); a drop of up to 1.9 points is not ruled out; "
        "a drop of 6.1 points could have been seen in four of five cases"
    )


def test_caveats(task):
    shaky = said(shaped(task, 0.001, 0.02, flags=("disagree", "low_information"))).text
    assert "; the two intervals disagree about 0; few clusters, read with care" in shaky
    assert shaky.endswith("no larger than the noise floor (a rerun flips 2.1% of scores)")
    assert "noise floor" not in said(shaped(task, 0.02, 0.2)).text
    assert "95% interval under 0.1 to" in said(shaped(task, 0.0001, 0.02)).text


def test_uninformative_says_nothing_else(make_task):
    task = make_task(checkpoints=1, accuracy=(0.26,), most=0)
    (finding,) = verdicts(task)[0].findings
    assert finding.tone == "uninformative"
    assert finding.text.startswith("uninformative: not above chance (canonical accuracy ")
    assert "chance 25.0%), so its drops say nothing" in finding.text
    (few,) = verdicts(make_task(checkpoints=1, clusters=4, most=0))[0].findings
    assert "no interval from 4 clusters, chance" in few.text


def test_without_interval_or_changed_items(make_task):
    few = make_task(checkpoints=1, clusters=4, most=0)
    few = replace(few, analysis=replace(few.analysis, accuracies=_above(few)))
    assert said(few).text.endswith("4.0 effective clusters (at least 5 are needed)")
    assert said(few).tone == "no verdict"
    none = make_task(checkpoints=1, applicable=0.0, most=0)
    placebo = said(none, "the placebo").text
    assert placebo.startswith("no drop shown under the placebo; a drop of ")
    assert placebo.endswith(" points could have been seen in four of five cases")
    assert said(none).text == "no verdict under lexical variants: no item was changed"


def test_placebos_without_interval_have_no_verdict(make_task):
    few = make_task(checkpoints=1, clusters=4, most=0)
    few = replace(few, analysis=replace(few.analysis, accuracies=_above(few)))
    assert said(few, "placebos:").text == "no verdict under placebos: no interval"


def _above(task):
    return tuple(replace(a, above_chance=True) for a in task.analysis.accuracies)


def test_families_apart(make_task):
    variants = (
        VariantInfo("homoglyph", "adversarial.homoglyph", "adversarial", None, "proved"),
        VariantInfo("control_identity", "control.identity", "control", None, "proved"),
    )
    task = make_task(checkpoints=1, variants=variants, most=0)
    apart, placebo = verdicts(task)[0].findings
    assert placebo.text.startswith("no drop shown under the placebo; a drop of ")
    assert apart.text.startswith("no drop shown under homoglyph, which enters no family drop: ")
    assert apart.text.endswith(" points could have been seen in four of five cases")
    moved = replace(task, analysis=replace(task.analysis, drops=_moved(task)))
    tones = {f.tone: f.text for f in verdicts(moved)[0].findings}
    assert tones["placebo moved"].startswith("placebo moved (1 of 1): control_identity (+5.0")
    assert tones["drop"].startswith(
        "loses 5.0 points under homoglyph, which enters no family drop (95% interval 2.0 to 8.0; "
    )


def test_several_variants_apart_are_summed_up(make_task):
    variants = tuple(
        VariantInfo(f"homoglyph_{k}", "adversarial.homoglyph", "adversarial", None, "proved")
        for k in range(2)
    )
    task = make_task(checkpoints=1, variants=variants, most=0)
    (calm,) = verdicts(task)[0].findings
    most = max(d.detectable for d in task.analysis.drops if d.kind == "variant")
    assert calm.text == (
        "no drop shown under any of 2 adversarial variants, which enter no family drop; a drop of "
        f"{100 * most:.1f} points could have been seen under each of them in four of five cases"
    )
    blind = replace(task.analysis.drops[0], detectable=None)
    analysis = replace(task.analysis, drops=(blind, *task.analysis.drops[1:]))
    (unknown,) = verdicts(replace(task, analysis=analysis))[0].findings
    assert unknown.text.endswith("which enter no family drop")
    (moved,) = verdicts(replace(task, analysis=replace(task.analysis, drops=_moved(task))))[
        0
    ].findings
    assert "most under homoglyph_0 (+5.0 points, picked after the fact)" in moved.text


def _moved(task):
    interval = Interval(0.05, 0.02, 0.08, 0.01, "score_ess", 0.95, 9, 9, 9.0, 9)
    return tuple(replace(d, estimate=0.05, headline=interval) for d in task.analysis.drops)


def test_no_variants(make_task):
    task = make_task(checkpoints=1, variants=(), most=0)
    assert verdicts(task)[0].findings[0].text == "no verdict: no variants were run"


def _share(low, high):
    middle = (low + high) / 2
    interval = Interval(middle, low, high, 0.01, "score_ess", 0.95, 200, 24, 24.0, 9)
    return Rate(middle, interval, 200, 24, 24.0, ())


def _control(checkpoint, name, both, before_only):
    before = _share(0.9, 0.98)
    return Sensitivity("t", "acc", checkpoint, name, before, before, both, before_only)


FOLLOWS, STAYS, UNCLEAR = (
    (_share(0.8, 0.9), _share(0.02, 0.08)),
    (_share(0.0, 0.04), _share(0.86, 0.96)),
    (_share(0.3, 0.5), _share(0.45, 0.6)),
)


def noticing(task, *controls):
    """What the verdict says of controls that change the right answer."""
    (name,) = (a.checkpoint for a in task.analysis.accuracies)
    found = [_control(name, f"control_{k}", *shares) for k, shares in enumerate(controls)]
    other = _control("another", "control_0", *STAYS)
    task = replace(task, questions=replace(task.questions, sensitivity=(other, *found)))
    return [f for f in verdicts(task)[0].findings if "right answer" in f.rest]


def test_a_checkpoint_whose_answers_stay_does_not_notice(task):
    (finding,) = noticing(task, STAYS, STAYS)
    assert finding.tone == "not noticed"
    assert finding.text == (
        "does not notice a changed meaning under 2 of 2 controls changing the right answer: of "
        "the changed items 2.0% (control_0), 2.0% (control_1) are right before and after; a small "
        "drop then does not show that it reads"
    )


def test_a_checkpoint_whose_answers_follow_notices(task):
    (finding,) = noticing(task, FOLLOWS)
    assert finding.tone == "noticed"
    assert finding.text == (
        "notices a changed meaning under 1 of 1 control changing the right answer: of the "
        "changed items 85.0% (control_0) are right before and after"
    )


def test_controls_that_disagree_are_told_apart(task):
    found = noticing(task, FOLLOWS, UNCLEAR, STAYS, FOLLOWS)
    assert [(f.tone, f.rest[:13]) for f in found] == [
        ("not noticed", " under 1 of 4"),
        ("noticed", " under 2 of 4"),
        ("no verdict", " under 1 of 4"),
    ]
    assert noticing(task) == []


def test_few_clusters_or_no_changed_item_decide_nothing(task):
    few, none = (replace(_share(0.0, 0.0), interval=None, n=n) for n in (30, 0))
    (finding,) = noticing(task, (few, STAYS[1]), (none, none))
    assert finding.tone == "no verdict"
    assert finding.rest.startswith(" under 1 of 1 control ")

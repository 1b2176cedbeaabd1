"""What belongs to a checkpoint is told; a difference between checkpoints is noted, not refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodrop import NotComparableError
from oodrop.reports.build import build_report
from oodrop.reports.compare import compare
from oodrop.reports.frozen import freeze
from oodrop.reports.gatepolicy import Policy
from oodrop.reports.gating import run_gate
from oodrop.reports.model import Report
from oodrop.reports.pairing import one_checkpoint
from oodrop.reports.render import report_html, summary_markdown

from .runs import MAIN, RERUN, mark, tasks_of, write_run

Read = Callable[..., Report]
CARD = {"until": [], "do_sample": False, "max_gen_toks": 256}
OWN = {**CARD, "max_gen_toks": 1024}
CARD_WORDS = "greedy, at most 256 new tokens"


def generated(folder: Path, name: str, kwargs: object, *, rerun: object = None) -> Path:
    """A checkpoint whose replies were generated under ``kwargs``, its rerun under other ones."""

    def edit(kwargs: object) -> Callable[[dict[str, Any]], None]:
        own = {"output_type": "generate_until", "generation_kwargs": kwargs}
        return lambda results: [c.update(own) for c in results["configs"].values()] and None

    place, args = mark(folder / name, name), f"pretrained=org/{name}"
    main, again = tasks_of(*MAIN, generate=True), tasks_of(RERUN, generate=True)
    write_run(place / "main", main, model_args=args, edit=edit(kwargs))
    write_run(place / "rerun", again, model_args=args, edit=edit(rerun or kwargs), day=0.5)
    return place


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        (CARD, CARD_WORDS),
        ({"max_gen_toks": 64}, "greedy, at most 64 new tokens"),
        ({"temperature": 0.0}, "greedy, temperature 0.0"),
        ({"temperature": 0.7, "top_k": 20}, "sampled, temperature 0.7, top_k 20"),
        ({"do_sample": True, "until": ["Q:"]}, "sampled, until ['Q:']"),
        (None, "null"),
        ("odd <b>", "odd <b>"),
        ({"x": "y" * 1_000}, "greedy, x " + "y" * 190),
    ],
)  # fmt: skip
def test_settings_in_words(kwargs: object, words: str, tmp_path: Path, read: Read) -> None:
    generated(tmp_path, "alpha", kwargs)
    report = read(tmp_path)
    assert [c.generation for c in report.checkpoints] == [(words,)]
    assert report.notes == ()


def test_the_page_shows_them(tmp_path: Path, read: Read) -> None:
    generated(tmp_path, "alpha", CARD)
    page = report_html(read(tmp_path))
    assert "Generation</th>" in page
    assert f"<td>{CARD_WORDS}</td>" in page


def test_a_task_that_generates_nothing_has_none(tmp_path: Path, read: Read) -> None:
    write_run(tmp_path, tasks_of(*MAIN))
    report = read(tmp_path)
    assert report.checkpoints[0].generation == ()
    assert "<td>none</td>" in report_html(report)


def test_checkpoints_with_other_limits_are_compared_with_a_note(tmp_path: Path, read: Read) -> None:
    for name, kwargs in (("alpha", CARD), ("beta", OWN), ("gamma", {**CARD, "until": None})):
        generated(tmp_path, name, kwargs)
    report = read(tmp_path)
    (task,) = report.tasks
    assert [a.checkpoint for a in task.analysis.accuracies] == ["alpha", "beta", "gamma"]
    (note,) = [n for n in report.notes if "different settings" in n]
    assert f"(alpha, gamma: {CARD_WORDS}; beta: greedy, at most 1024 new tokens)" in note
    assert "different settings" in summary_markdown(report)


def test_a_checkpoint_with_another_limit_for_its_rerun_is_refused(
    tmp_path: Path, read: Read
) -> None:
    generated(tmp_path, "alpha", CARD, rerun=OWN)
    with pytest.raises(NotComparableError, match="alpha.*control_rerun ran with generation_kwargs"):
        read(tmp_path)


def put(folder: Path, name: str, **settings: object) -> Path:
    """A checkpoint that was asked under these settings of the results file."""
    place, args = mark(folder / name, name), f"pretrained=org/{name}"
    tasks = tasks_of(*MAIN, score=lambda k: float(k % 4 == len(name) % 4))
    write_run(place, tasks, model_args=args, edit=lambda results: results.update(settings))
    return place


SYSTEM = "no system instruction"
WORDS = "(alpha: {}; gamma: {})".format
UNLIKE = {
    "template": (
        {"chat_template_sha": None},
        {"chat_template_sha": "b" * 64},
        WORDS(f"no chat template, {SYSTEM}", f"a chat template, {SYSTEM}"),
    ),
    "instruction": (
        {"system_instruction_sha": "c" * 64},
        {"system_instruction_sha": "d" * 64},
        WORDS(*(f"no chat template, system instruction {8 * x}" for x in "cd")),
    ),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_checkpoints_that_were_asked_in_other_ways_are_compared_with_a_note(
    name: str, tmp_path: Path
) -> None:
    """In a report, side by side, and in a gate; against a frozen baseline too."""
    one, other, words = UNLIKE[name]
    alpha, gamma = put(tmp_path, "alpha", **one), put(tmp_path, "gamma", **other)
    frozen = tmp_path / "baseline.json"
    frozen.write_bytes(freeze(one_checkpoint("baseline", alpha)))
    note = f"everyday was put to the checkpoints in different ways {words}"
    assert note in build_report([tmp_path], resamples=50).notes
    assert note in compare([alpha, gamma]).notes
    assert note in run_gate(alpha, gamma, Policy()).notes
    assert note in run_gate(frozen, gamma, Policy()).notes


def test_every_model_has_a_chat_template_of_its_own(tmp_path: Path) -> None:
    alpha = put(tmp_path, "alpha", chat_template_sha="a" * 64)
    gamma = put(tmp_path, "gamma", chat_template_sha="b" * 64)
    assert not any("different ways" in note for note in compare([alpha, gamma]).notes)


def test_a_gate_and_a_comparison_tell_other_limits(tmp_path: Path) -> None:
    for name, kwargs in (("alpha", CARD), ("beta", OWN)):
        generated(tmp_path, name, kwargs)
    places = (tmp_path / "alpha", tmp_path / "beta")
    for notes in (compare([*places]).notes, run_gate(*places, Policy()).notes):
        assert any("generated with different settings (alpha: greedy" in note for note in notes)

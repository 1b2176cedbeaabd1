"""Layouts of a prompt that training may see; evaluation has others."""

from __future__ import annotations

import random

from oodrop.perturbers.rng import below, choose
from oodrop.perturbers.variant import CANONICAL
from oodrop.tasks.procedural import COMPACT
from oodrop.tasks.spec import Doc

PROMPTS = (
    "t07", "t08", "t09", "t10", "t11", "t12", "layout_scenario_first", "instruction_before",
    "structure_bullets", "structure_headers_renamed", CANONICAL,
)  # fmt: skip
# Orders of a canonical prompt's sections that no evaluation has: the question between the others.
ORDERS = {"procedure_question_scenario": (0, 2, 1), "scenario_question_procedure": (1, 2, 0)}
# What follows is for the base alone: a layout is put together of parts that no template has.
RULES = (
    "Agreed", "Checklist", "Guideline", "How it is done", "Method", "Order of work", "Plan",
    "Protocol", "Routine", "What to do",
)  # fmt: skip
RECORDS = (
    "Diary", "Log", "Minutes", "Noted on the day", "On that day", "Record", "Seen at the site",
    "Story", "Told afterwards",
)  # fmt: skip
ASKED = ("Asked", "Now", "Over to you", "Please reply", "To answer", "Wanted", "Your part")
_HEADINGS = (
    "{}: ", "{}:\n", "{}\n", "{} - ", "{}. ", "({}) ", "[{}]\n", "# {}\n", "== {} ==\n", "_{}_\n",
    "{}, namely: ",
)  # fmt: skip
_TITLES = ("{}\n", '"{}"\n', "{}.\n", "{}:\n", "of: {}\n", "{} - ", "{}: ")
_MARKS = (
    "- ", "- ", "* ", "+ ", "> ", "-> ", "", "", "  ", "   . ", "{n}. ", "{n}) ", "({n}) ", "{n}: ",
    "{a}) ", "Rule {n}: ", "Point {a}. ",
)  # fmt: skip
_JOINTS = ("\n", "\n", "\n", "\n", "\n\n", " ", " ", " / ")
_AFTER_NAME = (": ", ": ", ": ", " - ", " = ", ", ", " ", " ... ")
_BETWEEN_SENTENCES = (" ", " ", " ", "\n", "\n- ", "\n* ", " | ")
_BETWEEN_SECTIONS = ("\n\n", "\n\n", "\n", "\n---\n", "\n***\n", "\n\n\n")
_BEFORE = (
    "Two texts follow, and then something to do.", "Good morning.", "Please have a look at this.",
    "From the files of the works.", "(1 of 1)", "For your attention:",
)  # fmt: skip
_BEHIND = ("Thank you.", "That is all.", "(end)", "Over.")
# Of rules, record and question.
_SECTIONS = ((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 0, 2), (1, 0, 2), (0, 2, 1), (1, 2, 0))
_UNSAID = "Steps that are not mentioned did not happen."


def laid_out(doc: Doc, template: str) -> str:
    """The prompt in one of `PROMPTS` or `ORDERS`."""
    if template not in ORDERS:
        return COMPACT.prompt(doc, template)
    sections = COMPACT.prompt(doc).strip().split("\n\n")
    return "\n\n".join(sections[n] for n in ORDERS[template])


def in_own_layout(doc: Doc, rng: random.Random) -> str:
    """The prompt in a layout that is drawn, and that is none of the tasks' templates.

    Rules or record, if not both, have a heading in words that no template has.
    """
    asked = COMPACT.prompt(doc).strip().split("\n\n")[-1].removeprefix("Question: ")
    bare = below(rng, 6)
    rules = "" if bare == 0 else choose(rng, _HEADINGS).format(choose(rng, RULES))
    rules += choose(rng, _TITLES).format(doc["title"]) + _listed(doc["clauses"], rng)
    told = [doc["intro"], *doc["facts"], *doc["events"], doc["closing"], _UNSAID]
    record = "" if bare == 1 else choose(rng, _HEADINGS).format(choose(rng, RECORDS))
    record += choose(rng, _BETWEEN_SENTENCES).join(told)
    question = choose(rng, ("", choose(rng, _HEADINGS).format(choose(rng, ASKED))))
    question += asked.replace("\n", choose(rng, ("\n", " ", "\n\n")))
    sections = [(rules, record, question)[n] for n in choose(rng, _SECTIONS)]
    if rng.random() < 0.3:
        sections.insert(0, choose(rng, _BEFORE))
    if rng.random() < 0.2:
        sections.append(choose(rng, _BEHIND))
    return choose(rng, _BETWEEN_SECTIONS).join(sections)


def _listed(clauses: list[str], rng: random.Random) -> str:
    mark, name, joint = choose(rng, _MARKS), choose(rng, _AFTER_NAME), choose(rng, _JOINTS)
    upper, stop = rng.random() < 0.2, rng.random() < 0.2 and joint != " "
    return joint.join(
        mark.format(n=n, a="abcdef"[n - 1]) + _told(clause.replace(": ", name, 1), upper, stop)
        for n, clause in enumerate(clauses, 1)
    )


def _told(clause: str, upper: bool, stop: bool) -> str:
    clause = clause[:1].upper() + clause[1:] if upper else clause
    return clause.removesuffix(".") if stop else clause

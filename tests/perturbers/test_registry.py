"""Registering, loading plugins, and names that do not exist."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError, OodropError, RunError, UnknownNameError
from oodrop.perturbers import (
    Edit,
    Item,
    Variant,
    all_perturbers,
    get_perturber,
    load_plugin,
    perturb,
    perturber,
    registry,
)

pytestmark = pytest.mark.usefixtures("own_registry")

PLUGIN = '''
from oodrop.perturbers import Replace, perturber

@perturber("{name}", evidence="checked")
def shout(item, rng):
    """The question mark of the question becomes three."""
    text = item.segments["question"]
    return [Replace("question", len(text) - 1, "?", "???")]
'''


def nothing(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Nothing at all."""
    return []


def nothing_too(item: Item, rng: random.Random) -> Sequence[Edit]:
    """Nothing either."""
    return []


def test_it_is_sorted_and_holds_ours() -> None:
    names = list(all_perturbers())
    assert names == sorted(names)
    assert {"control.identity", "lexical.keyboard_typo", "phrasing.template"} <= set(names)


def test_the_decorator_reads_the_function() -> None:
    @perturber("phrasing.mine", evidence="assumed", parameters={"mode": ("a", "b")}, version="2")
    def mine(item: Item, rng: random.Random, *, mode: str, severity: int) -> Sequence[Edit]:
        """What it does.

        And more.
        """
        return []

    found = get_perturber("phrasing.mine")
    assert (found.family, found.summary, found.version) == ("phrasing", "What it does.", "2")
    assert found.has_severity
    assert found.function is mine
    assert found.knows("en")
    assert not found.knows("de")


def test_a_duplicate_name_shows_both_places() -> None:
    perturber("lexical.nothing", evidence="proved")(nothing)
    with pytest.raises(OodropError) as caught:
        perturber("lexical.nothing", evidence="proved")(nothing_too)
    here = Path(__file__).name
    first, second = (f.__code__.co_firstlineno for f in (nothing, nothing_too))
    text = str(caught.value)
    assert text.startswith("perturber 'lexical.nothing' is registered twice: ")
    assert f"{here}:{first} and " in text
    assert text.endswith(f"{here}:{second}")
    assert get_perturber("lexical.nothing").function is nothing


def test_the_same_place_twice_is_one_perturber() -> None:
    for _ in range(2):
        perturber("lexical.nothing", evidence="proved")(nothing)
    assert get_perturber("lexical.nothing").function is nothing


@pytest.mark.parametrize("name", ["shout", "funny.shout", "", "lexical", "."])
def test_a_name_of_no_family(name: str) -> None:
    with pytest.raises(OodropError, match=r"named family\.noun with a family of lexical, ordering"):
        perturber(name, evidence="proved")


def test_a_docstring_is_needed() -> None:
    def silent(item: Item, rng: random.Random) -> Sequence[Edit]:
        return []

    with pytest.raises(
        OodropError, match=r"'lexical.silent' at .*test_registry.py:\d+ needs a doc"
    ):
        perturber("lexical.silent", evidence="proved")(silent)


def test_an_unknown_name_lists_the_nearest_first() -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_perturber("ordering.fact_ordre")
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(
        "unknown perturber 'ordering.fact_ordre'; there are: ordering.fact_order, "
    )


def test_a_plugin_file_registers(tmp_path: Path, item: Item) -> None:
    path = tmp_path / "shout.py"
    path.write_text(PLUGIN.format(name="lexical.shout"))
    load_plugin(path)
    load_plugin(path)  # the same file once more is no duplicate
    done = perturb(item, Variant("lexical.shout"))
    assert done.item.segments["question"] == "What boils in the kettle???"
    assert get_perturber("lexical.shout").source.startswith(str(path))


def test_a_plugin_cannot_take_a_name(tmp_path: Path) -> None:
    path = tmp_path / "thief.py"
    path.write_text(PLUGIN.format(name="lexical.keyboard_typo"))
    with pytest.raises(OodropError, match=r"registered twice: .*typos\.py:\d+ and .*thief\.py:\d+"):
        load_plugin(path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_plugin_that_fails(tmp_path: Path, code: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(code)
    with pytest.raises(RunError, match=rf"plugin .*bad\.py failed to load: {message}") as caught:
        load_plugin(path)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", ["missing.py", "folder", "plugin.txt"])
def test_a_plugin_that_is_no_python_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plugin.txt").write_text("")
    with pytest.raises(DataError, match=rf"--plugin takes a \.py file that exists, got .*{name}"):
        load_plugin(tmp_path / name)


def _with_entry_points(
    monkeypatch: pytest.MonkeyPatch, folder: Path, code: str, name: str
) -> Callable[[], object]:
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    point = EntryPoint(name, name, registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr(registry, "_FAILED", {})
    return all_perturbers


def test_entry_points_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = PLUGIN.format(name="lexical.from_a_wheel")
    load = _with_entry_points(monkeypatch, tmp_path, code, "plugin_in_a_wheel")
    assert "lexical.from_a_wheel" in load()  # type: ignore[operator]


def test_an_entry_point_that_fails_fails_every_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = _with_entry_points(monkeypatch, tmp_path, "1 / 0", "plugin_that_fails")
    for _ in range(2):
        with pytest.raises(RunError, match="entry point 'plugin_that_fails' .* ZeroDivisionError"):
            load()


def test_ours_is_found_through_the_entry_point() -> None:
    from importlib.metadata import entry_points

    assert "oodrop.perturbers.catalogue" in {
        p.value for p in entry_points(group=registry.ENTRY_POINT_GROUP)
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": "word"}, "level must be one of document, prompt, got 'word'"),
        ({"evidence": "sure"}, "evidence must be one of proved, checked, .*, got 'sure'"),
        ({"version": ""}, r"version must be a text such as '1\.0'"),
        ({"version": 2}, r"version must be a text such as '1\.0'"),
        ({"languages": "en"}, r"languages must be a tuple such as \('en',\)"),
        ({"languages": ()}, r"languages must be a tuple such as \('en',\)"),
        ({"parameters": {"mode": ("Big",)}}, "parameter 'mode' must have .* words .*, got 'Big'"),
        ({"parameters": {"mode": ("a__b",)}}, "parameter 'mode' must have .*, got 'a__b'"),
        ({"parameters": {"mode": "ab"}}, "parameter 'mode' must have a tuple .*, got 'ab'"),
        ({"parameters": {"Mode": ("a",)}}, "parameter 'Mode' must have a tuple"),
        ({"parameters": {"mode": ("a",)}}, r"at .*test_registry\.py:\d+ takes no argument 'mode'"),
    ],
)
def test_a_declaration_that_is_none(changes: dict[str, Any], message: str) -> None:
    before = dict(all_perturbers())
    with pytest.raises(OodropError, match=rf"perturber 'lexical\.nothing'.*{message}"):
        perturber("lexical.nothing", **{"evidence": "proved", **changes})(nothing)
    assert dict(all_perturbers()) == before


HALF = PLUGIN.format(name="lexical.half") + "\nraise LookupError('no data')\n"


def test_nothing_stays_of_a_plugin_that_fails_halfway(tmp_path: Path) -> None:
    path = tmp_path / "half.py"
    path.write_text(HALF)
    before = dict(all_perturbers())
    with pytest.raises(RunError, match=r"half\.py failed to load: LookupError: no data"):
        load_plugin(path)
    assert dict(all_perturbers()) == before


def test_a_failing_entry_point_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = _with_entry_points(monkeypatch, tmp_path, HALF, "plugin_of_halves")
    for _ in range(2):
        (failed,) = registry.skip_failing_plugins().items()
        assert failed[0] == "entry point 'plugin_of_halves' (plugin_of_halves)"
        assert failed[1].endswith("failed to load: LookupError: no data")
    assert "lexical.half" not in load()  # type: ignore[operator]
    assert "lexical.keyboard_typo" in load()  # type: ignore[operator]


def test_plugins_are_skipped_or_stop(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(PLUGIN.format(name="lexical.good"))
    bad.write_text(HALF)
    with pytest.raises(RunError, match=r"bad\.py failed to load"):
        registry.load_plugins([bad, good])
    assert "lexical.good" not in all_perturbers()
    assert list(registry.load_plugins([bad, good], skip=True)) == [f"plugin {bad}"]
    assert "lexical.good" in all_perturbers()
    assert "lexical.half" not in all_perturbers()


GREEDY = '''
import random
import numpy as np
from oodrop.perturbers import Replace, perturber

@perturber("lexical.greedy", evidence="checked")
def greedy(item, rng):
    """It draws from a generator that is not its own."""
    return [Replace("question", 0, "", "x" * int(2 + {call}))]
'''


@pytest.mark.parametrize("call", ["random.random()", "np.random.rand()", "(random.seed(1) or 1)"])
def test_a_plugin_that_draws_from_a_global_generator(tmp_path: Path, item: Item, call: str) -> None:
    path = tmp_path / "greedy.py"
    path.write_text(GREEDY.format(call=call))
    load_plugin(path)
    with pytest.raises(
        RunError, match=r"perturber lexical\.greedy drew from a global generator on item item-1"
    ):
        perturb(item, Variant("lexical.greedy"))

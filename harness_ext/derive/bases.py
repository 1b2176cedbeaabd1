"""Tasks of lm-eval as bases of variants: found by name, group, tag or pattern, and loaded.

Found by `expand`, loaded by `load_base`; what a task needs to be found again without reading the
thousands of files of the index is its `source`.
"""

from __future__ import annotations

import ast
import fnmatch
import logging
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import jinja2
import lm_eval.tasks
import numpy as np
import yaml
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._index import Entry, Kind, TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import env as jinja_env

from oodrop import DataError, OodropError, UnknownNameError
from oodrop.harness_ext.derive.localdata import local_splits
from oodrop.tasks import tasks_dir

Config = Mapping[str, Any]
_HOMES: Mapping[str, Path] = {
    "lm_eval": Path(lm_eval.tasks.__file__).parent,
    "oodrop": tasks_dir() / "general" / "lm_eval",
}
_STRUCTURE = ("class", "tag", "group", "task_list", "include")  # of no meaning to a task object


class NotDerivableError(OodropError):
    """A task that cannot be perturbed faithfully; the message says why."""


@cache
def index() -> Mapping[str, Entry]:
    """Every task, group and tag of lm-eval and of the general set by name; takes 20 seconds."""
    with _quiet_index():
        found = TaskIndex.build([home for home in _HOMES.values() if home.is_dir()])
    return {n: e for n, e in found.items() if not n.startswith("oodrop_")}


@contextmanager
def _quiet_index() -> Iterator[None]:
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def expand(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each name, group, tag or pattern with the tasks that it stands for, in their order.

    Raises:
        UnknownNameError: for a name that is none of them.
        DataError: for a pattern that nothing matches.
    """
    return {name: _leaves_of(name) for name in names}


def _leaves_of(name: str) -> tuple[str, ...]:
    known = index()
    if any(sign in name for sign in "*?["):
        chosen = [n for n in fnmatch.filter(known, name) if known[n].kind is not Kind.TAG]
        if not chosen:
            raise DataError(f"no task of lm-eval matches {name!r}")
    elif name in known:
        chosen = [name]
    else:
        raise UnknownNameError("task", name, _near(name, known))
    return tuple(dict.fromkeys(leaf for n in chosen for leaf in _leaves(known, n, ())))


def _near(name: str, known: Mapping[str, Entry]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=8, cutoff=0.4)


def _leaves(known: Mapping[str, Entry], name: str, above: tuple[str, ...]) -> Iterator[str]:
    entry = known.get(name)
    if entry is None or name in above:
        return
    if entry.kind is Kind.TAG:
        for member in sorted(entry.tags):
            yield from _leaves(known, member, (*above, name))
    elif entry.kind is Kind.GROUP:
        members = (entry.cfg or {}).get("task") or []
        for member in [members] if isinstance(members, str) else members:
            yield from _leaves(known, _member_name(member), (*above, name))
    else:
        yield name


def _member_name(member: Any) -> str:
    """Of a group's member; one that the group changes is the group's own and has no name."""
    if isinstance(member, str):
        return member
    if isinstance(member, Mapping) and set(member) <= {"task", "group", "task_alias"}:
        return str(member.get("group") or member.get("task"))
    return ""


def source_of(name: str) -> str:
    """Where a task's YAML is, in a form that is the same on every machine.

    Raises:
        UnknownNameError: when there is no such task.
    """
    entry = index().get(name)
    if entry is None or entry.yaml_path is None:
        raise UnknownNameError("task", name, _near(name, index()))
    path = entry.yaml_path.resolve()
    for home, folder in _HOMES.items():
        if path.is_relative_to(folder.resolve()):
            return f"{home}:{path.relative_to(folder.resolve()).as_posix()}"
    return str(path)


def read_config(name: str, source: str) -> dict[str, Any]:
    """The configuration of a task with its functions, less what only the index needs.

    Raises:
        DataError: when the source is not there, is not readable, or holds another task.
        NotDerivableError: when it imports a package that is not installed.
    """
    home, _, inside = source.partition(":")
    path = _HOMES[home] / inside if home in _HOMES else Path(source)
    if home in _HOMES and ".." in Path(inside).parts:
        raise DataError(f"task {name}: the source {source!r} leaves its folder")
    if not path.is_file():
        raise DataError(
            f"task {name}: its file {source} is not there in lm-eval {lm_eval.__version__}"
        )
    _forget_modules(path.parent)
    try:
        config: dict[str, Any] = load_yaml(path, resolve_func=True)
    except (ImportError, AssertionError) as error:  # lm-eval asserts versions
        raise NotDerivableError(f"it needs a package that is not installed ({error})") from None
    except Exception as error:  # a task's own Python may fail in any way when it is imported
        raise DataError(
            f"task {name}: {source} cannot be read: {type(error).__name__}: {error}"
        ) from None
    if config.get("task") != name:
        raise DataError(f"{source} holds the task {config.get('task')!r}, not {name!r}")
    return config


def _forget_modules(folder: Path) -> None:
    """Load a task's module anew: some draw from a generator of theirs that goes on with each use.

    lm-eval keeps one module for all tasks of a folder, so that what a task's documents are would
    depend on which others were made before it.
    """
    home = _HOMES["lm_eval"].resolve()
    if folder.resolve().is_relative_to(home):
        inside = ".".join(folder.resolve().relative_to(home).parts)
        for name in [n for n in sys.modules if n.startswith(f"lm_eval.tasks.{inside}.")]:
            del sys.modules[name]


@contextmanager
def _own_generators() -> Iterator[None]:
    """While it lasts the process-wide generators stand at a fixed place; then where they were.

    Some tasks shuffle their options with them whenever their documents are asked for.
    """
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  # the global one is meant
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


@cache
def _refusals() -> Mapping[str, str]:
    text = (Path(__file__).parent / "refused.yaml").read_text("utf-8")
    return {pattern: row["why"] for row in yaml.safe_load(text) for pattern in row["tasks"]}


def refused_by_name(name: str) -> None:
    """Tasks whose very form is what they ask about; no program sees that in their data.

    Raises:
        NotDerivableError: for one of them, saying why.
    """
    for pattern, why in _refusals().items():
        if fnmatch.fnmatchcase(name, pattern):
            raise NotDerivableError(why)


def base_class(config: Config) -> type[ConfigurableTask]:
    """The class that lm-eval makes the task of.

    Raises:
        NotDerivableError: for one that is no ConfigurableTask.
    """
    kind = config.get("class", ConfigurableTask)
    if not (isinstance(kind, type) and issubclass(kind, ConfigurableTask)):
        raise NotDerivableError("it is made by Python code that does not build on ConfigurableTask")
    return kind


def plain_config(config: Config) -> dict[str, Any]:
    """What the constructor of a task takes."""
    return {key: value for key, value in config.items() if key not in _STRUCTURE}


def fetch(task: ConfigurableTask, name: str, config: Config) -> Any:
    """The splits of a task's data: a local file that the user named, or what lm-eval loads.

    Raises:
        DataError: when they can be had nowhere; the message says how to name a local copy.
    """
    own = config.get("test_split") or config.get("validation_split")
    evaluated = own or ("test" if task.has_test_docs() else "validation")
    names = [name, *_dataset_names(task, config)]
    local = local_splits(names, str(evaluated))
    if local is not None:
        return local
    try:
        with _quiet_index():
            ConfigurableTask.download(task, config.get("dataset_kwargs"))
    except Exception as error:  # the hub, the network and loading scripts fail in many ways
        raise DataError(
            f"the data of task {name} ({names[-1]}) cannot be loaded "
            f"({type(error).__name__}: {error!s:.100}); a local copy is named by "
            f"--data {name}=PATH"
        ) from None
    return task.dataset


def _dataset_names(task: ConfigurableTask, config: Config) -> list[str]:
    path = config.get("dataset_path") or task.DATASET_PATH
    part = config.get("dataset_name") or task.DATASET_NAME
    found = [f"{path}:{part}"] if path and part else []
    return [*found, str(path)] if path else []


_FETCHED: dict[tuple[str, str], Any] = {}


def make_task(
    name: str, config: Config, kind: type[ConfigurableTask], source: str
) -> ConfigurableTask:
    """A task object of the class, on data that are fetched once per process.

    Raises:
        DataError: as `fetch`, and when a document lacks a field that the task needs.
    """

    def download(self: ConfigurableTask, *args: Any, **kwargs: Any) -> None:
        if (name, source) not in _FETCHED:
            _FETCHED[name, source] = fetch(self, name, config)
        self.dataset = _FETCHED[name, source]

    made = type(kind.__name__, (kind,), {"download": download})
    with told_plainly(name), _own_generators():
        task: ConfigurableTask = made(config=plain_config(config))
    _compile_templates(task)
    return task


def _compile_templates(task: ConfigurableTask) -> None:
    """Templates as functions that do what lm-eval 0.4.13 does, which compiles them per document."""
    config, has_choices = task.config, task.config.doc_to_choice is not None
    for key, read in (("text", _number), ("target", _number_or_list), ("choice", ast.literal_eval)):
        source = getattr(config, f"doc_to_{key}")
        if isinstance(source, str) and source not in task.features and task.prompt is None:
            template = jinja_env.from_string(source)

            def rendered(
                doc: Mapping[str, Any],
                template: jinja2.Template = template,
                read: Callable[..., Any] = read,
                key: str = key,
            ) -> Any:
                text = template.render(**doc)
                return read(text) if key == "choice" else read(text, has_choices)

            setattr(config, f"doc_to_{key}", rendered)


def _number(text: str, has_choices: bool) -> Any:
    return ast.literal_eval(text) if text.isdigit() and has_choices else text


def _number_or_list(text: str, has_choices: bool) -> Any:
    if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text
    return _number(text, has_choices)


def forget_data() -> None:
    """Fetch anew what is asked for next: after another local copy was named."""
    _FETCHED.clear()


@contextmanager
def told_plainly(name: str) -> Iterator[None]:
    """What a task's own templates and functions raise on its data, as one sentence.

    Raises:
        DataError: in place of any other exception.
    """
    try:
        yield
    except OodropError:
        raise
    except (KeyError, jinja2.UndefinedError) as error:
        raise DataError(f"task {name}: its data lack a field that it needs: {error}") from None
    except Exception as error:  # whatever a task's own code raises
        raise DataError(
            f"task {name} does not work on its data: {type(error).__name__}: {error!s:.200}"
        ) from None


def plain_docs(docs: datasets.Dataset | Sequence[Any]) -> list[dict[str, Any]]:
    """Documents as plain objects.

    Raises:
        NotDerivableError: when they are no mappings.
    """
    found = list(docs)
    if not all(isinstance(doc, dict) for doc in found):
        raise NotDerivableError("its documents have no named fields")
    return found

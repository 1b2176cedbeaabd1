"""Other libraries' perturbations, called as their users call them, for the same documents."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Augment = Callable[[str], str]
# 2,400 documents of 283 characters, one process, measured before this project began.
HELM_MISSPELLING = 242.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One perturbation of another library.

    Attributes:
        library: the library's name; ``package`` is what is installed, ``module`` what is imported.
        name: the perturbation's name there.
        against: slug of our variant that does the same.
        settings: what it is called with, given the share of all words that it should edit.
        make: from these settings to the call; None where this bench does not call the library.
        note: what to say where it is not installed.
    """

    library: str
    package: str
    module: str
    name: str
    against: str | None
    settings: Callable[[float], Mapping[str, Any]] = lambda share: {}
    make: Callable[[Mapping[str, Any]], Augment] | None = None
    note: str = "not installed"

    def missing(self) -> str:
        """Why it cannot be measured, "" where it can."""
        if find_spec(self.module) is None:
            return self.note
        return "" if self.make else "installed, but this bench does not call it"


def _nlpaug(
    module: str, name: str, against: str, share: str = "aug_word_p", **settings: Any
) -> Peer:
    def make(chosen: Mapping[str, Any]) -> Augment:
        augmenter = getattr(import_module(f"nlpaug.augmenter.{module}"), name)(**chosen)

        def augment(text: str) -> str:
            result = augmenter.augment(text)
            return str(result[0]) if result else ""

        return augment

    return Peer(
        "nlpaug",
        "nlpaug",
        "nlpaug",
        f"{name}({settings['action']})" if "action" in settings else name,
        against,
        lambda value: {**settings, share: round(value, 4)},
        make,
    )


def _helm_misspelling(chosen: Mapping[str, Any]) -> Augment:
    module = import_module("helm.benchmark.augmentations.misspelling_perturbation")
    perturbation = module.MisspellingPerturbation(**chosen)
    generator = random.Random(0)
    return lambda text: str(perturbation.perturb(text, generator))


_ONE_LETTER: Mapping[str, Any] = {"aug_char_min": 1, "aug_char_max": 1, "min_char": 4}

PEERS: tuple[Peer, ...] = (
    _nlpaug("char", "KeyboardAug", "lexical_keyboard_typo_s2", **_ONE_LETTER),
    _nlpaug("char", "OcrAug", "lexical_ocr_noise_s2", **_ONE_LETTER),
    _nlpaug("word", "SpellingAug", "lexical_misspelling_s2", "aug_p"),
    *(
        _nlpaug("char", "RandomCharAug", f"lexical_char_edit_{a}_s2", action=a, **_ONE_LETTER)
        for a in ("swap", "insert", "delete")
    ),
    _nlpaug("word", "SplitAug", "lexical_nlpaug_split_s2", "aug_p"),
    Peer(
        "HELM",
        "crfm-helm",
        "helm",
        "MisspellingPerturbation",
        "lexical_misspelling_s2",
        lambda share: {"prob": 0.1},  # of the words that it knows, as our severity 2
        _helm_misspelling,
        f"not installed; measured earlier at {HELM_MISSPELLING:.0f} documents/s on 2,400 documents "
        "of 283 characters in one process (field notes, part 2)",
    ),
    Peer("TextAttack", "textattack", "textattack", "Augmenter", None),
    Peer("NL-Augmenter", "nlaugmenter", "nlaugmenter", "ButterFingersPerturbation", None),
)

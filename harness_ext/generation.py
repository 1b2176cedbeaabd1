"""How replies are generated: a preset or settings of one's own, checked before anything is loaded.

They are laid over what the task's YAML says (``generation_kwargs``), as lm-eval's ``--gen_kwargs``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oodrop import DataError, UnknownNameError

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # What the model cards of the published procedural checkpoints used.
    "card": {"do_sample": False, "max_gen_toks": 256},
    # As RLPR's figures were made (arXiv 2506.18254), each of them a mean over several replies.
    "rlpr": {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "max_gen_toks": 3072},
}

# lm-eval 0.4.13 reads these too, but the task says max_gen_toks, and that would win in silence.
_SAME_AS_MAX_GEN_TOKS = ("max_new_tokens", "max_tokens", "max_completion_tokens")
_ONLY_SAMPLED = ("temperature", "top_p", "top_k", "min_p")


def generation_settings(preset: str | None, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What replaces the task's own settings; empty where nothing does.

    Args:
        preset: a name in `PRESETS`, or None.
        given: settings of one's own, under lm-eval's names.
        where: what an error begins with.

    Raises:
        UnknownNameError: for a preset that does not exist.
        DataError: for both at once, a setting that is unknown or of the wrong kind, and settings
            that contradict one another.
    """
    if preset is None:
        _check_each(given, where)
        _check_together(given, where)
        return dict(given)
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    if given:
        raise DataError(
            f"{where}: the preset {preset!r} decides how replies are generated, so gen_kwargs must "
            f"not set {', '.join(map(str, given))}"
        )
    return dict(PRESETS[preset])


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _stops(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and text for text in value)


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "do_sample": (lambda value: isinstance(value, bool), "true or false"),
    "max_gen_toks": (_whole(1), "a whole number from 1"),
    "min_p": (_number(0.0, 1.0), "a number from 0 to 1"),
    "repetition_penalty": (_number(0.01, 100.0), "a number from 0.01 to 100"),
    "temperature": (_number(0.0, 100.0), "a number from 0 to 100"),
    "top_k": (_whole(0), "a whole number from 0"),
    "top_p": (_number(0.0, 1.0), "a number from 0 to 1"),
    "until": (_stops, "a list of texts"),
}


def _check_each(given: Mapping[str, Any], where: str) -> None:
    for key, value in given.items():
        if key in _SAME_AS_MAX_GEN_TOKS:
            raise DataError(f"{where}: in gen_kwargs {key!r} must be called 'max_gen_toks'")
        if key not in _KINDS:
            allowed = ", ".join(_KINDS)
            raise DataError(f"{where}: unknown key {key!r} in gen_kwargs; allowed: {allowed}")
        fits, wanted = _KINDS[key]
        if not fits(value):
            raise DataError(f"{where}: in gen_kwargs {key!r} must be {wanted}, got {value!r:.60}")


def _check_together(given: Mapping[str, Any], where: str) -> None:
    if given.get("do_sample", False):
        if not given.get("temperature"):  # lm-eval 0.4.13 would ask for 0 where none is given
            raise DataError(f"{where}: in gen_kwargs do_sample=true needs a temperature above 0")
        return
    for key in _ONLY_SAMPLED:
        if key in given and (key, given[key]) != ("temperature", 0):
            raise DataError(
                f"{where}: in gen_kwargs {key}={given[key]} contradicts greedy decoding; "
                "add do_sample=true or leave it out"
            )

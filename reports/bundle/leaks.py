"""What must not leave the machine: secrets and absolute paths, hidden or found."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from oodrop import DataError
from oodrop.reports.redaction import (
    HIDDEN,
    is_secret,
    known_secrets,
    redacted,
    secrets_in,
    without_folders,
    without_secrets,
)

# What services hand out: it tells itself, under whatever key it stands.
_KEY_SHAPES = (
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{30,}|xox[abprs]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16}"
    r"|AIza[A-Za-z0-9_-]{30,})|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_KEY_STARTS = (
    b"hf_", b"sk-", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"xox", b"AKIA",
    b"AIza", b"-----BEGIN ",
)  # fmt: skip
_HOME = re.compile(r"(?:/home|/Users|[A-Za-z]:\\Users)[\\/][^\\/\s,\"']+")
_HOME_ALONE = re.compile(_HOME.pattern + r"(?=[\\/]*(?:[,\"'\s]|$))")
_TAIL = r"[^\s\"'`,;:()\[\]{}<>|]*"
# A text that is a path as a whole, of any machine; `org/model` is none.
_WHOLE = re.compile(
    r"(?:file://)?(?:[A-Za-z]:[\\/]|~[\\/]|\\\\[\w.-]+\\|/)[^\n\"'<>|{}]*[\\/][^\n]*"
)
# A path within a text, below a folder that machines have.
_WITHIN = re.compile(
    r"(?<![\w.:/\\<-])(?:file://)?(?:/(?:home|Users|root|tmp|var|mnt|media|data|opt|srv|scratch"
    r"|workspace|work|private|Volumes|usr|gpfs|lustre|nfs)/|[A-Za-z]:\\(?:Users|home)\\|~/)"
    r"[^\s\"'`,;:()\[\]{}<>|/\\]" + _TAIL
)
_ARGUMENTS = ("model_args", "gen_kwargs")
# Around a folder, also where JSON has an escape before it: `home/work` does not hold `/work`.
_START = r"(?:(?<![\w.~/-])|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"
_END = r"(?![\w-])"
_KEPT_LINES = re.compile(r"^(PyTorch version|Python version): ([\w.+-]{1,40})", re.MULTILINE)


@dataclass(frozen=True)
class Leaks:
    """The secrets and folders of one run; `counts` grows as values are hidden.

    Attributes:
        secrets: longest first.
        folders: absolute paths that tell of the machine, none of them in another.
        counts: kind -> how many values were hidden.
    """

    secrets: tuple[str, ...]
    folders: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)

    def hidden(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """The content of a results file without secrets and paths.

        Raises:
            RecursionError: when it is nested too deeply.
        """
        found: dict[str, Any] = self._value("", results, inside=False)
        if "model_name_sanitized" in found:  # lm-eval made it from the path
            name = str(found.get("model_name") or "")
            found["model_name_sanitized"] = re.sub(r"[\"<>:/|\\?*\[\]]+", "__", name)
        return found

    def text(self, text: str) -> str:
        """A text without secrets and paths."""
        found = self._counted("secrets", text, self._without_secrets(text))
        return self._counted("paths", found, self._without_paths(found))

    def in_bytes(self, data: bytes) -> str:
        """Which kind of leak there is in some bytes of JSON, HTML or text; "" where there is none.

        Paths are looked for by the folders of this run alone: a question may speak of any other.
        """
        if not any(hint in data for hint in self._hints):
            return ""
        if self._secret_bytes.search(data):
            return "a secret"
        return "a path of the machine" if self._folder_bytes.search(data) else ""

    @cached_property
    def _secret_bytes(self) -> re.Pattern[bytes]:
        return _pattern(self.secrets, more=_KEY_SHAPES)

    @cached_property
    def _folder_bytes(self) -> re.Pattern[bytes]:
        return _pattern(self.folders, before=_START, after=_END)

    @cached_property
    def _folder_texts(self) -> re.Pattern[str]:
        listed = "|".join(map(re.escape, self.folders))
        return re.compile(f"{_START}(?:{listed}){_END}{_TAIL}" if listed else r"(?!)")

    @cached_property
    def _hints(self) -> tuple[bytes, ...]:
        """What a line without any leak hardly ever holds, found much faster than a pattern."""
        return (*_KEY_STARTS, *_forms(self.secrets), *_forms(self.folders))

    def _value(self, key: str, value: Any, *, inside: bool) -> Any:
        """`inside` the run's own arguments every text may hold ``api_key=…``."""
        if is_secret(key, value):
            self.counts["secrets"] += value != HIDDEN
            return HIDDEN
        if isinstance(value, dict):
            below = inside or key == "config"
            found = {self.text(k): self._value(k, v, inside=below) for k, v in value.items()}
            if len(found) < len(value):
                raise DataError("two names in a results file are the same without their paths")
            return found
        if isinstance(value, list):
            return [self._value("", v, inside=inside) for v in value]
        if not isinstance(value, str):
            return value
        if key == "pretty_env_info":
            self.counts["machine"] += 1
            return "\n".join(f"{name}: {version}" for name, version in _KEPT_LINES.findall(value))
        if inside or key == "model_args":
            value = self._counted("secrets", value, without_secrets(value))
            value = self._counted("paths", value, without_folders(_HOME_ALONE.sub(HIDDEN, value)))
        return self.text(value)

    def _without_secrets(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        text = re.sub(_KEY_SHAPES, HIDDEN, text)
        (found,) = redacted({"": text}).values()  # user and query of an address
        return str(found)

    def _without_paths(self, text: str) -> str:
        found = _last(text) if _WHOLE.fullmatch(text) else text
        found = self._folder_texts.sub(_last_of, found)
        return _WITHIN.sub(_last_of, found)

    def _counted(self, kind: str, before: str, after: str) -> str:
        self.counts[kind] += before != after
        return after


def _pattern(
    values: Iterable[str], *, before: str = "", after: str = "", more: str = ""
) -> re.Pattern[bytes]:
    """A pattern that finds the values as they are, and as JSON writes them."""
    forms = _forms(values)
    listed = b"|".join(map(re.escape, forms))
    found = before.encode() + b"(?:" + listed + b")" + after.encode() if forms else b""
    return re.compile(b"|".join(part for part in (found, more.encode()) if part) or rb"(?!)")


def _forms(values: Iterable[str]) -> tuple[bytes, ...]:
    """Values as they are and as JSON writes them."""
    forms = (
        form
        for value in values
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    )
    return tuple(dict.fromkeys(form.encode("utf-8", "replace") for form in forms))


def _last_of(match: re.Match[str]) -> str:
    return _last(match.group())


def _last(path: str) -> str:
    """Of a path the last part alone; of a home folder, which is a person's name, nothing."""
    if _HOME.fullmatch(path.rstrip("\\/")) or path.rstrip("\\/") == str(Path.home()):
        return HIDDEN
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or HIDDEN


def leaks_of(run: Path, contents: Iterable[Mapping[str, Any]]) -> Leaks:
    """What a run must not give away.

    Args:
        run: its folder.
        contents: of its results files.

    Raises:
        RecursionError: when one is nested too deeply.
    """
    secrets, folders = set(known_secrets({})), set(_of_this_machine(run))
    for content in contents:
        for key, value in _texts("", content):
            if is_secret(key, value):
                secrets |= set(known_secrets({key: value}))
            elif isinstance(value, str):
                secrets |= set(known_secrets({"": value}))
                if key in _ARGUMENTS:
                    parts = dict(part.partition("=")[::2] for part in value.split(","))
                    secrets |= {*secrets_in(value), *known_secrets(parts)}
                folders |= set(_folders_in(key, value))
    longest_first = tuple(sorted(secrets, key=lambda secret: (-len(secret), secret)))
    return Leaks(longest_first, tuple(_outermost(folders)))


def _outermost(folders: set[str]) -> Iterator[str]:
    """Folders that are in no other one: whoever finds these finds all."""
    for folder in sorted(folders):
        if not any(str(parent) in folders for parent in PurePath(folder).parents):
            yield folder


def _of_this_machine(run: Path) -> Iterator[str]:
    home = Path.home()
    for folder in (home, Path.cwd(), run.resolve(), Path(__file__).resolve().parents[2]):
        # A question may well speak of `/data`; the home folder is `/` or `/root` on some machines.
        if len(folder.parts) > (1 if folder == home else 2):
            yield str(folder)


def _texts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value under its key, down to the texts."""
    yield key, value
    if isinstance(value, dict):
        for k, v in value.items():
            yield from _texts(k, v)
    elif isinstance(value, list):
        for v in value:
            yield from _texts("", v)


def _folders_in(key: str, text: str) -> Iterator[str]:
    """Absolute paths in a setting, which say where models and tasks lie on the machine."""
    arguments = text.split(",") if key in _ARGUMENTS else [text]
    for argument in arguments:
        value = argument.partition("=")[2] if "=" in argument else argument
        whole = value.strip("\"' ").removeprefix("file://").rstrip("\\/")
        if key == "config_source":  # a file in a folder of many
            whole = re.sub(r"[\\/][^\\/]*$", "", whole)
        if _WHOLE.fullmatch(whole) and len(re.split(r"[\\/]+", whole)) > 2:
            yield whole
        if home := _HOME.match(whole):
            yield home.group()


def check_lines(path: Path, leaks: Leaks, what: str) -> None:
    """Look for leaks in a file of which no byte may be changed.

    Raises:
        DataError: naming the line.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if found := leaks.in_bytes(line):
                raise DataError(
                    f"{path}, line {number}: {what} holds {found}; it cannot be hidden there, "
                    "because a changed row could no longer be verified"
                )

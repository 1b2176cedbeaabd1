"""Text from models and files, made safe to look at: what would be invisible becomes a symbol."""

from __future__ import annotations

import re

# Controls, bidi and zero-width marks, invisible letters and tags, lone surrogates, noncharacters.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0"
    r"\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_C0 = str.split(
    "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI "
    "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
)
_BREAKS = re.compile(r"[\n\t]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with controls, bidi marks and other hidden characters shown as symbols.

    C0 controls become their names, as in ``⟨ESC⟩``, all others their codes, as in ``⟨U+202E⟩``:
    few fonts hold the control pictures. Newlines and tabs stay. The result can always be encoded
    as UTF-8.
    """
    return _HIDDEN.sub(_symbol, text)


def one_line(text: str) -> str:
    """`visible`, with newlines and tabs as symbols too: for names and cells."""
    return _BREAKS.sub(_symbol, visible(text))


def encodable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 cannot hold, as ``⟨U+D800⟩``; all else as it is."""
    return _SURROGATE.sub(_symbol, text)


def clip(text: str, limit: int) -> tuple[str, str, str]:
    """Head, sentence about what is left out, and tail; the last two empty where all of it fits."""
    if len(text) <= limit:
        return text, "", ""
    half = max(limit // 2, 1)
    return text[:half], left_out(len(text) - 2 * half), text[-half:]


def left_out(characters: int) -> str:
    """`… 812 characters left out here; report.json has them …`."""
    noun = "character" if characters == 1 else "characters"
    return f"\u2026 {characters:,} {noun} left out here; report.json has them \u2026"


def shorten(text: str, limit: int) -> str:
    """`one_line`, cut in the middle to at most `limit` characters: both ends tell names apart."""
    line = one_line(text)
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 2
    return f"{line[: limit - 1 - tail]}\u2026{line[len(line) - tail :]}"


def _symbol(match: re.Match[str]) -> str:
    code = ord(match.group())
    name = _C0[code] if code < len(_C0) else "DEL" if code == 0x7F else f"U+{code:04X}"
    return f"\u27e8{name}\u27e9"

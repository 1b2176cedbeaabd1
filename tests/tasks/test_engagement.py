"""What a reply shows of its reasoning: words and marks before the answer."""

from __future__ import annotations

import pytest

from oodrop.tasks.engagement import AT_ONCE, engagement


@pytest.mark.parametrize(
    ("reply", "start", "expected"),
    [
        ("5", 0, (1, 0, 1, 0)),
        ("So, 5", 4, (1, 2, 1, 0)),
        ("a " * (AT_ONCE - 1) + "5", 2 * (AT_ONCE - 1), (1, AT_ONCE - 1, 1, 0)),
        ("a " * AT_ONCE + "5", 2 * AT_ONCE, (1, AT_ONCE, 0, 0)),
        ("It is not clear.", None, (0, 5, 0, 0)),
        ("It is not", None, (0, 3, 0, 1)),
        ("", None, (0, 0, 0, 1)),
    ],
)
def test_engagement(reply: str, start: int | None, expected: tuple[int, ...]) -> None:
    found = engagement(reply, start)
    assert list(found) == ["parsed", "reasoning_tokens", "at_once", "truncated"]
    assert tuple(found.values()) == expected

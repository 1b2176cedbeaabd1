"""Token trees of branches: every shared token once."""

from __future__ import annotations

import pytest

from oodrop.harness_ext.tokentree import Branch, packed, token_tree

from .packing import requests


def paths(
    branch: Branch, before: tuple[int, ...] = ()
) -> dict[tuple[int, ...], set[tuple[int, int]]]:
    """Every path to a wanted token, with request and token."""
    here = (*before, *branch.tokens)
    found: dict[tuple[int, ...], set[tuple[int, int]]] = {}
    for w in branch.wanted:
        found.setdefault((*before, *branch.tokens[: w.offset + 1]), set()).add((w.request, w.token))
    for child in branch.children:
        for path, wanted in paths(child, here).items():
            found.setdefault(path, set()).update(wanted)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_asks_for_every_target_at_its_place_and_holds_no_token_twice(seed: int) -> None:
    asked = requests(seed, count=25)
    contexts, targets = [r[1] for r in asked], [r[2] for r in asked]
    expected: dict[tuple[int, ...], set[tuple[int, int]]] = {}
    prefixes = set()
    for number, (context, target) in enumerate(zip(contexts, targets, strict=True)):
        for k, token in enumerate(target):
            expected.setdefault((*context, *target[:k]), set()).add((number, token))
        whole = (*context, *target[:-1])
        prefixes |= {whole[:k] for k in range(1, len(whole) + 1)}
    root = token_tree(contexts, targets)
    assert paths(root) == expected
    assert root.size == len(prefixes)
    for child in root.children:
        row = packed(child)
        assert len(row.tokens) == len(row.depths) == child.size
        assert row.parents[0] == (0, len(child.tokens), -1)


def test_a_long_chain_of_prefixes_needs_no_recursion() -> None:
    chain = list(range(3_000))
    root = token_tree([chain[:k] for k in range(1, 3_000)], [[7]] * 2_999)
    assert root.size == 2_999
    assert len(packed(root.children[0]).tokens) == 2_999

"""Token trees: many sequences that share their beginnings, with each shared token held once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Wanted(NamedTuple):
    """A token whose probability somebody asks for.

    Attributes:
        offset: place in the branch after which the token would come.
        request: number of the sequence that asks.
        token: the token.
    """

    offset: int
    request: int
    token: int


@dataclass(slots=True)
class Branch:
    """A run of tokens up to the next fork.

    Attributes:
        tokens: at least one; none for the root.
        wanted: what is asked for after tokens of this run.
        children: the ways to go on.
        size: tokens of this run and of all below it.
    """

    tokens: Sequence[int]
    wanted: list[Wanted] = field(default_factory=list)
    children: list[Branch] = field(default_factory=list)
    size: int = 0


def token_tree(contexts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Branch:
    """The tree of sequences, each a context and the tokens that are asked for behind it.

    The last target of a sequence is asked for and not part of it: nothing follows it.

    Args:
        contexts: per request at least one token.
        targets: per request at least one token.

    Returns:
        The root, which has no tokens; its `size` is what a pass over the tree computes.
    """
    whole = [[*c, *t[:-1]] for c, t in zip(contexts, targets, strict=True)]
    order = sorted(range(len(whole)), key=whole.__getitem__)
    root = Branch(())
    made = [root]
    todo = [(group, 0, root) for group in _forks(order, whole, 0)]
    while todo:
        group, start, parent = todo.pop()
        first, last = whole[group[0]], whole[group[-1]]
        end = start
        while end < len(first) and first[end] == last[end]:
            end += 1
        branch = Branch(first[start:end])
        for request in group:
            behind = len(contexts[request]) - 1  # the first target comes after this token
            for place in range(max(start, behind), min(end, len(whole[request]))):
                token = targets[request][place - behind]
                branch.wanted.append(Wanted(place - start, request, token))
        parent.children.append(branch)
        made.append(branch)
        longer = [request for request in group if len(whole[request]) > end]
        todo += [(fork, end, branch) for fork in reversed(_forks(longer, whole, end))]
    for branch in reversed(made):
        branch.size = len(branch.tokens) + sum(child.size for child in branch.children)
    return root


def _forks(order: Sequence[int], whole: Sequence[Sequence[int]], place: int) -> list[list[int]]:
    """The sequences, in their order, by the token at this place."""
    groups: dict[int, list[int]] = {}
    for request in order:
        groups.setdefault(whole[request][place], []).append(request)
    return list(groups.values())


class Packed(NamedTuple):
    """A subtree in one row, parents before children.

    Attributes:
        tokens: of all its branches.
        depths: how many tokens of the subtree come before each, along its own path.
        parents: for each branch its first place, its length, and the last place of its parent
            (-1 for the first branch).
        wanted: as of the branches, with offsets into the row.
    """

    tokens: list[int]
    depths: list[int]
    parents: list[tuple[int, int, int]]
    wanted: list[Wanted]


def packed(branch: Branch) -> Packed:
    """The branch and all below it in one row."""
    row = Packed([], [], [], [])
    for current, depth, parent in _walk(branch):
        start = len(row.tokens)
        row.parents.append((start, len(current.tokens), parent))
        row.tokens.extend(current.tokens)
        row.depths.extend(range(depth, depth + len(current.tokens)))
        row.wanted.extend(w._replace(offset=start + w.offset) for w in current.wanted)
    return row


def _walk(branch: Branch) -> Iterator[tuple[Branch, int, int]]:
    """Branches before their children, with depth and the last place of the parent."""
    place = 0
    todo = [(branch, 0, -1)]
    while todo:
        current, depth, parent = todo.pop()
        yield current, depth, parent
        place += len(current.tokens)
        below = depth + len(current.tokens)
        todo += [(child, below, place - 1) for child in reversed(current.children)]

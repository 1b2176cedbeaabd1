"""Token trees in a row: nothing twice, nothing lost, every subtree in one piece."""

from __future__ import annotations

import random

import numpy as np
import pytest

from oodrop.harness_ext.packed.tokenrow import TokenRow, token_row

from .packing import requests


def path_of(row: TokenRow, place: int) -> tuple[int, ...]:
    """Tokens from the first to this one."""
    above = [k for k in range(place + 1) if row.ends[k] > place]
    assert row.depths[above].tolist() == list(range(len(above)))
    return tuple(row.tokens[above].tolist())


@pytest.mark.parametrize("seed", range(20))
def test_a_row_asks_for_every_target_at_its_place_and_holds_no_token_twice(seed: int) -> None:
    asked = requests(seed, count=25)
    contexts, targets = [r[1] for r in asked], [r[2] for r in asked]
    expected = set()
    prefixes = set()
    for number, (context, target) in enumerate(zip(contexts, targets, strict=True)):
        for k, token in enumerate(target):
            expected.add(((*context, *target[:k]), number, token))
        whole = (*context, *target[:-1])
        prefixes |= {whole[:k] for k in range(1, len(whole) + 1)}
    row = token_row(contexts, targets)
    assert {path_of(row, place) for place in range(len(row))} == prefixes
    assert len(row) == len(prefixes)
    assert row.height == max(map(len, prefixes))
    wanted = zip(row.places, row.requests, row.targets, strict=True)
    found = [(path_of(row, p), r, t) for p, r, t in wanted]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert (np.diff(row.places) >= 0).all()


def test_the_order_of_requests_does_not_matter() -> None:
    asked = requests(4)
    mixed = random.Random(1).sample(asked, len(asked))
    one = token_row([r[1] for r in asked], [r[2] for r in asked])
    other = token_row([r[1] for r in mixed], [r[2] for r in mixed])
    for name in ("tokens", "depths", "ends", "places"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_paths_and_what_leads_to_a_request(seed: int) -> None:
    asked = requests(seed, count=20)
    row = token_row([r[1] for r in asked], [r[2] for r in asked])
    rng = random.Random(seed)
    path, start = np.empty(0, dtype=np.int64), 0
    while start < len(row):
        stop = min(start + rng.randrange(1, 30), len(row))
        path, start = row.path(path, start, stop), stop
        if stop < len(row):
            assert path.tolist() == [k for k in range(stop) if row.ends[k] > stop]
    assert not len(path)
    some = np.array([rng.random() < 0.2 for _ in asked])
    places = row.places[some[row.requests]]
    expected = [bool(((places >= k) & (places < row.ends[k])).any()) for k in range(len(row))]
    assert row.leading_to(some).tolist() == expected


def test_a_long_chain_of_prefixes_is_one_path() -> None:
    chain = list(range(3_000))
    row = token_row([chain[:k] for k in range(1, 3_000)], [[7]] * 2_999)
    assert len(row) == row.height == 2_999
    assert set(row.ends.tolist()) == {2_999}


def test_no_requests_make_an_empty_row() -> None:
    row = token_row([], [])
    assert len(row) == row.height == len(row.places) == 0
    assert row.leading_to(np.zeros(0, dtype=bool)).tolist() == []

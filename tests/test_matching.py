"""Two lists of sources held against each other. Oracle: the smallest of all distances, again and again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgm_mock.matching import match_lists

PLACES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=9)


def by_brute_force(ours, theirs, radius):
    left = {
        (i, j): np.hypot(x - u, y - v)
        for i, (x, y) in enumerate(ours)
        for j, (u, v) in enumerate(theirs)
        if np.hypot(x - u, y - v) <= radius
    }
    pairs = {}
    while left:
        i, j = min(left, key=lambda pair: (left[pair], pair))
        pairs[j] = i, left[i, j]
        left = {pair: value for pair, value in left.items() if pair[0] != i and pair[1] != j}
    return pairs


@settings(deadline=None)
@given(PLACES, PLACES, st.sampled_from([0.0, 1.0, 2.5, 9.0]), st.integers(0, 9))
def test_the_nearest_come_first(ours, theirs, radius, seed):
    rng = np.random.default_rng(seed)
    ours, theirs = (
        [(x + dx, y) for (x, y), dx in zip(one, rng.normal(0, 0.3, 9), strict=False)] for one in (ours, theirs)
    )
    found = match_lists(ours, theirs, radius)
    expected = by_brute_force(ours, theirs, radius)
    assert {int(j): int(i) for i, j in found.pairs} == {j: i for j, (i, _) in expected.items()}
    assert list(found.distances) == pytest.approx([expected[j][1] for j in sorted(expected)])
    assert sorted([*found.pairs[:, 0], *found.new]) == list(range(len(ours)))
    assert sorted([*found.pairs[:, 1], *found.missing]) == list(range(len(theirs)))


def test_two_at_one_place_belong_together():
    """The least sum of distances, with two pairs, would take ours 0 for theirs 1."""
    found = match_lists([(0, 0), (-3, 0)], [(0, 0), (2, 0)], 3.0)
    assert found.pairs.tolist() == [[0, 0]]
    assert found.new.tolist() == found.missing.tolist() == [1]


def test_what_has_no_position_has_no_partner():
    found = match_lists([(np.nan, 1.0), (1.0, 1.0)], [(np.nan, 1.0), (1.0, np.inf), (1.5, 1.0)], 2.0)
    assert found.pairs.tolist() == [[1, 2]]
    assert found.new.tolist() == [0]
    assert found.missing.tolist() == [0, 1]


def test_in_words():
    theirs = [(10.0 * n, 0.0) for n in range(9)]
    ours = [(0.0, 0.0), (10.0, 2.5), (20.0, 1.5), (500.0, 0.0)]
    found = match_lists(ours, theirs[:4], 3.0)
    assert found.in_words("abcd") == "3 of 4 listed sources found, 1 missing (d), 1 new; 1 moved by more than 2 pixels"
    assert found.in_words(moved=1.0) == "3 of 4 listed sources found, 1 missing, 1 new; 2 moved by more than 1 pixels"
    assert "6 missing (d, e, f, g, h, 1 more), 1 new" in match_lists(ours, theirs, 3.0).in_words("abcdefghi")
    assert match_lists([], [], 3.0).in_words().startswith("0 of 0 listed sources found, 0 missing, 0 new")

"""Two lists of sources held against each other: which entries are the same source."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_MOST_NAMES = 5


class Matches(NamedTuple):
    """Which entries of two lists, ours and theirs, are the same source. All indices are from 0.

    Attributes:
        pairs: indices of ours and of theirs, in the order of theirs; each index stands at most once.
        distances: of the two entries of each pair [pixels].
        new: indices of ours without a partner.
        missing: indices of theirs without a partner.
    """

    pairs: Int[np.ndarray, "k 2"]
    distances: Float[np.ndarray, " k"]
    new: Int[np.ndarray, " n"]
    missing: Int[np.ndarray, " m"]

    def in_words(self, names: Sequence[str] = (), moved: float = 2.0) -> str:
        """Say how many of their sources were found, which are missing, and how many of ours are new.

        Args:
            names: of all of theirs; those that are missing are named, the first five of many.
            moved: a source that was found farther away than this is counted as moved [pixels].
        """
        listed = len(self.pairs) + len(self.missing)
        named = [names[number] for number in self.missing[:_MOST_NAMES]] if names else []
        more = [f"{len(self.missing) - _MOST_NAMES} more"] if named and len(self.missing) > _MOST_NAMES else []
        which = f" ({', '.join([*named, *more])})" if named else ""
        far = int((self.distances > moved).sum())
        return (
            f"{len(self.pairs)} of {listed} listed sources found, {len(self.missing)} missing{which}, "
            f"{len(self.new)} new; {far} moved by more than {moved:g} pixels"
        )


def match_lists(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]], radius: float) -> Matches:
    """Pair the entries of two lists one to one, the nearest two first.

    Of all pairs no farther apart than `radius` the closest is made, then the closest of what is left, and so on; of
    pairs of one distance that with the lower index in ours, then in theirs. So two entries at one place are always the
    same source, whatever else is near. An assignment with the least sum of distances would tear such a pair apart where
    that gives one more entry a partner, and counts as moved what has not moved.

    Args:
        ours, theirs: positions (x, y) [pixels]; one that is not finite has no partner.
        radius: the largest distance of a pair [pixels].
    """
    from scipy.spatial import cKDTree

    places = [np.asarray(one, float).reshape(-1, 2) for one in (ours, theirs)]
    known = [np.flatnonzero(np.isfinite(one).all(axis=1)) for one in places]
    trees = [cKDTree(one[index]) for one, index in zip(places, known, strict=True)]
    near = trees[0].sparse_distance_matrix(trees[1], radius, output_type="ndarray")
    mine, other, distance = known[0][near["i"]], known[1][near["j"]], near["v"]
    partner = np.full(len(places[1]), -1)
    apart = np.full(len(places[1]), np.nan)
    taken = np.zeros(len(places[0]), bool)
    for place in np.lexsort((other, mine, distance)):
        if not taken[mine[place]] and partner[other[place]] < 0:
            taken[mine[place]] = True
            partner[other[place]], apart[other[place]] = mine[place], distance[place]
    found = np.flatnonzero(partner >= 0)
    pairs = np.stack([partner[found], found], axis=1)
    return Matches(pairs, apart[found], np.flatnonzero(~taken), np.flatnonzero(partner < 0))

"""Are ranks uniform? Tests of numbers that should be uniform between 0 and 1.

The rank of the truth among the draws of a posterior, divided by their number (or the posterior's probability below the
truth), is uniform if the posterior is right (Talts et al. 2018). Four tests see different faults:

- `ecdf`: the largest departure of the empirical distribution function, against a simultaneous band (Säilynoja, Bürkner
  & Vehtari 2022), whose level is found by simulation;
- `chi_square`: of the rank histogram;
- `location` and `dispersion`: mean and mean square of the normal scores, which are standard normal where the ranks are
  uniform; the second is by far the most sensitive to a posterior that is too narrow or too wide.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

BINS = 20
TESTS = ("ecdf", "chi_square", "location", "dispersion")
_NULL_DRAWS = 20_000
_MOST_POINTS = 200


class Uniformity(NamedTuple):
    """Results of the tests; each p-value is two-sided.

    Attributes:
        p_values: of each of `TESTS`, and of `ks`, Kolmogorov and Smirnov's, which repeats `ecdf` with less power.
        location: mean of the normal scores; positive where the truth lies high in the posterior.
        dispersion: root mean square of the normal scores; above 1 where the posterior is too narrow.
    """

    p_values: dict[str, float]
    location: float
    dispersion: float


def uniformity(ranks: Float[np.ndarray, " n"], resolution: float = 0.0) -> Uniformity:
    """Test whether ranks are uniform.

    Args:
        ranks: between 0 and 1.
        resolution: of the ranks, 1 / number of independent draws: no rank is taken closer to 0 or 1 than half of it.
    """
    n = len(ranks)
    edge = max(0.5 * resolution, 1e-12)
    scores = stats.norm.ppf(np.clip(ranks, edge, 1.0 - edge))
    located, square = float(scores.mean()), float(np.mean(scores**2))
    below = stats.chi2.cdf(n * square, n)
    histogram = np.histogram(ranks, bins=BINS, range=(0, 1))[0]
    p_values = {
        "ecdf": ecdf_p_value(ranks),
        "chi_square": float(stats.chisquare(histogram).pvalue),
        "location": float(2.0 * stats.norm.sf(abs(located) * np.sqrt(n))),
        "dispersion": float(2.0 * min(below, stats.chi2.sf(n * square, n))),
        "ks": float(stats.kstest(ranks, "uniform").pvalue),
    }
    return Uniformity(p_values, located, float(np.sqrt(square)))


def points(n: int) -> Float[np.ndarray, " k"]:
    """Where the distribution function of n ranks is compared with the diagonal."""
    number = min(n, _MOST_POINTS)
    return np.arange(1, number) / number


def ecdf_p_value(ranks: Float[np.ndarray, " n"]) -> float:
    """Probability that uniform ranks leave the diagonal at some point as improbably as these do."""
    n = len(ranks)
    found = np.searchsorted(np.sort(ranks), points(n), side="right")
    null = _null_minima(n)
    smallest = _pointwise(n)[np.arange(len(found)), found].min()
    return float((1 + np.searchsorted(null, smallest, side="right")) / (1 + len(null)))


def ecdf_band(n: int, level: float = 0.99) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the lower and upper edge, at `points`, of the band that n uniform ranks stay inside with a probability."""
    smallest = np.quantile(_null_minima(n), 1.0 - level)
    inside = _pointwise(n) > smallest
    counts = np.arange(n + 1)
    lower = np.where(inside, counts, n).min(axis=1) / n
    upper = np.where(inside, counts, 0).max(axis=1) / n
    return lower, upper


@lru_cache(maxsize=8)
def _pointwise(n: int) -> Float[np.ndarray, "k n1"]:
    """The two-sided p-value, at each point, of each number of ranks below it, which is binomial; shape (k, n + 1)."""
    counts, z = np.arange(n + 1), points(n)[:, None]
    return 2.0 * np.minimum(stats.binom.cdf(counts, n, z), stats.binom.sf(counts - 1, n, z))


@lru_cache(maxsize=8)
def _null_minima(n: int) -> Float[np.ndarray, " m"]:
    """The smallest of the pointwise p-values in simulations of uniform ranks, sorted; always the same ones."""
    k = len(points(n))
    rng = np.random.default_rng(n)
    cells = rng.multinomial(n, np.full(k + 1, 1.0 / (k + 1)), size=_NULL_DRAWS)
    below = np.cumsum(cells[:, :k], axis=1)
    return np.sort(_pointwise(n)[np.arange(k), below].min(axis=1))

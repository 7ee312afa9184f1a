"""prior_predictive_check(): whether the priors make images that could have been observed."""

from typing import NamedTuple, Self

import numpy as np

from ..errors import warn
from ..mock import simulate
from ..observation import Observation
from ..priors import Priors
from ..random import source_key

_BRIGHT_PIXEL = 1000
_MOST = 0.5


class PriorCheck(NamedTuple):
    """What images from the prior are like.

    Attributes:
        totals: counts of each mock, shape (n,).
        observed: counts of the stamp.
        rank: share of the mocks with fewer counts than the stamp, ties counted half.
        empty: share of the mocks without any photon.
        absurd: share of the mocks with a pixel of more than 1000 counts.
    """

    totals: np.ndarray
    observed: int
    rank: float
    empty: float
    absurd: float

    @classmethod
    def of(cls, observation: Observation, counts: np.ndarray) -> Self:
        """Compare mocks, shape (n, ny, nx), with a stamp."""
        totals, brightest = counts.sum(axis=(1, 2), dtype=np.int64), counts.max(axis=(1, 2))
        observed = int(observation.counts.sum())
        rank = float(np.mean(totals < observed) + 0.5 * np.mean(totals == observed))
        return cls(totals, observed, rank, float(np.mean(totals == 0)), float(np.mean(brightest > _BRIGHT_PIXEL)))

    def warn(self, observation: Observation) -> None:
        """Warn where most of the mocks are empty, or have a pixel of more than 1000 counts."""
        unit = observation.flux_unit
        for share, what in ((self.empty, "no photon at all"), (self.absurd, "a pixel of more than 1000 counts")):
            if share > _MOST:
                mocks = f"{100 * share:.0f} % of the images that they make"
                message = f"priors: {mocks} have {what}; is the flux in {unit}?"
                warn(message)

    def line(self) -> str:
        """Say it in one line."""
        low, middle, high = np.quantile(self.totals, [0.025, 0.5, 0.975])
        return (
            f"mocks have {middle:,.0f} counts (95 %: {low:,.0f} to {high:,.0f}), the stamp has {self.observed:,}, more "
            f"than {self.rank:.0%} of them; {self.empty:.0%} are empty, {self.absurd:.0%} have a pixel above 1000"
        )


def prior_predictive_check(
    observation: Observation,
    priors: Priors,
    *,
    num_samples: int = 1000,
    seed: int | None = 0,
) -> PriorCheck:
    """Simulate from the prior and compare the counts with those of a stamp.

    Args:
        observation: the stamp.
        priors: the priors.
        num_samples: how many mocks.
        seed: a whole number; None draws one.

    Warns:
        DataWarning: most of the mocks have no photon, or a pixel of more than 1000 counts.
    """
    key = source_key(seed, f"prior check of {observation.name}")
    _, counts = simulate(key, observation, priors, num_samples=num_samples)
    found = PriorCheck.of(observation, counts)
    found.warn(observation)
    return found

"""The posterior of one stamp, as arrays: light enough to hold many, and turned into a DataTree when asked."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..observation import Observation
from ..priors import Priors
from ..results import data_tree

if TYPE_CHECKING:
    import xarray

KHAT_LIMIT = 0.7
FAILED = "failed"


@dataclass(frozen=True, eq=False)
class StampPosterior:
    """The posterior of one stamp.

    Attributes:
        observation, priors: what it is the posterior of.
        method: that gave it: "importance", "nuts", or "failed".
        draws: each parameter's equal-weight draws, shape (chain, draw).
        statistics: of the draws under ArviZ's names, shape (chain, draw).
        numbers: diagnostics and derived numbers: khat, ess, log_evidence, ln_bayes_factor, det_like, flux_ul95,
            flux_detectable; those that the method gives.
        weighted: importance draws with their log_weight, shape (1, n); empty for NUTS.
        settings: seed, PSF and numbers of draws.
        tried: what was done, in order, such as "importance 2500: k-hat 0.81".
        problems: what is wrong, in words; empty where nothing is.
    """

    observation: Observation
    priors: Priors
    method: str
    draws: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray] = field(repr=False)
    numbers: dict[str, float]
    weighted: dict[str, np.ndarray] = field(repr=False)
    settings: dict[str, Any]
    tried: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether importance sampling gave it, with k-hat and effective sample size as asked."""
        return self.method == "importance" and not self.problems

    def tree(self) -> "xarray.DataTree":
        """Return the posterior with ArviZ's groups, units, coordinates, and provenance."""
        groups = {"posterior": self.draws, "sample_stats": self.statistics}
        if self.weighted:
            groups["importance_samples"] = self.weighted
        told = {"method": self.method, "tried": "; ".join(self.tried), "problems": "; ".join(self.problems)}
        attrs = told | self.settings | self.numbers
        return data_tree(groups, self.observation, priors=self.priors, attrs=attrs)

"""The posterior of one stamp, as arrays: light enough to hold many, and turned into a DataTree when asked."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..distributions import one_shape
from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from ..psf import describe_psf
from ..results import data_tree, values

if TYPE_CHECKING:
    import xarray

FAILED = "failed"


@dataclass(frozen=True, eq=False)
class StampPosterior:
    """The posterior of one stamp, as arrays; `fit` and `fit_many` hand it over as the DataTree of `tree()`.

    Attributes:
        observation, priors: what it is the posterior of.
        method: that gave it: "importance", "nuts", or "failed".
        draws: each parameter's equal-weight draws, shape (chain, draw).
        statistics: of the draws under ArviZ's names, shape (chain, draw).
        numbers: diagnostics and derived numbers: khat, ess, log_evidence, ln_bayes_factor, det_like, flux_ul95,
            flux_detectable; those that the method gives.
        weighted: importance draws with their log_weight, shape (1, n); empty for NUTS.
        settings: seed and numbers of draws.
        tried: what was done, in order, such as "importance 2500: k-hat 0.81".
        problems: what is wrong with the computation, in words; empty where nothing is.
        left_out: number of places that may hold part of the posterior and were not drawn from; a problem if any.
        notes: what to doubt in the result although it is computed rightly, a sentence by what it is about.
        positions: number of positions between which the posterior is divided.
        without_source: parameters of the model without the source, at its best, and its `expected_counts`, shape
            (ny, nx); empty where it is not known.
    """

    observation: Observation
    priors: Priors = field(repr=False)
    method: str
    draws: dict[str, np.ndarray] = field(repr=False)
    statistics: dict[str, np.ndarray] = field(repr=False)
    numbers: dict[str, float]
    weighted: dict[str, np.ndarray] = field(repr=False)
    settings: dict[str, Any]
    tried: tuple[str, ...]
    problems: tuple[str, ...] = ()
    left_out: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    positions: int = 1
    without_source: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def certified(self) -> bool:
        """Whether importance sampling gave it, with k-hat and effective sample size as asked."""
        return self.method == "importance" and not self.problems

    def tree(self) -> "xarray.DataTree":
        """Return the posterior with ArviZ's groups, units, coordinates, and provenance; built when it is looked at."""
        from .lazytree import LazyTree

        return LazyTree.of(self._build)

    def _build(self) -> "xarray.DataTree":
        groups = {"posterior": self.draws, "sample_stats": self.statistics}
        if self.weighted:
            groups["importance_samples"] = self.weighted
        attributes = {"method": self.method, "tried": "; ".join(self.tried), "problems": "; ".join(self.problems)}
        attributes |= {"notes": "; ".join(self.notes.values()), "psf": describe_psf(self.priors.psf)}
        attrs = attributes | self.settings | self.numbers
        return data_tree(groups, self.observation, self.priors, conditioned=True, attrs=attrs)

    @classmethod
    def of_tree(cls, tree: "xarray.DataTree", observation: Observation, priors: Priors) -> Self:
        """Take the draws of a DataTree, of `fit` or of an inference of one's own.

        Args:
            tree: its group `posterior` holds the free parameters (chain, draw); where there is a group
                `importance_samples` with `log_weight`, its draws count by their weights.
            observation, priors: what it is the posterior of.

        Raises:
            InputError: no such group, or a free parameter that is not there.
        """
        if "posterior" not in tree.children:
            raise InputError("posterior: expected a group `posterior`, found none")
        if missing := [name for name in priors.free if name not in tree["posterior"].data_vars]:
            raise InputError(f"posterior: expected draws of {', '.join(priors.free)}; missing {', '.join(missing)}")
        shape = values(tree, "posterior", next(iter(priors.free))).shape[:2]

        def of_group(group: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
            there = tree[group].data_vars
            return {
                name: values(tree, group, name)
                if name in there
                else np.broadcast_to(np.asarray(prior, float), shape + one_shape(prior))
                for name, prior in priors.items()
            }

        weighted = {}
        if "importance_samples" in tree.children:
            log_weight = values(tree, "importance_samples", "log_weight")
            weighted = of_group("importance_samples", log_weight.shape) | {"log_weight": log_weight}
        statistics = {}
        if "sample_stats" in tree.children:
            statistics = {str(n): np.asarray(v.values) for n, v in tree["sample_stats"].data_vars.items()}
        attrs = tree.attrs
        return cls(
            observation=observation,
            priors=priors,
            method=str(attrs.get("method", "own")),
            draws=of_group("posterior", shape),
            statistics=statistics,
            numbers={},
            weighted=weighted,
            settings={},
            tried=(),
            problems=tuple(problem for problem in str(attrs.get("problems", "")).split("; ") if problem),
        )

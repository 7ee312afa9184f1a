"""The rank of the truth in a posterior, for each parameter and for two quantities that depend on all of them."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from ..inference import StampPosterior
from ..inference.program import call
from ..inference.unconstrained import Data, Point, log_likelihood_of
from ..priors import Priors
from ..results import flat
from ..scene import SOURCE

SOURCE_COUNTS, LOG_LIKELIHOOD = "source_counts", "log_likelihood"
"""Expected counts of the source in the stamp; and ln p(counts | parameters), a quantity that depends on the data and so
sees a posterior that ignores them (Modrák et al. 2023)."""


class Ranks(NamedTuple):
    """Of one simulation.

    Attributes:
        rank: probability of the posterior below the truth, by quantity.
        truth, mean, sd: of the quantity: its true value, and its posterior's moments.
        resolution: 1 / number of independent draws that the posterior is worth.
    """

    rank: dict[str, float]
    truth: dict[str, float]
    mean: dict[str, float]
    sd: dict[str, float]
    resolution: float


def rank_names(priors: Priors) -> list[str]:
    """The free parameters, and the two other quantities."""
    single = [name for name in priors.single if name in priors.free]
    return [*single, SOURCE_COUNTS, LOG_LIKELIHOOD]


def ranks_of(posterior: StampPosterior, data: Data, truth: dict[str, float]) -> Ranks:
    """Rank the truth among the weighted draws of a posterior, or among the equal-weight draws of a chain.

    Args:
        posterior: what was inferred; one that failed has NaN draws, and NaN ranks.
        data: the simulated stamp as it was, whatever the inference was given.
        truth: the parameters that it was simulated with.
    """
    if posterior.weighted:
        draws = {name: posterior.weighted[name][0] for name in posterior.priors}
        weights = np.exp(posterior.weighted["log_weight"].ravel())
        weights = weights / weights.sum()
        resolution = float(np.sum(weights**2))
    else:
        draws = {name: flat(posterior.draws[name]) for name in posterior.priors}
        weights = np.full(len(draws["flux"]), 1.0 / len(draws["flux"]))
        resolution = 1.0 / _effective(posterior)
    together = {name: np.concatenate([values, np.asarray(truth[name])[None]]) for name, values in draws.items()}
    counts, log_likelihood = (np.asarray(each) for each in call(_quantities, together, data, posterior.priors))
    priors = posterior.priors
    values = {name: together[name] for name in priors.single if name in priors.free}
    values |= {SOURCE_COUNTS: counts, LOG_LIKELIHOOD: log_likelihood}
    found: dict[str, list[float]] = {}
    for name, all_values in values.items():
        drawn, true = all_values[:-1], all_values[-1]
        below = float(weights @ (drawn < true)) + 0.5 * float(weights @ (drawn == true))
        with np.errstate(invalid="ignore"):  # a draw of likelihood 0, or none at all, leaves no moments and no rank
            mean = float(weights @ drawn)
            sd = float(np.sqrt(weights @ (drawn - mean) ** 2))
        found[name] = [below if np.isfinite(mean) else np.nan, float(true), mean, sd]
    rank, true_values, means, sds = ({name: numbers[i] for name, numbers in found.items()} for i in range(4))
    return Ranks(rank, true_values, means, sds, resolution)


def _effective(posterior: StampPosterior) -> float:
    """The smallest effective sample size of a chain's parameters; all draws where they are independent."""
    if posterior.method != "nuts":
        return float(posterior.draws["flux"].size)
    from arviz import ess, from_dict

    varying = {name: values for name, values in posterior.draws.items() if np.ptp(values) > 0}
    with np.errstate(invalid="ignore", divide="ignore"):
        found = ess(from_dict({"posterior": varying})["posterior"].to_dataset())
    smallest = float(np.min([np.min(found[name].values) for name in varying], initial=np.inf))
    return max(1.0, smallest) if np.isfinite(smallest) else 1.0


@jax.jit
def _quantities(parameters: Point, data: Data, priors: Priors) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The two quantities at each of n points."""
    source = priors.scene.only(SOURCE)

    def at_one(one: Point) -> tuple[Array, Array]:
        own = source.light(data.pixels, priors.psf, one).total()
        return own, log_likelihood_of(one, data, priors)

    return jax.vmap(at_one)(parameters)
